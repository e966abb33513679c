// SPDX-License-Identifier: GPL-2.0-only
/* A workload that leaves: what it is, and the simple steps; departure.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/departure.h"
#include "agent/gauge.h"
#include "agent/slow.h"
#include "base/now.h"
#include "migrate/criu/repair.h"

#define FREEZE_MS	2000
#define END_MS		5000

/* ---- what it is ---- */

static int list_pids(struct kho_departure *d, struct kho_err *err)
{
	struct kho_pids pids;
	size_t used = 0;
	int r = kho_cgroup_pids(d->unit.cgroup, &pids, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < pids.nr && used + 16 < sizeof(d->pids); i++)
		used += (size_t)snprintf(d->pids + used, sizeof(d->pids) - used, "%s%d",
					 used ? "," : "", pids.pids[i]);
	kho_pids_done(&pids);
	return 0;
}

static int find_externals(struct kho_departure *d, struct kho_err *err)
{
	struct kho_pids pids;
	int r = kho_cgroup_pids(d->unit.cgroup, &pids, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < pids.nr && r >= 0; i++)
		r = kho_criu_find_externals(pids.pids[i], d->external, &d->nr_external, err);
	kho_pids_done(&pids);
	return r;
}

static int look(struct kho_departure *d, struct kho_err *err)
{
	int r = kho_unit_show(d->config->unit, &d->unit, err);

	if (r < 0)
		return r;
	if (strcmp(d->unit.active, "active") != 0 || !*d->unit.cgroup)
		return kho_fail(err, -ESRCH, "%s is %s; start it, or take it out of the "
				"configuration", d->config->unit, d->unit.active);
	r = kho_cgroup_root(d->unit.cgroup, &d->root, err);
	if (r >= 0)
		r = kho_criu_check_namespaces(d->root, err);
	if (r >= 0)
		r = list_pids(d, err);
	if (r < 0)
		return r;
	d->resident = kho_cgroup_resident(d->unit.cgroup);
	d->footprint = kho_cgroup_memory(d->unit.cgroup);
	r = kho_mapped_find(d->unit.cgroup, d->mapped, err);
	if (r < 0)
		return r;
	return find_externals(d, err);
}

/* In a move by kexec its memory stays here, for the next kernel. */
static int new_stream(struct kho_departure *d, struct kho_err *err)
{
	struct kho_agent *agent = d->mover->agent;

	if (d->mover->bequeathal)
		return kho_page_stream_new_kept(agent, &d->memory, err);
	return kho_page_stream_new(agent->session, d->config->name, &d->memory, err);
}

struct kho_departure *kho_departure_new(struct kho_mover *mover, uint32_t item,
					struct kho_err *err)
{
	struct kho_departure *d = calloc(1, sizeof(*d));

	if (!d) {
		kho_fail(err, -ENOMEM, "no memory for a workload");
		return NULL;
	}
	d->mover = mover;
	d->item = item;
	d->config = &mover->config->workloads[item];
	d->dir = -EBADF;
	if (look(d, err) < 0 || new_stream(d, err) < 0) {
		kho_departure_free(d);
		return NULL;
	}
	return d;
}

struct kho_departure *kho_departure_recover(struct kho_mover *mover, uint32_t item,
					    const char *cgroup)
{
	struct kho_departure *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->mover = mover;
	d->item = item;
	d->config = &mover->config->workloads[item];
	d->dir = -EBADF;
	snprintf(d->unit.cgroup, sizeof(d->unit.cgroup), "%s", cgroup);
	d->unit.main_pid = kho_unit_main_let_go(d->config->unit);
	return d;
}

void kho_departure_free(struct kho_departure *d)
{
	if (!d)
		return;
	kho_command_free(d->unit_work);
	kho_command_free(d->splitter);
	kho_departure_end_criu(d);
	kho_departure_drop_ready(d);
	kho_page_stream_free(d->memory);
	kho_archive_done(&d->sample_files);
	if (d->dir >= 0)
		close(d->dir);
	free(d);
}

void kho_departure_describe(const struct kho_departure *d, Kho__MoveWorkload *ret)
{
	ret->unit = (char *)d->config->unit;
	ret->pids = (char *)d->pids;
	ret->has_watchdog_usec = true;
	ret->watchdog_usec = d->unit.watchdog_usec;
	ret->cgroup = (char *)d->unit.cgroup + strlen(KHO_CGROUP_ROOT);
	if (*d->config->health_command)
		ret->health_command = (char *)d->config->health_command;
	ret->has_health_timeout_ms = true;
	ret->health_timeout_ms = d->config->health_timeout_ms;
	ret->mapped = (char *)d->mapped;
	ret->has_memory = true;
	ret->memory = d->footprint;
}

void kho_departure_on_result(struct kho_departure *d, const Kho__MoveResult *result)
{
	if (result->step == KHO_STEP_RESUME && !result->code && !d->runs_ns)
		d->runs_ns = kho_now_ns();
	if (result->step == KHO_STEP_REHEARSE && !result->code && result->has_duration_ns) {
		d->rehearsed_ns = result->duration_ns;
		d->rounds.rehearsed_ns = d->sample_ns + d->rehearsed_ns;
		kho_agent_progress(d->mover->agent, "%s: rehearsed: a copy was restored there in "
				   "%llu ms, and dropped", d->config->name,
				   (unsigned long long)result->duration_ns / 1000000);
	}
	if (result->step == KHO_STEP_REHEARSE && result->has_code && result->code == -EOPNOTSUPP)
		kho_mover_doom(d->mover, d->item, result->text ?: "");
	if (result->step == KHO_STEP_SETTLE) {
		d->lazy_bytes = result->has_lazy_bytes ? result->lazy_bytes : 0;
		d->lazy_ns = result->has_lazy_ns ? result->lazy_ns : 0;
		kho_gauge_note(d, result->seen);
	}
}

/* ---- steps ---- */

static struct kho_departure *departure(struct kho_mover *mover, uint32_t item)
{
	return mover->departures[item];
}

/* In a child, as the next one: systemd reads its units again. */
static int let_unit_go(void *arg, struct kho_err *err)
{
	const struct kho_departure *d = arg;

	return kho_unit_let_go(d->config->unit, &d->unit, err);
}

static int hold_unit(void *arg, struct kho_err *err)
{
	const struct kho_departure *d = arg;

	return kho_unit_hold(d->config->unit, d->unit.main_pid, err);
}

static void on_let_go(void *ctx, const struct kho_err *err)
{
	struct kho_departure *d = ctx;

	d->unit_work = kho_command_free(d->unit_work);
	kho_mover_done(d->mover, KHO_STEP_LET_GO, d->item, err);
}

static void on_held(void *ctx, const struct kho_err *err)
{
	struct kho_departure *d = ctx;
	pid_t pid = d->unit.main_pid;

	if (kho_unit_is_dead(pid))
		kho_agent_progress(d->mover->agent, "%s: process %d died in the move; its clients "
				   "are lost, and %s is started again if its Restart= says so",
				   d->config->name, pid, d->config->unit);

	d->unit_work = kho_command_free(d->unit_work);
	kho_mover_undone(d->mover, KHO_STEP_LET_GO, d->item, err);
}

static int begin_unit_work(struct kho_departure *d, int (*call)(void *arg, struct kho_err *err),
			   kho_command_fn over, struct kho_err *err)
{
	const struct kho_command_work work = {
		.name = "telling systemd",
		.call = call,
		.arg = d,
		.timeout_ms = kho_step_info(KHO_STEP_LET_GO)->deadline_ms,
	};
	int r;

	d->unit_work = kho_command_free(d->unit_work);
	r = kho_command_call(d->mover->agent->event, &work, over, d, &d->unit_work, err);
	return r < 0 ? r : 1;
}

static int let_go(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	return begin_unit_work(departure(mover, item), let_unit_go, on_let_go, err);
}

static int hold_again(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	return begin_unit_work(departure(mover, item), hold_unit, on_held, err);
}

static int freeze(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	struct kho_departure *d = departure(mover, item);
	int r;

	d->frozen_ns = kho_now_ns();
	r = kho_cgroup_freeze(d->unit.cgroup, true, err);
	if (r >= 0)
		r = kho_cgroup_wait(d->unit.cgroup, "frozen", 1, FREEZE_MS, err);
	if (r >= 0)
		kho_gauge_frozen(d);
	kho_slow_end(d);
	return r;
}

int kho_departure_mend(struct kho_departure *d, struct kho_err *err)
{
	int r = kho_cgroup_freeze(d->unit.cgroup, true, err);

	if (r >= 0)
		r = kho_cgroup_wait(d->unit.cgroup, "frozen", 1, FREEZE_MS, err);
	if (r >= 0)
		r = kho_criu_clear_repair(d->unit.cgroup, err);
	if (r > 0)
		kho_agent_progress(d->mover->agent, "%s: %d connections were left in repair mode, "
				   "and are mended", d->config->name, r);
	return r < 0 ? r : 0;
}

/* A CRIU that is still in them couldn't be told to put all back, or wasn't done in time. */
static int thaw(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	struct kho_departure *d = departure(mover, item);
	struct kho_err unmended = {};
	int r = 0, thawed;

	if (d->criu) {
		kho_departure_end_criu(d);
		d->state = DEPARTURE_HERE;
		r = kho_departure_mend(d, &unmended);
	}
	thawed = kho_cgroup_freeze(d->unit.cgroup, false, err);
	if (thawed >= 0 && r < 0)
		*err = unmended;
	return thawed < 0 ? thawed : r;
}

/* ---- the end ---- */

int kho_departure_kill(struct kho_departure *d, struct kho_err *err)
{
	struct kho_err ignored;

	/* a CRIU that died, or had to undo, may have left some of them speaking */
	kho_criu_quiet(d->unit.cgroup, &ignored);
	kho_cgroup_kill(d->unit.cgroup, &ignored);
	/* systemd removes the folder once it's empty: then it's gone, too */
	if (kho_cgroup_wait(d->unit.cgroup, "populated", 0, END_MS, err) == -ETIMEDOUT)
		return -ETIMEDOUT;
	*err = (struct kho_err){};
	return 0;
}

static int discard(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	struct kho_departure *d = departure(mover, item);
	int r = d->criu ? kho_criu_answer(d->criu, true, err) : -ESRCH;

	d->state = DEPARTURE_ENDING;
	if (r >= 0)
		return 1;
	/* CRIU died: its tasks stand frozen, with sockets in repair mode */
	kho_departure_end_criu(d);
	return kho_departure_kill(d, err);
}

const struct kho_step_ops kho_step_let_go = { .begin = let_go, .undo = hold_again };
const struct kho_step_ops kho_step_freeze = { .begin = freeze, .undo = thaw };
const struct kho_step_ops kho_step_discard = { .begin = discard };
