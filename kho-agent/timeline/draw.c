// SPDX-License-Identifier: GPL-2.0-only
/* The three parts of the picture; timeline.h has the idea. */
#include <stdio.h>
#include <string.h>

#include "timeline/svg.h"
#include "timeline/timeline.h"
#include "upgrade/move.h"

#define FROZEN		"#c44e52"
#define ROUND		"#4c78a8"
#define CLIENT		"#222831"
#define HEADING		"font-size=\"14\" font-weight=\"bold\""

static const char *color_of(const char *phase)
{
	static const char *const colors[][2] = {
		{ "check", "#72b7b2" }, { "preflight", "#72b7b2" }, { "spawn", "#9aa5b1" },
		{ "move", "#a0b8d0" }, { "sync", "#4c78a8" }, { "switch", "#e45756" },
		{ "verify", "#f58518" }, { "commit", "#54a24b" }, { "soak", "#b279a2" },
		{ "retire", "#6b7785" }, { "rollback", "#eeca3b" }, { "reclaim", "#bab0ac" },
	};

	for (size_t i = 0; i < sizeof(colors) / sizeof(colors[0]); i++)
		if (strcmp(colors[i][0], phase) == 0)
			return colors[i][1];
	return "#888888";
}

/* "1297 ms", "41.0 s", "12 min 5 s" */
static void format_span(uint64_t ms, char *ret, size_t size)
{
	unsigned long long n = ms;

	if (n < 10000)
		snprintf(ret, size, "%llu ms", n);
	else if (n < 600000)
		snprintf(ret, size, "%llu.%llu s", n / 1000, n % 1000 / 100);
	else
		snprintf(ret, size, "%llu min %llu s", n / 60000, n % 60000 / 1000);
}

static void format_size(uint64_t bytes, char *ret, size_t size)
{
	unsigned long long kib = bytes / 1024;

	if (kib < 1024)
		snprintf(ret, size, "%llu KiB", kib);
	else
		snprintf(ret, size, "%llu.%llu MiB", kib / 1024, kib % 1024 * 10 / 1024);
}

static uint64_t latest(const struct kho_periods *spans, uint64_t end)
{
	for (unsigned int i = 0; i < spans->nr; i++)
		if (spans->list[i].end_ms > end)
			end = spans->list[i].end_ms;
	return end;
}

/* A row with one bar, and how long it took. */
static void draw_span(struct kho_svg *svg, const char *kind, const struct kho_period *span,
		      const char *color)
{
	char took[32];
	const struct kho_svg_bar bar = {
		.kind = kind, .name = span->name, .start_ms = span->start_ms,
		.end_ms = span->end_ms, .color = color, .note = took,
	};

	format_span(span->end_ms - span->start_ms, took, sizeof(took));
	kho_svg_row(svg, span->name);
	kho_svg_bar(svg, &bar);
	kho_svg_note(svg, span->start_ms, span->end_ms, took);
}

/* ---- the upgrade ---- */

static void draw_phases(struct kho_svg *svg, const struct kho_timeline *t)
{
	uint64_t end = latest(&t->move, latest(&t->phases, 0));
	struct kho_period span;

	kho_svg_line(svg, 30, HEADING, "The upgrade");
	kho_svg_plot_begin(svg, "phases", 0, end);
	for (unsigned int i = 0; i < t->phases.nr; i++) {
		const struct kho_period *phase = &t->phases.list[i];

		draw_span(svg, "phase", phase, color_of(phase->name));
		/* those of the move stand below it */
		for (unsigned int n = 0; n < t->move.nr && strcmp(phase->name, "move") == 0; n++) {
			span = t->move.list[n];
			snprintf(span.name, sizeof(span.name), "\xc2\xb7 %.*s", KHO_TIMELINE_NAME - 4,
				 t->move.list[n].name);
			draw_span(svg, "move-phase", &span, color_of(t->move.list[n].name));
		}
	}
	kho_svg_plot_end(svg, 0);
}

/* ---- the workloads ---- */

static void draw_rounds(struct kho_svg *svg, const struct kho_timeline_workload *w)
{
	char note[96], size[32], took[32];

	for (unsigned int i = 0; i < w->nr_rounds; i++) {
		const struct kho_svg_bar bar = {
			.kind = "round", .name = w->name, .start_ms = w->rounds[i].start_ms,
			.end_ms = w->rounds[i].end_ms, .color = i & 1 ? "#7da3cc" : ROUND,
			.note = note,
		};

		format_size(w->rounds[i].bytes, size, sizeof(size));
		format_span(bar.end_ms - bar.start_ms, took, sizeof(took));
		snprintf(note, sizeof(note), "round %u: %s in %s", i + 1, size, took);
		kho_svg_bar(svg, &bar);
	}
}

static void draw_frozen(struct kho_svg *svg, const struct kho_timeline_workload *w)
{
	char took[32], note[64];
	const struct kho_svg_bar bar = {
		.kind = "frozen", .name = w->name, .start_ms = w->frozen.start_ms,
		.end_ms = w->frozen.end_ms, .color = FROZEN, .note = note,
	};

	if (!w->has_frozen)
		return;
	format_span(w->frozen.end_ms - w->frozen.start_ms, took, sizeof(took));
	snprintf(note, sizeof(note), "frozen for %s", took);
	kho_svg_bar(svg, &bar);
}

static void describe(const struct kho_timeline_workload *w, char *ret, size_t size)
{
	char rss[32], frozen[32], predicted[32];

	format_size(w->rss_bytes, rss, sizeof(rss));
	format_span(w->frozen.end_ms - w->frozen.start_ms, frozen, sizeof(frozen));
	format_span(w->predicted_ms, predicted, sizeof(predicted));
	if (w->down_ms)
		snprintf(ret, size, "%s, down for %llu ms", w->result, (unsigned long long)w->down_ms);
	else if (w->has_frozen)
		snprintf(ret, size, "%s: %s, %llu rounds, frozen %s (predicted %s)", w->result, rss,
			 (unsigned long long)w->nr_copied, frozen, predicted);
	else
		snprintf(ret, size, "%s", w->result);
}

/* What's done to packets is done to addresses, all at once. */
static bool concerns(enum kho_step step, enum kho_scope scope)
{
	if (step == KHO_STEP_ARM || step == KHO_STEP_HOLD || step == KHO_STEP_MUTE ||
	    step == KHO_STEP_FORWARD)
		return scope == KHO_SCOPE_ADDRESS;
	return kho_step_info(step)->scope == scope;
}

/* Steps that concern things of one kind, in one row. */
static void draw_things(struct kho_svg *svg, const struct kho_timeline *t, enum kho_scope scope,
			const char *name)
{
	bool begun = false;

	for (unsigned int i = 0; i < t->steps.nr; i++)
		for (unsigned int step = KHO_STEP_NONE + 1; step < _KHO_STEP_MAX; step++) {
			const struct kho_step_info *info = kho_step_info((enum kho_step)step);
			const struct kho_period *span = &t->steps.list[i];
			const struct kho_svg_bar bar = {
				.kind = "thing", .name = span->name, .start_ms = span->start_ms,
				.end_ms = span->end_ms, .color = color_of(info->phase),
			};

			if (!concerns((enum kho_step)step, scope) || strcmp(info->name, span->name) != 0)
				continue;
			if (!begun)
				kho_svg_row(svg, name);
			begun = true;
			kho_svg_bar(svg, &bar);
		}
}

static void draw_workloads(struct kho_svg *svg, const struct kho_timeline *t)
{
	uint64_t begin = t->steps.nr ? t->steps.list[0].start_ms : 0;
	char note[160];

	if (!t->steps.nr)
		return;
	kho_svg_line(svg, 22, HEADING, "Workloads, and what moves with them");
	kho_svg_line(svg, 17, "fill=\"#66717d\"",
		     "blue: memory is copied in rounds while it runs; red: it stands still");
	kho_svg_plot_begin(svg, "workloads", begin, latest(&t->steps, begin));
	for (unsigned int i = 0; i < t->nr; i++) {
		const struct kho_timeline_workload *w = &t->workloads[i];

		describe(w, note, sizeof(note));
		kho_svg_row(svg, w->name);
		draw_rounds(svg, w);
		draw_frozen(svg, w);
		kho_svg_row(svg, "");
		kho_svg_note(svg, begin, begin, note);
	}
	draw_things(svg, t, KHO_SCOPE_ADDRESS, "addresses");
	draw_things(svg, t, KHO_SCOPE_VOLUME, "volumes");
	kho_svg_plot_end(svg, begin);
}

/* ---- the switch ---- */

/* The phase of a step; NULL: it's none of those in which clients wait. */
static const char *waiting_phase(const char *name)
{
	for (unsigned int step = KHO_STEP_NONE + 1; step < _KHO_STEP_MAX; step++) {
		const struct kho_step_info *info = kho_step_info((enum kho_step)step);

		if (strcmp(info->name, name) == 0)
			return strcmp(info->phase, "switch") == 0 ||
			       strcmp(info->phase, "verify") == 0 ||
			       strcmp(info->phase, "commit") == 0 ? info->phase : NULL;
	}
	return NULL;
}

/* From the first of these steps to the last, and as long as clients waited. */
static void find_switch(const struct kho_timeline *t, uint64_t *ret_begin, uint64_t *ret_end)
{
	uint64_t begin = UINT64_MAX, end = 0;

	for (unsigned int i = 0; i < t->steps.nr; i++) {
		const struct kho_period *step = &t->steps.list[i];

		if (!waiting_phase(step->name))
			continue;
		begin = step->start_ms < begin ? step->start_ms : begin;
		end = step->end_ms > end ? step->end_ms : end;
	}
	if (begin != UINT64_MAX && t->client.known) {
		begin = t->client.gap.start_ms < begin ? t->client.gap.start_ms : begin;
		end = t->client.gap.end_ms > end ? t->client.gap.end_ms : end;
	}
	*ret_begin = begin;
	*ret_end = end;
}

static void draw_switch(struct kho_svg *svg, const struct kho_timeline *t)
{
	uint64_t begin, end;

	find_switch(t, &begin, &end);
	if (begin == UINT64_MAX)
		return;
	kho_svg_line(svg, 22, HEADING, "The switch");
	kho_svg_plot_begin(svg, "switch", begin, end);
	for (unsigned int i = 0; i < t->steps.nr; i++)
		if (waiting_phase(t->steps.list[i].name))
			draw_span(svg, "step", &t->steps.list[i],
				  color_of(waiting_phase(t->steps.list[i].name)));
	for (unsigned int i = 0; i < t->nr; i++) {
		struct kho_period span = t->workloads[i].frozen;

		snprintf(span.name, sizeof(span.name), "%.20s frozen", t->workloads[i].name);
		if (t->workloads[i].has_frozen)
			draw_span(svg, "frozen", &span, FROZEN);
	}
	if (t->client.known)
		draw_span(svg, "client", &t->client.gap, CLIENT);
	kho_svg_plot_end(svg, begin);
}

int kho_timeline_draw(const struct kho_timeline *timeline, char **ret)
{
	struct kho_svg svg;
	int r = kho_svg_begin(&svg);

	if (r < 0)
		return r;
	kho_svg_line(&svg, 18, "font-size=\"17\" font-weight=\"bold\"", timeline->title);
	if (*timeline->note)
		kho_svg_line(&svg, 20, "fill=\"#66717d\"", timeline->note);
	if (*timeline->client.text)
		kho_svg_line(&svg, 20, "", timeline->client.text);
	draw_phases(&svg, timeline);
	draw_workloads(&svg, timeline);
	draw_switch(&svg, timeline);
	return kho_svg_end(&svg, ret);
}
