// SPDX-License-Identifier: GPL-2.0-only
/* What the agent knows, as numbers; gather.h has the idea. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/api_status.h"
#include "agent/checkup.h"
#include "agent/gather.h"
#include "agent/history.h"
#include "agent/move_findings.h"
#include "agent/preflight.h"
#include "agent/side.h"
#include "agent/tally.h"
#include "agent/upgrade_private.h"
#include "base/cleanup.h"
#include "base/now.h"
#include "base/version.h"

#define NS_PER_MS	1000000ull

/* ---- files ---- */

/* Whether @path isn't as it was at @at, which follows. What isn't there is as of never. */
static bool has_changed(const char *path, struct timespec *at)
{
	struct timespec before = *at;
	struct stat st;

	if (stat(path, &st) < 0)
		st.st_mtim = (struct timespec){ .tv_sec = -1 };
	*at = st.st_mtim;
	return at->tv_sec != before.tv_sec || at->tv_nsec != before.tv_nsec;
}

/* A part of it that can't be read isn't counted, which is in the log (publish.c). */
static void read_past(struct kho_gathered *g)
{
	bool history = has_changed(KHO_HISTORY_DIR, &g->history_at);

	if (has_changed(KHO_TALLY_FILE, &g->tally_at) || history)
		g->metrics.past = kho_history_past(&g->past, NULL) >= 0 ? &g->past : NULL;
}

static void read_refused(struct kho_gathered *g)
{
	_cleanup_free_ struct kho_refused *list = NULL;
	size_t nr;

	if (!has_changed(KHO_REFUSED_DIR, &g->refused_at))
		return;
	g->metrics.refused_known = kho_refused_list(KHO_REFUSED_DIR, &list, &nr, NULL) >= 0;
	memset(g->metrics.refused, 0, sizeof(g->metrics.refused));
	for (size_t i = 0; g->metrics.refused_known && i < nr; i++)
		g->metrics.refused[list[i].cause]++;
}

/* ---- what's in memory ---- */

static struct kho_known silence_of(const struct kho_link *link)
{
	uint64_t now = kho_now_ns();

	if (!link->peer_known || !link->heard)
		return (struct kho_known){};
	return (struct kho_known){ true, now > link->heard ? (now - link->heard) / NS_PER_MS : 0 };
}

static void gather_session(struct kho_agent *agent, struct kho_metrics_session *ret)
{
	const struct kho_session *session = agent->session;
	const struct kho_link *link;

	*ret = (struct kho_metrics_session){ .known = session };
	if (!session)
		return;
	link = kho_channel_link(session->channel);
	ret->link = link->state;
	ret->silent_ms = silence_of(link);
	kho_channel_get_stats(session->channel, &ret->stats);
	ret->peer_state = kho_peer_state_name(session);
	ret->owner_known = kho_side_owner(agent, &ret->owner, NULL) >= 0;
	ret->owned_here = kho_side_owns(agent);
	ret->region_bytes = session->region.size;
}

static void gather_upgrade(const struct kho_agent *agent, struct kho_metrics_upgrade *ret)
{
	const struct kho_journal *journal = kho_upgrade_journal(agent);

	*ret = (struct kho_metrics_upgrade){};
	if (!journal)
		return;
	ret->state = kho_upgrade_state_name(journal->upgrade.state);
	ret->began_ms = journal->at[0].ms;
	ret->held = journal->upgrade.hold || journal->upgrade.held;
}

int kho_gather(struct kho_agent *agent, struct kho_gathered *g, struct kho_err *err)
{
	struct kho_metrics *m = &g->metrics;
	struct utsname name;
	struct mk_info info;
	int r = kho_device_info(&agent->device, &info, err);

	if (r < 0)
		return r;
	uname(&name);
	snprintf(g->release, sizeof(g->release), "%s", name.release);
	m->version = KHO_VERSION;
	m->role = agent->spawned ? "spawned" : "first";
	m->release = g->release;
	m->phase = kho_agent_phase_name(agent);
	m->failed = agent->last.code < 0;
	m->instance = agent->spawned ? agent->own.instance : 0;
	m->online_cpus = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	m->lent_cpus = info.nr_lent_cpus;
	m->held_functions = info.nr_pci_held;
	m->granted_functions = info.nr_pci_granted;
	m->progress = (struct kho_progress){};
	if (agent->mover)
		kho_status_progress(agent->mover, &m->progress);
	gather_upgrade(agent, &m->upgrade);
	gather_session(agent, &m->session);
	read_past(g);
	read_refused(g);
	return 0;
}

/* ---- checks ---- */

static void count(struct kho_metrics_check *check, const struct kho_findings *findings,
		  bool in_the_way)
{
	for (unsigned int i = 0; i < findings->nr; i++) {
		const struct kho_finding *finding = &findings->list[i];

		if (finding->kind >= _KHO_FINDING_MAX)
			continue;
		if (in_the_way && !finding->warning)
			check->blockers[finding->kind]++;
		else
			check->warnings[finding->kind]++;
	}
}

void kho_gather_preflight(struct kho_metrics_check *check, const struct kho_preflight *preflight)
{
	*check = (struct kho_metrics_check){ .known = true, .at_ms = kho_upgrade_now_ms() };
	count(check, kho_preflight_machine(preflight), true);
	count(check, kho_preflight_images(preflight), kho_preflight_names_image(preflight));
}

/* As kho_checkup_blocked(): what can be restarted is in nobody's way, nor are kernels if nothing moves. */
void kho_gather_checkup(struct kho_metrics_check *check, const struct kho_checkup *checkup)
{
	const struct kho_config_workload *workloads = checkup->config->workloads;
	bool moves = false;

	check->known = true;
	check->at_ms = kho_upgrade_now_ms();
	for (unsigned int i = 0; i < checkup->config->nr_workloads; i++)
		count(check, kho_checkup_findings(checkup, i), !workloads[i].restart);
	for (unsigned int i = 0; i < checkup->config->nr_workloads; i++)
		moves = moves || *kho_checkup_verdict(&workloads[i],
						      kho_checkup_findings(checkup, i)) == 'm';
	count(check, kho_checkup_findings(checkup, KHO_CHECKUP_KERNEL), moves);
}
