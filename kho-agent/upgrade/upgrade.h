/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An upgrade from its beginning to its end, as a pure function: what comes next.
 *
 * Theory of operation
 *
 * The old kernel's agent runs this machine. Each state but SOAK is one thing that's under
 * way and ends well or not; SOAK waits. What's under way in MOVE has a machine of its own
 * (move.h), with the undo of each of its steps.
 *
 *	            well                                        time is up, or commit
 *	CHECK ------> SPAWN ------> MOVE ------------> SOAK --------------> RETIRE ---> DONE
 *	  |             |             |             ^   |  ^                  |
 *	  |             |             |             |   |  |      failed:     |
 *	  | not well,   |             |             |   |  +------------------+ held
 *	  | or abort    |             | failed, or  |   | abort
 *	  |             |             | abort       |   v
 *	  |             |             |             +- ROLLBACK    (not well: held)
 *	  |             v             v                 |
 *	  +--> FAILED <--------- RECLAIM <--------------+ well
 *	                              ^
 *	   the new kernel is lost ----+   (workloads are started anew, which is a matter of
 *	                                   failover.h; then nothing is left to reclaim)
 *
 * Until RETIRE there's always a way back to where it began. SOAK is held if what was to
 * end it has failed, if something went wrong behind the move's commit, or if it's wanted so:
 * then only an operator's word ends it. Without workloads there's no MOVE, and CHECK is of the
 * machine and the image only.
 *
 * An abort while the move goes on is the move's to carry out: it fails then, unless it
 * was past its commit already, in which case it's rolled back when it's done.
 *
 * No I/O and no clock: inputs are what happened, outputs are what to do.
 */
#ifndef KHO_UPGRADE_UPGRADE_H
#define KHO_UPGRADE_UPGRADE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Names are written to disk: kho_upgrade_state_name(). */
enum kho_upgrade_state {
	KHO_UPGRADE_NONE = 0,
	KHO_UPGRADE_CHECK,	/* whether anything is in the way */
	KHO_UPGRADE_SPAWN,	/* reserved, built, started, until hello */
	KHO_UPGRADE_MOVE,	/* workloads go over, up to and beyond commit */
	KHO_UPGRADE_SOAK,	/* the old kernel stands by */
	KHO_UPGRADE_RETIRE,	/* the old kernel ends */
	KHO_UPGRADE_ROLLBACK,	/* workloads come back */
	KHO_UPGRADE_RECLAIM,	/* all that was given is taken back */
	KHO_UPGRADE_DONE,	/* the machine is the new kernel's */
	KHO_UPGRADE_FAILED,	/* it's the old kernel's, as it was */
	_KHO_UPGRADE_STATE_MAX,
};

const char *kho_upgrade_state_name(enum kho_upgrade_state state);
/* _KHO_UPGRADE_STATE_MAX: there's none of that name. */
enum kho_upgrade_state kho_upgrade_state_of(const char *name);

struct kho_upgrade {
	enum kho_upgrade_state state;
	bool workloads;			/* some are configured */
	bool hold;			/* as it's wanted: the soak has no end of its own */
	bool held;			/* nor has it after a failure */
	bool keep;			/* a new kernel that failed isn't taken down, to be looked at */
	bool aborting;			/* asked for during MOVE */
	bool kexec;			/* no second kernel: agent/upgrade_kexec.h says what states mean */
	struct kho_err err;		/* why it failed, first; or why it's held */
};

enum kho_upgrade_action {
	KHO_UPGRADE_WAIT = 0,		/* for what's under way */
	KHO_UPGRADE_DO_CHECK,
	KHO_UPGRADE_DO_SPAWN,
	KHO_UPGRADE_DO_MOVE,
	KHO_UPGRADE_DO_ABORT_MOVE,	/* then wait for its end */
	KHO_UPGRADE_DO_SOAK,		/* set the timer, unless held; then wait */
	KHO_UPGRADE_DO_RETIRE,
	KHO_UPGRADE_DO_ROLLBACK,
	KHO_UPGRADE_DO_RECLAIM,
	KHO_UPGRADE_DO_END,		/* over: see state and err */
};

/* From NONE, with the options set. */
enum kho_upgrade_action kho_upgrade_begin(struct kho_upgrade *upgrade);

/* What the state is about is over: err->code 0, or failed. Ignored in SOAK and when over. */
enum kho_upgrade_action kho_upgrade_done(struct kho_upgrade *upgrade, const struct kho_err *err);

/*
 * MOVE is past its commit and over. If its code isn't 0, @trouble is what went wrong behind the
 * commit: SOAK is held then, for nobody may have seen it when the way back is gone.
 */
enum kho_upgrade_action kho_upgrade_moved(struct kho_upgrade *upgrade,
					  const struct kho_err *trouble);

/*
 * The new kernel's agent has said hello. It ends SPAWN and nothing else: an agent that was
 * started again in any other state hears it, too, and what's under way there isn't over.
 */
enum kho_upgrade_action kho_upgrade_hello(struct kho_upgrade *upgrade);

/* The time of the soak is up. Ignored in any other state, and if it's held. */
enum kho_upgrade_action kho_upgrade_soaked(struct kho_upgrade *upgrade);

/*
 * The operator's words: end the soak well; undo it all.
 *   -EALREADY  it's over, or being undone
 *   -EBUSY     it's too early (commit); it's too late (abort)
 */
int kho_upgrade_commit(struct kho_upgrade *upgrade, enum kho_upgrade_action *ret,
		       struct kho_err *err);
int kho_upgrade_abort(struct kho_upgrade *upgrade, const struct kho_err *why,
		      enum kho_upgrade_action *ret, struct kho_err *err);

/*
 * In the soak, or on the way out, the new kernel is lost. @back: what it had was taken back,
 * by failover; otherwise all is left to the operator.
 */
enum kho_upgrade_action kho_upgrade_lost(struct kho_upgrade *upgrade, bool back,
					 const struct kho_err *why);

/* In the soak, the workloads have come back: the new kernel was asked for that itself. */
enum kho_upgrade_action kho_upgrade_returned(struct kho_upgrade *upgrade);

/* What an agent that was started again finds. */
struct kho_upgrade_world {
	bool spawned;			/* memory is lent to another kernel */
	bool moving;			/* a move is under way: undone, or gone on with */
	bool new_owns;			/* the workloads */
};

/*
 * @upgrade as it was written before the agent was killed. What was under way is undone,
 * or gone on with if workloads have moved.
 */
enum kho_upgrade_action kho_upgrade_resume(struct kho_upgrade *upgrade,
					   const struct kho_upgrade_world *world);

/* Whether it's under way. */
static inline bool kho_upgrade_is_active(const struct kho_upgrade *upgrade)
{
	return upgrade->state != KHO_UPGRADE_NONE && upgrade->state != KHO_UPGRADE_DONE &&
	       upgrade->state != KHO_UPGRADE_FAILED;
}

#endif
