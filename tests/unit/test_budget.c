// SPDX-License-Identifier: GPL-2.0-only
/* The frozen budget: when its clock runs, and when it's over. */
#include <check.h>

#include "upgrade/budget.h"
#include "unit/run.h"

#define BEGAN	1000u
#define LIMIT	50u

/* Every state and step of a move, with a budget that runs already, or doesn't. */
START_TEST(runs_between_freeze_and_resume)
{
	for (int state = 0; state < _KHO_MOVE_STATE_MAX; state++)
		for (int step = 0; step < _KHO_STEP_MAX; step++) {
			const struct kho_move move = { .state = state, .step = step };
			struct kho_budget budget = { .limit_ns = LIMIT };
			bool frozen = state == KHO_MOVE_RUNNING && step >= KHO_STEP_FREEZE &&
				      step <= KHO_STEP_RESUME;

			ck_assert_uint_eq(kho_budget_look(&budget, &move, BEGAN),
					  frozen ? BEGAN + LIMIT : KHO_BUDGET_NEVER);
			/* later looks don't prolong it */
			ck_assert_uint_eq(kho_budget_look(&budget, &move, BEGAN + 7),
					  frozen ? BEGAN + LIMIT : KHO_BUDGET_NEVER);
			ck_assert_uint_eq(budget.began_ns, frozen ? BEGAN : 0);
		}
}
END_TEST

START_TEST(begins_anew)
{
	struct kho_move move = { .state = KHO_MOVE_RUNNING, .step = KHO_STEP_DUMP };
	struct kho_budget budget = { .limit_ns = LIMIT };

	ck_assert_uint_eq(kho_budget_look(&budget, &move, BEGAN), BEGAN + LIMIT);
	move.step = KHO_STEP_HEALTH;
	ck_assert_uint_eq(kho_budget_look(&budget, &move, BEGAN + 1), KHO_BUDGET_NEVER);
	move.step = KHO_STEP_FREEZE;
	ck_assert_uint_eq(kho_budget_look(&budget, &move, BEGAN + 9), BEGAN + 9 + LIMIT);
}
END_TEST

START_TEST(no_limit)
{
	const struct kho_move move = { .state = KHO_MOVE_RUNNING, .step = KHO_STEP_DUMP };
	struct kho_budget budget = {};

	ck_assert_uint_eq(kho_budget_look(&budget, &move, BEGAN), KHO_BUDGET_NEVER);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("budget");
	TCase *tc = tcase_create("budget");

	tcase_add_test(tc, runs_between_freeze_and_resume);
	tcase_add_test(tc, begins_anew);
	tcase_add_test(tc, no_limit);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
