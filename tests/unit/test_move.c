// SPDX-License-Identifier: GPL-2.0-only
/*
 * The move's state machine, played through with a failure, a deadline, a lost peer or
 * an abort at every point of it. What must hold at each end: before COMMIT all that
 * was begun is undone, last first, and after it nothing is.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "upgrade/move.h"
#include "unit/run.h"

#define MAX_TRACE 256

static const uint32_t few[_KHO_SCOPE_MAX] = {
	[KHO_SCOPE_WORKLOAD] = 2, [KHO_SCOPE_ADDRESS] = 1, [KHO_SCOPE_VOLUME] = 2,
};

enum fault { FAULT_NONE, FAULT_FAIL, FAULT_LATE, FAULT_ABORT, FAULT_LOST, _FAULT_MAX };

/* One whole move. The fault happens at the @at-th thing that would be done. */
struct play {
	struct kho_move move;
	enum fault fault;
	int at, count;
	bool undo_fails;
	bool restart;		/* workload 1 doesn't move */
	bool comes_back;		/* the peer, instead of being fenced */
	bool fenced, came_back;
	/* what is in effect: begun and not undone */
	uint32_t in_effect[_KHO_STEP_MAX];
	enum kho_step last_undone;
	bool committed;
	int ends;
};

static struct kho_err an_error(int code)
{
	struct kho_err err;

	kho_fail(&err, code, "injected");
	return err;
}

static struct kho_move_output do_fault(struct play *p, enum kho_step step, uint32_t item)
{
	struct kho_err err = an_error(-EIO);

	switch (p->fault) {
	case FAULT_FAIL:
		return kho_move_done(&p->move, step, item, &err);
	case FAULT_LATE:
		return kho_move_late(&p->move);
	case FAULT_ABORT:
		return kho_move_abort(&p->move, &err);
	default:
		return kho_move_peer_lost(&p->move, &err);
	}
}

static void note_undo(struct play *p, struct kho_move_output out)
{
	ck_assert(!p->committed);
	ck_assert(kho_step_info(out.step)->undo);
	/* one that failed on a side that's back is asked for again */
	ck_assert(!p->last_undone || out.step < p->last_undone ||
		  (out.step == p->last_undone && p->comes_back));
	/* what the other side had is only taken for void when it can't run any more */
	ck_assert(!(p->move.peer_lost && !p->fenced));
	p->last_undone = out.step;
	p->in_effect[out.step] &= ~out.items;
}

static struct kho_move_output begin_items(struct play *p, struct kho_move_output out)
{
	struct kho_move_output next = { .action = KHO_MOVE_NOTHING };

	if (out.step == KHO_STEP_COMMIT)
		ck_assert(p->fault == FAULT_NONE || p->count <= p->at || p->fault == FAULT_ABORT);
	p->in_effect[out.step] = out.items;
	for (uint32_t item = 0; item < KHO_MOVE_ITEMS; item++) {
		if (!(out.items & 1u << item))
			continue;
		ck_assert_int_eq(next.action, KHO_MOVE_NOTHING);
		if (p->fault != FAULT_NONE && p->count++ == p->at) {
			next = do_fault(p, out.step, item);
			if (next.action != KHO_MOVE_NOTHING)
				return next;
		}
		next = kho_move_done(&p->move, out.step, item, NULL);
		/* told twice, and too late */
		if (next.action == KHO_MOVE_NOTHING)
			next = kho_move_done(&p->move, out.step, item, NULL);
	}
	if (out.step == KHO_STEP_COMMIT && p->move.state == KHO_MOVE_FORWARD)
		p->committed = true;
	return next;
}

static struct kho_move_output undo_items(struct play *p, struct kho_move_output out)
{
	struct kho_move_output next = { .action = KHO_MOVE_NOTHING };
	struct kho_err err = an_error(-EBUSY);

	note_undo(p, out);
	for (uint32_t item = 0; item < KHO_MOVE_ITEMS && next.action == KHO_MOVE_NOTHING; item++)
		if (out.items & 1u << item)
			next = kho_move_undone(&p->move, out.step, item,
					       p->undo_fails ? &err : NULL);
	return next;
}

static void run(struct play *p)
{
	struct kho_move_output out;
	bool tried = false;
	struct kho_err err;

	ck_assert_int_eq(kho_move_init(&p->move, few, &err), 0);
	if (p->restart)
		ck_assert_int_eq(kho_move_restart(&p->move, 1, &err), 0);
	out = kho_move_begin(&p->move);
	for (int i = 0; i < MAX_TRACE && out.action != KHO_MOVE_END; i++) {
		switch (out.action) {
		case KHO_MOVE_BEGIN:
			tried = tried || out.step != KHO_STEP_INSPECT;
			out = begin_items(p, out);
			break;
		case KHO_MOVE_UNDO:
			out = undo_items(p, out);
			break;
		case KHO_MOVE_FENCE:
			/* once */
			p->fenced = !p->comes_back || p->came_back;
			p->came_back = true;
			out = p->fenced ? kho_move_fenced(&p->move) :
					  kho_move_peer_back(&p->move);
			break;
		default:
			ck_abort_msg("stuck in step %d", p->move.step);
		}
	}
	ck_assert_int_eq(out.action, KHO_MOVE_END);
	ck_assert_int_eq(p->move.tried, tried);
}

static void check_failed(const struct play *p)
{
	ck_assert_int_eq(p->move.state, KHO_MOVE_FAILED);
	ck_assert_int_ne(p->move.err.code, 0);
	for (int step = 1; step < _KHO_STEP_MAX; step++) {
		const struct kho_step_info *info = kho_step_info(step);

		if (info->undo && !(info->remote && p->move.peer_lost))
			ck_assert_msg(!p->in_effect[step], "%s is still in effect", info->name);
	}
	ck_assert_int_eq(p->undo_fails && p->last_undone, p->move.undo_err.code != 0);
}

static bool is_for_restarted(int step)
{
	return step == KHO_STEP_ADMIT || step == KHO_STEP_STOP || step == KHO_STEP_START;
}

/* The items that a whole move has to do a step for. */
static uint32_t wanted(const struct play *p, int step)
{
	const struct kho_step_info *info = kho_step_info(step);
	uint32_t all = (1u << few[info->scope]) - 1;

	if (info->scope == KHO_SCOPE_MOVE)
		return 1;
	if (info->scope != KHO_SCOPE_WORKLOAD)
		return all;
	if (is_for_restarted(step))
		return p->restart ? 2 : 0;
	return p->restart ? 1 : 3;
}

static void check_done(const struct play *p)
{
	ck_assert_int_eq(p->move.state, KHO_MOVE_DONE);
	ck_assert(p->committed);
	ck_assert_int_eq(p->move.err.code, 0);
	ck_assert_int_eq(p->last_undone, KHO_STEP_NONE);
	for (int step = 1; step < _KHO_STEP_MAX; step++)
		if (!(kho_step_info(step)->remote && p->move.peer_lost))
			ck_assert_msg(p->in_effect[step] == wanted(p, step),
				      "%s was done for 0x%x", kho_step_info(step)->name,
				      p->in_effect[step]);
}

START_TEST(test_all_well)
{
	for (int restart = 0; restart < 2; restart++) {
		struct play p = { .restart = restart };

		run(&p);
		check_done(&p);
		ck_assert_int_eq(p.move.undo_err.code, 0);
	}
}
END_TEST

/* All are restarted: nothing is frozen, dumped or restored. */
START_TEST(test_restart_all)
{
	const uint32_t one[_KHO_SCOPE_MAX] = { [KHO_SCOPE_WORKLOAD] = 1 };
	enum kho_step last = KHO_STEP_NONE;
	struct kho_move_output out;
	struct kho_move move;

	kho_move_init(&move, one, NULL);
	out = kho_move_begin(&move);
	ck_assert_int_eq(out.step, KHO_STEP_INSPECT);
	ck_assert_int_eq(kho_move_restart(&move, 1, NULL), -EINVAL);
	ck_assert_int_eq(kho_move_restart(&move, 0, NULL), 0);
	while (out.action == KHO_MOVE_BEGIN) {
		const struct kho_step_info *info = kho_step_info(out.step);

		last = out.step;
		ck_assert_uint_eq(out.items, 1);
		ck_assert(info->scope == KHO_SCOPE_MOVE || is_for_restarted(out.step));
		out = kho_move_done(&move, out.step, 0, NULL);
	}
	ck_assert_int_eq(out.action, KHO_MOVE_END);
	ck_assert_int_eq(move.state, KHO_MOVE_DONE);
	ck_assert_int_eq(last, KHO_STEP_START);
	ck_assert_int_eq(kho_move_restart(&move, 0, NULL), -EINVAL);
}
END_TEST

/* A failure after STOP starts it again, once. */
START_TEST(test_restart_undone)
{
	const uint32_t one[_KHO_SCOPE_MAX] = { [KHO_SCOPE_WORKLOAD] = 1 };
	struct kho_err err = an_error(-EIO);
	struct kho_move_output out;
	struct kho_move move;

	kho_move_init(&move, one, NULL);
	kho_move_restart(&move, 0, NULL);
	for (out = kho_move_begin(&move); out.step != KHO_STEP_HOLD;)
		out = kho_move_done(&move, out.step, 0, NULL);
	out = kho_move_done(&move, KHO_STEP_HOLD, 0, &err);
	ck_assert_int_eq(out.step, KHO_STEP_HOLD);
	out = kho_move_undone(&move, KHO_STEP_HOLD, 0, NULL);
	ck_assert_int_eq(out.action, KHO_MOVE_UNDO);
	ck_assert_int_eq(out.step, KHO_STEP_STOP);
	out = kho_move_undone(&move, KHO_STEP_STOP, 0, NULL);
	ck_assert_int_eq(out.action, KHO_MOVE_END);
	ck_assert_int_eq(move.state, KHO_MOVE_FAILED);
}
END_TEST

START_TEST(test_left_out)
{
	struct kho_move_output out;
	struct kho_move move;

	kho_move_init(&move, few, NULL);
	kho_move_leave_out(&move, KHO_STEP_SAMPLE, 0);
	kho_move_leave_out(&move, KHO_STEP_REHEARSE, 0);
	kho_move_leave_out(&move, KHO_STEP_REHEARSE, 1);
	kho_move_leave_out(&move, KHO_STEP_REHEARSE, KHO_MOVE_ITEMS);
	for (out = kho_move_begin(&move); out.step != KHO_STEP_LET_GO;) {
		ck_assert_int_eq(out.action, KHO_MOVE_BEGIN);
		ck_assert_int_ne(out.step, KHO_STEP_REHEARSE);
		if (out.step == KHO_STEP_SAMPLE)
			ck_assert_uint_eq(out.items, 2);
		for (uint32_t item = 0, step = out.step; item < KHO_MOVE_ITEMS; item++)
			if (move.step == step && move.pending & 1u << item)
				out = kho_move_done(&move, step, item, NULL);
	}
	/* too late */
	kho_move_leave_out(&move, KHO_STEP_LET_GO, 1);
	ck_assert_uint_eq(move.left_out[KHO_STEP_LET_GO], 0);
}
END_TEST

/* Every fault at every point; whether an undo fails, and a lost peer is back, too. */
START_TEST(test_faults)
{
	for (int fault = FAULT_FAIL; fault < _FAULT_MAX; fault++)
		for (int at = 0; at < 64; at++)
			for (int way = 0; way < 8; way++) {
				struct play p = {
					.fault = fault, .at = at, .undo_fails = way & 1,
					.comes_back = way & 2, .restart = way & 4,
				};

				run(&p);
				if (p.committed)
					check_done(&p);
				else
					check_failed(&p);
			}
}
END_TEST

START_TEST(test_peer_lost_while_undoing)
{
	struct kho_move_output out;
	struct kho_err err = an_error(-EIO), lost = an_error(-ETIMEDOUT);
	struct kho_move move;

	kho_move_init(&move, few, NULL);
	kho_move_begin(&move);
	kho_move_done(&move, KHO_STEP_INSPECT, 0, NULL);
	out = kho_move_done(&move, KHO_STEP_PREPARE, 0, &err);
	ck_assert_int_eq(out.action, KHO_MOVE_UNDO);
	ck_assert_int_eq(out.step, KHO_STEP_PREPARE);
	out = kho_move_peer_lost(&move, &lost);
	ck_assert_int_eq(out.action, KHO_MOVE_FENCE);
	ck_assert_int_eq(kho_move_undone(&move, KHO_STEP_PREPARE, 0, NULL).action,
			 KHO_MOVE_NOTHING);
	/* it may have died in another way by now, which shows that it has stopped */
	ck_assert_int_eq(kho_move_peer_lost(&move, &lost).action, KHO_MOVE_FENCE);
	ck_assert_int_eq(kho_move_late(&move).action, KHO_MOVE_NOTHING);
	ck_assert_int_eq(kho_move_fenced(&move).action, KHO_MOVE_END);
	ck_assert_int_eq(kho_move_fenced(&move).action, KHO_MOVE_NOTHING);
	ck_assert_int_eq(move.err.code, -EIO);
}
END_TEST

/* One that couldn't be fenced is asked again for what it hadn't confirmed. */
START_TEST(test_peer_back)
{
	struct kho_err err = an_error(-EIO), lost = an_error(-ETIMEDOUT);
	struct kho_move_output out;
	struct kho_move move;

	kho_move_init(&move, few, NULL);
	kho_move_begin(&move);
	kho_move_done(&move, KHO_STEP_INSPECT, 0, NULL);
	ck_assert_int_eq(kho_move_peer_back(&move).action, KHO_MOVE_NOTHING);
	kho_move_done(&move, KHO_STEP_PREPARE, 0, &err);
	kho_move_undone(&move, KHO_STEP_PREPARE, 1, NULL);
	kho_move_peer_lost(&move, &lost);
	out = kho_move_peer_back(&move);
	ck_assert_int_eq(out.action, KHO_MOVE_UNDO);
	ck_assert_int_eq(out.step, KHO_STEP_PREPARE);
	ck_assert_uint_eq(out.items, 1u << 0);
	ck_assert_int_eq(kho_move_peer_back(&move).action, KHO_MOVE_NOTHING);
	ck_assert_int_eq(kho_move_undone(&move, KHO_STEP_PREPARE, 0, NULL).action, KHO_MOVE_END);
}
END_TEST

/* Up to @step, which fails; what's undone first is returned. */
static struct kho_move_output undo_from(struct kho_move *move, enum kho_step step)
{
	const uint32_t one[_KHO_SCOPE_MAX] = {
		[KHO_SCOPE_WORKLOAD] = 1, [KHO_SCOPE_VOLUME] = 1,
	};
	struct kho_err err = an_error(-EIO);
	struct kho_move_output out;

	kho_move_init(move, one, NULL);
	for (out = kho_move_begin(move); out.step != step;)
		out = kho_move_done(move, out.step, 0, NULL);
	return kho_move_done(move, step, 0, &err);
}

/* An undo here goes on while the lost peer is fenced: CRIU is in the tasks until it's over. */
START_TEST(test_undo_not_cut_short)
{
	struct kho_err lost = an_error(-ETIMEDOUT), err = an_error(-EBUSY);
	struct kho_move move;

	/* over after the fence, and before it; too late */
	for (int way = 0; way < 3; way++) {
		ck_assert_int_eq(undo_from(&move, KHO_STEP_DUMP).step, KHO_STEP_DUMP);
		ck_assert_int_eq(kho_move_peer_lost(&move, &lost).action, KHO_MOVE_FENCE);
		ck_assert(kho_move_waits_for_fence(&move));
		if (way == 0)
			ck_assert_int_eq(kho_move_fenced(&move).action, KHO_MOVE_NOTHING);
		if (way == 2)
			ck_assert_int_eq(kho_move_late(&move).action, KHO_MOVE_NOTHING);
		else if (way == 1)
			ck_assert_int_eq(kho_move_undone(&move, KHO_STEP_DUMP, 0, &err).action,
					 KHO_MOVE_NOTHING);
		if (way == 0)
			ck_assert_int_eq(kho_move_undone(&move, KHO_STEP_DUMP, 0, &err).step,
					 KHO_STEP_MUTE);
		else
			ck_assert_int_eq(kho_move_fenced(&move).step, KHO_STEP_MUTE);
		ck_assert_int_eq(move.undo_err.code, way == 2 ? -ETIMEDOUT : -EBUSY);
		/* again, and it's gone already */
		ck_assert_int_eq(kho_move_peer_lost(&move, &lost).action, KHO_MOVE_NOTHING);
		ck_assert_uint_eq(move.pending, 1);
	}
}
END_TEST

/* What may still be in use there isn't used here. */
START_TEST(test_undo_fails_there)
{
	struct kho_err err = an_error(-EBUSY);
	struct kho_move move;

	ck_assert_int_eq(undo_from(&move, KHO_STEP_TAKE).step, KHO_STEP_TAKE);
	ck_assert_int_eq(kho_move_undone(&move, KHO_STEP_TAKE, 0, &err).action, KHO_MOVE_FENCE);
	ck_assert_int_eq(move.undo_err.code, -EBUSY);
	ck_assert_int_eq(kho_move_fenced(&move).step, KHO_STEP_RELEASE);
	/* nobody uses what is left of a stub */
	ck_assert_int_eq(undo_from(&move, KHO_STEP_PREPARE).step, KHO_STEP_PREPARE);
	ck_assert_int_eq(kho_move_undone(&move, KHO_STEP_PREPARE, 0, &err).action, KHO_MOVE_END);
}
END_TEST

/* Not fenced, and heard of after all. */
START_TEST(test_undone_late)
{
	struct kho_err err = an_error(-EBUSY);
	struct kho_move move;

	ck_assert_int_eq(undo_from(&move, KHO_STEP_TAKE).step, KHO_STEP_TAKE);
	ck_assert_int_eq(kho_move_late(&move).action, KHO_MOVE_FENCE);
	ck_assert_int_eq(kho_move_undone(&move, KHO_STEP_TAKE, 0, &err).action, KHO_MOVE_NOTHING);
	ck_assert_int_eq(kho_move_undone(&move, KHO_STEP_TAKE, 0, NULL).step, KHO_STEP_RELEASE);
	ck_assert(!move.peer_lost);
	ck_assert_int_eq(move.undo_err.code, -ETIMEDOUT);
}
END_TEST

/* Whatever the other side's agent was asked before it was started again is void. */
START_TEST(test_peer_up)
{
	struct kho_err again = an_error(-ECONNRESET), lost = an_error(-ETIMEDOUT);
	struct kho_move_output out;
	struct kho_move move;

	kho_move_init(&move, few, NULL);
	ck_assert_int_eq(kho_move_peer_up(&move, &again).action, KHO_MOVE_NOTHING);
	kho_move_begin(&move);
	kho_move_done(&move, KHO_STEP_INSPECT, 0, NULL);
	out = kho_move_peer_up(&move, &again);
	ck_assert_int_eq(out.action, KHO_MOVE_UNDO);
	ck_assert_int_eq(move.err.code, -ECONNRESET);
	kho_move_undone(&move, KHO_STEP_PREPARE, 1, NULL);
	out = kho_move_peer_up(&move, &again);
	ck_assert_int_eq(out.action, KHO_MOVE_UNDO);
	ck_assert_uint_eq(out.items, 1u << 0);
	kho_move_peer_lost(&move, &lost);
	ck_assert_int_eq(kho_move_peer_up(&move, &again).items, 1u << 0);
	ck_assert(!move.peer_lost);
}
END_TEST

/* A new side that doesn't undo in time is fenced. */
START_TEST(test_late_undo)
{
	struct kho_err err = an_error(-EIO);
	struct kho_move move;

	kho_move_init(&move, few, NULL);
	kho_move_begin(&move);
	kho_move_done(&move, KHO_STEP_INSPECT, 0, NULL);
	kho_move_done(&move, KHO_STEP_PREPARE, 1, &err);
	ck_assert_int_eq(kho_move_late(&move).action, KHO_MOVE_FENCE);
	ck_assert_int_eq(kho_move_fenced(&move).action, KHO_MOVE_END);
	ck_assert_int_eq(move.state, KHO_MOVE_FAILED);
	ck_assert_int_eq(kho_move_late(&move).action, KHO_MOVE_NOTHING);
}
END_TEST

START_TEST(test_refused)
{
	const uint32_t none[_KHO_SCOPE_MAX] = {};
	const uint32_t many[_KHO_SCOPE_MAX] = { [KHO_SCOPE_WORKLOAD] = KHO_MOVE_ITEMS + 1 };
	struct kho_move move;
	struct kho_err err;

	ck_assert_int_eq(kho_move_init(&move, none, &err), -EINVAL);
	ck_assert_int_eq(kho_move_init(&move, many, &err), -EINVAL);
}
END_TEST

/* Nothing that can't be undone stands before COMMIT, but for what changes nothing. */
START_TEST(test_table)
{
	for (int step = 1; step < _KHO_STEP_MAX; step++) {
		const struct kho_step_info *info = kho_step_info(step);

		ck_assert_ptr_nonnull(info->name);
		ck_assert_ptr_nonnull(info->phase);
		ck_assert_uint_gt(info->deadline_ms, 0);
		if (step < KHO_STEP_COMMIT)
			/* a check, and what ends with the move in any case */
			ck_assert(info->undo || step == KHO_STEP_HEALTH || step == KHO_STEP_ARM ||
				  step == KHO_STEP_EXPECT || step == KHO_STEP_SYNC ||
				  step == KHO_STEP_INSPECT || step == KHO_STEP_ADMIT);
		else
			ck_assert(!info->undo);
	}
}
END_TEST

/* From the last step that leaves a unit as it was, until nothing is half way. */
START_TEST(test_delicate)
{
	struct kho_move move = { .state = KHO_MOVE_IDLE };

	ck_assert(!kho_move_is_delicate(&move));
	for (int step = 1; step < _KHO_STEP_MAX; step++) {
		move = (struct kho_move){ .state = KHO_MOVE_RUNNING, .step = step };
		ck_assert_int_eq(kho_move_is_delicate(&move), step >= KHO_STEP_LET_GO);
	}
	move.state = KHO_MOVE_UNDOING;
	ck_assert(kho_move_is_delicate(&move));
	move.state = KHO_MOVE_FORWARD;
	ck_assert(kho_move_is_delicate(&move));
	move.state = KHO_MOVE_DONE;
	ck_assert(!kho_move_is_delicate(&move));
	move.state = KHO_MOVE_FAILED;
	ck_assert(!kho_move_is_delicate(&move));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("move");
	TCase *tc = tcase_create("move");

	tcase_add_test(tc, test_all_well);
	tcase_add_test(tc, test_restart_all);
	tcase_add_test(tc, test_restart_undone);
	tcase_add_test(tc, test_left_out);
	tcase_add_test(tc, test_faults);
	tcase_add_test(tc, test_peer_lost_while_undoing);
	tcase_add_test(tc, test_peer_back);
	tcase_add_test(tc, test_undo_not_cut_short);
	tcase_add_test(tc, test_undo_fails_there);
	tcase_add_test(tc, test_undone_late);
	tcase_add_test(tc, test_peer_up);
	tcase_add_test(tc, test_late_undo);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_table);
	tcase_add_test(tc, test_delicate);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
