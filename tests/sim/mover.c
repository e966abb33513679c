// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mover's shell (agent/move.c, move_recover.c, failover.c, and on_up() and on_down() of
 * spawn.c and join.c): carries out what the machine wants, notes it, fences. Before each
 * call of the machine it's worked out which error is to be told in the end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim.h"

static const struct kho_move_output nothing = { .action = KHO_MOVE_NOTHING };

static struct kho_err an_error(int code)
{
	struct kho_err err;

	kho_fail(&err, code, "injected");
	return err;
}

/* The machine is about to be told of @code: the first one counts. */
static void expect(struct sim *s, int code)
{
	if (s->move.state == KHO_MOVE_RUNNING && !s->first)
		s->first = code;
	else if ((s->move.state == KHO_MOVE_UNDOING || s->move.state == KHO_MOVE_FORWARD) &&
		 !s->first_undo)
		s->first_undo = code;
}

/* ---- the record ---- */

static bool note(struct sim *s)
{
	static struct kho_move_record record;

	if (s->config->broken == SIM_NO_NOTES)
		return true;
	if (s->disk_full) {
		s->disk_full = false;
		return false;
	}
	kho_move_record_note(&s->move, &record);
	memcpy(s->begun, record.begun, sizeof(s->begun));
	s->noted = true;
	return true;
}

/* As text and back: what an agent that's started finds. */
static void read_record(const struct sim *s, struct kho_move_record *ret)
{
	char *text = NULL, *config;

	memset(ret, 0, sizeof(*ret));
	ret->move = 1;
	ret->epoch = s->epoch;
	memcpy(ret->nr, s->config->nr, sizeof(ret->nr));
	ret->nr[KHO_SCOPE_MOVE] = 1;
	memcpy(ret->begun, s->begun, sizeof(ret->begun));
	if (kho_move_record_format(ret, "", &text, NULL) < 0 ||
	    kho_move_record_parse(text, ret, &config, NULL) < 0)
		abort();
	free(text);
}

/* ---- steps ---- */

static int commit(struct sim *s)
{
	struct kho_owner now;
	int r;

	r = s->config->from == SIM_OLD ?
		kho_owner_commit(&s->owner, sizeof(s->owner), 1, &now, NULL) :
		kho_owner_return(&s->owner, sizeof(s->owner), 1, &now, NULL);
	s->committed |= r == 0;
	return r;
}

static bool accepts(const struct sim *s, const struct sim_message *what)
{
	bool undoing = s->move.state == KHO_MOVE_UNDOING;
	bool doing = s->move.state == KHO_MOVE_RUNNING || s->move.state == KHO_MOVE_FORWARD;

	return (what->undo ? undoing : doing) && s->move.step == what->step &&
	       s->move.pending & 1u << what->item;
}

static struct kho_move_output tell(struct sim *s, const struct sim_message *what)
{
	struct kho_err err = {};

	if (what->code) {
		err = an_error(what->code);
		if (accepts(s, what))
			expect(s, what->code);
		s->undo_failed |= what->undo;
	}
	return what->undo ? kho_move_undone(&s->move, what->step, what->item, &err) :
			    kho_move_done(&s->move, what->step, what->item, &err);
}

/* Something on this side is done; the armed failure comes before its effect or after it. */
static struct kho_move_output finish(struct sim *s, struct sim_message what)
{
	uint8_t armed = s->armed;

	s->armed = 0;
	if (what.step == KHO_STEP_COMMIT && armed != 1)
		what.code = (int16_t)commit(s);
	else if (armed)
		what.code = (int16_t)(-EIO - what.step);
	if (armed != 1)
		sim_local_effect(s, &what);
	return tell(s, &what);
}

static struct kho_move_output begin_one(struct sim *s, const struct sim_message *what)
{
	if (kho_step_info(what->step)->remote) {
		if (s->session && s->up && !s->lost)
			sim_ask(s, what);
		return nothing;
	}
	if (what->step == KHO_STEP_DUMP && !what->undo)
		s->criu[what->item] = 1;
	if (s->config->at_once || what->step == KHO_STEP_COMMIT)
		return finish(s, *what);
	s->local_items |= 1u << what->item;
	s->local_step = what->step;
	s->local_undo = what->undo;
	return nothing;
}

/* What's under way here is given up if it's to be undone, or late. */
static void check_order(struct sim *s, const struct kho_move_output *out)
{
	bool undo = out->action == KHO_MOVE_UNDO;

	if (s->local_items && undo && s->local_undo && !s->late)
		sim_bad(s, "an undo begins before the one before it is over");
	s->local_items = 0;
	if (!undo)
		return;
	if (s->committed)
		sim_bad(s, "something is undone after the commit");
	if (s->move.peer_lost && !s->fenced)
		sim_bad(s, "something is undone before the lost kernel is fenced");
	if (s->last_undone && out->step > s->last_undone)
		sim_bad(s, "undone in another order than in reverse");
	s->last_undone = out->step;
}

static struct kho_move_output begin_step(struct sim *s, struct kho_move_output out)
{
	struct sim_message what = { .step = out.step, .undo = out.action == KHO_MOVE_UNDO };
	struct kho_move_output next = nothing;
	struct kho_err err = an_error(-ENOSPC);

	if (!note(s) && s->move.state == KHO_MOVE_RUNNING) {
		expect(s, err.code);
		return kho_move_abort(&s->move, &err);
	}
	check_order(s, &out);
	s->deadline = true;
	for (what.item = 0; what.item < SIM_ITEMS && next.action == KHO_MOVE_NOTHING; what.item++)
		if (out.items & 1u << what.item)
			next = begin_one(s, &what);
	if (s->config->broken == SIM_UNDOES_AT_ONCE && what.undo)
		for (what.item = 0; what.item < SIM_ITEMS; what.item++)
			if (next.action == KHO_MOVE_NOTHING)
				next = kho_move_undone(&s->move, what.step, what.item, NULL);
	return next;
}

/* ---- fence ---- */

static void end_session(struct sim *s)
{
	s->session = s->up = s->agreed = false;
	memset(&s->answers, 0, sizeof(s->answers));
}

static bool try_fence(struct sim *s)
{
	if (s->config->broken == SIM_FENCE_LIES) {
		s->fenced = true;
		return true;
	}
	if (s->config->from == SIM_NEW && !s->dead[SIM_NEW]) {
		if (!s->dead[SIM_OLD])
			return false;
		for (unsigned int i = 0; i < SIM_ITEMS; i++)
			for (unsigned int scope = 0; scope < _KHO_SCOPE_MAX; scope++)
				if (s->has[scope][i] == SIM_OLD)
					s->has[scope][i] = SIM_NOBODY;
		s->fenced = true;
		return true;
	}
	if (s->fence_stuck) {
		s->fence_stuck = false;
		return false;
	}
	sim_stop_new(s);
	end_session(s);
	return true;
}

static struct kho_move_output fence(struct sim *s)
{
	if (!s->move.pending)
		s->deadline = false;
	return try_fence(s) ? kho_move_fenced(&s->move) : nothing;
}

/* ---- carrying out ---- */

void sim_carry_out(struct sim *s, struct kho_move_output out)
{
	while (out.action != KHO_MOVE_NOTHING && !s->bad) {
		switch (out.action) {
		case KHO_MOVE_BEGIN:
		case KHO_MOVE_UNDO:
			out = begin_step(s, out);
			break;
		case KHO_MOVE_FENCE:
			out = fence(s);
			break;
		default:
			s->noted = s->deadline = false;
			memset(s->begun, 0, sizeof(s->begun));
			s->local_items = 0;
			s->stage = SIM_LINGERS;
			return;
		}
	}
}

void sim_mover_begin(struct sim *s)
{
	s->stage = SIM_MOVING;
	sim_carry_out(s, kho_move_begin(&s->move));
}

void sim_mover_local(struct sim *s, uint32_t item)
{
	s->local_items &= ~(1u << item);
	sim_carry_out(s, finish(s, (struct sim_message){
		.step = s->local_step, .undo = s->local_undo, .item = (uint8_t)item,
	}));
}

void sim_mover_answer(struct sim *s, const struct sim_message *answer)
{
	if (s->stage == SIM_MOVING)
		sim_carry_out(s, tell(s, answer));
}

void sim_mover_late(struct sim *s)
{
	/* a fence has no deadline */
	if (s->move.pending)
		expect(s, -ETIMEDOUT);
	s->deadline = false;
	s->late = true;
	s->undo_failed |= s->move.state == KHO_MOVE_UNDOING;
	sim_carry_out(s, kho_move_late(&s->move));
}

void sim_mover_abort(struct sim *s)
{
	struct kho_err err = an_error(-ECANCELED);

	expect(s, -ECANCELED);
	sim_carry_out(s, kho_move_abort(&s->move, &err));
}

/* ---- the peer ---- */

void sim_mover_lost(struct sim *s, enum kho_loss loss)
{
	struct kho_err err = an_error(-ECONNRESET);

	s->lost = true;
	s->up = false;
	memset(&s->answers, 0, sizeof(s->answers));
	if (s->stage > SIM_LINGERS) {
		if (s->stage == SIM_SETTLED && !s->lent)
			return;
		if (s->stage == SIM_SETTLED && s->config->from == SIM_OLD)
			sim_failover_decide(s, loss);
		return;
	}
	if (s->move.state != KHO_MOVE_UNDOING)
		expect(s, err.code);
	sim_carry_out(s, kho_move_peer_lost(&s->move, &err));
	if (s->config->broken == SIM_THAWS_LATE && s->move.state == KHO_MOVE_FORWARD) {
		s->move.state = KHO_MOVE_UNDOING;
		sim_carry_out(s, fence(s));
	}
}

void sim_mover_up(struct sim *s)
{
	struct kho_err err = an_error(-ECONNRESET);

	memset(&s->answers, 0, sizeof(s->answers));
	memset(&s->asked, 0, sizeof(s->asked));
	s->up = s->agreed = true;
	s->lost = false;
	if (s->stage > SIM_LINGERS)
		return;
	if (s->move.state == KHO_MOVE_RUNNING)
		expect(s, err.code);
	sim_carry_out(s, kho_move_peer_up(&s->move, &err));
}

void sim_reclaim(struct sim *s)
{
	if (s->stage == SIM_MOVING && s->config->from == SIM_NEW) {
		sim_receiver_kill(s, false);
		sim_mover_up(s);
		return;
	}
	if (s->stage == SIM_MOVING) {
		if (try_fence(s))
			sim_carry_out(s, kho_move_fenced(&s->move));
		return;
	}
	s->unreclaimed = !try_fence(s);
	if (!s->unreclaimed)
		s->stage = SIM_RECLAIMED;
}

/* ---- the end of a move ---- */

void sim_mover_over(struct sim *s)
{
	enum kho_loss loss = s->dead[SIM_NEW] ? KHO_LOSS_DEAD : KHO_LOSS_SILENT;

	s->stage = SIM_SETTLED;
	if (s->move.peer_lost && s->config->from == SIM_OLD &&
	    (s->session || kho_move_committed(&s->move)))
		sim_failover_decide(s, s->session ? loss : KHO_LOSS_GONE);
}

/* ---- failover ---- */

static bool is_coming(const struct sim *s)
{
	return s->config->from == SIM_NEW && !(s->committed && s->stage == SIM_SETTLED);
}

static enum kho_answer decide(const struct sim *s, enum kho_loss loss)
{
	struct kho_owner now;
	const struct kho_owner *owner = sim_owner(s, &now);

	/* a unit that runs here, and isn't one that comes, is the old kernel's */
	for (unsigned int i = 0; !owner && !is_coming(s) && i < SIM_ITEMS; i++)
		if (s->task[SIM_OLD][i] == SIM_RUNNING) {
			now = (struct kho_owner){};
			owner = &now;
		}
	return kho_failover_decide(owner, loss, s->config->stay);
}

void sim_failover_decide(struct sim *s, enum kho_loss loss)
{
	enum kho_answer answer = decide(s, loss);

	s->stage = SIM_SETTLED;
	switch (answer) {
	case KHO_ANSWER_RECLAIM:
		sim_reclaim(s);
		break;
	case KHO_ANSWER_RESTART:
		s->stage = SIM_FAILING;
		break;
	default:
		s->stage = SIM_WAITS;
	}
}

bool sim_may_fail_over(const struct sim *s)
{
	return s->session && decide(s, KHO_LOSS_DEAD) != KHO_ANSWER_RECLAIM;
}

/* Each part may be the last that an agent does. */
void sim_failover_go_on(struct sim *s)
{
	switch (s->stage) {
	case SIM_WAITS:
		s->stage = SIM_FAILING;
		break;
	case SIM_FAILING:
		if (try_fence(s))
			s->stage = SIM_FENCED;
		break;
	default:
		memset(&s->ops, 0, sizeof(s->ops));
		memset(&s->asked, 0, sizeof(s->asked));
		sim_start_anew(s);
		s->stage = SIM_ANEW;
	}
}

/* ---- an agent is killed, and started again ---- */

static void forget(struct sim *s)
{
	memset(&s->move, 0, sizeof(s->move));
	memset(&s->answers, 0, sizeof(s->answers));
	s->up = s->lost = s->deadline = false;
	s->local_items = 0;
	s->first = s->first_undo = 0;
	s->last_undone = 0;
	s->restarted_agent = true;
	/* no region, no session */
	s->session = s->lent;
}

/* The region can't be read. */
static void give_up(struct sim *s)
{
	end_session(s);
	if (s->stage == SIM_SETTLED)
		sim_failover_decide(s, KHO_LOSS_GONE);
	else
		sim_stop_new(s);
}

void sim_mover_kill(struct sim *s, bool happened)
{
	struct sim_message what = { .step = s->local_step, .undo = s->local_undo };

	for (; happened && what.item < SIM_ITEMS; what.item++)
		if (s->local_items & 1u << what.item)
			sim_local_effect(s, &what);
	forget(s);
	if (s->noted)
		s->stage = SIM_LEFT;
	else if (s->stage == SIM_FENCED || s->stage == SIM_FAILING)
		s->stage = SIM_FAILING;
	else if (s->stage < SIM_FAILING || s->stage == SIM_WAITS)
		s->stage = SIM_SETTLED;
	if (s->treeless && s->lent && s->config->from == SIM_OLD)
		give_up(s);
}

/* CRIUs have ended by themselves, or were killed; tasks stand as they were told to. */
void sim_mover_take_up(struct sim *s)
{
	static struct kho_move_record record;
	struct kho_owner now;
	const struct kho_owner *owner = sim_owner(s, &now);
	struct kho_move_output out;
	bool committed;

	read_record(s, &record);
	committed = kho_move_record_committed(&record, owner);
	if (s->config->broken == SIM_FORGETS_COMMIT)
		committed = false;
	/* it can't be known, and nothing may run twice */
	if (committed && !owner)
		s->committed = true;
	if (committed != s->committed)
		sim_bad(s, "an agent that's started again takes the move for what it isn't");
	memset(s->criu, 0, sizeof(s->criu));
	s->move.fenced = !s->session;
	s->move.peer_lost |= s->move.fenced;
	s->stage = SIM_MOVING;
	s->first = committed ? 0 : -EINTR;
	s->first_undo = committed && s->move.peer_lost ? -ECONNRESET : 0;
	out = kho_move_record_resume(&record, committed, &s->move);
	sim_carry_out(s, out);
}
