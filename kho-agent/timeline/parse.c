// SPDX-License-Identifier: GPL-2.0-only
/* From the recorded JSON to spans; timeline.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "timeline/timeline.h"

#define MAX_MS	(30ull * 24 * 3600 * 1000)	/* what's longer is damage */

/* ---- fields ---- */

static sd_json_variant *field(sd_json_variant *object, const char *name)
{
	return object ? sd_json_variant_by_key(object, name) : NULL;
}

static const char *text(sd_json_variant *object, const char *name)
{
	sd_json_variant *v = field(object, name);

	return v && sd_json_variant_is_string(v) ? sd_json_variant_string(v) : "";
}

/* Whole ms, of a number that may have a fraction. */
static bool ms_of(sd_json_variant *v, uint64_t *ret)
{
	double value;

	if (!v || !sd_json_variant_is_number(v))
		return false;
	value = sd_json_variant_real(v);
	if (!(value >= 0 && value <= (double)MAX_MS))
		return false;
	*ret = (uint64_t)(value + 0.5);
	return true;
}

static bool number(sd_json_variant *object, const char *name, uint64_t *ret)
{
	sd_json_variant *v = field(object, name);

	if (!v || !sd_json_variant_is_unsigned(v))
		return false;
	*ret = sd_json_variant_unsigned(v);
	return true;
}

static size_t elements(sd_json_variant *list)
{
	return list && sd_json_variant_is_array(list) ? sd_json_variant_elements(list) : 0;
}

/* ---- spans ---- */

/* All that have a name and both times, in their order, @shift later. */
static void parse_spans(sd_json_variant *list, uint64_t shift, struct kho_periods *ret)
{
	for (size_t i = 0; i < elements(list) && ret->nr < KHO_TIMELINE_SPANS; i++) {
		sd_json_variant *v = sd_json_variant_by_index(list, i);
		struct kho_period *span = &ret->list[ret->nr];
		uint64_t start, duration;

		if (!*text(v, "name") || !ms_of(field(v, "start_ms"), &start) ||
		    !ms_of(field(v, "duration_ms"), &duration))
			continue;
		snprintf(span->name, sizeof(span->name), "%s", text(v, "name"));
		span->start_ms = start + shift;
		span->end_ms = start + shift + duration;
		ret->nr++;
	}
}

static const struct kho_period *find_span(const struct kho_periods *spans, const char *name)
{
	for (unsigned int i = spans->nr; i; i--)
		if (strcmp(spans->list[i - 1].name, name) == 0)
			return &spans->list[i - 1];
	return NULL;
}

/* How much later than the upgrade its move began. */
static uint64_t shift_of(sd_json_variant *entry, sd_json_variant *move,
			 const struct kho_periods *phases)
{
	const struct kho_period *span = find_span(phases, "move");
	uint64_t whole, part;

	if (number(entry, "began_ms", &whole) && number(move, "began_ms", &part) &&
	    part >= whole && part - whole <= MAX_MS)
		return part - whole;
	return span ? span->start_ms : 0;
}

/* ---- workloads ---- */

static void parse_rounds(sd_json_variant *v, uint64_t shift, struct kho_timeline_workload *ret)
{
	sd_json_variant *starts = field(v, "round_start_ms"), *times = field(v, "round_ms");
	sd_json_variant *bytes = field(v, "round_bytes");

	for (size_t i = 0; i < elements(times) && i < KHO_TIMELINE_ROUNDS; i++) {
		uint64_t start, duration;
		sd_json_variant *size;

		if (i >= elements(starts) || i >= elements(bytes) ||
		    !ms_of(sd_json_variant_by_index(starts, i), &start) ||
		    !ms_of(sd_json_variant_by_index(times, i), &duration))
			return;
		size = sd_json_variant_by_index(bytes, i);
		ret->rounds[i].start_ms = start + shift;
		ret->rounds[i].end_ms = start + shift + duration;
		ret->rounds[i].bytes = sd_json_variant_is_unsigned(size) ?
				       sd_json_variant_unsigned(size) : 0;
		ret->nr_rounds++;
	}
}

/* Older reports don't have when: then it's when the step began. */
static void parse_frozen(sd_json_variant *v, uint64_t shift, const struct kho_periods *steps,
			 struct kho_timeline_workload *ret)
{
	const struct kho_period *freeze = find_span(steps, "freeze");
	uint64_t start, duration;

	if (!ms_of(field(v, "frozen_ms"), &duration) || !duration)
		return;
	if (ms_of(field(v, "frozen_start_ms"), &start))
		start += shift;
	else if (freeze)
		start = freeze->start_ms;
	else
		return;
	ret->has_frozen = true;
	ret->frozen.start_ms = start;
	ret->frozen.end_ms = start + duration;
}

static void parse_workloads(sd_json_variant *move, uint64_t shift, struct kho_timeline *ret)
{
	sd_json_variant *list = field(move, "workloads");

	for (size_t i = 0; i < elements(list) && ret->nr < KHO_TIMELINE_WORKLOADS; i++) {
		struct kho_timeline_workload *w = &ret->workloads[ret->nr++];
		sd_json_variant *v = sd_json_variant_by_index(list, i);

		snprintf(w->name, sizeof(w->name), "%s", text(v, "name"));
		snprintf(w->result, sizeof(w->result), "%s", text(v, "result"));
		number(v, "rss_bytes", &w->rss_bytes);
		number(v, "rounds", &w->nr_copied);
		ms_of(field(v, "predicted_ms"), &w->predicted_ms);
		ms_of(field(v, "down_ms"), &w->down_ms);
		parse_rounds(v, shift, w);
		parse_frozen(v, shift, &ret->steps, w);
	}
}

/* ---- the whole ---- */

static void parse_client(sd_json_variant *v, struct kho_timeline_client *ret)
{
	uint64_t start, gap, kept, opened, answered, sent;

	if (!ms_of(field(v, "blackout_start_ms"), &start) ||
	    !ms_of(field(v, "longest_gap_ms"), &gap))
		return;
	ret->known = true;
	snprintf(ret->gap.name, sizeof(ret->gap.name), "longest gap");
	ret->gap.start_ms = start;
	ret->gap.end_ms = start + gap;
	if (number(v, "kept", &kept) && number(v, "opened", &opened) &&
	    number(v, "answered", &answered) && number(v, "sent", &sent))
		snprintf(ret->text, sizeof(ret->text), "clients: %llu of %llu connections kept, "
			 "%llu of %llu requests answered", (unsigned long long)kept,
			 (unsigned long long)opened, (unsigned long long)answered,
			 (unsigned long long)sent);
}

static void format_note(sd_json_variant *entry, char ret[KHO_TIMELINE_TEXT])
{
	const char *image = strrchr(text(entry, "image"), '/');
	char when[32] = "";
	uint64_t began;
	time_t seconds;
	struct tm tm;

	if (!number(entry, "began_ms", &began))
		return;
	seconds = (time_t)(began / 1000);
	if (gmtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%F %T UTC", &tm);
	snprintf(ret, KHO_TIMELINE_TEXT, "%s, image %.40s, by %.60s", when,
		 image ? image + 1 : text(entry, "image"), text(entry, "by"));
}

int kho_timeline_parse(sd_json_variant *upgrade, sd_json_variant *client,
		       struct kho_timeline *ret, struct kho_err *err)
{
	bool is_entry = *text(upgrade, "id");
	sd_json_variant *move = is_entry ? field(upgrade, "move") : upgrade;
	uint64_t shift = 0;

	*ret = (struct kho_timeline){};
	parse_spans(field(upgrade, "phases"), 0, &ret->phases);
	if (is_entry && move) {
		shift = shift_of(upgrade, move, &ret->phases);
		parse_spans(field(move, "phases"), shift, &ret->move);
	}
	parse_spans(field(move, "steps"), shift, &ret->steps);
	parse_workloads(move, shift, ret);
	parse_client(client ?: field(upgrade, "client"), &ret->client);
	if (!ret->phases.nr)
		return kho_fail(err, -EBADMSG, "it has no phases; it's neither a report nor an entry of "
				"the history, or nothing was begun");
	snprintf(ret->title, sizeof(ret->title), "Linux %.40s to %.40s: %s",
		 text(upgrade, "old_release"), text(upgrade, "new_release"), text(upgrade, "result"));
	if (is_entry)
		format_note(upgrade, ret->note);
	return 0;
}
