/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An upgrade of two kernels as a Promela model, for spin: every order of what two agents,
 * two kernels, a channel and an operator can do.
 *
 * Theory of operation
 *
 * Both agents run one proctype, agent(me): the mover's part when a move is under way here,
 * the receiver's part when one comes. A move goes from the old kernel to the new one, and
 * a rollback back, with the same code. Names are the code's; each inline says whose it is:
 *
 *	advance, undo_next, undo_further, fail and kho_move_*	upgrade/move.c
 *	note, take_up			upgrade/record.c: _note(), _committed() and _resume()
 *	may_receive			upgrade/record.c
 *	commit				upgrade/owner.c: _commit() and _return()
 *	decide				upgrade/failover.c
 *	begin_step, fence, over		agent/move.c, side.c and rollback.c, around the machine
 *
 * The channel holds three messages each way. What is received next is any of them, so they
 * overtake each other; one may be lost. What was sent before a restart of either agent is
 * void when both agree again (channel/link.h). There's no clock: a
 * deadline may pass at any time, and silence may be a kernel that died or one that is slow.
 *
 * Faults are counted down from FAULTS: a step or its undo fails, a message is lost, a
 * deadline passes early, an agent is killed (its record, the owner word and the module's
 * knowledge stay), the new kernel dies, the old one takes it for dead though it runs on, or
 * a CPU of it can't be taken at the first try.
 *
 * Left out: more than one workload and volume (tests/sim has them); addresses, rehearsals
 * and all steps that are like a step that is here; a step that's cut in the middle on the
 * receiving side (there it's done or not); damage of the record of ownership; the death of
 * the old kernel, after which nobody takes over; retirement.
 *
 * What must hold is in the assertions of PROP_* and in the formulas at the end. The
 * broken variants, BROKEN_*, are shells and machines with one thing left out: each is found
 * by spin, or the model says nothing. mk/model.py runs all of them.
 */

#ifndef FAULTS
#define FAULTS	2
#endif
#ifndef MOVES
#define MOVES	2	/* there, and back */
#endif

#define OLD	0
#define NEW	1
#define PEER	(1 - me)

/* enum kho_move_state */
#define KHO_MOVE_IDLE		0
#define KHO_MOVE_RUNNING	1
#define KHO_MOVE_FORWARD	2
#define KHO_MOVE_UNDOING	3
#define KHO_MOVE_DONE		4
#define KHO_MOVE_FAILED		5

/* enum kho_step, in its order */
#define KHO_STEP_NONE		0
#define KHO_STEP_PREPARE	1
#define KHO_STEP_FREEZE		2
#define KHO_STEP_DUMP		3
#define KHO_STEP_RELEASE	4
#define KHO_STEP_TAKE		5
#define KHO_STEP_RESTORE	6
#define KHO_STEP_RESUME		7
#define KHO_STEP_COMMIT		8
#define KHO_STEP_KEEP		9
#define KHO_STEP_DISCARD	10
#define KHO_STEP_SETTLE		11
#define _KHO_STEP_MAX		12

/* struct kho_step_info: remote and undo */
#define REMOTE(s)	(s == KHO_STEP_PREPARE || (s >= KHO_STEP_TAKE && s <= KHO_STEP_RESUME) || \
			 s == KHO_STEP_KEEP || s == KHO_STEP_SETTLE)
#define UNDO(s)		(s < KHO_STEP_COMMIT)
#define BIT(s)		(1 << (s))

/* enum kho_move_action */
#define KHO_MOVE_NOTHING	0
#define KHO_MOVE_BEGIN		1
#define KHO_MOVE_UNDO		2
#define KHO_MOVE_FENCE		3
#define KHO_MOVE_END		4

/* What a workload's tasks are, on a side */
#define TASK_GONE	0
#define TASK_STUB	1
#define TASK_FROZEN	2
#define TASK_RUNNING	3

typedef move_t {
	byte state;
	byte step;
	short begun;
	bit pending;
	bit peer_lost;
	bit fenced;
	byte action	/* what's to be carried out */
};

/* The world */
byte task[2];
bit used[2];		/* the disk is driven, or mounted */
bit criu[2];		/* is in the tasks */
bit owner_new;		/* the owner word */
byte epoch = 1;
bit lent = 1;		/* the new kernel runs on its CPUs */
bit dead;		/* it said that it panicked */

/* The agents */
move_t move[2];
byte acts[2];		/* local: what is under way here */
#define ACTS_BEGIN	1
#define ACTS_UNDO	2
short undone[2];	/* the receiver's: a begin that comes after its undo is void */
bit asked[2];		/* remote: the question isn't on its way yet */
bit rec_there[2];
short rec_begun[2];
byte rec_epoch[2];
bit started[2] = 1;	/* it has taken up what the one before left */
bit link[2] = 1;	/* it hears the other one */
bit up_event[2];
bit fo_note;		/* failover is noted */
bit stuck;		/* a fence is to be tried again, by whoever sees to it */
bit order[2];		/* of the operator: move */

/* The channel */
#define LANE	3
chan lane[2] = [LANE] of { byte, bit, bit, bit };	/* step, undo, answer, failed */

/* Ghosts: nothing decides by them */
byte faults = FAULTS;
byte moves = MOVES;
bit committed;		/* the move under way was */
bit anew;		/* started from their definition */
bit reclaimed;
bit undone_all, rolled_back;
byte last_undone;
bit given_up;		/* an undo that's late may be under way still, and is ended by force */

#define WAITING(who)	(move[who].state == KHO_MOVE_UNDOING && move[who].peer_lost && \
			 !move[who].fenced)
#define WAITS_FOR_FENCE	WAITING(me)
#define OWNS		(owner_new == me)

inline check()
{
#ifdef PROP_ONE_RUNNER
	assert(!(task[OLD] == TASK_RUNNING && task[NEW] == TASK_RUNNING));
#endif
#ifdef PROP_ONE_DISK
	assert(!(used[OLD] && used[NEW]));
#endif
#ifdef PROP_NO_THAW
	assert(!(owner_new && task[OLD] == TASK_RUNNING && committed && lent));
	assert(!(!owner_new && task[NEW] == TASK_RUNNING && committed));
#endif
#ifdef PROP_RUNS_WITH_DISK
	assert(!(task[OLD] == TASK_RUNNING && !used[OLD] && !given_up));
	assert(!(task[NEW] == TASK_RUNNING && !used[NEW] && !given_up));
#endif
	skip
}

/* ---- upgrade/move.c ---- */

inline advance()
{
	move[me].step++;
	do
	:: move[me].step < _KHO_STEP_MAX && move[me].state == KHO_MOVE_FORWARD &&
	   move[me].peer_lost && REMOTE(move[me].step) -> move[me].step++
	:: else -> break
	od;
	if
	:: move[me].step < _KHO_STEP_MAX ->
		move[me].pending = 1;
		move[me].begun = move[me].begun | BIT(move[me].step);
		move[me].action = KHO_MOVE_BEGIN
	:: else ->
		move[me].step = KHO_STEP_NONE;
		move[me].state = KHO_MOVE_DONE;
		move[me].pending = 0;
		move[me].action = KHO_MOVE_END
	fi
}

inline undo_next()
{
	do
	:: move[me].step == KHO_STEP_NONE ->
		move[me].state = KHO_MOVE_FAILED;
		move[me].pending = 0;
		move[me].action = KHO_MOVE_END;
		break
	:: move[me].step > KHO_STEP_NONE && (move[me].begun & BIT(move[me].step)) &&
	   UNDO(move[me].step) && !(REMOTE(move[me].step) && move[me].peer_lost) ->
		move[me].begun = move[me].begun & ~BIT(move[me].step);
		move[me].pending = 1;
		move[me].action = KHO_MOVE_UNDO;
		break
	:: else ->
		move[me].begun = move[me].begun & ~BIT(move[me].step);
		move[me].step--
	od
}

inline undo_further()
{
	if
	:: move[me].pending || WAITS_FOR_FENCE -> skip
	:: else -> undo_next()
	fi
}

inline kho_move_undo_on()
{
	if
	:: WAITS_FOR_FENCE -> move[me].action = KHO_MOVE_FENCE
	:: else -> undo_next()
	fi
}

inline fail()
{
	move[me].state = KHO_MOVE_UNDOING;
	move[me].pending = 0;
	kho_move_undo_on()
}

inline kho_move_done(failed)
{
	if
	:: failed && move[me].state == KHO_MOVE_RUNNING -> fail()
	:: else ->
		move[me].pending = 0;
		if
		:: move[me].step == KHO_STEP_COMMIT -> move[me].state = KHO_MOVE_FORWARD
		:: else -> skip
		fi;
		advance()
	fi
}

inline kho_move_peer_lost()
{
	move[me].peer_lost = 1;
	if
	:: move[me].state == KHO_MOVE_RUNNING -> fail()
	:: move[me].state == KHO_MOVE_UNDOING ->
		if
		:: move[me].pending && REMOTE(move[me].step) ->
			move[me].begun = move[me].begun | BIT(move[me].step);
			move[me].pending = 0
		:: else ->
#ifdef BROKEN_CUT_SHORT
			move[me].pending = 0;
			acts[me] = 0
#else
			skip
#endif
		fi;
		if
		:: !move[me].fenced -> move[me].action = KHO_MOVE_FENCE
		:: else -> skip
		fi
	:: move[me].state == KHO_MOVE_FORWARD && REMOTE(move[me].step) ->
		move[me].pending = 0;
		advance()
	:: else -> skip
	fi
}

inline kho_move_undone(failed)
{
	if
	:: !failed && WAITS_FOR_FENCE && REMOTE(move[me].step) &&
	   (move[me].begun & BIT(move[me].step)) ->
		move[me].begun = move[me].begun & ~BIT(move[me].step);
		move[me].peer_lost = 0;
		undo_further()
	:: else ->
		if
		:: !move[me].pending -> skip
#ifndef BROKEN_UNDO_TRUSTED
		:: move[me].pending && failed && REMOTE(move[me].step) &&
		   move[me].step > KHO_STEP_FREEZE -> kho_move_peer_lost()
		:: move[me].pending && !(failed && REMOTE(move[me].step) &&
					 move[me].step > KHO_STEP_FREEZE) ->
#else
		:: move[me].pending ->
#endif
			move[me].pending = 0;
			undo_further()
		fi
	fi
}

inline kho_move_late()
{
	if
	:: !move[me].pending -> skip
	:: move[me].pending && move[me].state == KHO_MOVE_RUNNING -> fail()
	:: move[me].pending && move[me].state == KHO_MOVE_FORWARD ->
		move[me].pending = 0;
		advance()
	:: move[me].pending && move[me].state == KHO_MOVE_UNDOING ->
		if
		:: REMOTE(move[me].step) && !move[me].peer_lost -> kho_move_peer_lost()
		:: else ->
			/* what's under way is ended by force */
			given_up = 1;
			criu[me] = 0;
			acts[me] = 0;
			move[me].pending = 0;
			undo_further()
		fi
	fi
}

inline kho_move_fenced()
{
	if
	:: WAITS_FOR_FENCE ->
		move[me].fenced = 1;
		undo_further()
	:: else -> skip
	fi
}

inline kho_move_peer_up()
{
	if
	:: WAITS_FOR_FENCE ->
		move[me].peer_lost = 0;
		undo_further()
	:: else ->
		if
		:: !move[me].fenced -> move[me].peer_lost = 0
		:: else -> skip
		fi;
		if
		:: move[me].state == KHO_MOVE_RUNNING -> fail()
		:: move[me].state != KHO_MOVE_RUNNING && move[me].pending &&
		   REMOTE(move[me].step) ->
			move[me].action = (move[me].state == KHO_MOVE_UNDOING ->
					   KHO_MOVE_UNDO : KHO_MOVE_BEGIN)
		:: else -> skip
		fi
	fi
}

/* ---- upgrade/record.c, owner.c ---- */

inline note()
{
#ifndef BROKEN_NO_RECORD
	rec_there[me] = 1;
	rec_begun[me] = move[me].begun | (move[me].pending -> BIT(move[me].step) : 0)
#else
	skip
#endif
}

inline commit()
{
	assert(owner_new == me);
	owner_new = 1 - owner_new;
	epoch++;
	committed = 1
}

/* An agent that's started again: CRIUs have ended. Without a region there's no session. */
inline take_up()
{
	criu[me] = 0;
	started[me] = 1;
	move[me].fenced = (me == OLD && !lent);
	move[me].peer_lost = move[me].peer_lost | move[me].fenced;
	move[me].begun = rec_begun[me];
	move[me].step = _KHO_STEP_MAX - 1;
	do
	:: move[me].step > KHO_STEP_NONE && !(move[me].begun & BIT(move[me].step)) ->
		move[me].step--
	:: else -> break
	od;
	if
#ifndef BROKEN_FORGETS_COMMIT
	:: move[me].step > KHO_STEP_COMMIT ||
	   (move[me].step == KHO_STEP_COMMIT && epoch != rec_epoch[me]) ->
		move[me].state = KHO_MOVE_FORWARD;
		if
		:: move[me].step > KHO_STEP_COMMIT -> move[me].step--
		:: else -> skip
		fi;
		advance()
	:: else ->
#else
	:: true ->
#endif
		move[me].state = KHO_MOVE_UNDOING;
		kho_move_undo_on()
	fi
}

/* ---- what steps do ---- */

inline local_effect()
{
	if
	:: acts[me] == ACTS_UNDO ->
		if
		:: move[me].step == KHO_STEP_FREEZE ->
			assert(!criu[me]);
			task[me] = TASK_RUNNING
		:: move[me].step == KHO_STEP_DUMP -> criu[me] = 0
		:: move[me].step == KHO_STEP_RELEASE -> used[me] = 1
		:: else -> skip
		fi
	:: else ->
		if
		:: move[me].step == KHO_STEP_FREEZE -> task[me] = TASK_FROZEN
		:: move[me].step == KHO_STEP_DUMP -> criu[me] = 1
		:: move[me].step == KHO_STEP_RELEASE -> used[me] = 0
		:: move[me].step == KHO_STEP_COMMIT -> commit()
		:: move[me].step == KHO_STEP_DISCARD ->
			assert(committed);
			task[me] = TASK_GONE;
			criu[me] = 0
		:: else -> skip
		fi
	fi
}

/* kho_move_may_receive(), and what the receiver makes of the step */
inline remote_effect(what, back)
{
	r_failed = 0;
	if
	:: !back && (undone[me] & BIT(what)) -> r_failed = 1
	:: back && OWNS -> r_failed = 1
	:: !back && (what > KHO_STEP_COMMIT) != OWNS -> r_failed = 1
	:: back && !OWNS ->
#ifndef BROKEN_BEGINS_UNDONE
		undone[me] = undone[me] | BIT(what);
#endif
		if
		:: what == KHO_STEP_TAKE -> used[me] = 0
		:: else -> task[me] = TASK_GONE
		fi
	:: !back && (what > KHO_STEP_COMMIT) == OWNS && !(undone[me] & BIT(what)) ->
		if
		:: what == KHO_STEP_PREPARE && task[me] == TASK_GONE -> task[me] = TASK_STUB
		:: what == KHO_STEP_TAKE && !used[PEER] -> used[me] = 1
		:: what == KHO_STEP_RESTORE && task[me] == TASK_STUB -> task[me] = TASK_FROZEN
		:: what == KHO_STEP_RESUME && task[me] == TASK_FROZEN -> task[me] = TASK_RUNNING
		:: what > KHO_STEP_COMMIT -> skip
		:: else -> r_failed = 1
		fi
	fi
}

/* ---- agent/move.c, side.c ---- */

inline begin_step()
{
	if
	:: move[me].action == KHO_MOVE_UNDO ->
		assert(!committed);
#ifdef PROP_FENCED_FIRST
		assert(!(move[me].peer_lost && lent && me == OLD));
#endif
		assert(last_undone == 0 || move[me].step <= last_undone);
		/* one that was begun is ended; an undo isn't */
		assert(acts[me] != ACTS_UNDO);
		last_undone = move[me].step
	:: else -> skip
	fi;
	note();
	acts[me] = (move[me].action == KHO_MOVE_UNDO -> ACTS_UNDO : ACTS_BEGIN);
	asked[me] = 0;
	move[me].action = KHO_MOVE_NOTHING;
	if
	:: REMOTE(move[me].step) -> asked[me] = 1; acts[me] = 0
	:: else -> skip
	fi
}

/* What ended isn't told if it was to be undone meanwhile */
inline acts_done(failed)
{
	if
	:: acts[me] == ACTS_UNDO ->
		acts[me] = 0;
		/* CRIU is ended by force, and so is what else there is */
		given_up = given_up | failed;
		criu[me] = (failed -> 0 : criu[me]);
		kho_move_undone(failed)
	:: acts[me] == ACTS_BEGIN && move[me].state != KHO_MOVE_UNDOING ->
		acts[me] = 0;
		kho_move_done(failed)
	:: else -> acts[me] = 0
	fi
}

inline flush(who)
{
	do
	:: len(lane[who]) > 0 -> lane[who]?_, _, _, _
	:: else -> break
	od
}

/* INIT to each CPU of the new kernel, and they're seen to have stopped */
inline take_cpus()
{
#ifndef BROKEN_NO_FENCE
	lent = 0;
	task[NEW] = TASK_GONE;
	used[NEW] = 0;
#endif
	link[OLD] = 0;
	flush(OLD);
	flush(NEW)
}

/* The old kernel can't be fenced by the new one */
inline fence()
{
	move[me].action = KHO_MOVE_NOTHING;
	if
	:: me == NEW -> skip
	:: me == OLD ->
		take_cpus();
		kho_move_fenced()
	:: me == OLD && faults > 0 ->
		faults--;
		stuck = 1
	fi
}

inline decide()
{
	if
	:: owner_new -> fo_note = 1
	:: else ->
		take_cpus();
		reclaimed = 1
	fi
}

inline over()
{
	rec_there[me] = 0;
	undone_all = (move[me].state == KHO_MOVE_FAILED -> 1 : undone_all);
	rolled_back = (move[me].state == KHO_MOVE_DONE && me == NEW -> 1 : rolled_back);
	if
	:: me == OLD && move[me].peer_lost &&
	   (lent || move[me].state == KHO_MOVE_DONE) -> decide()
	:: else -> skip
	fi;
	move[me].state = KHO_MOVE_IDLE;
	move[me].step = 0;
	move[me].begun = 0;
	move[me].pending = 0;
	move[me].peer_lost = 0;
	move[me].fenced = 0;
	move[me].action = KHO_MOVE_NOTHING;
	acts[me] = 0;
	asked[me] = 0;
	last_undone = 0;
	committed = 0
}

/* kill -9: what it knew is gone, and systemd starts the next one */
inline kill_agent()
{
	move[me].state = KHO_MOVE_IDLE;
	move[me].step = 0;
	move[me].begun = 0;
	move[me].pending = 0;
	move[me].peer_lost = 0;
	move[me].fenced = 0;
	move[me].action = KHO_MOVE_NOTHING;
	acts[me] = 0;
	asked[me] = 0;
	up_event[me] = 0;
	undone[me] = 0;
	started[me] = !rec_there[me];
	link[OLD] = 0;
	link[NEW] = 0;
	last_undone = 0
}

#define MOVING		(started[me] && move[me].state != KHO_MOVE_IDLE)
#define ALIVE		(me == OLD || (lent && !dead))
#define BOTH		(lent && !dead)

proctype agent(bit me)
{
	byte r_step;
	bit r_undo, r_answer, r_failed;
	byte rotated;

end:	do
	/* the mover's part */
	:: atomic { ALIVE && order[me] ->
		order[me] = 0;
		if
		:: started[me] && move[me].state == KHO_MOVE_IDLE && OWNS && link[me] && !fo_note &&
		   !reclaimed ->
			move[me].state = KHO_MOVE_RUNNING;
			rec_epoch[me] = epoch;
			committed = 0;
			/* nothing overtakes a whole move */
			undone[PEER] = 0;
			flush(OLD);
			flush(NEW);
			advance()
		:: else -> skip
		fi }
	:: atomic { ALIVE && MOVING && (move[me].action == KHO_MOVE_BEGIN ||
					move[me].action == KHO_MOVE_UNDO) ->
		begin_step();
		/* at once, or never */
		if
		:: move[me].step != KHO_STEP_COMMIT || move[me].state != KHO_MOVE_RUNNING -> skip
		:: move[me].step == KHO_STEP_COMMIT && move[me].state == KHO_MOVE_RUNNING ->
			local_effect();
			check();
			acts_done(0)
		:: move[me].step == KHO_STEP_COMMIT && move[me].state == KHO_MOVE_RUNNING &&
		   faults > 0 ->
			faults--;
			if
			:: acts_done(1)
			:: kill_agent()
			fi
		fi }
	:: atomic { ALIVE && MOVING && move[me].action == KHO_MOVE_FENCE -> fence(); check() }
	:: atomic { ALIVE && MOVING && move[me].action == KHO_MOVE_END -> over(); check() }
	/* a step here */
	:: atomic { ALIVE && MOVING && move[me].action == KHO_MOVE_NOTHING && acts[me] ->
		local_effect();
		check();
		acts_done(0) }
	:: atomic { ALIVE && MOVING && move[me].action == KHO_MOVE_NOTHING && acts[me] &&
		    faults > 0 ->
		faults--;
		acts_done(1) }
	/* a step there */
	:: atomic { ALIVE && MOVING && move[me].action == KHO_MOVE_NOTHING && asked[me] &&
		    link[me] && len(lane[PEER]) < LANE ->
		asked[me] = 0;
		lane[PEER]!move[me].step, move[me].state == KHO_MOVE_UNDOING, 0, 0 }
	:: atomic { ALIVE && MOVING && move[me].action == KHO_MOVE_NOTHING && !acts[me] &&
		    REMOTE(move[me].step) && faults > 0 ->
		faults--;
		kho_move_late() }
	/* nobody will answer any more: time is what's left */
	:: atomic { ALIVE && MOVING && move[me].action == KHO_MOVE_NOTHING && !acts[me] &&
		    move[me].pending && REMOTE(move[me].step) && (!asked[me] || !link[me]) &&
		    len(lane[OLD]) == 0 && len(lane[NEW]) == 0 -> kho_move_late() }
	/* what comes: an answer for the mover, a question for the receiver */
	:: atomic { ALIVE && len(lane[me]) > 0 ->
		lane[me]?r_step, r_undo, r_answer, r_failed;
		/* any of them: those before it are behind it now */
		do
		:: len(lane[me]) > 0 ->
			lane[me]!r_step, r_undo, r_answer, r_failed;
			lane[me]?r_step, r_undo, r_answer, r_failed;
			rotated++;
			if
			:: rotated >= 2 -> break
			:: else -> skip
			fi
		:: true -> break
		od;
		rotated = 0;
		if
		:: !link[me] -> skip
		:: link[me] && r_answer ->
			if
			:: MOVING && move[me].step == r_step &&
			   move[me].action == KHO_MOVE_NOTHING ->
				if
				:: r_undo && move[me].state == KHO_MOVE_UNDOING -> kho_move_undone(r_failed)
				:: !r_undo && move[me].pending &&
				   move[me].state != KHO_MOVE_UNDOING -> kho_move_done(r_failed)
				:: else -> skip
				fi
			:: else -> skip
			fi
		:: link[me] && !r_answer ->
			if
			:: move[me].state == KHO_MOVE_IDLE && started[me] ->
				remote_effect(r_step, r_undo);
				check()
			:: move[me].state == KHO_MOVE_IDLE && started[me] && faults > 0 ->
				faults--;
				r_failed = 1
			:: else -> r_failed = 1
			fi;
			if
			:: len(lane[PEER]) < LANE -> lane[PEER]!r_step, r_undo, 1, r_failed
			:: else -> skip
			fi
		fi;
		r_step = 0; r_undo = 0; r_answer = 0; r_failed = 0 }
	/* hello, of both */
	:: atomic { ALIVE && BOTH && me == OLD && !fo_note && !reclaimed &&
		    (!link[OLD] || !link[NEW]) && !move[OLD].peer_lost ->
#ifndef BROKEN_NO_SESSIONS
		flush(OLD);
		flush(NEW);
#endif
		link[OLD] = 1;
		link[NEW] = 1;
		up_event[OLD] = 1;
		up_event[NEW] = 1 }
	:: atomic { ALIVE && up_event[me] && move[me].action == KHO_MOVE_NOTHING ->
		up_event[me] = 0;
		if
		:: MOVING -> kho_move_peer_up()
		:: else -> move[me].peer_lost = 0
		fi }
	/* the peer is lost: dead, or silent */
	:: atomic { me == OLD && dead && lent && !reclaimed && !fo_note &&
		    move[me].action == KHO_MOVE_NOTHING && !move[me].peer_lost ->
		link[me] = 0;
		up_event[me] = 0;
		if
		:: MOVING || !started[me] -> kho_move_peer_lost()
		:: else -> decide()
		fi;
		check() }
	:: atomic { ALIVE && BOTH && link[me] && faults > 0 && move[me].action == KHO_MOVE_NOTHING &&
		    !fo_note && !reclaimed ->
		faults--;
		link[me] = 0;
		up_event[me] = 0;
		if
		:: MOVING || !started[me] -> kho_move_peer_lost()
		:: else ->
			if
			:: me == OLD -> decide()
			:: else -> skip
			fi
		fi;
		check() }
	/* failover */
	:: atomic { me == OLD && fo_note && started[me] && move[me].state == KHO_MOVE_IDLE && !stuck ->
		if
		:: take_cpus()
#ifdef BROKEN_UNFENCED
		:: true
#endif
		:: faults > 0 ->
			faults--;
			stuck = 1
		fi;
		if
		:: stuck -> skip
		:: else ->
			task[OLD] = TASK_RUNNING;
			used[OLD] = 1;
			anew = 1;
			fo_note = 0;
			reclaimed = 1
		fi;
		check() }
	/* killed */
	:: atomic { ALIVE && faults > 0 ->
		faults--;
		kill_agent() }
	:: atomic { ALIVE && !started[me] -> take_up() }
	od
}

/* The new kernel panics: its tasks end, what it drove goes on until it's fenced */
proctype new_kernel()
{
end:	atomic { lent && faults > 0 ->
		faults--;
		dead = 1;
		task[NEW] = TASK_GONE }
}

proctype channel()
{
end:	do
	:: atomic { faults > 0 && len(lane[OLD]) > 0 -> faults--; lane[OLD]?_, _, _, _ }
	:: atomic { faults > 0 && len(lane[NEW]) > 0 -> faults--; lane[NEW]?_, _, _, _ }
	od
}

#define IDLE(me)	(started[me] && move[me].state == KHO_MOVE_IDLE)

proctype operator()
{
	byte me = OLD;

end:	do
	:: atomic { moves > 0 && IDLE(OLD) && IDLE(NEW) && lent && !dead && !order[OLD] &&
		    !order[NEW] -> moves--; order[owner_new] = 1 }
	:: atomic { stuck ->
		stuck = 0;
		if
		:: WAITING(OLD) ->
			take_cpus();
			kho_move_fenced()
		:: else -> skip
		fi;
		check() }
	/* in a rollback nothing but the old kernel's agent can say that it has stopped */
	:: atomic { lent && !dead && WAITING(NEW) && !move[NEW].pending &&
		    move[NEW].action == KHO_MOVE_NOTHING && link[OLD] && link[NEW] &&
		    !up_event[NEW] && len(lane[OLD]) == 0 &&
		    len(lane[NEW]) == 0 -> link[OLD] = 0 }
	od
}

init
{
	atomic {
		task[OLD] = TASK_RUNNING;
		used[OLD] = 1;
		run agent(OLD);
		run agent(NEW);
		run new_kernel();
		run channel();
		run operator()
	}
}

/* ---- what comes to be ---- */

#define quiet	(IDLE(OLD) && (!lent || dead || IDLE(NEW)) && !fo_note && !stuck)
#define runs	((task[OLD] == TASK_RUNNING) != (task[NEW] == TASK_RUNNING))

ltl always_idle { [] <> quiet }
/* what an undo couldn't do is told, and stays undone */
ltl nothing_lost { [] <> (runs || given_up) }
ltl dead_is_taken_back { [] (dead -> <> !lent) }

/* These are to be found wrong: what they deny is among the runs */
ltl never_moved { [] !(owner_new && quiet && task[NEW] == TASK_RUNNING) }
ltl never_undone { [] !undone_all }
ltl never_rolled_back { [] !rolled_back }
ltl never_failed_over { [] !anew }
