/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The move of workloads from the old kernel to the new one, as a pure function.
 *
 * Theory of operation
 *
 * A move is a row of steps. Each concerns one kind of thing (workloads, addresses,
 * volumes, or the move as a whole), is done for all things of its kind side by
 * side, and is over when it's done for all. The old kernel's agent runs this
 * machine; steps on the new side are messages and answers.
 *
 *	            done for all: next step                  last step done
 *	   +----+   +----+   +--------+   +-----------------+
 *	   |    v   |    v   |        v   |                 v
 *	 IDLE  RUNNING -------------> FORWARD -----------> DONE
 *	          |     COMMIT done       |
 *	          | failure, deadline,    +-- failure: told, the next step follows
 *	          | abort, peer lost
 *	          v                  the peer is lost: fenced first, then only what
 *	       UNDOING ------------> FAILED       was done on this side is undone
 *	            all undone, last step first
 *
 * An undo that is under way on this side when the peer is lost isn't cut short: the next
 * one follows when it's over and the peer is fenced, whichever comes last.
 *
 * Nothing that's undone is given up before COMMIT: so each step up to it has an
 * undo, or needs none. The undo of a step is for every thing for which the step was
 * begun, done or not, and has to cope with that. Undoing goes on whatever fails;
 * the first failure of an undo is told with the result. After COMMIT there's no way
 * back by this machine.
 *
 * Workloads that can't move are restarted, if that is wanted: stopped here as one step,
 * started there, from their definition, as another. Which ones is known when the first
 * step is over (kho_move_restart()).
 *
 * No I/O and no clock: inputs are what happened, outputs are what to do. Deadlines
 * are the caller's to watch (kho_step_info()).
 */
#ifndef KHO_UPGRADE_MOVE_H
#define KHO_UPGRADE_MOVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * In the order in which they happen. R: for workloads that are restarted, and no others;
 * all other steps of workloads are for those that move. Numbers go over the
 * channel: proto/channel.proto.
 */
enum kho_step {
	KHO_STEP_NONE = 0,
	KHO_STEP_INSPECT,	/* it's known what can't move */
	KHO_STEP_PREPARE,	/* the unit waits in the new kernel; PIDs are free */
	KHO_STEP_ADMIT,		/* R: the new kernel knows the unit */
	KHO_STEP_ADDRESS,	/* the new kernel's NIC has the addresses, silently */
	KHO_STEP_ARM,		/* all is ready to hold packets */
	KHO_STEP_EXPECT,	/* the new kernel has all that the volumes need */
	KHO_STEP_PRECOPY,	/* memory goes over while the workload runs */
	KHO_STEP_SAMPLE,	/* a dump of it is there; it has run on */
	KHO_STEP_REHEARSE,	/* a copy was restored there, and dropped */
	KHO_STEP_LET_GO,	/* the old system manager won't start it again */
	KHO_STEP_STOP,		/* R: the service is stopped */
	KHO_STEP_CATCH_UP,	/* one round of copying more, of all at the same time */
	KHO_STEP_SYNC,		/* the volume has little left to write */
	KHO_STEP_HOLD,		/* packets to the addresses wait */
	KHO_STEP_FREEZE,	/* tasks stand still */
	KHO_STEP_MUTE,		/* nothing leaves from the addresses any more */
	KHO_STEP_DUMP,		/* what is left of the memory, and all state, goes over */
	KHO_STEP_RELEASE,	/* the volume's function is held still */
	KHO_STEP_DETACH,	/* so is an address's only NIC */
	KHO_STEP_TAKE,		/* mounted in the new kernel; writes stay in memory */
	KHO_STEP_ATTACH,	/* that NIC is there, silent, with all that was configured on it */
	KHO_STEP_RESTORE,	/* tasks stand in the new kernel, and haven't run */
	KHO_STEP_RESUME,	/* they run */
	KHO_STEP_HEALTH,	/* they're well */
	KHO_STEP_COMMIT,	/* the new kernel owns it all */
	KHO_STEP_KEEP,		/* the volume's writes go to the disk */
	KHO_STEP_ANNOUNCE,	/* the network knows where the addresses are */
	KHO_STEP_FORWARD,	/* what waited goes there */
	KHO_STEP_START,		/* R: the service is started in the new kernel */
	KHO_STEP_DISCARD,	/* the old tasks end, silently */
	KHO_STEP_FORGET,	/* the old mount ends */
	KHO_STEP_SETTLE,	/* an ordinary unit again, all memory there */
	_KHO_STEP_MAX,
};

/* What a step concerns. */
enum kho_scope {
	KHO_SCOPE_MOVE = 0,	/* the whole; one item */
	KHO_SCOPE_WORKLOAD,
	KHO_SCOPE_ADDRESS,
	KHO_SCOPE_VOLUME,
	_KHO_SCOPE_MAX,
};

struct kho_step_info {
	const char *name;		/* "pre-copy", ... */
	const char *phase;		/* of the upgrade: sync, switch, verify, commit, soak */
	enum kho_scope scope;
	bool remote;			/* done by the new side */
	bool undo;			/* there's something to undo */
	uint32_t deadline_ms;		/* for the step and for its undo, each */
	bool copies;			/* of the step: begins anew as long as memory flows */
};

/* Never NULL for a step of the enum other than NONE and MAX. */
const struct kho_step_info *kho_step_info(enum kho_step step);

#define KHO_MOVE_ITEMS	32u		/* of one kind, at most */

enum kho_move_state {
	KHO_MOVE_IDLE = 0,
	KHO_MOVE_RUNNING,
	KHO_MOVE_FORWARD,
	KHO_MOVE_UNDOING,
	KHO_MOVE_DONE,
	KHO_MOVE_FAILED,
	_KHO_MOVE_STATE_MAX,
};

struct kho_move {
	enum kho_move_state state;
	enum kho_step step;			/* under way */
	uint32_t nr[_KHO_SCOPE_MAX];		/* things of each kind */
	uint32_t pending;			/* things that the step isn't done for, bit for bit */
	uint32_t begun[_KHO_STEP_MAX];		/* for which it was begun, likewise */
	uint32_t restarted;			/* workloads that don't move, likewise */
	uint32_t left_out[_KHO_STEP_MAX];	/* for which a step isn't to be done, likewise */
	bool tried;				/* more than to look was begun */
	bool peer_lost;
	bool fenced;				/* and proven to be stopped */
	struct kho_err err;			/* what it failed with, first */
	struct kho_err undo_err;		/* what an undo failed with, first */
};

/* What the caller has to do now. Items of a mask are done side by side. */
enum kho_move_action {
	KHO_MOVE_NOTHING = 0,	/* wait for what's under way */
	KHO_MOVE_BEGIN,		/* @step for @items */
	KHO_MOVE_UNDO,		/* likewise */
	KHO_MOVE_FENCE,		/* stop the new kernel for good, then say so */
	KHO_MOVE_END,		/* over: see state and errors */
};

struct kho_move_output {
	enum kho_move_action action;
	enum kho_step step;
	uint32_t items;
};

/* -EINVAL: no workload, or more than KHO_MOVE_ITEMS of a kind. */
int kho_move_init(struct kho_move *move, const uint32_t nr[_KHO_SCOPE_MAX], struct kho_err *err);

/*
 * Workload @item is to be stopped here and started there. -EINVAL: it's too late, the
 * first step is over.
 */
int kho_move_restart(struct kho_move *move, uint32_t item, struct kho_err *err);

/* @step isn't done for @item. For steps that are yet to come; others ignore it. */
void kho_move_leave_out(struct kho_move *move, enum kho_step step, uint32_t item);

struct kho_move_output kho_move_begin(struct kho_move *move);

/*
 * @step is done (or undone) for @item; err->code < 0: it failed. What isn't under way
 * any more, or was told already, is ignored: answers may come late and twice.
 */
struct kho_move_output kho_move_done(struct kho_move *move, enum kho_step step, uint32_t item,
				     const struct kho_err *err);
struct kho_move_output kho_move_undone(struct kho_move *move, enum kho_step step, uint32_t item,
				       const struct kho_err *err);

/* The deadline of what's under way has passed. */
struct kho_move_output kho_move_late(struct kho_move *move);

/* The operator, or something outside of the steps, wants it to end. -> undo, if still possible */
struct kho_move_output kho_move_abort(struct kho_move *move, const struct kho_err *why);

/*
 * The peer died. Before COMMIT: fence and undo; after it: steps there count as failed. Told
 * again while it isn't fenced, it's to be tried again: how it died may be known by now.
 */
struct kho_move_output kho_move_peer_lost(struct kho_move *move, const struct kho_err *why);

/* The new kernel is proven to be stopped. */
struct kho_move_output kho_move_fenced(struct kho_move *move);

/* Whether FENCE is still to be answered; what's undone on this side may be under way. */
bool kho_move_waits_for_fence(const struct kho_move *move);

/*
 * It can't be stopped (FENCE is still to be answered), but it has come back: steps there are
 * undone like others.
 */
struct kho_move_output kho_move_peer_back(struct kho_move *move);

/*
 * Both agents agree (again): whatever was asked before is void. Steps there that are being
 * undone, or done after COMMIT, are asked for once more; a move that runs is undone, since
 * what the other agent kept in its memory is lost. @why: for that.
 */
struct kho_move_output kho_move_peer_up(struct kho_move *move, const struct kho_err *why);

/* The next thing to undo, of a move that was set up in UNDOING (record.h). */
struct kho_move_output kho_move_undo_on(struct kho_move *move);

/* Whether the new kernel owns the workloads. */
bool kho_move_committed(const struct kho_move *move);

/*
 * Whether a shutdown of the machine would tear it apart: workloads are let go of, stand
 * still, or are on their way.
 */
bool kho_move_is_delicate(const struct kho_move *move);

#endif
