/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finished upgrades as numbers: counts and distributions since the machine's first one.
 *
 * Theory of operation
 *
 * The history keeps few upgrades, and hands fewer to the next kernel, but a counter must
 * not go back. So what leaves the history is added to a tally, which stays:
 *
 *	began before @before_ms: in the tally, and no more looked at
 *	began then or later:     in the history, added each time that it's read
 *
 * Both together are what's shown. The tally is one small JSON object, in a file of the
 * agent, and in what a kernel hands to its successor:
 *
 *	{ "tally": 1, "before_ms": ..., "results": [ committed, rolled back, failed ],
 *	  "blackout": { "count": ..., "sum": ..., "buckets": [ ... ] }, "frozen": ..., "rounds": ... }
 *
 * Pure. Entries (agent/history.h) and tallies are read as if by a stranger: what isn't as
 * it should be is left out, never taken for 0.
 */
#ifndef KHO_METRICS_PAST_H
#define KHO_METRICS_PAST_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-json.h>

#include "api/progress.h"
#include "base/err.h"

#define KHO_HISTOGRAM_BUCKETS	13u	/* the last one has no bound */

struct kho_histogram {
	uint64_t count;
	uint64_t sum;				/* ms, or whatever is counted */
	uint64_t buckets[KHO_HISTOGRAM_BUCKETS];	/* each by itself, not the ones below */
};

/* Upper bounds, but for the last bucket: of times in ms, of rounds. */
extern const uint64_t kho_bounds_ms[KHO_HISTOGRAM_BUCKETS - 1];
extern const uint64_t kho_bounds_rounds[KHO_HISTOGRAM_BUCKETS - 1];

enum kho_result {
	KHO_RESULT_COMMITTED = 0,
	KHO_RESULT_ROLLED_BACK,		/* workloads had moved, and were moved back */
	KHO_RESULT_FAILED,		/* before that, or in another way */
	_KHO_RESULT_MAX,
};

/* "committed", "rolled-back", "failed" */
const char *kho_result_name(enum kho_result result);

/* A number that may not be known. */
struct kho_known {
	bool is;
	uint64_t value;
};

struct kho_past_workload {
	char name[KHO_PROGRESS_NAME];
	struct kho_known frozen_ms, predicted_ms, rounds, rss_bytes;
	struct kho_known probed_ms;	/* frozen, as a probe in the kernel saw it */
};

/* The last one. */
struct kho_past_last {
	bool known;
	enum kho_result result;
	uint64_t began_ms, ended_ms;	/* since 1970 */
	struct kho_known blackout_ms;
	unsigned int nr;
	struct kho_past_workload workloads[KHO_PROGRESS_WORKLOADS];
};

struct kho_past {
	uint64_t before_ms;
	uint64_t results[_KHO_RESULT_MAX];
	struct kho_histogram blackout;	/* ms, one an upgrade */
	struct kho_histogram frozen;	/* ms, one a workload that moved */
	struct kho_histogram rounds;	/* likewise */
	struct kho_past_last last;	/* not part of a tally */
};

void kho_histogram_add(struct kho_histogram *histogram,
		       const uint64_t bounds[KHO_HISTOGRAM_BUCKETS - 1], uint64_t value);

/*
 * An entry, in any order. One that began before @past->before_ms isn't counted, since it
 * was; the newest is noted as the last. -EBADMSG: it's no entry.
 */
int kho_past_add(struct kho_past *past, sd_json_variant *entry);

/* From now on all that began before @ms is in the tally. */
void kho_past_close(struct kho_past *past, uint64_t ms);

/* What's told of clients waiting: from the first packet held to the last one answered. */
struct kho_known kho_past_blackout_ms(sd_json_variant *entry);

/* *@ret is a reference. -ENOMEM. */
int kho_past_format(const struct kho_past *past, sd_json_variant **ret);

/* -EBADMSG: it's no tally, or one of another version. */
int kho_past_parse(sd_json_variant *v, struct kho_past *ret, struct kho_err *err);

#endif
