// SPDX-License-Identifier: GPL-2.0-only
/* Running an upgrade; upgrade_run.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/checkup.h"
#include "agent/move.h"
#include "agent/move_findings.h"
#include "agent/preflight.h"
#include "agent/publish.h"
#include "agent/rollback.h"
#include "agent/side.h"
#include "agent/upgrade_disk.h"
#include "agent/upgrade_kexec.h"
#include "agent/upgrade_private.h"
#include "agent/upgrade_story.h"
#include "base/now.h"
#include "system/kexec.h"

#define LINK_MS		60000
#define NS_PER_MS	1000000ull

/* ---- what the machine wants done ---- */

static void done(struct kho_upgrade_run *run, const struct kho_err *err)
{
	kho_upgrade_carry(run, kho_upgrade_done(&run->journal.upgrade, err));
}

/* May end the upgrade, and free @run. */
static void end_check(struct kho_upgrade_run *run, const struct kho_err *err)
{
	free(run->config);
	run->config = NULL;
	done(run, err);
}

static void on_checked(void *ctx, const struct kho_err *failed)
{
	struct kho_upgrade_run *run = ctx;
	struct kho_checkup *checkup = run->agent->checkup;
	struct kho_err err = *failed;

	if (err.code >= 0)
		kho_publish_checkup(run->agent, checkup);
	if (err.code >= 0 && kho_checkup_blocked(checkup))
		kho_fail(&err, -EOPNOTSUPP, "something keeps workloads from moving; khoctl check "
			 "says what, and what to do about it");
	kho_checkup_free(checkup);
	end_check(run, &err);
}

static void refuse(const struct kho_upgrade_run *run, const struct kho_finding *first,
		   struct kho_err *err)
{
	char line[KHO_FINDING_CAUSE + KHO_FINDING_REMEDY + 64];

	kho_finding_format(first, line, sizeof(line));
	kho_fail(err, -EOPNOTSUPP, "%s: %.360s (khoctl check %.64s shows all)",
		 kho_finding_name(first->kind), line, run->spawn.image);
}

static int check_workloads(struct kho_upgrade_run *run, struct kho_err *err)
{
	kho_agent_progress(run->agent, "looking for what keeps workloads from moving");
	return kho_checkup_begin(run->agent, run->config, on_checked, run, err);
}

static void on_preflight(void *ctx, const struct kho_err *failed)
{
	struct kho_upgrade_run *run = ctx;
	const struct kho_finding *first = kho_preflight_blocker(run->preflight);
	struct kho_err err = *failed;

	if (err.code >= 0)
		kho_publish_preflight(run->agent, run->preflight);
	if (err.code >= 0 && first)
		refuse(run, first, &err);
	run->preflight = kho_preflight_free(run->preflight);
	if (err.code >= 0 && run->config->nr_workloads && check_workloads(run, &err) >= 0)
		return;
	end_check(run, &err);
}

/* CPUs and memory aren't lent: other things are looked at. */
static int check_kexec(struct kho_upgrade_run *run, struct kho_err *err)
{
	int r = kho_upgrade_kexec_check(run->agent, run->spawn.image, run->config, &run->predicted_ms,
					err);

	if (r < 0)
		return r;
	kho_agent_progress(run->agent, "by kexec: the workloads will stand still for about %llu s, and "
			   "all else that runs here ends without being asked",
			   (unsigned long long)(run->predicted_ms + 999) / 1000);
	return check_workloads(run, err);
}

static int do_check(struct kho_upgrade_run *run, struct kho_err *err)
{
	struct kho_preflight_spec spec = {
		.image = run->spawn.image,
		.cpus = run->spawn.cpus,
		.blocks = run->spawn.blocks,
		.memory = run->spawn.memory,
		.done = on_preflight,
		.ctx = run,
	};
	int r = kho_config_load(&run->config, err);

	spec.config = run->config;
	if (r < 0)
		return r;
	kho_agent_progress(run->agent, "looking at this machine and the target image");
	if (run->journal.upgrade.kexec)
		return check_kexec(run, err);
	return kho_preflight_begin(run->agent, &spec, &run->preflight, err);
}

static int do_spawn(struct kho_upgrade_run *run, struct kho_err *err)
{
	return run->journal.upgrade.kexec ? kho_upgrade_kexec_load(run, err) :
					    kho_spawn(run->agent, &run->spawn, err);
}

static int do_move(struct kho_upgrade_run *run, struct kho_err *err)
{
	int r = run->journal.upgrade.kexec ? kho_upgrade_kexec_move(run, err) :
					     kho_move_there(run->agent, err);

	if (r >= 0 && run->agent->mover && run->no_rehearsal)
		kho_mover_no_rehearsal(run->agent->mover);
	if (r >= 0 && run->agent->mover)
		kho_mover_limit_frozen(run->agent->mover, run->max_frozen_ms);
	return r;
}

static int abort_move(struct kho_upgrade_run *run)
{
	if (run->agent->mover)
		kho_mover_abort(run->agent->mover, &run->journal.upgrade.err);
	return 0;
}

static int on_soaked(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct kho_upgrade_run *run = userdata;

	(void)source;
	(void)usec;
	run->timer = sd_event_source_disable_unref(run->timer);
	run->soak_ends_ns = 0;
	kho_upgrade_carry(run, kho_upgrade_soaked(&run->journal.upgrade));
	return 0;
}

/* Only an operator's word ends it: whoever waits is told so. */
static void be_held(struct kho_upgrade_run *run)
{
	struct kho_agent *agent = run->agent;
	struct kho_err err = run->journal.upgrade.err;

	kho_agent_tell(agent, KHO_MESSAGE_UPGRADE_HELD, NULL, "the old kernel stands by; khoctl commit "
		       "retires it, khoctl abort undoes the upgrade");
	if (err.code < 0) {
		agent->last = err;
		kho_wrap(&err, err.code, "the upgrade is held in \"soak\" (khoctl commit, khoctl "
			 "abort)");
	}
	if (agent->waiter && agent->waiter == run->client) {
		run->client = NULL;
		agent->waiter_tried = true;
		kho_agent_end_wait(agent, &err);
	}
}

static int do_soak(struct kho_upgrade_run *run, struct kho_err *err)
{
	uint64_t ms = run->journal.soak_sec * 1000;
	int r;

	if (run->committed)
		kho_upgrade_hooks_tell(run->agent, &run->journal, KHO_HOOK_COMMITTED);
	run->committed = false;
	if (run->journal.upgrade.hold || run->journal.upgrade.held) {
		be_held(run);
		return 0;
	}
	kho_agent_progress(run->agent, "the old kernel stands by for %llu s",
			   (unsigned long long)run->journal.soak_sec);
	run->soak_ends_ns = kho_now_ns() + ms * NS_PER_MS;
	run->timer = sd_event_source_disable_unref(run->timer);
	r = sd_event_add_time_relative(run->agent->event, &run->timer, CLOCK_BOOTTIME, ms * 1000, 0,
				       on_soaked, run);
	return r < 0 ? kho_fail_errno(err, r, "event loop") : 0;
}

static int do_rollback(struct kho_upgrade_run *run, struct kho_err *err)
{
	if (kho_side_peer_owns(run->agent))
		return kho_rollback(run->agent, err);
	/* an agent that was killed since has asked for it: its end is waited for, if it has one */
	if (kho_rollback_finish(run->agent, err) < 0)
		done(run, &(struct kho_err){});
	return 0;
}

static int do_reclaim(struct kho_upgrade_run *run, struct kho_err *err)
{
	struct kho_agent *agent = run->agent;
	bool any = agent->phase != KHO_PHASE_IDLE || kho_spawn_has_lent(agent);
	int r = 0;

	/* a move stops the new kernel by itself, once it's sure that nothing there is needed */
	if (agent->mover)
		r = kho_mover_fence(agent->mover, err);
	else if (any)
		r = kho_reclaim(agent, err);
	if (run->journal.upgrade.kexec)
		kho_kexec_unload();
	if (r >= 0)
		done(run, &(struct kho_err){});
	return r;
}

static bool needs_link(enum kho_upgrade_action action)
{
	return action == KHO_UPGRADE_DO_RETIRE || action == KHO_UPGRADE_DO_ROLLBACK;
}

/* May end the upgrade, and free @run. */
static void act(struct kho_upgrade_run *run)
{
	enum kho_upgrade_action action = run->pending;
	struct kho_err err = {};
	int r = 0;

	run->pending = KHO_UPGRADE_WAIT;
	switch (action) {
	case KHO_UPGRADE_DO_CHECK:
		r = do_check(run, &err);
		break;
	case KHO_UPGRADE_DO_SPAWN:
		r = do_spawn(run, &err);
		break;
	case KHO_UPGRADE_DO_MOVE:
		r = do_move(run, &err);
		break;
	case KHO_UPGRADE_DO_ABORT_MOVE:
		r = abort_move(run);
		break;
	case KHO_UPGRADE_DO_SOAK:
		r = do_soak(run, &err);
		break;
	case KHO_UPGRADE_DO_RETIRE:
		r = kho_upgrade_retire(run, &err);
		break;
	case KHO_UPGRADE_DO_ROLLBACK:
		r = do_rollback(run, &err);
		break;
	case KHO_UPGRADE_DO_RECLAIM:
		r = do_reclaim(run, &err);
		break;
	default:
		break;
	}
	if (r < 0)
		done(run, &err);
}

static bool link_is_up(const struct kho_agent *agent)
{
	return agent->session && kho_link_is_up(kho_channel_link(agent->session->channel));
}

static int on_link_late(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct kho_upgrade_run *run = userdata;

	(void)source;
	(void)usec;
	run->timer = sd_event_source_disable_unref(run->timer);
	run->waits_for_link = false;
	/* it says what it lacks */
	act(run);
	return 0;
}

/* The agent was just started, and the other one has yet to answer. */
static bool wait_for_link(struct kho_upgrade_run *run)
{
	if (!needs_link(run->pending) || !run->agent->session || link_is_up(run->agent))
		return false;
	run->waits_for_link = true;
	run->timer = sd_event_source_disable_unref(run->timer);
	sd_event_add_time_relative(run->agent->event, &run->timer, CLOCK_MONOTONIC, LINK_MS * 1000,
				   0, on_link_late, run);
	return true;
}

static int on_soon(sd_event_source *source, void *userdata)
{
	struct kho_upgrade_run *run = userdata;

	(void)source;
	run->soon = sd_event_source_disable_unref(run->soon);
	if (!wait_for_link(run))
		act(run);
	return 0;
}

void kho_upgrade_peer_up(struct kho_agent *agent)
{
	struct kho_upgrade_run *run = agent->upgrade;

	if (!run || !run->waits_for_link)
		return;
	run->waits_for_link = false;
	run->timer = sd_event_source_disable_unref(run->timer);
	kho_upgrade_carry(run, run->pending);
}

/* Not at once: this may be inside of the channel, or of what the action is about. */
static void act_soon(struct kho_upgrade_run *run, enum kho_upgrade_action action)
{
	run->pending = action;
	if (!run->soon)
		sd_event_add_defer(run->agent->event, &run->soon, on_soon, run);
}

/*
 * What isn't written can't be gone on with by the next agent: then it isn't begun. What undoes or
 * ends an upgrade is done all the same.
 */
static bool note(struct kho_upgrade_run *run, enum kho_upgrade_action action)
{
	struct kho_journal *journal = &run->journal;
	enum kho_upgrade_state state = journal->upgrade.state;
	struct kho_err err;

	if (!journal->nr_at || journal->at[journal->nr_at - 1].state != state)
		kho_journal_add(journal, state, kho_upgrade_now_ms());
	kho_upgrade_story_state(run->agent, journal);
	if (kho_upgrade_disk_write(journal, &err) >= 0)
		return true;
	kho_agent_progress(run->agent, "the journal can't be written: %s", err.msg);
	if (state > KHO_UPGRADE_MOVE || action == KHO_UPGRADE_DO_ABORT_MOVE)
		return true;
	done(run, &err);
	return false;
}

void kho_upgrade_carry(struct kho_upgrade_run *run, enum kho_upgrade_action action)
{
	if (action == KHO_UPGRADE_DO_END) {
		kho_journal_add(&run->journal, run->journal.upgrade.state, kho_upgrade_now_ms());
		kho_upgrade_end(run);
		return;
	}
	if (action == KHO_UPGRADE_WAIT || !note(run, action))
		return;
	run->hooks = kho_hooks_free(run->hooks);
	if (action != KHO_UPGRADE_DO_ABORT_MOVE)
		run->timer = sd_event_source_disable_unref(run->timer);
	run->soak_ends_ns = 0;
	act_soon(run, action);
}

/* ---- what happens ---- */

/* In the soak nothing's under way that could end, but the new kernel itself. */
static bool heard_in_soak(struct kho_upgrade_run *run, const struct kho_err *err)
{
	struct kho_agent *agent = run->agent;
	struct kho_err why = *err;
	/* somebody else's command */
	bool other = agent->waiter != run->client;

	if (agent->phase == KHO_PHASE_IDLE && !why.code)
		kho_fail(&why, -ECANCELED, "the operator gave the new kernel up");
	if (why.code && !link_is_up(agent))
		kho_upgrade_carry(run, kho_upgrade_lost(&run->journal.upgrade, agent->phase == KHO_PHASE_IDLE,
					    &why));
	return !other;
}

void kho_upgrade_move_trouble(struct kho_agent *agent, const struct kho_err *trouble)
{
	if (agent->upgrade)
		agent->upgrade->trouble = *trouble;
}

bool kho_upgrade_heard(struct kho_agent *agent, const struct kho_err *err)
{
	struct kho_upgrade_run *run = agent->upgrade;

	if (!run)
		return false;
	switch (run->journal.upgrade.state) {
	case KHO_UPGRADE_SPAWN:
		/* that it went well is said by hello */
		if (err->code < 0)
			done(run, err);
		return true;
	case KHO_UPGRADE_MOVE:
		run->committed = err->code >= 0;
		if (run->committed)
			kho_upgrade_carry(run, kho_upgrade_moved(&run->journal.upgrade,
								 &run->trouble));
		else
			done(run, err);
		return true;
	case KHO_UPGRADE_RETIRE:
		/* not the way out: everything is this kernel's again */
		if (agent->phase == KHO_PHASE_IDLE)
			kho_upgrade_carry(run, kho_upgrade_lost(&run->journal.upgrade, true,
								err->code < 0 ? err : &agent->last));
		else
			done(run, err);
		return true;
	case KHO_UPGRADE_ROLLBACK:
		done(run, err);
		return true;
	case KHO_UPGRADE_SOAK:
		return heard_in_soak(run, err);
	default:
		/* of what failed before; whoever waits for the whole is told in the end */
		return agent->waiter == run->client;
	}
}

void kho_upgrade_run_returned(struct kho_agent *agent)
{
	if (agent->upgrade)
		kho_upgrade_carry(agent->upgrade, kho_upgrade_returned(&agent->upgrade->journal.upgrade));
}

void kho_upgrade_client_gone(struct kho_agent *agent)
{
	if (agent->upgrade && agent->upgrade->client == agent->waiter)
		agent->upgrade->client = NULL;
}

const struct kho_journal *kho_upgrade_journal(const struct kho_agent *agent)
{
	return agent->upgrade ? &agent->upgrade->journal : NULL;
}

bool kho_upgrade_is_busy(const struct kho_agent *agent)
{
	return agent->upgrade && agent->upgrade->journal.upgrade.state != KHO_UPGRADE_SOAK;
}

uint64_t kho_upgrade_soak_left_ms(const struct kho_agent *agent)
{
	uint64_t now = kho_now_ns(), ends = agent->upgrade ? agent->upgrade->soak_ends_ns : 0;

	return ends > now ? (ends - now) / NS_PER_MS : 0;
}

/* ---- the operator's words ---- */

static int check_any(const struct kho_agent *agent, struct kho_err *err)
{
	return agent->upgrade ? 0 : kho_fail(err, -EALREADY, "no upgrade is under way; see khoctl "
					     "status");
}

int kho_upgrade_run_commit(struct kho_agent *agent, struct kho_err *err)
{
	enum kho_upgrade_action action;
	int r = check_any(agent, err);

	if (r >= 0)
		r = kho_upgrade_commit(&agent->upgrade->journal.upgrade, &action, err);
	if (r >= 0)
		kho_upgrade_carry(agent->upgrade, action);
	return r;
}

int kho_upgrade_run_abort(struct kho_agent *agent, const struct kho_err *why, struct kho_err *err)
{
	enum kho_upgrade_action action;
	int r = check_any(agent, err);

	if (r >= 0)
		r = kho_upgrade_abort(&agent->upgrade->journal.upgrade, why, &action, err);
	if (r < 0)
		return r;
	kho_checkup_free(agent->checkup);
	kho_upgrade_carry(agent->upgrade, action);
	return 0;
}
