// SPDX-License-Identifier: GPL-2.0-only
/* What came of an upgrade by kexec, told in the kernel that it went to. */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "agent/arrival.h"
#include "agent/history.h"
#include "agent/inherit_private.h"
#include "agent/move_report.h"
#include "agent/upgrade_hooks.h"
#include "agent/upgrade_run.h"
#include "base/cleanup.h"

#define MS	1000000ull

static int add_workload(const struct kho_heir *heir, const Kho__MoveStep *step,
			sd_json_variant **list)
{
	const struct kho_arrival *a = heir->receiver->arrivals[step->item];
	bool well = heir->workloads & 1u << step->item;
	_cleanup_variant_ sd_json_variant *v = NULL;
	int r;

	if (well)
		r = sd_json_buildo(
			&v, SD_JSON_BUILD_PAIR_STRING("name", step->name),
			SD_JSON_BUILD_PAIR_STRING("result", "moved"),
			SD_JSON_BUILD_PAIR_UNSIGNED("rss_bytes", step->workload->memory),
			SD_JSON_BUILD_PAIR_UNSIGNED("predicted_ms", heir->bequest->predicted_ms),
			SD_JSON_BUILD_PAIR_UNSIGNED("frozen_ms", heir->blackout_ms),
			SD_JSON_BUILD_PAIR_UNSIGNED("lazy_bytes", a ? a->lazy_bytes : 0),
			SD_JSON_BUILD_PAIR_UNSIGNED("lazy_ms", a ? a->lazy_ms : 0));
	else
		r = sd_json_buildo(
			&v, SD_JSON_BUILD_PAIR_STRING("name", step->name),
			SD_JSON_BUILD_PAIR_STRING("result", "restarted"),
			SD_JSON_BUILD_PAIR_STRING("why", heir->why[step->item].msg),
			SD_JSON_BUILD_PAIR_UNSIGNED("down_ms", heir->blackout_ms));
	return r < 0 ? r : sd_json_variant_append_array(list, v);
}

static int build(const struct kho_heir *heir, sd_json_variant **ret)
{
	const Kho__Bequest *bequest = heir->bequest;
	_cleanup_variant_ sd_json_variant *workloads = NULL;
	struct utsname name;
	int r = 0;

	uname(&name);
	for (size_t i = 0; i < bequest->n_workloads && r >= 0; i++)
		r = add_workload(heir, bequest->workloads[i], &workloads);
	if (r < 0)
		return r;
	return sd_json_buildo(
		ret, SD_JSON_BUILD_PAIR_UNSIGNED("schema", KHO_MOVE_REPORT_SCHEMA),
		SD_JSON_BUILD_PAIR_STRING("method", "kexec"),
		SD_JSON_BUILD_PAIR_STRING("result", "committed"),
		SD_JSON_BUILD_PAIR_CONDITION(heir->trouble.code, "trouble",
					     SD_JSON_BUILD_STRING(heir->trouble.msg)),
		SD_JSON_BUILD_PAIR_STRING("old_release", heir->journal.source),
		SD_JSON_BUILD_PAIR_STRING("new_release", name.release),
		SD_JSON_BUILD_PAIR_UNSIGNED("clock_ms", bequest->began_ns / MS),
		SD_JSON_BUILD_PAIR_UNSIGNED("began_ms",
			((uint64_t)bequest->realtime_ns - (uint64_t)bequest->monotonic_ns +
			 bequest->began_ns) / MS),
		SD_JSON_BUILD_PAIR_UNSIGNED("predicted_ms", bequest->predicted_ms),
		SD_JSON_BUILD_PAIR_UNSIGNED("blackout_ms", heir->blackout_ms),
		SD_JSON_BUILD_PAIR_VARIANT("workloads", workloads));
}

static int keep_report(const struct kho_heir *heir, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *report = NULL;
	_cleanup_free_ char *text = NULL;
	int r = build(heir, &report);

	if (r >= 0)
		r = sd_json_variant_format(report, SD_JSON_FORMAT_NEWLINE, &text);
	return r < 0 ? kho_fail_errno(err, r, "the report") : kho_move_report_keep(text, err);
}

static int keep_history(struct kho_heir *heir, struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *entry = NULL;
	struct kho_journal *journal = &heir->journal;
	int r = 0, kept;

	for (size_t i = 0; i < heir->bequest->n_history; i++) {
		kept = kho_history_keep_text(heir->bequest->history[i], err);
		r = r < 0 ? r : kept;
	}
	journal->upgrade.state = KHO_UPGRADE_DONE;
	kho_journal_add(journal, KHO_UPGRADE_DONE, kho_upgrade_now_ms());
	kept = kho_history_entry(journal, true, &entry, err);
	if (kept >= 0)
		kept = kho_history_keep(entry, err);
	return kept < 0 ? kept : r;
}

void kho_inherit_tell(struct kho_heir *heir)
{
	struct kho_agent *agent = heir->agent;
	struct kho_err err;

	if (keep_report(heir, &err) < 0)
		kho_agent_progress(agent, "no report was written: %s", err.msg);
	if (keep_history(heir, &err) < 0)
		kho_agent_progress(agent, "the history: %s", err.msg);
	kho_upgrade_hooks_tell(agent, &heir->journal, KHO_HOOK_COMMITTED);
	agent->last = heir->trouble;
	kho_agent_tell(agent, KHO_MESSAGE_UPGRADE_DONE,
		       &(struct kho_about){ .upgrade = heir->journal.id },
		       "upgrade %s: committed by kexec; the workloads stood still for %llu ms "
		       "(predicted %llu)", heir->journal.id, (unsigned long long)heir->blackout_ms,
		       (unsigned long long)heir->bequest->predicted_ms);
}
