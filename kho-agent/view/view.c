// SPDX-License-Identifier: GPL-2.0-only
/* What khoctl watch shows, as data and as lines; view.h has it. */
#include <string.h>
#include <time.h>

#include "base/bits.h"
#include "view/view.h"

/* ---- messages ---- */

static bool flag(sd_json_variant *object, const char *name)
{
	sd_json_variant *v = sd_json_variant_by_key(object, name);

	return v && sd_json_variant_is_boolean(v) && sd_json_variant_boolean(v);
}

static void add_lines(struct kho_view *view, sd_json_variant *list)
{
	size_t nr = list && sd_json_variant_is_array(list) ? sd_json_variant_elements(list) : 0;

	for (size_t i = 0; i < nr; i++) {
		struct kho_view_line *line = &view->log[view->nr_log++ % KHO_VIEW_LINES];
		sd_json_variant *v = sd_json_variant_by_index(list, i);

		line->ms = kho_progress_number(v, "ms");
		kho_progress_text(v, "text", line->text, sizeof(line->text));
	}
}

static void set_upgrade(struct kho_view *view, sd_json_variant *v)
{
	view->upgrade = v && sd_json_variant_is_object(v);
	kho_progress_text(v, "id", view->id, sizeof(view->id));
	kho_progress_text(v, "image", view->image, sizeof(view->image));
	kho_progress_text(v, "by", view->by, sizeof(view->by));
	kho_progress_text(v, "state", view->state, sizeof(view->state));
	kho_progress_text(v, "message", view->trouble, sizeof(view->trouble));
	view->held = flag(v, "held");
	view->soak_left_ms = kho_progress_number(v, "soakLeftMs");
}

void kho_view_update(struct kho_view *view, sd_json_variant *message)
{
	view->known = true;
	kho_progress_text(message, "release", view->release, sizeof(view->release));
	kho_progress_text(message, "peerRelease", view->peer, sizeof(view->peer));
	kho_progress_text(message, "phase", view->phase, sizeof(view->phase));
	kho_progress_text(message, "message", view->message, sizeof(view->message));
	view->connected = flag(message, "connected");
	view->over = flag(message, "over");
	set_upgrade(view, sd_json_variant_by_key(message, "upgrade"));
	kho_progress_parse(sd_json_variant_by_key(message, "move"), &view->move);
	add_lines(view, sd_json_variant_by_key(message, "log"));
}

/* ---- units ---- */

void kho_view_bytes(uint64_t bytes, const char *suffix, char ret[KHO_VIEW_UNIT])
{
	if (!bytes)
		snprintf(ret, KHO_VIEW_UNIT, "-");
	else if (bytes < KHO_MIB)
		snprintf(ret, KHO_VIEW_UNIT, "%llu KiB%s", (bytes + KHO_KIB - 1) / KHO_KIB, suffix);
	else if (bytes < 10 * KHO_MIB)
		snprintf(ret, KHO_VIEW_UNIT, "%.1f MiB%s", (double)bytes / KHO_MIB, suffix);
	else if (bytes < 10 * KHO_GIB)
		snprintf(ret, KHO_VIEW_UNIT, "%llu MiB%s", bytes / KHO_MIB, suffix);
	else
		snprintf(ret, KHO_VIEW_UNIT, "%llu GiB%s", bytes / KHO_GIB, suffix);
}

void kho_view_ms(uint64_t ms, char ret[KHO_VIEW_UNIT])
{
	if (!ms)
		snprintf(ret, KHO_VIEW_UNIT, "-");
	else if (ms < 10000)
		snprintf(ret, KHO_VIEW_UNIT, "%u ms", (unsigned int)ms);
	else
		snprintf(ret, KHO_VIEW_UNIT, "%.1f s", (double)ms / 1000);
}

void kho_view_time(uint64_t ms, char ret[KHO_VIEW_UNIT])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	ret[0] = '\0';
	if (localtime_r(&seconds, &tm))
		strftime(ret, KHO_VIEW_UNIT, "%T", &tm);
}

/* ---- lines ---- */

static void describe_log(const struct kho_view *before, const struct kho_view *now, FILE *out)
{
	unsigned int kept = now->nr_log > KHO_VIEW_LINES ? now->nr_log - KHO_VIEW_LINES : 0;
	char time[KHO_VIEW_UNIT];

	for (unsigned int n = before->nr_log > kept ? before->nr_log : kept; n < now->nr_log; n++) {
		kho_view_time(now->log[n % KHO_VIEW_LINES].ms, time);
		fprintf(out, "%s %s\n", time, now->log[n % KHO_VIEW_LINES].text);
	}
}

static void describe_upgrade(const struct kho_view *before, const struct kho_view *now, FILE *out)
{
	if (now->upgrade && (strcmp(before->state, now->state) != 0 || before->held != now->held))
		fprintf(out, "upgrade %.8s: %s%s\n", now->id, now->state, now->held ? ", held" : "");
	if (*now->trouble && strcmp(before->trouble, now->trouble) != 0)
		fprintf(out, "trouble: %s\n", now->trouble);
	if (before->upgrade && !now->upgrade)
		fprintf(out, "upgrade %.8s: over\n", before->id);
	if (*now->message && strcmp(before->message, now->message) != 0)
		fprintf(out, "message: %s\n", now->message);
}

/* Bytes alone are no change. */
static bool is_new(const struct kho_progress_workload *before,
		   const struct kho_progress_workload *now)
{
	return strcmp(before->state, now->state) != 0 || before->rounds != now->rounds ||
	       before->frozen_ms != now->frozen_ms || strcmp(before->name, now->name) != 0;
}

static void describe_workload(const struct kho_progress_workload *w, FILE *out)
{
	char bytes[KHO_VIEW_UNIT], dirty[KHO_VIEW_UNIT], ms[KHO_VIEW_UNIT];

	kho_view_bytes(w->bytes, "", bytes);
	fprintf(out, "%s: %s", w->name, w->state);
	if (w->rounds)
		fprintf(out, ", %u round%s, %s", w->rounds, w->rounds > 1 ? "s" : "", bytes);
	if (w->dirty_per_sec) {
		kho_view_bytes(w->dirty_per_sec, "/s", dirty);
		fprintf(out, ", writes to %s", dirty);
	}
	if (w->predicted_ms) {
		kho_view_ms(w->predicted_ms, ms);
		fprintf(out, ", blackout predicted %s", ms);
	}
	if (w->frozen_ms) {
		kho_view_ms(w->frozen_ms, ms);
		fprintf(out, ", measured %s", ms);
	}
	fputc('\n', out);
}

static void describe_move(const struct kho_progress *before, const struct kho_progress *now,
			  FILE *out)
{
	static const struct kho_progress_workload none;

	if (*now->state && (strcmp(before->state, now->state) != 0 ||
			    strcmp(before->step, now->step) != 0))
		fprintf(out, "move: %s, %s (%s)\n", now->state, now->step, now->phase);
	for (unsigned int i = 0; i < now->nr; i++)
		if (is_new(i < before->nr ? &before->workloads[i] : &none, &now->workloads[i]))
			describe_workload(&now->workloads[i], out);
}

void kho_view_describe(const struct kho_view *before, const struct kho_view *now, FILE *out)
{
	describe_log(before, now, out);
	if (strcmp(before->phase, now->phase) != 0)
		fprintf(out, "phase: %s\n", now->phase);
	describe_upgrade(before, now, out);
	describe_move(&before->move, &now->move, out);
}
