// SPDX-License-Identifier: GPL-2.0-only
/* Finished upgrades as numbers; past.h has the idea. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "metrics/past.h"

#define TALLY_VERSION	1

const uint64_t kho_bounds_ms[KHO_HISTOGRAM_BUCKETS - 1] = {
	20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 30000, 60000,
};

const uint64_t kho_bounds_rounds[KHO_HISTOGRAM_BUCKETS - 1] = {
	1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32,
};

const char *kho_result_name(enum kho_result result)
{
	static const char *const names[_KHO_RESULT_MAX] = {
		[KHO_RESULT_COMMITTED] = "committed",
		[KHO_RESULT_ROLLED_BACK] = "rolled-back",
		[KHO_RESULT_FAILED] = "failed",
	};

	return names[result];
}

void kho_histogram_add(struct kho_histogram *histogram,
		       const uint64_t bounds[KHO_HISTOGRAM_BUCKETS - 1], uint64_t value)
{
	unsigned int i = 0;

	while (i < KHO_HISTOGRAM_BUCKETS - 1 && value > bounds[i])
		i++;
	histogram->buckets[i]++;
	histogram->count++;
	histogram->sum += value;
}

/* ---- fields ---- */

static struct kho_known number(sd_json_variant *object, const char *name)
{
	sd_json_variant *v = sd_json_variant_by_key(object, name);

	if (!v || !sd_json_variant_is_unsigned(v))
		return (struct kho_known){};
	return (struct kho_known){ true, sd_json_variant_unsigned(v) };
}

static bool is_text(sd_json_variant *object, const char *name, const char *text)
{
	sd_json_variant *v = sd_json_variant_by_key(object, name);

	return v && sd_json_variant_is_string(v) && strcmp(sd_json_variant_string(v), text) == 0;
}

static size_t elements(sd_json_variant *list)
{
	return list && sd_json_variant_is_array(list) ? sd_json_variant_elements(list) : 0;
}

/* The last of that name in a list of {name, start_ms, duration_ms}. */
static sd_json_variant *find_span(sd_json_variant *list, const char *name)
{
	sd_json_variant *found = NULL;

	for (size_t i = 0; i < elements(list); i++)
		if (is_text(sd_json_variant_by_index(list, i), "name", name))
			found = sd_json_variant_by_index(list, i);
	return found;
}

/* ---- an entry ---- */

struct kho_known kho_past_blackout_ms(sd_json_variant *entry)
{
	static const char *const first[] = { "freeze", "hold" };
	static const char *const last[] = { "resume", "announce", "forward" };
	sd_json_variant *move = sd_json_variant_by_key(entry, "move");
	sd_json_variant *steps = sd_json_variant_by_key(move, "steps");
	struct kho_known begin = {}, end = {};

	if (!is_text(move, "result", "committed"))
		return begin;
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		struct kho_known at = number(find_span(steps, first[i]), "start_ms");

		if (at.is && (!begin.is || at.value < begin.value))
			begin = at;
	}
	for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++) {
		sd_json_variant *step = find_span(steps, last[i]);
		struct kho_known at = number(step, "start_ms"), took = number(step, "duration_ms");

		if (at.is && took.is && at.value + took.value >= end.value)
			end = (struct kho_known){ true, at.value + took.value };
	}
	if (!begin.is || !end.is || end.value < begin.value)
		return (struct kho_known){};
	return (struct kho_known){ true, end.value - begin.value };
}

static enum kho_result result_of(sd_json_variant *entry)
{
	if (is_text(entry, "result", "committed"))
		return KHO_RESULT_COMMITTED;
	return find_span(sd_json_variant_by_key(entry, "phases"), "rollback") ?
	       KHO_RESULT_ROLLED_BACK : KHO_RESULT_FAILED;
}

/* One that is restarted has none of these; one that stayed stood still for nothing. */
static void read_workload(sd_json_variant *v, struct kho_past_workload *ret)
{
	kho_progress_text(v, "name", ret->name, sizeof(ret->name));
	if (!is_text(v, "result", "moved"))
		return;
	ret->frozen_ms = number(v, "frozen_ms");
	ret->frozen_ms.is = ret->frozen_ms.is && ret->frozen_ms.value;
	ret->predicted_ms = number(v, "predicted_ms");
	ret->predicted_ms.is = ret->predicted_ms.is && ret->predicted_ms.value;
	ret->rounds = number(v, "rounds");
	ret->rss_bytes = number(v, "rss_bytes");
	ret->probed_ms = number(v, "frozen_probe_ms");
}

static void note_last(struct kho_past_last *last, sd_json_variant *entry, uint64_t began_ms)
{
	sd_json_variant *move = sd_json_variant_by_key(entry, "move");
	sd_json_variant *workloads = sd_json_variant_by_key(move, "workloads");
	size_t nr = elements(workloads);

	*last = (struct kho_past_last){ .known = true, .began_ms = began_ms };
	last->result = result_of(entry);
	last->ended_ms = number(entry, "ended_ms").value;
	last->blackout_ms = kho_past_blackout_ms(entry);
	last->nr = nr < KHO_PROGRESS_WORKLOADS ? (unsigned int)nr : KHO_PROGRESS_WORKLOADS;
	for (unsigned int i = 0; i < last->nr; i++)
		read_workload(sd_json_variant_by_index(workloads, i), &last->workloads[i]);
}

static void count(struct kho_past *past, sd_json_variant *entry)
{
	sd_json_variant *move = sd_json_variant_by_key(entry, "move");
	sd_json_variant *workloads = sd_json_variant_by_key(move, "workloads");
	struct kho_known blackout = kho_past_blackout_ms(entry);

	past->results[result_of(entry)]++;
	if (blackout.is)
		kho_histogram_add(&past->blackout, kho_bounds_ms, blackout.value);
	for (size_t i = 0; i < elements(workloads); i++) {
		struct kho_past_workload w = {};

		read_workload(sd_json_variant_by_index(workloads, i), &w);
		if (w.frozen_ms.is)
			kho_histogram_add(&past->frozen, kho_bounds_ms, w.frozen_ms.value);
		if (w.rounds.is)
			kho_histogram_add(&past->rounds, kho_bounds_rounds, w.rounds.value);
	}
}

int kho_past_add(struct kho_past *past, sd_json_variant *entry)
{
	struct kho_known began = number(entry, "began_ms");
	sd_json_variant *result = sd_json_variant_by_key(entry, "result");

	if (!began.is || !result || !sd_json_variant_is_string(result))
		return -EBADMSG;
	if (began.value >= past->before_ms)
		count(past, entry);
	if (!past->last.known || began.value >= past->last.began_ms)
		note_last(&past->last, entry, began.value);
	return 0;
}

void kho_past_close(struct kho_past *past, uint64_t ms)
{
	if (ms > past->before_ms)
		past->before_ms = ms;
}

/* ---- the tally ---- */

static int format_numbers(const uint64_t *numbers, size_t nr, sd_json_variant **ret)
{
	int r = sd_json_variant_new_array(ret, NULL, 0);

	for (size_t i = 0; i < nr && r >= 0; i++) {
		_cleanup_variant_ sd_json_variant *v = NULL;

		r = sd_json_variant_new_unsigned(&v, numbers[i]);
		if (r >= 0)
			r = sd_json_variant_append_array(ret, v);
	}
	return r;
}

static int format_histogram(const struct kho_histogram *histogram, sd_json_variant **ret)
{
	_cleanup_variant_ sd_json_variant *buckets = NULL;
	int r = format_numbers(histogram->buckets, KHO_HISTOGRAM_BUCKETS, &buckets);

	return r < 0 ? r : sd_json_buildo(ret,
					  SD_JSON_BUILD_PAIR_UNSIGNED("count", histogram->count),
					  SD_JSON_BUILD_PAIR_UNSIGNED("sum", histogram->sum),
					  SD_JSON_BUILD_PAIR_VARIANT("buckets", buckets));
}

int kho_past_format(const struct kho_past *past, sd_json_variant **ret)
{
	_cleanup_variant_ sd_json_variant *results = NULL, *blackout = NULL, *frozen = NULL;
	_cleanup_variant_ sd_json_variant *rounds = NULL;
	int r = format_numbers(past->results, _KHO_RESULT_MAX, &results);

	if (r >= 0)
		r = format_histogram(&past->blackout, &blackout);
	if (r >= 0)
		r = format_histogram(&past->frozen, &frozen);
	if (r >= 0)
		r = format_histogram(&past->rounds, &rounds);
	if (r < 0)
		return r;
	return sd_json_buildo(ret, SD_JSON_BUILD_PAIR_UNSIGNED("tally", TALLY_VERSION),
			      SD_JSON_BUILD_PAIR_UNSIGNED("before_ms", past->before_ms),
			      SD_JSON_BUILD_PAIR_VARIANT("results", results),
			      SD_JSON_BUILD_PAIR_VARIANT("blackout", blackout),
			      SD_JSON_BUILD_PAIR_VARIANT("frozen", frozen),
			      SD_JSON_BUILD_PAIR_VARIANT("rounds", rounds));
}

static bool parse_numbers(sd_json_variant *list, uint64_t *ret, size_t nr)
{
	if (elements(list) != nr)
		return false;
	for (size_t i = 0; i < nr; i++) {
		sd_json_variant *v = sd_json_variant_by_index(list, i);

		if (!sd_json_variant_is_unsigned(v))
			return false;
		ret[i] = sd_json_variant_unsigned(v);
	}
	return true;
}

static bool parse_histogram(sd_json_variant *v, struct kho_histogram *ret)
{
	struct kho_known count = number(v, "count"), sum = number(v, "sum");
	uint64_t all = 0;

	if (!count.is || !sum.is ||
	    !parse_numbers(sd_json_variant_by_key(v, "buckets"), ret->buckets,
			   KHO_HISTOGRAM_BUCKETS))
		return false;
	ret->count = count.value;
	ret->sum = sum.value;
	for (unsigned int i = 0; i < KHO_HISTOGRAM_BUCKETS; i++)
		all += ret->buckets[i];
	return all == ret->count;
}

int kho_past_parse(sd_json_variant *v, struct kho_past *ret, struct kho_err *err)
{
	struct kho_known version = number(v, "tally"), before = number(v, "before_ms");
	struct kho_past past = { .before_ms = before.value };

	if (!version.is)
		return kho_fail(err, -EBADMSG, "it's no tally of upgrades");
	if (version.value != TALLY_VERSION)
		return kho_fail(err, -EBADMSG, "the tally of upgrades is of version %llu, not %d; it's "
				"a later agent's", (unsigned long long)version.value, TALLY_VERSION);
	if (!before.is ||
	    !parse_numbers(sd_json_variant_by_key(v, "results"), past.results, _KHO_RESULT_MAX) ||
	    !parse_histogram(sd_json_variant_by_key(v, "blackout"), &past.blackout) ||
	    !parse_histogram(sd_json_variant_by_key(v, "frozen"), &past.frozen) ||
	    !parse_histogram(sd_json_variant_by_key(v, "rounds"), &past.rounds))
		return kho_fail(err, -EBADMSG, "the tally of upgrades contradicts itself; remove it, "
				"and counting begins with the history");
	*ret = past;
	return 0;
}
