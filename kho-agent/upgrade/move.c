// SPDX-License-Identifier: GPL-2.0-only
/* Steps and their order; move.h has the idea. */
#include <errno.h>

#include "upgrade/move.h"

#define S	1000u

static const struct kho_step_info steps[_KHO_STEP_MAX] = {
	/*			  name		phase	  scope		      remote undo deadline */
	[KHO_STEP_INSPECT]	= { "inspect",	"preflight", KHO_SCOPE_MOVE, false, false, 120 * S },
	[KHO_STEP_PREPARE]	= { "prepare",	"sync",	  KHO_SCOPE_WORKLOAD, true, true, 90 * S },
	[KHO_STEP_ADMIT]	= { "admit",	"sync",	  KHO_SCOPE_WORKLOAD, true, false, 60 * S },
	[KHO_STEP_ADDRESS]	= { "address",	"sync",	  KHO_SCOPE_ADDRESS, true, true, 60 * S },
	[KHO_STEP_ARM]		= { "arm",	"sync",	  KHO_SCOPE_MOVE, false, false, 30 * S },
	[KHO_STEP_EXPECT]	= { "expect",	"sync",	  KHO_SCOPE_VOLUME, true, false, 60 * S },
	[KHO_STEP_PRECOPY]	= { "pre-copy",	"sync",	  KHO_SCOPE_WORKLOAD, false, true, 150 * S,
				    true },
	[KHO_STEP_SAMPLE]	= { "sample",	"sync",	  KHO_SCOPE_WORKLOAD, false, true, 120 * S },
	[KHO_STEP_REHEARSE]	= { "rehearse",	"sync",	  KHO_SCOPE_WORKLOAD, true, true, 120 * S },
	[KHO_STEP_LET_GO]	= { "let-go",	"sync",	  KHO_SCOPE_WORKLOAD, false, true, 30 * S },
	[KHO_STEP_STOP]		= { "stop",	"sync",	  KHO_SCOPE_WORKLOAD, false, true, 150 * S },
	[KHO_STEP_CATCH_UP]	= { "catch-up",	"sync",	  KHO_SCOPE_WORKLOAD, false, true, 150 * S,
				    true },
	[KHO_STEP_SYNC]		= { "sync",	"sync",	  KHO_SCOPE_VOLUME, false, false, 300 * S },
	[KHO_STEP_HOLD]		= { "hold",	"switch", KHO_SCOPE_MOVE, false, true, 10 * S },
	[KHO_STEP_FREEZE]	= { "freeze",	"switch", KHO_SCOPE_WORKLOAD, false, true, 5 * S },
	[KHO_STEP_MUTE]		= { "mute",	"switch", KHO_SCOPE_MOVE, false, true, 5 * S },
	[KHO_STEP_DUMP]		= { "dump",	"switch", KHO_SCOPE_WORKLOAD, false, true, 60 * S },
	[KHO_STEP_RELEASE]	= { "release",	"switch", KHO_SCOPE_VOLUME, false, true, 30 * S },
	[KHO_STEP_DETACH]	= { "detach",	"switch", KHO_SCOPE_ADDRESS, false, true, 30 * S },
	[KHO_STEP_TAKE]		= { "take",	"switch", KHO_SCOPE_VOLUME, true, true, 30 * S },
	[KHO_STEP_ATTACH]	= { "attach",	"switch", KHO_SCOPE_ADDRESS, true, true, 30 * S },
	[KHO_STEP_RESTORE]	= { "restore",	"switch", KHO_SCOPE_WORKLOAD, true, true, 60 * S },
	[KHO_STEP_RESUME]	= { "resume",	"switch", KHO_SCOPE_WORKLOAD, true, true, 30 * S },
	[KHO_STEP_HEALTH]	= { "health",	"verify", KHO_SCOPE_WORKLOAD, true, false, 60 * S },
	[KHO_STEP_COMMIT]	= { "commit",	"commit", KHO_SCOPE_MOVE, false, false, 5 * S },
	[KHO_STEP_KEEP]		= { "keep",	"commit", KHO_SCOPE_VOLUME, true, false, 60 * S },
	[KHO_STEP_ANNOUNCE]	= { "announce",	"commit", KHO_SCOPE_ADDRESS, true, false, 10 * S },
	[KHO_STEP_FORWARD]	= { "forward",	"commit", KHO_SCOPE_MOVE, false, false, 10 * S },
	[KHO_STEP_START]	= { "start",	"commit", KHO_SCOPE_WORKLOAD, true, false, 120 * S },
	[KHO_STEP_DISCARD]	= { "discard",	"commit", KHO_SCOPE_WORKLOAD, false, false, 30 * S },
	[KHO_STEP_FORGET]	= { "forget",	"commit", KHO_SCOPE_VOLUME, false, false, 30 * S },
	[KHO_STEP_SETTLE]	= { "settle",	"soak",	  KHO_SCOPE_WORKLOAD, true, false, 600 * S },
};

const struct kho_step_info *kho_step_info(enum kho_step step)
{
	return &steps[step];
}

bool kho_move_committed(const struct kho_move *move)
{
	return move->state == KHO_MOVE_FORWARD || move->state == KHO_MOVE_DONE;
}

bool kho_move_is_delicate(const struct kho_move *move)
{
	if (move->state == KHO_MOVE_RUNNING)
		return move->step >= KHO_STEP_LET_GO;
	return move->state == KHO_MOVE_UNDOING || move->state == KHO_MOVE_FORWARD;
}

int kho_move_init(struct kho_move *move, const uint32_t nr[_KHO_SCOPE_MAX], struct kho_err *err)
{
	struct kho_move fresh = {};

	for (int scope = 0; scope < _KHO_SCOPE_MAX; scope++) {
		if (nr[scope] > KHO_MOVE_ITEMS)
			return kho_fail(err, -EINVAL, "more than %u workloads, addresses or volumes; "
					"move them in two upgrades", KHO_MOVE_ITEMS);
		fresh.nr[scope] = nr[scope];
	}
	if (!nr[KHO_SCOPE_WORKLOAD])
		return kho_fail(err, -EINVAL, "no workload is configured; nothing is to be moved");
	fresh.nr[KHO_SCOPE_MOVE] = 1;
	*move = fresh;
	return 0;
}

static bool is_for_restarted(enum kho_step step)
{
	return step == KHO_STEP_ADMIT || step == KHO_STEP_STOP || step == KHO_STEP_START;
}

static uint32_t all_items(const struct kho_move *move, enum kho_step step)
{
	uint32_t nr = move->nr[steps[step].scope];
	uint32_t items = nr >= 32 ? UINT32_MAX : (1u << nr) - 1;

	if (steps[step].scope == KHO_SCOPE_WORKLOAD)
		items &= is_for_restarted(step) ? move->restarted : ~move->restarted;
	return items & ~move->left_out[step];
}

int kho_move_restart(struct kho_move *move, uint32_t item, struct kho_err *err)
{
	if (item >= move->nr[KHO_SCOPE_WORKLOAD])
		return kho_fail(err, -EINVAL, "there's no workload %u", item);
	if (move->state == KHO_MOVE_IDLE ||
	    (move->state == KHO_MOVE_RUNNING && move->step == KHO_STEP_INSPECT)) {
		move->restarted |= 1u << item;
		return 0;
	}
	return kho_fail(err, -EINVAL, "the move is past the point where that could be chosen");
}

void kho_move_leave_out(struct kho_move *move, enum kho_step step, uint32_t item)
{
	if (item < KHO_MOVE_ITEMS && (move->state == KHO_MOVE_IDLE || step > move->step))
		move->left_out[step] |= 1u << item;
}

static struct kho_move_output output(enum kho_move_action action, enum kho_step step,
				     uint32_t items)
{
	return (struct kho_move_output){ .action = action, .step = step, .items = items };
}

static struct kho_move_output nothing(void)
{
	return output(KHO_MOVE_NOTHING, KHO_STEP_NONE, 0);
}

static struct kho_move_output end(struct kho_move *move, enum kho_move_state state)
{
	move->state = state;
	move->pending = 0;
	return output(KHO_MOVE_END, KHO_STEP_NONE, 0);
}

/* The next step that has anything to do. */
static struct kho_move_output advance(struct kho_move *move)
{
	for (unsigned int step = move->step + 1; step < _KHO_STEP_MAX; step++) {
		uint32_t items = all_items(move, step);

		if (move->state == KHO_MOVE_FORWARD && move->peer_lost && steps[step].remote)
			continue;
		if (!items)
			continue;
		move->step = step;
		move->pending = items;
		move->begun[step] = items;
		move->tried = step > KHO_STEP_INSPECT;
		return output(KHO_MOVE_BEGIN, step, items);
	}
	return end(move, KHO_MOVE_DONE);
}

/* The last step that was begun and isn't undone yet, from move->step downwards. */
static struct kho_move_output undo_next(struct kho_move *move)
{
	for (unsigned int step = move->step; step > KHO_STEP_NONE; step--) {
		uint32_t items = move->begun[step];

		move->begun[step] = 0;
		if (!items || !steps[step].undo || (steps[step].remote && move->peer_lost))
			continue;
		move->step = step;
		move->pending = items;
		return output(KHO_MOVE_UNDO, step, items);
	}
	return end(move, KHO_MOVE_FAILED);
}

/* An undo is over, or a fence: the other one may not be. */
static struct kho_move_output undo_further(struct kho_move *move)
{
	return move->pending || kho_move_waits_for_fence(move) ? nothing() : undo_next(move);
}

struct kho_move_output kho_move_undo_on(struct kho_move *move)
{
	if (kho_move_waits_for_fence(move))
		return output(KHO_MOVE_FENCE, KHO_STEP_NONE, 0);
	return undo_next(move);
}

static struct kho_move_output fail(struct kho_move *move, const struct kho_err *why)
{
	if (!move->err.code)
		move->err = *why;
	move->state = KHO_MOVE_UNDOING;
	move->pending = 0;
	return kho_move_undo_on(move);
}

struct kho_move_output kho_move_begin(struct kho_move *move)
{
	move->state = KHO_MOVE_RUNNING;
	move->step = KHO_STEP_NONE;
	return advance(move);
}

struct kho_move_output kho_move_done(struct kho_move *move, enum kho_step step, uint32_t item,
				     const struct kho_err *err)
{
	if ((move->state != KHO_MOVE_RUNNING && move->state != KHO_MOVE_FORWARD) ||
	    step != move->step || item >= KHO_MOVE_ITEMS || !(move->pending & 1u << item))
		return nothing();
	if (err && err->code < 0) {
		if (move->state == KHO_MOVE_RUNNING)
			return fail(move, err);
		if (!move->undo_err.code)
			move->undo_err = *err;
	}
	move->pending &= ~(1u << item);
	if (move->pending)
		return nothing();
	if (step == KHO_STEP_COMMIT)
		move->state = KHO_MOVE_FORWARD;
	return advance(move);
}

/*
 * A new side that was late has undone it after all, and isn't fenced: there's nothing of it
 * to be afraid of.
 */
static struct kho_move_output undone_late(struct kho_move *move, uint32_t item)
{
	move->begun[move->step] &= ~(1u << item);
	if (move->begun[move->step])
		return nothing();
	move->peer_lost = false;
	return undo_further(move);
}

struct kho_move_output kho_move_undone(struct kho_move *move, enum kho_step step, uint32_t item,
				       const struct kho_err *err)
{
	bool failed = err && err->code < 0;

	if (move->state != KHO_MOVE_UNDOING || step != move->step || item >= KHO_MOVE_ITEMS)
		return nothing();
	if (!failed && kho_move_waits_for_fence(move) && steps[step].remote &&
	    move->begun[step] & 1u << item)
		return undone_late(move, item);
	if (!(move->pending & 1u << item))
		return nothing();
	if (failed && !move->undo_err.code)
		move->undo_err = *err;
	/* it may run there, or hold a disk: nothing of it is used here before that's sure */
	if (failed && steps[step].remote && step > KHO_STEP_FREEZE)
		return kho_move_peer_lost(move, err);
	move->pending &= ~(1u << item);
	return undo_further(move);
}

struct kho_move_output kho_move_late(struct kho_move *move)
{
	struct kho_err late;

	kho_fail(&late, -ETIMEDOUT, "%s %s within %u s; see the logs of both agents",
		 steps[move->step].name, steps[move->step].copies ? "got no further" : "was not done",
		 steps[move->step].deadline_ms / S);
	switch (move->state) {
	case KHO_MOVE_RUNNING:
		return fail(move, &late);
	case KHO_MOVE_FORWARD:
		if (!move->undo_err.code)
			move->undo_err = late;
		return advance(move);
	case KHO_MOVE_UNDOING:
		/* a fence has no deadline */
		if (!move->pending)
			return nothing();
		if (!move->undo_err.code)
			move->undo_err = late;
		/* a new side that doesn't undo isn't trusted to have stopped: fence it */
		if (steps[move->step].remote && !move->peer_lost)
			return kho_move_peer_lost(move, &late);
		move->pending = 0;
		return undo_further(move);
	default:
		return nothing();
	}
}

struct kho_move_output kho_move_abort(struct kho_move *move, const struct kho_err *why)
{
	if (move->state != KHO_MOVE_RUNNING)
		return nothing();
	return fail(move, why);
}

struct kho_move_output kho_move_peer_lost(struct kho_move *move, const struct kho_err *why)
{
	move->peer_lost = true;
	switch (move->state) {
	case KHO_MOVE_RUNNING:
		return fail(move, why);
	case KHO_MOVE_UNDOING:
		if (!move->err.code)
			move->err = *why;
		/* its undo wasn't heard of: it's asked again, if there's anybody to ask */
		if (steps[move->step].remote) {
			move->begun[move->step] |= move->pending;
			move->pending = 0;
		}
		return move->fenced ? nothing() : output(KHO_MOVE_FENCE, KHO_STEP_NONE, 0);
	case KHO_MOVE_FORWARD:
		if (!move->undo_err.code)
			move->undo_err = *why;
		return steps[move->step].remote ? advance(move) : nothing();
	default:
		return nothing();
	}
}

struct kho_move_output kho_move_fenced(struct kho_move *move)
{
	if (!kho_move_waits_for_fence(move))
		return nothing();
	move->fenced = true;
	return undo_further(move);
}

bool kho_move_waits_for_fence(const struct kho_move *move)
{
	return move->state == KHO_MOVE_UNDOING && move->peer_lost && !move->fenced;
}

struct kho_move_output kho_move_peer_back(struct kho_move *move)
{
	if (!kho_move_waits_for_fence(move))
		return nothing();
	move->peer_lost = false;
	return undo_further(move);
}

struct kho_move_output kho_move_peer_up(struct kho_move *move, const struct kho_err *why)
{
	/* it couldn't be stopped from here, and undoes what it has by itself now */
	if (kho_move_waits_for_fence(move))
		return kho_move_peer_back(move);
	/* after COMMIT, or before a killed agent's move is taken up: it can be asked again */
	if (!move->fenced)
		move->peer_lost = false;
	if (move->state == KHO_MOVE_RUNNING)
		return fail(move, why);
	if (!move->pending || !steps[move->step].remote)
		return nothing();
	return output(move->state == KHO_MOVE_UNDOING ? KHO_MOVE_UNDO : KHO_MOVE_BEGIN, move->step,
		      move->pending);
}
