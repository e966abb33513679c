// SPDX-License-Identifier: GPL-2.0-only
/* What comes next in an upgrade, from every state and whatever happens. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/run.h"
#include "upgrade/upgrade.h"

static const struct kho_err well, bad = { .code = -EIO, .msg = "bad" };
static const struct kho_err wish = { .code = -ECANCELED, .msg = "wish" };

/* An upgrade that has come as far as @state, with workloads. */
static struct kho_upgrade in(enum kho_upgrade_state state)
{
	struct kho_upgrade upgrade = { .workloads = true };

	kho_upgrade_begin(&upgrade);
	while (upgrade.state != state) {
		if (upgrade.state == KHO_UPGRADE_SOAK)
			kho_upgrade_soaked(&upgrade);
		else
			kho_upgrade_done(&upgrade, &well);
		ck_assert_int_ne(upgrade.state, KHO_UPGRADE_FAILED);
	}
	return upgrade;
}

static enum kho_upgrade_action abort_it(struct kho_upgrade *upgrade)
{
	enum kho_upgrade_action action = KHO_UPGRADE_WAIT;
	struct kho_err err;

	ck_assert_int_eq(kho_upgrade_abort(upgrade, &wish, &action, &err), 0);
	return action;
}

START_TEST(all_goes_well)
{
	struct kho_upgrade upgrade = { .workloads = true };

	ck_assert_int_eq(kho_upgrade_begin(&upgrade), KHO_UPGRADE_DO_CHECK);
	ck_assert_int_eq(kho_upgrade_done(&upgrade, &well), KHO_UPGRADE_DO_SPAWN);
	ck_assert_int_eq(kho_upgrade_done(&upgrade, &well), KHO_UPGRADE_DO_MOVE);
	ck_assert_int_eq(kho_upgrade_done(&upgrade, &well), KHO_UPGRADE_DO_SOAK);
	ck_assert_int_eq(kho_upgrade_done(&upgrade, &well), KHO_UPGRADE_WAIT);
	ck_assert_int_eq(kho_upgrade_soaked(&upgrade), KHO_UPGRADE_DO_RETIRE);
	ck_assert_int_eq(kho_upgrade_soaked(&upgrade), KHO_UPGRADE_WAIT);
	ck_assert_int_eq(kho_upgrade_done(&upgrade, &well), KHO_UPGRADE_DO_END);
	ck_assert_int_eq(upgrade.state, KHO_UPGRADE_DONE);
	ck_assert(!kho_upgrade_is_active(&upgrade));
}
END_TEST

START_TEST(without_workloads)
{
	struct kho_upgrade upgrade = {};

	ck_assert_int_eq(kho_upgrade_begin(&upgrade), KHO_UPGRADE_DO_CHECK);
	ck_assert_int_eq(kho_upgrade_done(&upgrade, &well), KHO_UPGRADE_DO_SPAWN);
	ck_assert_int_eq(kho_upgrade_done(&upgrade, &well), KHO_UPGRADE_DO_SOAK);
	/* there's nothing to roll back */
	ck_assert_int_eq(abort_it(&upgrade), KHO_UPGRADE_DO_RECLAIM);
}
END_TEST

/* Behind the move's commit: the way back isn't given up by itself. */
START_TEST(trouble_holds)
{
	struct kho_upgrade upgrade = in(KHO_UPGRADE_MOVE), aborted = in(KHO_UPGRADE_MOVE);
	enum kho_upgrade_action action;
	struct kho_err err;

	ck_assert_int_eq(kho_upgrade_moved(&upgrade, &bad), KHO_UPGRADE_DO_SOAK);
	ck_assert(upgrade.held);
	ck_assert_str_eq(upgrade.err.msg, "bad");
	ck_assert_int_eq(kho_upgrade_soaked(&upgrade), KHO_UPGRADE_WAIT);
	ck_assert_int_eq(kho_upgrade_commit(&upgrade, &action, &err), 0);
	ck_assert_int_eq(action, KHO_UPGRADE_DO_RETIRE);
	ck_assert_int_eq(upgrade.err.code, 0);

	ck_assert_int_eq(abort_it(&aborted), KHO_UPGRADE_DO_ABORT_MOVE);
	ck_assert_int_eq(kho_upgrade_moved(&aborted, &bad), KHO_UPGRADE_DO_ROLLBACK);
	ck_assert(!aborted.held);
}
END_TEST

/* What fails, and what comes then. */
START_TEST(failures)
{
	static const struct {
		enum kho_upgrade_state state;
		enum kho_upgrade_action then;
		enum kho_upgrade_state last;
	} cases[] = {
		{ KHO_UPGRADE_CHECK, KHO_UPGRADE_DO_END, KHO_UPGRADE_FAILED },
		{ KHO_UPGRADE_SPAWN, KHO_UPGRADE_DO_END, KHO_UPGRADE_FAILED },
		{ KHO_UPGRADE_MOVE, KHO_UPGRADE_DO_RECLAIM, KHO_UPGRADE_RECLAIM },
		{ KHO_UPGRADE_SOAK, KHO_UPGRADE_WAIT, KHO_UPGRADE_SOAK },
		{ KHO_UPGRADE_RETIRE, KHO_UPGRADE_DO_SOAK, KHO_UPGRADE_SOAK },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kho_upgrade upgrade = in(cases[i].state);

		ck_assert_int_eq(kho_upgrade_done(&upgrade, &bad), cases[i].then);
		ck_assert_int_eq(upgrade.state, cases[i].last);
	}
}
END_TEST

START_TEST(held_after_a_failure)
{
	struct kho_upgrade upgrade = in(KHO_UPGRADE_RETIRE);
	enum kho_upgrade_action action;
	struct kho_err err;

	kho_upgrade_done(&upgrade, &bad);
	ck_assert(upgrade.held);
	ck_assert_str_eq(upgrade.err.msg, "bad");
	ck_assert_int_eq(kho_upgrade_soaked(&upgrade), KHO_UPGRADE_WAIT);
	ck_assert_int_eq(kho_upgrade_commit(&upgrade, &action, &err), 0);
	ck_assert_int_eq(action, KHO_UPGRADE_DO_RETIRE);
	kho_upgrade_done(&upgrade, &bad);
	ck_assert_int_eq(abort_it(&upgrade), KHO_UPGRADE_DO_ROLLBACK);
	ck_assert_int_eq(kho_upgrade_done(&upgrade, &bad), KHO_UPGRADE_DO_SOAK);
	ck_assert_int_eq(abort_it(&upgrade), KHO_UPGRADE_DO_ROLLBACK);
	ck_assert_int_eq(kho_upgrade_done(&upgrade, &well), KHO_UPGRADE_DO_RECLAIM);
	ck_assert_int_eq(kho_upgrade_done(&upgrade, &well), KHO_UPGRADE_DO_END);
	ck_assert_str_eq(upgrade.err.msg, "wish");
}
END_TEST

START_TEST(hold_and_keep)
{
	struct kho_upgrade upgrade = in(KHO_UPGRADE_SOAK);

	upgrade.hold = true;
	ck_assert_int_eq(kho_upgrade_soaked(&upgrade), KHO_UPGRADE_WAIT);
	upgrade = in(KHO_UPGRADE_MOVE);
	upgrade.keep = true;
	ck_assert_int_eq(kho_upgrade_done(&upgrade, &bad), KHO_UPGRADE_DO_END);
	ck_assert_int_eq(upgrade.state, KHO_UPGRADE_FAILED);
}
END_TEST

START_TEST(aborts)
{
	enum kho_upgrade_action action;
	struct kho_upgrade upgrade;
	struct kho_err err;

	upgrade = in(KHO_UPGRADE_CHECK);
	ck_assert_int_eq(abort_it(&upgrade), KHO_UPGRADE_DO_END);
	upgrade = in(KHO_UPGRADE_SPAWN);
	ck_assert_int_eq(abort_it(&upgrade), KHO_UPGRADE_DO_RECLAIM);
	upgrade = in(KHO_UPGRADE_RETIRE);
	ck_assert_int_eq(kho_upgrade_abort(&upgrade, &wish, &action, &err), -EBUSY);
	upgrade = in(KHO_UPGRADE_DONE);
	ck_assert_int_eq(kho_upgrade_abort(&upgrade, &wish, &action, &err), -EALREADY);
}
END_TEST

/* The move fails for it, or was past its commit. */
START_TEST(abort_of_a_move)
{
	struct kho_upgrade upgrade = in(KHO_UPGRADE_MOVE), late;

	ck_assert_int_eq(abort_it(&upgrade), KHO_UPGRADE_DO_ABORT_MOVE);
	ck_assert_int_eq(abort_it(&upgrade), KHO_UPGRADE_WAIT);
	late = upgrade;
	ck_assert_int_eq(kho_upgrade_done(&upgrade, &bad), KHO_UPGRADE_DO_RECLAIM);
	ck_assert_str_eq(upgrade.err.msg, "wish");
	ck_assert_int_eq(kho_upgrade_done(&late, &well), KHO_UPGRADE_DO_ROLLBACK);
}
END_TEST

START_TEST(commits)
{
	enum kho_upgrade_action action;
	struct kho_err err;

	for (enum kho_upgrade_state s = KHO_UPGRADE_CHECK; s <= KHO_UPGRADE_RETIRE; s++) {
		struct kho_upgrade upgrade = in(s);
		int r = kho_upgrade_commit(&upgrade, &action, &err);

		ck_assert_int_eq(r, s == KHO_UPGRADE_SOAK ? 0 :
				 s == KHO_UPGRADE_RETIRE ? -EALREADY : -EBUSY);
	}
}
END_TEST

/*
 * Whatever is under way, an agent that was started again hears hello first: in a rollback it
 * was once taken for the end of that, and the new kernel was reclaimed with all workloads.
 */
START_TEST(hello_is_no_end)
{
	struct kho_upgrade upgrade = in(KHO_UPGRADE_SPAWN);

	ck_assert_int_eq(kho_upgrade_hello(&upgrade), KHO_UPGRADE_DO_MOVE);
	upgrade = (struct kho_upgrade){ .state = KHO_UPGRADE_SPAWN };
	ck_assert_int_eq(kho_upgrade_hello(&upgrade), KHO_UPGRADE_DO_SOAK);
	for (enum kho_upgrade_state s = 0; s < _KHO_UPGRADE_STATE_MAX; s++) {
		if (s == KHO_UPGRADE_SPAWN)
			continue;
		upgrade = (struct kho_upgrade){ .state = s, .workloads = true };
		ck_assert_int_eq(kho_upgrade_hello(&upgrade), KHO_UPGRADE_WAIT);
		ck_assert_int_eq(upgrade.state, s);
	}
}
END_TEST

/* As it's about to retire: once it was taken for having retired. */
START_TEST(lost_on_the_way_out)
{
	struct kho_upgrade upgrade = in(KHO_UPGRADE_RETIRE);

	ck_assert_int_eq(kho_upgrade_lost(&upgrade, true, &bad), KHO_UPGRADE_DO_END);
	ck_assert_int_eq(upgrade.state, KHO_UPGRADE_FAILED);
	ck_assert_int_eq(upgrade.err.code, -EIO);
	upgrade = in(KHO_UPGRADE_RETIRE);
	ck_assert_int_eq(kho_upgrade_lost(&upgrade, false, &bad), KHO_UPGRADE_DO_SOAK);
	ck_assert(upgrade.held && upgrade.err.code == -EIO);
}
END_TEST

START_TEST(new_kernel_is_lost)
{
	struct kho_upgrade upgrade = in(KHO_UPGRADE_SOAK);

	ck_assert_int_eq(kho_upgrade_lost(&upgrade, false, &bad), KHO_UPGRADE_WAIT);
	ck_assert_int_eq(kho_upgrade_soaked(&upgrade), KHO_UPGRADE_WAIT);
	ck_assert_int_eq(kho_upgrade_lost(&upgrade, true, &bad), KHO_UPGRADE_DO_END);
	ck_assert_int_eq(upgrade.state, KHO_UPGRADE_FAILED);
	upgrade = in(KHO_UPGRADE_MOVE);
	ck_assert_int_eq(kho_upgrade_lost(&upgrade, true, &bad), KHO_UPGRADE_WAIT);
	upgrade = in(KHO_UPGRADE_SOAK);
	ck_assert_int_eq(kho_upgrade_returned(&upgrade), KHO_UPGRADE_DO_RECLAIM);
}
END_TEST

/* An agent that's started again: from each state, in each world. */
START_TEST(resumed)
{
	for (enum kho_upgrade_state s = KHO_UPGRADE_CHECK; s <= KHO_UPGRADE_RETIRE; s++)
		for (unsigned int bits = 0; bits < 8; bits++) {
			const struct kho_upgrade_world world = {
				.spawned = bits & 1, .moving = bits & 2, .new_owns = bits & 4,
			};
			struct kho_upgrade upgrade = in(s);
			enum kho_upgrade_action action = kho_upgrade_resume(&upgrade, &world);

			ck_assert(kho_upgrade_is_active(&upgrade));
			if (world.moving)
				ck_assert_int_eq(upgrade.state, KHO_UPGRADE_MOVE);
			else if (world.new_owns)
				/* nothing is reclaimed that has the workloads */
				ck_assert_int_eq(action, s == KHO_UPGRADE_RETIRE ?
						 KHO_UPGRADE_DO_RETIRE : KHO_UPGRADE_DO_SOAK);
			else
				ck_assert_int_eq(action, KHO_UPGRADE_DO_RECLAIM);
		}
}
END_TEST

START_TEST(resumed_on_the_way_back)
{
	const struct kho_upgrade_world there = { .spawned = true, .new_owns = true };
	const struct kho_upgrade_world back = { .spawned = true }, gone = {};
	struct kho_upgrade upgrade = in(KHO_UPGRADE_SOAK);

	abort_it(&upgrade);
	ck_assert_int_eq(kho_upgrade_resume(&upgrade, &there), KHO_UPGRADE_DO_ROLLBACK);
	/* committed, and the new kernel may be at what follows: it isn't reclaimed from it */
	ck_assert_int_eq(kho_upgrade_resume(&upgrade, &back), KHO_UPGRADE_DO_ROLLBACK);
	ck_assert_int_eq(upgrade.state, KHO_UPGRADE_ROLLBACK);
	ck_assert_int_eq(kho_upgrade_resume(&upgrade, &gone), KHO_UPGRADE_DO_RECLAIM);
	upgrade = in(KHO_UPGRADE_MOVE);
	abort_it(&upgrade);
	ck_assert_int_eq(kho_upgrade_resume(&upgrade, &there), KHO_UPGRADE_DO_ROLLBACK);
}
END_TEST

START_TEST(resumed_without_workloads)
{
	const struct kho_upgrade_world beside = { .spawned = true };
	struct kho_upgrade upgrade = {};

	kho_upgrade_begin(&upgrade);
	kho_upgrade_done(&upgrade, &well);
	kho_upgrade_done(&upgrade, &well);
	ck_assert_int_eq(kho_upgrade_resume(&upgrade, &beside), KHO_UPGRADE_DO_SOAK);
}
END_TEST

static void happens(struct kho_upgrade *upgrade, unsigned int what)
{
	const struct kho_upgrade_world world = {
		.spawned = what & 64, .moving = what & 128, .new_owns = what & 256,
	};
	enum kho_upgrade_action action;
	struct kho_err err;

	switch (what % 8) {
	case 0: case 1: case 2:
		kho_upgrade_done(upgrade, &well);
		break;
	case 3:
		kho_upgrade_done(upgrade, &bad);
		break;
	case 4:
		kho_upgrade_abort(upgrade, &wish, &action, &err);
		break;
	case 5:
		kho_upgrade_soaked(upgrade);
		break;
	case 6:
		kho_upgrade_lost(upgrade, what & 32, &bad);
		break;
	default:
		kho_upgrade_resume(upgrade, &world);
	}
}

/* Whatever happens in whatever order: it ends, and done only by way of retirement. */
START_TEST(always_ends)
{
	srandom(7);
	for (int run = 0; run < 20000; run++) {
		struct kho_upgrade upgrade = { .workloads = random() & 1 };
		enum kho_upgrade_state before;

		kho_upgrade_begin(&upgrade);
		for (int i = 0; i < 40; i++) {
			before = upgrade.state;
			happens(&upgrade, (unsigned int)random());
			if (upgrade.state == KHO_UPGRADE_DONE && before != upgrade.state)
				ck_assert_int_eq(before, KHO_UPGRADE_RETIRE);
			if (upgrade.state == KHO_UPGRADE_FAILED)
				ck_assert_int_lt(upgrade.err.code, 0);
		}
		for (int i = 0; i < 8 && kho_upgrade_is_active(&upgrade); i++) {
			enum kho_upgrade_action action;
			struct kho_err err;

			kho_upgrade_abort(&upgrade, &wish, &action, &err);
			kho_upgrade_done(&upgrade, &well);
		}
		ck_assert(!kho_upgrade_is_active(&upgrade));
	}
}
END_TEST

START_TEST(names)
{
	for (enum kho_upgrade_state s = 0; s < _KHO_UPGRADE_STATE_MAX; s++)
		ck_assert_int_eq(kho_upgrade_state_of(kho_upgrade_state_name(s)), s);
	ck_assert_int_eq(kho_upgrade_state_of("x"), _KHO_UPGRADE_STATE_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("upgrade");
	TCase *tc = tcase_create("upgrade");

	tcase_add_test(tc, all_goes_well);
	tcase_add_test(tc, without_workloads);
	tcase_add_test(tc, trouble_holds);
	tcase_add_test(tc, failures);
	tcase_add_test(tc, held_after_a_failure);
	tcase_add_test(tc, hold_and_keep);
	tcase_add_test(tc, aborts);
	tcase_add_test(tc, abort_of_a_move);
	tcase_add_test(tc, commits);
	tcase_add_test(tc, hello_is_no_end);
	tcase_add_test(tc, lost_on_the_way_out);
	tcase_add_test(tc, new_kernel_is_lost);
	tcase_add_test(tc, resumed);
	tcase_add_test(tc, resumed_on_the_way_back);
	tcase_add_test(tc, resumed_without_workloads);
	tcase_add_test(tc, always_ends);
	tcase_add_test(tc, names);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
