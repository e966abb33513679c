// SPDX-License-Identifier: GPL-2.0-only
/* The move's machine in the event loop; move.h has the idea. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "agent/bequeath.h"
#include "agent/failpoint.h"
#include "agent/gauge.h"
#include "agent/move.h"
#include "agent/move_nic.h"
#include "agent/move_record.h"
#include "agent/move_trial.h"
#include "agent/receive.h"
#include "agent/side.h"
#include "agent/upgrade_run.h"
#include "agent/upgrade_story.h"
#include "base/now.h"
#include "bpf/shield.h"
#include "migrate/criu/abilities.h"

#define LINGER_MS	200

static void carry_out(struct kho_mover *mover, struct kho_move_output out);

/* The instant: from here on the workloads are the other kernel's, whatever happens. */
static int commit(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	(void)item;
	if (mover->bequeathal)
		return kho_bequeath(mover, err);
	return kho_side_commit(mover->agent, mover->id, err);
}

static const struct kho_step_ops step_commit = { .begin = commit };

const struct kho_step_ops *kho_mover_ops(enum kho_step step)
{
	static const struct kho_step_ops *const ops[_KHO_STEP_MAX] = {
		[KHO_STEP_INSPECT] = &kho_step_inspect,
		[KHO_STEP_ARM] = &kho_step_arm,
		[KHO_STEP_PRECOPY] = &kho_step_precopy,
		[KHO_STEP_SAMPLE] = &kho_step_sample,
		[KHO_STEP_LET_GO] = &kho_step_let_go,
		[KHO_STEP_STOP] = &kho_step_stop,
		[KHO_STEP_CATCH_UP] = &kho_step_catch_up,
		[KHO_STEP_SYNC] = &kho_step_sync,
		[KHO_STEP_HOLD] = &kho_step_hold,
		[KHO_STEP_FREEZE] = &kho_step_freeze,
		[KHO_STEP_MUTE] = &kho_step_mute,
		[KHO_STEP_DUMP] = &kho_step_dump,
		[KHO_STEP_RELEASE] = &kho_step_release,
		[KHO_STEP_DETACH] = &kho_step_detach,
		[KHO_STEP_COMMIT] = &step_commit,
		[KHO_STEP_FORWARD] = &kho_step_forward,
		[KHO_STEP_DISCARD] = &kho_step_discard,
		[KHO_STEP_FORGET] = &kho_step_forget,
	};

	return ops[step];
}

const char *kho_mover_item_name(const struct kho_mover *mover, enum kho_step step, uint32_t item)
{
	const struct kho_config *config = mover->config;

	switch (kho_step_info(step)->scope) {
	case KHO_SCOPE_WORKLOAD:
		return config->workloads[item].name;
	case KHO_SCOPE_ADDRESS:
		return config->addresses[item].name;
	case KHO_SCOPE_VOLUME:
		return config->volumes[item].name;
	default:
		return "all";
	}
}

/* ---- time ---- */

/* How much has been copied, in a number that differs if it got any further. */
static uint64_t copied(const struct kho_mover *mover)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < KHO_MOVE_ITEMS; i++)
		if (mover->departures[i])
			sum += kho_departure_copied(mover->departures[i]);
	return sum;
}

static void set_deadline(struct kho_mover *mover, uint64_t ms);

/* However much memory there is: it's only to keep coming. */
static bool flows(struct kho_mover *mover)
{
	const struct kho_step_info *info = kho_step_info(mover->move.step);
	uint64_t now;

	if (!info->copies || mover->move.state != KHO_MOVE_RUNNING)
		return false;
	now = copied(mover);
	if (now == mover->copied)
		return false;
	mover->copied = now;
	set_deadline(mover, info->deadline_ms);
	return true;
}

static int on_late(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct kho_mover *mover = userdata;

	(void)source;
	(void)usec;
	if (!flows(mover))
		carry_out(mover, kho_move_late(&mover->move));
	return 0;
}

static void set_deadline(struct kho_mover *mover, uint64_t ms)
{
	mover->deadline = sd_event_source_disable_unref(mover->deadline);
	if (ms)
		sd_event_add_time_relative(mover->agent->event, &mover->deadline, CLOCK_MONOTONIC,
					   ms * 1000, 0, on_late, mover);
}

static void note_end(struct kho_mover *mover)
{
	enum kho_step step = mover->move.step;

	if (mover->times.begin_ns[step] && !mover->times.end_ns[step])
		mover->times.end_ns[step] = kho_now_ns();
}

/* ---- what the machine wants done ---- */

static int do_step(struct kho_mover *mover, enum kho_step step, bool undo, uint32_t item,
		   struct kho_err *err)
{
	const struct kho_step_ops *ops = kho_mover_ops(step);

	/* once they agree, kho_mover_peer_up() sees to it */
	if (kho_step_info(step)->remote && !kho_mover_is_connected(mover))
		return 1;
	if (kho_step_info(step)->remote)
		return kho_mover_ask(mover, step, undo, item, err);
	return undo ? ops->undo(mover, item, err) : ops->begin(mover, item, err);
}

static int do_one(struct kho_mover *mover, enum kho_step step, bool undo, uint32_t item,
		  struct kho_err *err)
{
	struct kho_failpoint point = { .step = step, .undo = undo, .when = KHO_FAIL_BEFORE };
	int r = kho_failpoint(mover->agent, &point, err), failed;

	if (r != 0)
		return r;
	r = do_step(mover, step, undo, item, err);
	point.when = KHO_FAIL_AFTER;
	failed = kho_failpoint(mover->agent, &point, err);
	return failed ? failed : r;
}

static struct kho_move_output tell(struct kho_mover *mover, enum kho_step step, bool undo,
				   uint32_t item, const struct kho_err *err)
{
	struct kho_err why = *err;

	if (!undo && mover->move.step == step && mover->move.pending == 1u << item)
		note_end(mover);
	if (why.code < 0)
		kho_wrap(&why, why.code, "%s of %s%s", kho_step_info(step)->name,
			 kho_mover_item_name(mover, step, item), undo ? " can't be undone" : "");
	else if (!undo && kho_trial_is_done(mover, step, item, &why))
		return kho_move_abort(&mover->move, &why);
	return undo ? kho_move_undone(&mover->move, step, item, &why) :
		      kho_move_done(&mover->move, step, item, &why);
}

/* For all items; the first answer that isn't NOTHING ends it: the rest is void then. */
static struct kho_move_output do_all(struct kho_mover *mover, struct kho_move_output out)
{
	bool undo = out.action == KHO_MOVE_UNDO;
	struct kho_move_output next = { .action = KHO_MOVE_NOTHING };
	struct kho_err err;
	int r;

	for (uint32_t item = 0; item < KHO_MOVE_ITEMS && next.action == KHO_MOVE_NOTHING; item++) {
		if (!(out.items & 1u << item))
			continue;
		err = (struct kho_err){};
		r = do_one(mover, out.step, undo, item, &err);
		if (r <= 0)
			next = tell(mover, out.step, undo, item, &err);
	}
	return next;
}

static struct kho_move_output begin_step(struct kho_mover *mover, struct kho_move_output out)
{
	const struct kho_step_info *info = kho_step_info(out.step);
	struct kho_err err = {};

	/* what isn't noted can't be undone by the next agent; after a kexec none will read it */
	if (!(mover->bequeathal && out.step == KHO_STEP_COMMIT) &&
	    kho_mover_note(mover, &err) < 0 && mover->move.state == KHO_MOVE_RUNNING)
		return kho_move_abort(&mover->move, &err);
	kho_upgrade_story_step(mover->agent, out.step, out.action == KHO_MOVE_UNDO);
	kho_agent_progress(mover->agent, "%s%s", out.action == KHO_MOVE_UNDO ? "undoing " : "",
			   info->name);
	if (out.action == KHO_MOVE_BEGIN)
		mover->times.begin_ns[out.step] = kho_now_ns();
	if (out.action == KHO_MOVE_BEGIN && out.step == KHO_STEP_PREPARE) {
		kho_mover_shield(mover);
		kho_gauge_leaving(mover);
	}
	set_deadline(mover, info->deadline_ms);
	kho_mover_watch_budget(mover);
	return do_all(mover, out);
}

/*
 * All that the other kernel has is taken from it; only then may it be used here. If it
 * can't be stopped, tasks stand still: until it has been, or its agent is back.
 */
static struct kho_move_output fence(struct kho_mover *mover)
{
	struct kho_err err = {};

	kho_agent_progress(mover->agent, "stopping the %s", kho_side(mover->agent)->peer);
	if (kho_side(mover->agent)->fence(mover->agent, &err) >= 0)
		return kho_move_fenced(&mover->move);
	mover->agent->last = err;
	kho_agent_progress(mover->agent, "%s", err.msg);
	return (struct kho_move_output){ .action = KHO_MOVE_NOTHING };
}

static int on_fence(sd_event_source *source, void *userdata)
{
	struct kho_mover *mover = userdata;

	(void)source;
	mover->fencing = sd_event_source_disable_unref(mover->fencing);
	/* or it was done meanwhile, by command */
	if (kho_move_waits_for_fence(&mover->move))
		carry_out(mover, fence(mover));
	return 0;
}

/* Not at once: it ends the session, and this may be inside of its channel. */
static struct kho_move_output fence_soon(struct kho_mover *mover)
{
	/* an undo may be under way on this side */
	if (!mover->move.pending)
		set_deadline(mover, 0);
	if (!mover->fencing &&
	    sd_event_add_defer(mover->agent->event, &mover->fencing, on_fence, mover) < 0)
		kho_agent_progress(mover->agent, "no memory to go on; use khoctl reclaim");
	return (struct kho_move_output){ .action = KHO_MOVE_NOTHING };
}

static int on_rest(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct kho_mover *mover = userdata;

	(void)source;
	(void)usec;
	kho_mover_end_net(mover, kho_move_committed(&mover->move));
	mover->agent->mover = NULL;
	if (!kho_mover_try_again(mover))
		mover->over(mover);
	kho_mover_free(mover);
	return 0;
}

/* Not at once: packets may still be on their way into the queue, which lets them go. */
static void end(struct kho_mover *mover)
{
	kho_mover_forget();
	kho_upgrade_story_step(mover->agent, KHO_STEP_NONE, false);
	set_deadline(mover, 0);
	kho_mover_watch_budget(mover);
	sd_event_add_time_relative(mover->agent->event, &mover->deadline, CLOCK_MONOTONIC,
				   LINGER_MS * 1000, 0, on_rest, mover);
}

static void carry_out(struct kho_mover *mover, struct kho_move_output out)
{
	while (out.action != KHO_MOVE_NOTHING) {
		switch (out.action) {
		case KHO_MOVE_BEGIN:
		case KHO_MOVE_UNDO:
			out = begin_step(mover, out);
			break;
		case KHO_MOVE_FENCE:
			out = fence_soon(mover);
			break;
		default:
			end(mover);
			return;
		}
	}
}

/* ---- what happens ---- */

void kho_mover_go_on(struct kho_mover *mover, struct kho_move_output out)
{
	carry_out(mover, out);
}

void kho_mover_done(struct kho_mover *mover, enum kho_step step, uint32_t item,
		    const struct kho_err *err)
{
	carry_out(mover, tell(mover, step, false, item, err));
}

void kho_mover_undone(struct kho_mover *mover, enum kho_step step, uint32_t item,
		      const struct kho_err *err)
{
	carry_out(mover, tell(mover, step, true, item, err));
}

void kho_mover_abort(struct kho_mover *mover, const struct kho_err *why)
{
	carry_out(mover, kho_move_abort(&mover->move, why));
}

void kho_mover_peer_lost(struct kho_mover *mover, const struct kho_err *why)
{
	carry_out(mover, kho_move_peer_lost(&mover->move, why));
}

int kho_mover_fence(struct kho_mover *mover, struct kho_err *err)
{
	if (!kho_move_waits_for_fence(&mover->move))
		return kho_fail(err, -EBUSY, "a move is under way; see khoctl status");
	if (kho_side(mover->agent)->fence(mover->agent, err) < 0)
		return err->code;
	carry_out(mover, kho_move_fenced(&mover->move));
	return 0;
}

/* ---- beginning and end ---- */

void kho_mover_free(struct kho_mover *mover)
{
	set_deadline(mover, 0);
	sd_event_source_disable_unref(mover->fencing);
	kho_mover_end_check(mover);
	sd_event_source_disable_unref(mover->budget_timer);
	kho_mover_free_left(mover);
	kho_gauge_free(mover->gauge);
	for (unsigned int i = 0; i < KHO_MOVE_ITEMS; i++) {
		kho_departure_free(mover->departures[i]);
		kho_command_free(mover->syncs[i].command);
	}
	kho_shield_free(mover->shield);
	kho_mover_free_net(mover);
	kho_mover_free_restarts(mover);
	kho_mover_tidy(mover->agent);
	free(mover->config);
	free(mover->config_text);
	free(mover->doomed);
	kho_bequeathal_free(mover->bequeathal);
	free(mover);
}

static int check_ready(struct kho_agent *agent, struct kho_err *err)
{
	if (agent->mover)
		return kho_fail(err, -EBUSY, "a move is under way; see khoctl status");
	if (agent->phase != KHO_PHASE_SYNC || !agent->session ||
	    !kho_link_is_up(kho_channel_link(agent->session->channel)))
		return kho_fail(err, -ENOTCONN, "no other kernel is connected to move workloads "
				"to; khoctl spawn one first");
	if (!kho_side_owns(agent))
		return kho_fail(err, -EALREADY, "the workloads are in the %s; khoctl rollback "
				"moves them back", kho_side(agent)->peer);
	return kho_receive_let_go(agent, err);
}

/* What both kernels have to be able to do, before anything is touched. */
static int check_abilities(const struct kho_agent *agent, struct kho_err *err)
{
	const struct kho_hello *peer = &kho_channel_link(agent->session->channel)->peer;
	const struct kho_side *side = kho_side(agent);

	if (!*agent->criu_version || !*peer->criu_version)
		return kho_fail(err, -ENOENT, "CRIU is missing in the %s; install it, also in the "
				"target image",
				*agent->criu_version ? side->peer : side->self);
	for (unsigned int i = 0; i < _KHO_ABILITY_MAX; i++) {
		bool here = agent->abilities & 1u << i;

		if (!here || !kho_features_has(&peer->criu_features, kho_ability_name(i)))
			return kho_fail(err, -EOPNOTSUPP, "the %s has no %s, which moving "
					"needs; upgrade without workloads, or take another kernel",
					here ? side->peer : side->self, kho_ability_name(i));
	}
	return 0;
}

int kho_mover_take_in(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	mover->departures[item] = kho_departure_new(mover, item, err);
	if (!mover->departures[item])
		return kho_wrap(err, err->code, "workload %s",
				mover->config->workloads[item].name);
	return 0;
}

static int prepare(struct kho_mover *mover, struct kho_err *err)
{
	uint32_t nr[_KHO_SCOPE_MAX] = {};
	int r = kho_config_load(&mover->config, err);

	if (r >= 0)
		r = kho_config_text(&mover->config_text, err);
	if (r < 0)
		return r;
	nr[KHO_SCOPE_WORKLOAD] = mover->config->nr_workloads;
	nr[KHO_SCOPE_ADDRESS] = mover->config->nr_addresses;
	nr[KHO_SCOPE_VOLUME] = mover->config->nr_volumes;
	return kho_move_init(&mover->move, nr, err);
}

static struct kho_mover *new_mover(struct kho_agent *agent, void (*over)(struct kho_mover *mover),
				   struct kho_err *err)
{
	struct kho_mover *mover = calloc(1, sizeof(*mover));

	if (!mover) {
		kho_fail(err, -ENOMEM, "no memory for a move");
		return NULL;
	}
	mover->agent = agent;
	mover->over = over;
	if (getrandom(&mover->id, sizeof(mover->id), 0) != sizeof(mover->id))
		mover->id = kho_now_ns();
	if (prepare(mover, err) < 0) {
		kho_mover_free(mover);
		return NULL;
	}
	return mover;
}

static void begin(struct kho_mover *mover)
{
	mover->agent->mover = mover;
	mover->began_ns = kho_now_ns();
	mover->began_ms = kho_upgrade_now_ms();
	carry_out(mover, kho_move_begin(&mover->move));
}

int kho_mover_begin(struct kho_agent *agent, void (*over)(struct kho_mover *mover),
		    struct kho_err *err)
{
	struct kho_mover *mover;
	struct kho_owner owner;
	int r = check_ready(agent, err);

	if (r >= 0)
		r = check_abilities(agent, err);
	if (r < 0)
		return r;
	mover = new_mover(agent, over, err);
	if (!mover)
		return err->code;
	r = kho_side_owner(agent, &owner, err);
	if (r < 0) {
		kho_mover_free(mover);
		return r;
	}
	mover->epoch = owner.epoch;
	begin(mover);
	return 0;
}

int kho_mover_begin_kexec(struct kho_agent *agent, struct kho_bequeathal *bequeathal,
			  void (*over)(struct kho_mover *mover), struct kho_err *err)
{
	struct kho_mover *mover = NULL;

	if (kho_receive_let_go(agent, err) >= 0)
		mover = new_mover(agent, over, err);
	if (!mover) {
		kho_bequeathal_free(bequeathal);
		return err->code;
	}
	mover->bequeathal = bequeathal;
	kho_bequeath_narrow(mover);
	kho_mover_shield(mover);
	begin(mover);
	return 0;
}
