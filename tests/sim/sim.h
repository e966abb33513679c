/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whole upgrades on fakes: two agents' machines, a channel between them, and the world
 * that they act on.
 *
 * Theory of operation
 *
 * What decides is the real code of kho-agent/upgrade/: the move's machine, the record that
 * a killed agent reads again (as text, there and back), the word that says who's the owner,
 * and what to do about a lost kernel. What acts is fake: a step has an effect on a table of
 * workloads, disks, NICs and voices, each with a side that has it. mover.c is the shell
 * around the machine, as short as it goes, with agent/move.c and its like as the pattern;
 * world.c the effects and what must never be.
 *
 *	 events: what may happen now         sim_do()
 *	 +---------------------------+   +------------+    effects    +-------+
 *	 | progress: deliver, answer |-->| mover.c    |-------------->| world |
 *	 | faults: kill, die, late   |   | receiver.c |<--------------|       |
 *	 +---------------------------+   +------------+   sim_check() +-------+
 *
 * Nothing in a run is random or timed: a state is plain memory, sim_events() lists what may
 * happen in it, and who drives the run chooses. explore.c chooses everything, one after the
 * other, and keeps the states it has seen; test_walk.c draws lots.
 *
 * Faults cost: a run has so many of them as its configuration says. A deadline passes by
 * itself only if nothing else can happen, for time is what's left then; before that it's a
 * fault. So a run without faults left comes to an end, or the sim has found one that hangs.
 */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "upgrade/failover.h"
#include "upgrade/move.h"
#include "upgrade/owner.h"
#include "upgrade/record.h"

#define SIM_ITEMS	3	/* of a kind, at most */
#define SIM_QUEUE	24
#define SIM_EVENTS	96

enum sim_side { SIM_OLD, SIM_NEW, SIM_NOBODY };

enum sim_task { SIM_GONE, SIM_STUB, SIM_STOPPED, SIM_FROZEN, SIM_RUNNING };

enum sim_voice { SIM_ABSENT, SIM_SILENT, SIM_SPEAKS };

/* Deliberately broken shells: what must be found, or the sim is blind. */
enum sim_broken {
	SIM_SOUND,
	SIM_FENCE_LIES,		/* says that it stopped the new kernel, and didn't */
	SIM_NO_NOTES,		/* steps begin without being recorded */
	SIM_FORGETS_COMMIT,	/* an agent that's started again doesn't look at the word */
	SIM_THAWS_LATE,		/* after commit a lost peer is undone */
	SIM_UNDOES_AT_ONCE,	/* doesn't wait for an undo's answer */
};

/*
 * What an agent is about.
 *
 *	MOVING ---> LINGERS ---> SETTLED ---> FAILING ---> FENCED ---> ANEW
 *	  ^  killed    over, idle  | ^  lost    | ^ killed   |
 *	  |    v                   | +----------+-+----------+
 *	 LEFT: CRIUs of the one before are still there
 */
enum sim_stage {
	SIM_MOVING,
	SIM_LEFT,
	SIM_LINGERS,
	SIM_SETTLED,
	SIM_FAILING,		/* failover was noted, the new kernel isn't fenced */
	SIM_FENCED,		/* it is; services aren't started anew yet */
	SIM_ANEW,		/* they are: the end */
	SIM_RECLAIMED,		/* all that was lent is back, workloads never left: the end */
	SIM_WAITS,		/* for an operator, as the policy says */
};

enum sim_event_kind {
	/* progress */
	SIM_LOCAL,		/* the mover's side is done with @arg, an item */
	SIM_DELIVER,		/* the receiver gets what it's asked, @arg: in any order */
	SIM_REMOTE,		/* is done with what it got, @arg */
	SIM_ANSWER,		/* the mover hears answer @arg */
	SIM_UP,			/* both agree, again */
	SIM_LOST,		/* the peer's loss is seen */
	SIM_TAKE_UP,		/* the CRIUs of an agent that was killed have ended */
	SIM_OVER,		/* the mover goes */
	SIM_GO_ON,		/* failover: its next part */
	SIM_RECLAIM,		/* the operator says so, or tries again */
	SIM_DEADLINE,		/* nothing else can happen */
	/* faults */
	SIM_ARM,		/* what's done next fails; @arg: with its effect done */
	SIM_LATE,		/* the deadline passes with an answer on its way */
	SIM_ABORT,
	SIM_LOSE,		/* an answer, or what's asked (@arg) */
	SIM_TWICE,		/* an answer */
	SIM_KILL_MOVER,		/* @arg: what was under way happened all the same */
	SIM_KILL_RECEIVER,
	SIM_DIE,		/* the peer's kernel panics */
	SIM_DIE_HERE,		/* rollback: the mover's does */
	SIM_HANG,		/* the peer's agent is silent; its kernel and tasks go on */
	SIM_STUCK_FENCE,	/* the next fence fails */
	SIM_FULL_DISK,		/* the next note can't be written */
	SIM_WILD,		/* the record of ownership is written over; @arg: the tree, too */
	_SIM_EVENT_MAX,
};

#define SIM_FIRST_FAULT	SIM_ARM

struct sim_event {
	enum sim_event_kind kind;
	unsigned int arg;
};

struct sim_config {
	uint32_t nr[_KHO_SCOPE_MAX];
	uint32_t restarted;	/* workloads that don't move */
	enum sim_side from;
	bool overtakes;		/* what's asked for comes in any order, not only answers */
	bool at_once;		/* this side's steps are done when they're begun */
	bool stay;		/* NewKernelFailure=stay */
	unsigned int faults;	/* in one run */
	uint32_t without;	/* kinds of faults that don't happen, bit for bit */
	enum sim_broken broken;
};

/* A step, as it's asked for, done and answered. */
struct sim_message {
	uint8_t step, item, undo;
	int16_t code;		/* of an answer */
};

struct sim_queue {
	uint32_t nr;
	struct sim_message at[SIM_QUEUE];
};

/* Plain memory, all of it: copied, and compared by its hash. */
struct sim {
	const struct sim_config *config;
	const char *bad;			/* what must not be, or NULL */

	/* the world */
	uint8_t task[2][SIM_ITEMS];
	uint8_t images[SIM_ITEMS];		/* the receiver's agent has them in its memory */
	uint8_t criu[SIM_ITEMS];		/* is in the mover's tasks */
	uint8_t has[_KHO_SCOPE_MAX][SIM_ITEMS];	/* an enum sim_side; disks and NICs */
	uint8_t voice[2][SIM_ITEMS];
	bool lent;				/* the new kernel runs on its CPUs */
	bool dead[2], hung[2];
	struct kho_owner_record owner;

	/* the channel, and what the receiver is at */
	struct sim_queue asked, answers, ops;
	bool agreed;				/* the receiver knows this session */
	uint8_t undone[_KHO_STEP_MAX];		/* there, items bit for bit */

	/* the mover's agent */
	enum sim_stage stage;
	bool session, up, lost;
	bool fenced;
	struct kho_move move;
	uint8_t local_step, local_undo;		/* this side's ops under way */
	uint32_t local_items;
	bool deadline;

	/* its record, which outlives it */
	bool noted;
	uint32_t begun[_KHO_STEP_MAX];
	uint64_t epoch;

	/* faults that wait for their moment */
	unsigned int faults;
	uint8_t armed;				/* 1: before the effect, 2: after it */
	bool fence_stuck, disk_full;
	bool treeless;				/* the next agent can't open the session again */
	bool unreclaimed;			/* was tried, and is to be tried again */

	/* what the checks compare with */
	int first, first_undo;			/* errors that are to be told */
	bool committed;				/* by this move */
	bool undo_failed;
	bool told;				/* that not all went well, by this agent or one before */
	bool late;				/* an op may be under way that's given up */
	uint8_t last_undone;
	bool restarted_agent;
};

/* ---- sim.c ---- */

void sim_start(struct sim *s, const struct sim_config *config);
size_t sim_events(const struct sim *s, struct sim_event ret[SIM_EVENTS]);
void sim_do(struct sim *s, struct sim_event event);

/* "kill-mover 1": in a trace. */
void sim_event_text(const struct sim_event *event, char *ret, size_t size);

/* ---- world.c ---- */

void sim_local_effect(struct sim *s, const struct sim_message *what);

/* 0, or negative: as the other side's agent would refuse it. */
int sim_remote_effect(struct sim *s, const struct sim_message *what);

/* The new kernel's CPUs are taken, and all that it had. */
void sim_stop_new(struct sim *s);

/* @side's kernel is dead; what it drove goes on until it's fenced. */
void sim_die(struct sim *s, enum sim_side side);

/* Services start from their definition. */
void sim_start_anew(struct sim *s);

/* Keeps the first in s->bad. */
void sim_bad(struct sim *s, const char *what);

/* After every event, and where no progress is possible any more. */
void sim_check(struct sim *s);
void sim_check_end(struct sim *s);

/* NULL: it can't be read. */
const struct kho_owner *sim_owner(const struct sim *s, struct kho_owner *ret);

/* ---- mover.c ---- */

void sim_carry_out(struct sim *s, struct kho_move_output out);
void sim_mover_begin(struct sim *s);
void sim_mover_local(struct sim *s, uint32_t item);
void sim_mover_answer(struct sim *s, const struct sim_message *answer);
void sim_mover_late(struct sim *s);
void sim_mover_lost(struct sim *s, enum kho_loss loss);
void sim_mover_up(struct sim *s);
void sim_mover_abort(struct sim *s);
void sim_mover_over(struct sim *s);
void sim_mover_kill(struct sim *s, bool happened);
void sim_mover_take_up(struct sim *s);
void sim_reclaim(struct sim *s);
void sim_failover_go_on(struct sim *s);
void sim_failover_decide(struct sim *s, enum kho_loss loss);

/* Whether khoctl failover isn't refused. */
bool sim_may_fail_over(const struct sim *s);

/* ---- receiver.c ---- */

void sim_ask(struct sim *s, const struct sim_message *what);
void sim_receive(struct sim *s, unsigned int i);
void sim_receiver_done(struct sim *s, unsigned int op);
void sim_receiver_kill(struct sim *s, bool happened);
struct sim_message sim_pull(struct sim_queue *queue, unsigned int i);
void sim_push(struct sim_queue *queue, const struct sim_message *what);

/* ---- explore.c ---- */

struct sim_count {
	uint64_t states, events, ends, faulty_ends;
	unsigned int longest;
	uint64_t stages[SIM_WAITS + 1];		/* how runs ended */
	char trace[8192];			/* of what is bad */
	const char *bad;
};

/* All that can happen. True: nothing bad does. */
bool sim_explore(const struct sim_config *config, struct sim_count *ret);

/* One run, each choice by *@seed. */
bool sim_walk(const struct sim_config *config, uint64_t *seed, struct sim_count *count);

#endif
