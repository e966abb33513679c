// SPDX-License-Identifier: GPL-2.0-only
/* The report of a move; move_report.h has the idea. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "agent/departure.h"
#include "agent/gauge.h"
#include "agent/move_report.h"
#include "base/cleanup.h"
#include "base/file.h"

#define MS		1000000ull
#define PAGE		4096u

/* A variant and how building it has gone so far. */
struct list {
	sd_json_variant *v;
	int r;
};

static void list_done(struct list *list)
{
	sd_json_variant_unref(list->v);
}

#define _cleanup_list_ _cleanup_(list_done)

static uint64_t since(const struct kho_mover *mover, uint64_t ns)
{
	return ns > mover->began_ns ? (ns - mover->began_ns) / MS : 0;
}

static void add_span(struct list *list, const char *name, uint64_t begin_ms, uint64_t end_ms)
{
	_cleanup_variant_ sd_json_variant *v = NULL;

	if (list->r >= 0)
		list->r = sd_json_buildo(&v, SD_JSON_BUILD_PAIR_STRING("name", name),
					 SD_JSON_BUILD_PAIR_UNSIGNED("start_ms", begin_ms),
					 SD_JSON_BUILD_PAIR_UNSIGNED("duration_ms",
								     end_ms - begin_ms));
	if (list->r >= 0)
		list->r = sd_json_variant_append_array(&list->v, v);
}

static void add_steps(const struct kho_mover *mover, struct list *list)
{
	for (unsigned int step = KHO_STEP_NONE + 1; step < _KHO_STEP_MAX; step++)
		if (mover->times.end_ns[step])
			add_span(list, kho_step_info(step)->name,
				 since(mover, mover->times.begin_ns[step]),
				 since(mover, mover->times.end_ns[step]));
}

/* A phase is a row of steps that name it. */
static void add_phases(const struct kho_mover *mover, struct list *list)
{
	const struct kho_mover_times *times = &mover->times;
	unsigned int step = KHO_STEP_NONE + 1, last;

	while (step < _KHO_STEP_MAX) {
		const char *phase = kho_step_info(step)->phase;
		uint64_t begin = times->begin_ns[step], end = times->end_ns[step];

		for (last = step + 1; last < _KHO_STEP_MAX; last++) {
			if (strcmp(kho_step_info(last)->phase, phase) != 0)
				break;
			begin = begin ?: times->begin_ns[last];
			end = times->end_ns[last] ?: end;
		}
		if (end)
			add_span(list, phase, since(mover, begin), since(mover, end));
		step = last;
	}
}

static void add_number(struct list *list, uint64_t number)
{
	_cleanup_variant_ sd_json_variant *v = NULL;

	if (list->r >= 0)
		list->r = sd_json_variant_new_unsigned(&v, number);
	if (list->r >= 0)
		list->r = sd_json_variant_append_array(&list->v, v);
}

struct round_lists {
	struct list bytes, times, begins;
};

static void round_lists_done(struct round_lists *lists)
{
	list_done(&lists->bytes);
	list_done(&lists->times);
	list_done(&lists->begins);
}

static int add_rounds(const struct kho_mover *mover, const struct kho_rounds *rounds,
		      struct round_lists *ret)
{
	for (unsigned int i = 0; i < rounds->nr; i++) {
		add_number(&ret->bytes, rounds->rounds[i].pages * PAGE);
		add_number(&ret->times, rounds->rounds[i].duration_ns / MS);
		add_number(&ret->begins, since(mover, rounds->rounds[i].began_ns));
	}
	return ret->bytes.r < 0 ? ret->bytes.r : ret->times.r < 0 ? ret->times.r : ret->begins.r;
}

static uint64_t frozen_ms(const struct kho_departure *d)
{
	return d->frozen_ns && d->runs_ns > d->frozen_ns ? (d->runs_ns - d->frozen_ns) / MS : 0;
}

/* Only of one that moved: NULL otherwise. *@ret_frozen: how long it stood still, if that's known. */
static int measured(const struct kho_mover *mover, const struct kho_departure *d,
		    sd_json_variant **ret, struct kho_interval *ret_frozen)
{
	struct kho_measured m;

	*ret_frozen = (struct kho_interval){};
	if (!kho_move_committed(&mover->move))
		return 0;
	kho_gauge_of(d, &m);
	*ret_frozen = m.intervals[KHO_INTERVAL_FROZEN];
	return kho_measured_to_json(&m, ret);
}

static void add_workload(const struct kho_mover *mover, const struct kho_departure *d,
			 struct list *list)
{
	_cleanup_variant_ sd_json_variant *v = NULL, *seen = NULL;
	_cleanup_(round_lists_done) struct round_lists rounds = {};
	bool moved = kho_move_committed(&mover->move);
	struct kho_interval frozen;

	list->r = add_rounds(mover, &d->rounds, &rounds);
	if (list->r >= 0)
		list->r = measured(mover, d, &seen, &frozen);
	if (list->r >= 0)
		list->r = sd_json_buildo(
			&v, SD_JSON_BUILD_PAIR_STRING("name", d->config->name),
			SD_JSON_BUILD_PAIR_STRING("result", moved ? "moved" : "stayed"),
			SD_JSON_BUILD_PAIR_UNSIGNED("rss_bytes", d->resident),
			SD_JSON_BUILD_PAIR_UNSIGNED("rounds", d->rounds.nr),
			SD_JSON_BUILD_PAIR_CONDITION(!!rounds.bytes.v, "round_bytes",
						     SD_JSON_BUILD_VARIANT(rounds.bytes.v)),
			SD_JSON_BUILD_PAIR_CONDITION(!!rounds.times.v, "round_ms",
						     SD_JSON_BUILD_VARIANT(rounds.times.v)),
			SD_JSON_BUILD_PAIR_CONDITION(!!rounds.begins.v, "round_start_ms",
						     SD_JSON_BUILD_VARIANT(rounds.begins.v)),
			SD_JSON_BUILD_PAIR_UNSIGNED("predicted_ms", d->predicted_ns / MS),
			SD_JSON_BUILD_PAIR_UNSIGNED("frozen_ms", frozen_ms(d)),
			SD_JSON_BUILD_PAIR_CONDITION(!!frozen_ms(d), "frozen_start_ms",
				SD_JSON_BUILD_UNSIGNED(since(mover, d->frozen_ns))),
			SD_JSON_BUILD_PAIR_CONDITION(!!d->sample_ns, "sample_ms",
						     SD_JSON_BUILD_UNSIGNED(d->sample_ns / MS)),
			SD_JSON_BUILD_PAIR_CONDITION(
				!!d->rehearsed_ns, "rehearsed_ms",
				SD_JSON_BUILD_UNSIGNED(d->rehearsed_ns / MS)),
			SD_JSON_BUILD_PAIR_UNSIGNED("lazy_bytes", d->lazy_bytes),
			SD_JSON_BUILD_PAIR_UNSIGNED("lazy_ms", d->lazy_ns / MS),
			SD_JSON_BUILD_PAIR_CONDITION(frozen.known, "frozen_probe_ms",
						     SD_JSON_BUILD_UNSIGNED(frozen.ns / MS)),
			SD_JSON_BUILD_PAIR_CONDITION(!!seen, "measured",
						     SD_JSON_BUILD_VARIANT(seen)));
	if (list->r >= 0)
		list->r = sd_json_variant_append_array(&list->v, v);
}

/* One that doesn't move. */
static void add_restarted(const struct kho_mover *mover, unsigned int item, struct list *list)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	bool there = kho_move_committed(&mover->move);

	if (!(mover->move.restarted & 1u << item))
		return;
	list->r = sd_json_buildo(
		&v, SD_JSON_BUILD_PAIR_STRING("name", mover->config->workloads[item].name),
		SD_JSON_BUILD_PAIR_STRING("result", there ? "restarted" : "stayed"),
		SD_JSON_BUILD_PAIR_UNSIGNED("down_ms", kho_mover_down_ms(mover)));
	if (list->r >= 0)
		list->r = sd_json_variant_append_array(&list->v, v);
}

static void add_address(const struct kho_mover *mover, const char *name, const char *address,
			struct list *list)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	struct kho_measured_address a = { .name = name, .address = address };

	if (list->r < 0)
		return;
	kho_gauge_address(mover, &a);
	list->r = kho_measured_address_to_json(&a, &v);
	if (list->r >= 0)
		list->r = sd_json_variant_append_array(&list->v, v);
}

static void add_addresses(const struct kho_mover *mover, struct list *list)
{
	const struct kho_config *config = mover->config;

	if (!kho_move_committed(&mover->move))
		return;
	for (unsigned int i = 0; i < config->nr_addresses; i++)
		for (unsigned int j = 0; j < config->addresses[i].nr_addresses; j++)
			add_address(mover, config->addresses[i].name,
				    config->addresses[i].addresses[j], list);
}

static int cpu_of(const struct kho_mover *mover, sd_json_variant **ret)
{
	struct kho_measured_cpu cpu;

	if (!mover->gauge)
		return 0;
	kho_gauge_cpu(mover, &cpu);
	return kho_measured_cpu_to_json(&cpu, ret);
}

static int build(const struct kho_mover *mover, sd_json_variant **ret)
{
	_cleanup_list_ struct list phases = {}, steps = {}, workloads = {}, addresses = {};
	_cleanup_variant_ sd_json_variant *cpu = NULL;
	const struct kho_session *session = mover->agent->session;
	const struct kho_link *peer = session ? kho_channel_link(session->channel) : NULL;
	struct utsname name;

	uname(&name);
	add_phases(mover, &phases);
	add_steps(mover, &steps);
	for (unsigned int i = 0; i < mover->config->nr_workloads && workloads.r >= 0; i++)
		if (mover->departures[i])
			add_workload(mover, mover->departures[i], &workloads);
		else
			add_restarted(mover, i, &workloads);
	add_addresses(mover, &addresses);
	if (phases.r < 0 || steps.r < 0 || workloads.r < 0 || addresses.r < 0 ||
	    cpu_of(mover, &cpu) < 0)
		return -ENOMEM;
	return sd_json_buildo(
		ret, SD_JSON_BUILD_PAIR_UNSIGNED("schema", KHO_MOVE_REPORT_SCHEMA),
		SD_JSON_BUILD_PAIR_CONDITION(!!mover->bequeathal, "method",
					     SD_JSON_BUILD_STRING("kexec")),
		SD_JSON_BUILD_PAIR_STRING("result", kho_move_committed(&mover->move) ?
					  "committed" : mover->move.err.msg),
		SD_JSON_BUILD_PAIR_CONDITION(mover->move.undo_err.code, "trouble",
					     SD_JSON_BUILD_STRING(mover->move.undo_err.msg)),
		SD_JSON_BUILD_PAIR_STRING("old_release", name.release),
		SD_JSON_BUILD_PAIR_STRING("new_release", peer ? peer->peer.kernel_release : ""),
		SD_JSON_BUILD_PAIR_UNSIGNED("frozen_limit_ms", mover->config->max_frozen_ms),
		SD_JSON_BUILD_PAIR_UNSIGNED("clock_ms", mover->began_ns / MS),
		SD_JSON_BUILD_PAIR_UNSIGNED("began_ms", mover->began_ms),
		SD_JSON_BUILD_PAIR_CONDITION(!!phases.v, "phases",
					     SD_JSON_BUILD_VARIANT(phases.v)),
		SD_JSON_BUILD_PAIR_CONDITION(!!steps.v, "steps", SD_JSON_BUILD_VARIANT(steps.v)),
		SD_JSON_BUILD_PAIR_CONDITION(!!workloads.v, "workloads",
					     SD_JSON_BUILD_VARIANT(workloads.v)),
		SD_JSON_BUILD_PAIR_CONDITION(!!addresses.v, "addresses",
					     SD_JSON_BUILD_VARIANT(addresses.v)),
		SD_JSON_BUILD_PAIR_CONDITION(!!cpu, "cpu", SD_JSON_BUILD_VARIANT(cpu)));
}

int kho_move_report_write(const struct kho_mover *mover, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *report = NULL;
	_cleanup_free_ char *text = NULL;
	struct kho_file_content content = { .mode = 0600 };
	int r = build(mover, &report);

	if (r >= 0)
		r = sd_json_variant_format(report, SD_JSON_FORMAT_NEWLINE, &text);
	if (r < 0)
		return kho_fail_errno(err, r, "the report of the move");
	content.data = text;
	content.size = strlen(text);
	return kho_file_write_atomic(KHO_MOVE_REPORT, &content, err);
}
