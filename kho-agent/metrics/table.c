// SPDX-License-Identifier: GPL-2.0-only
/* The families, and how each is filled; metrics.h has the idea. */
#include <string.h>

#include "metrics/metrics.h"
#include "upgrade/upgrade.h"

#define NR(array)	(sizeof(array) / sizeof((array)[0]))
#define X		struct kho_exposition *x
#define M		const struct kho_metrics *m
#define VALUES(...)	((const char *const[]){ __VA_ARGS__ })

/* ---- this kernel ---- */

static void fill_build(X, M)
{
	kho_expose(x, 1, VALUES(m->version));
}

static void fill_kernel(X, M)
{
	kho_expose(x, 1, VALUES(m->role, m->release));
}

static void fill_phase(X, M)
{
	static const char *const names[] = {
		"idle", "reserve", "spawn", "sync", "soak", "retire", "restore",
	};

	kho_expose_states(x, names, NR(names), m->phase);
}

static void fill_failed(X, M)
{
	kho_expose(x, m->failed, NULL);
}

static void fill_instance(X, M)
{
	kho_expose(x, m->instance, NULL);
}

static void fill_cpus(X, M)
{
	kho_expose(x, m->online_cpus, VALUES("online"));
	kho_expose(x, m->lent_cpus, VALUES("lent"));
}

static void fill_functions(X, M)
{
	kho_expose(x, m->held_functions, VALUES("held"));
	kho_expose(x, m->granted_functions, VALUES("granted"));
}

static void fill_region(X, M)
{
	kho_expose(x, m->session.known ? m->session.region_bytes : 0, NULL);
}

/* ---- the upgrade under way ---- */

static void fill_upgrade_state(X, M)
{
	const char *names[KHO_UPGRADE_DONE - KHO_UPGRADE_CHECK];

	for (size_t i = 0; i < NR(names); i++)
		names[i] = kho_upgrade_state_name(KHO_UPGRADE_CHECK + (enum kho_upgrade_state)i);
	kho_expose_states(x, names, NR(names), m->upgrade.state);
}

static void fill_upgrade_start(X, M)
{
	if (m->upgrade.state)
		kho_expose_ms(x, m->upgrade.began_ms, NULL);
}

static void fill_upgrade_held(X, M)
{
	if (m->upgrade.state)
		kho_expose(x, m->upgrade.held, NULL);
}

/* ---- workloads of the move under way; 0 is what isn't known ---- */

static void each_workload(X, M, uint64_t (*value)(const struct kho_progress_workload *w), bool ms)
{
	for (unsigned int i = 0; *m->progress.state && i < m->progress.nr; i++) {
		const struct kho_progress_workload *w = &m->progress.workloads[i];

		if (value(w) && ms)
			kho_expose_ms(x, value(w), VALUES(w->name));
		else if (value(w))
			kho_expose(x, value(w), VALUES(w->name));
	}
}

static uint64_t dirty_of(const struct kho_progress_workload *w)
{
	return w->dirty_per_sec;
}

static void fill_dirty(X, M)
{
	each_workload(x, m, dirty_of, false);
}

static uint64_t bytes_of(const struct kho_progress_workload *w)
{
	return w->bytes;
}

static void fill_copied(X, M)
{
	each_workload(x, m, bytes_of, false);
}

static uint64_t rounds_of(const struct kho_progress_workload *w)
{
	return w->rounds;
}

static void fill_rounds(X, M)
{
	each_workload(x, m, rounds_of, false);
}

static uint64_t predicted_of(const struct kho_progress_workload *w)
{
	return w->predicted_ms;
}

static void fill_predicted(X, M)
{
	each_workload(x, m, predicted_of, true);
}

/* ---- the other kernel ---- */

static void fill_owner(X, M)
{
	static const char *const names[] = { "here", "peer" };

	if (!m->session.known)
		kho_expose_states(x, names, NR(names), "here");
	else
		kho_expose_states(x, names, NR(names), !m->session.owner_known ? NULL :
				  m->session.owned_here ? "here" : "peer");
}

static void fill_owner_epoch(X, M)
{
	if (m->session.known && m->session.owner_known)
		kho_expose(x, m->session.owner.epoch, NULL);
}

static void fill_peer(X, M)
{
	static const char *const names[] = { "none", "running", "stopped", "panicked", "retired" };

	kho_expose_states(x, names, NR(names), m->session.known ? m->session.peer_state : "none");
}

static void fill_channel_state(X, M)
{
	static const char *const names[_KHO_LINK_STATE_MAX] = {
		[KHO_LINK_DOWN] = "down",
		[KHO_LINK_HELLO_SENT] = "hello-sent",
		[KHO_LINK_UP] = "up",
		[KHO_LINK_STALLED] = "stalled",
		[KHO_LINK_REFUSED] = "refused",
		[KHO_LINK_DEAD] = "dead",
	};

	if (m->session.known)
		kho_expose_states(x, names, NR(names), names[m->session.link]);
}

static void fill_silence(X, M)
{
	if (m->session.known)
		kho_expose_known_ms(x, m->session.silent_ms);
}

static void both_ways(X, M, uint64_t in, uint64_t out)
{
	if (!m->session.known)
		return;
	kho_expose(x, in, VALUES("in"));
	kho_expose(x, out, VALUES("out"));
}

static void fill_messages(X, M)
{
	both_ways(x, m, m->session.stats.messages_in, m->session.stats.messages_out);
}

static void fill_bytes(X, M)
{
	both_ways(x, m, m->session.stats.bytes_in, m->session.stats.bytes_out);
}

static void fill_stale(X, M)
{
	if (m->session.known)
		kho_expose(x, m->session.stats.stale, NULL);
}

static void fill_blocked(X, M)
{
	if (m->session.known)
		kho_expose(x, m->session.stats.blocked, NULL);
}

static void fill_ring_failures(X, M)
{
	if (m->session.known)
		kho_expose(x, m->session.stats.ring_failures, NULL);
}

/* ---- what was looked at ---- */

static void by_kind(X, M, const uint64_t counts[_KHO_FINDING_MAX])
{
	for (enum kho_finding_kind kind = 0; m->check.known && kind < _KHO_FINDING_MAX; kind++)
		kho_expose(x, counts[kind], VALUES(kho_finding_name(kind)));
}

static void fill_blockers(X, M)
{
	by_kind(x, m, m->check.blockers);
}

static void fill_warnings(X, M)
{
	by_kind(x, m, m->check.warnings);
}

static void fill_checked(X, M)
{
	if (m->check.known)
		kho_expose_ms(x, m->check.at_ms, NULL);
}

static void fill_refused(X, M)
{
	for (enum kho_refused_cause i = 0; m->refused_known && i < _KHO_REFUSED_MAX; i++)
		kho_expose(x, m->refused[i], VALUES(kho_refused_cause_name(i)));
}

/* ---- upgrades that are over ---- */

static void fill_upgrades(X, M)
{
	for (enum kho_result i = 0; m->past && i < _KHO_RESULT_MAX; i++)
		kho_expose(x, m->past->results[i], VALUES(kho_result_name(i)));
}

static void fill_blackout(X, M)
{
	if (m->past)
		kho_expose_histogram(x, &m->past->blackout, kho_bounds_ms);
}

static void fill_frozen(X, M)
{
	if (m->past)
		kho_expose_histogram(x, &m->past->frozen, kho_bounds_ms);
}

static void fill_all_rounds(X, M)
{
	if (m->past)
		kho_expose_histogram(x, &m->past->rounds, kho_bounds_rounds);
}

static const struct kho_past_last *last_of(M)
{
	return m->past && m->past->last.known ? &m->past->last : NULL;
}

static void fill_last_result(X, M)
{
	const char *names[_KHO_RESULT_MAX];

	for (enum kho_result i = 0; i < _KHO_RESULT_MAX; i++)
		names[i] = kho_result_name(i);
	if (last_of(m))
		kho_expose_states(x, names, NR(names), kho_result_name(last_of(m)->result));
}

static void fill_last_start(X, M)
{
	if (last_of(m))
		kho_expose_ms(x, last_of(m)->began_ms, NULL);
}

static void fill_last_end(X, M)
{
	if (last_of(m) && last_of(m)->ended_ms)
		kho_expose_ms(x, last_of(m)->ended_ms, NULL);
}

static void fill_last_blackout(X, M)
{
	if (last_of(m))
		kho_expose_known_ms(x, last_of(m)->blackout_ms);
}

/* @offset: of a struct kho_known in struct kho_past_workload. */
static void each_moved(X, M, size_t offset, bool ms)
{
	const struct kho_past_last *last = last_of(m);

	for (unsigned int i = 0; last && i < last->nr; i++) {
		const struct kho_past_workload *w = &last->workloads[i];
		const struct kho_known *known = (const void *)((const char *)w + offset);

		if (known->is && ms)
			kho_expose_ms(x, known->value, VALUES(w->name));
		else if (known->is)
			kho_expose(x, known->value, VALUES(w->name));
	}
}

static void fill_last_frozen(X, M)
{
	each_moved(x, m, offsetof(struct kho_past_workload, frozen_ms), true);
}

static void fill_last_predicted(X, M)
{
	each_moved(x, m, offsetof(struct kho_past_workload, predicted_ms), true);
}

static void fill_last_rounds(X, M)
{
	each_moved(x, m, offsetof(struct kho_past_workload, rounds), false);
}

static void fill_last_resident(X, M)
{
	each_moved(x, m, offsetof(struct kho_past_workload, rss_bytes), false);
}

static void fill_last_probed(X, M)
{
	each_moved(x, m, offsetof(struct kho_past_workload, probed_ms), true);
}

/* ---- the table ---- */

#define GAUGE(n, u, l, f, h)	{ n, KHO_METRIC_GAUGE, u, l, h, f }
#define COUNTER(n, u, l, f, h)	{ n, KHO_METRIC_COUNTER, u, l, h, f }
#define HISTOGRAM(n, u, f, h)	{ n, KHO_METRIC_HISTOGRAM, u, "", h, f }
#define INFO(n, l, f, h)	{ n, KHO_METRIC_INFO, "", l, h, f }
#define STATES(n, f, h)		{ n, KHO_METRIC_STATESET, "", n, h, f }

const struct kho_metric kho_metrics_table[] = {
	INFO("kho_build", "version", fill_build, "Version of the agent."),
	INFO("kho_kernel", "role release", fill_kernel,
	     "This kernel, and whether firmware booted it (first) or another kernel (spawned)."),
	GAUGE("kho_kernel_instance", "", "", fill_instance,
	      "Number of this kernel in the chain since the machine was reset."),
	STATES("kho_phase", fill_phase, "Phase of the agent."),
	GAUGE("kho_last_command_failed", "", "", fill_failed,
	      "Whether the last upgrade or command failed."),
	GAUGE("kho_cpus", "", "state", fill_cpus,
	      "CPUs that are online here, and that are lent to the other kernel."),
	GAUGE("kho_region_bytes", "bytes", "", fill_region,
	      "Memory of the region that is shared with the other kernel."),
	GAUGE("kho_pci_functions", "", "state", fill_functions,
	      "PCI functions that are held for the other kernel, and that were granted by it."),
	STATES("kho_upgrade_state", fill_upgrade_state, "State of the upgrade that is under way."),
	GAUGE("kho_upgrade_start_timestamp_seconds", "seconds", "", fill_upgrade_start,
	      "When the upgrade that is under way began."),
	GAUGE("kho_upgrade_held", "", "", fill_upgrade_held,
	      "Whether the upgrade that is under way waits for an operator."),
	GAUGE("kho_workload_rounds", "", "workload", fill_rounds,
	      "Rounds in which memory was copied so far, in the move under way."),
	GAUGE("kho_workload_copied_bytes", "bytes", "workload", fill_copied,
	      "Memory that was copied so far, in the move under way."),
	GAUGE("kho_workload_dirty_bytes_per_second", "", "workload", fill_dirty,
	      "Rate at which the workload writes to its memory, in the move under way."),
	GAUGE("kho_workload_predicted_seconds", "seconds", "workload", fill_predicted,
	      "How long the workload would stand still if it was frozen now."),
	STATES("kho_owner", fill_owner, "Which kernel owns the workloads: this one, or its peer."),
	GAUGE("kho_owner_epoch", "", "", fill_owner_epoch,
	      "Epoch of the ownership; it grows with each change of the owner."),
	STATES("kho_peer_state", fill_peer, "State of the other kernel, by its status page."),
	STATES("kho_channel_state", fill_channel_state, "State of the link to the other agent."),
	GAUGE("kho_channel_silence_seconds", "seconds", "", fill_silence,
	      "Time since the other agent was heard."),
	COUNTER("kho_channel_messages", "", "direction", fill_messages,
		"Messages between the agents in this session."),
	COUNTER("kho_channel_bytes", "bytes", "direction", fill_bytes,
		"Bytes of these messages."),
	COUNTER("kho_channel_stale_frames", "", "", fill_stale,
		"Frames of an earlier session that were dropped."),
	COUNTER("kho_channel_blocked_sends", "", "", fill_blocked,
		"Messages that had to wait since the lane was full."),
	COUNTER("kho_channel_doorbell_failures", "", "", fill_ring_failures,
		"Doorbells that could not be rung."),
	GAUGE("kho_preflight_blockers", "", "kind", fill_blockers,
	      "What the last check found to be in the way of an upgrade, by kind."),
	GAUGE("kho_preflight_warnings", "", "kind", fill_warnings,
	      "What the last check found to be known, in the way of nothing."),
	GAUGE("kho_preflight_timestamp_seconds", "seconds", "", fill_checked,
	      "When the last check was over."),
	GAUGE("kho_refused_images", "", "cause", fill_refused,
	      "Target images that are refused until an operator clears them."),
	COUNTER("kho_upgrades", "", "result", fill_upgrades,
		"Upgrades of this machine that are over."),
	HISTOGRAM("kho_upgrade_blackout_seconds", "seconds", fill_blackout,
		  "Blackout of upgrades: from the first packet that was held to the last one answered."),
	HISTOGRAM("kho_workload_frozen_seconds", "seconds", fill_frozen,
		  "How long workloads stood still that moved, by the old kernel's clock."),
	HISTOGRAM("kho_workload_copy_rounds", "", fill_all_rounds,
		  "Rounds in which the memory of workloads that moved was copied."),
	STATES("kho_last_upgrade_result", fill_last_result, "How the last upgrade ended."),
	GAUGE("kho_last_upgrade_start_timestamp_seconds", "seconds", "", fill_last_start,
	      "When the last upgrade began."),
	GAUGE("kho_last_upgrade_end_timestamp_seconds", "seconds", "", fill_last_end,
	      "When the last upgrade was over."),
	GAUGE("kho_last_upgrade_blackout_seconds", "seconds", "", fill_last_blackout,
	      "Blackout of the last upgrade."),
	GAUGE("kho_last_upgrade_frozen_seconds", "seconds", "workload", fill_last_frozen,
	      "How long the workload stood still in the last upgrade."),
	GAUGE("kho_last_upgrade_predicted_seconds", "seconds", "workload", fill_last_predicted,
	      "How long it was predicted to stand still."),
	GAUGE("kho_last_upgrade_frozen_probe_seconds", "seconds", "workload", fill_last_probed,
	      "How long it stood still as a probe in the kernel measured it; absent if none did."),
	GAUGE("kho_last_upgrade_rounds", "", "workload", fill_last_rounds,
	      "Rounds in which its memory was copied in the last upgrade."),
	GAUGE("kho_last_upgrade_resident_bytes", "bytes", "workload", fill_last_resident,
	      "Its resident memory as the last upgrade began."),
};

const size_t kho_metrics_table_size = NR(kho_metrics_table);
