// SPDX-License-Identifier: GPL-2.0-only
/* What is done about a new kernel that is lost, by who owned the workloads and the policy. */
#include <check.h>

#include "upgrade/failover.h"
#include "unit/run.h"

static const struct kho_owner of_old = { .epoch = 1 }, of_new = { .epoch = 2, .is_new = true };

START_TEST(nothing_was_moved)
{
	for (int stay = 0; stay < 2; stay++) {
		ck_assert_int_eq(kho_failover_decide(&of_old, KHO_LOSS_SILENT, stay),
				 KHO_ANSWER_RECLAIM);
		ck_assert_int_eq(kho_failover_decide(&of_old, KHO_LOSS_DEAD, stay),
				 KHO_ANSWER_RECLAIM);
	}
}
END_TEST

START_TEST(workloads_were_there)
{
	ck_assert_int_eq(kho_failover_decide(&of_new, KHO_LOSS_SILENT, false),
			 KHO_ANSWER_RESTART);
	ck_assert_int_eq(kho_failover_decide(&of_new, KHO_LOSS_DEAD, false), KHO_ANSWER_RESTART);
	ck_assert_int_eq(kho_failover_decide(&of_new, KHO_LOSS_SILENT, true), KHO_ANSWER_LISTEN);
	ck_assert_int_eq(kho_failover_decide(&of_new, KHO_LOSS_DEAD, true), KHO_ANSWER_STAY);
	/* nothing of it is left that could be waited for */
	ck_assert_int_eq(kho_failover_decide(&of_new, KHO_LOSS_GONE, true), KHO_ANSWER_RESTART);
	ck_assert_int_eq(kho_failover_decide(&of_old, KHO_LOSS_GONE, true), KHO_ANSWER_RECLAIM);
}
END_TEST

START_TEST(nobody_knows)
{
	ck_assert_int_eq(kho_failover_decide(NULL, KHO_LOSS_DEAD, false), KHO_ANSWER_RESTART);
	ck_assert_int_eq(kho_failover_decide(NULL, KHO_LOSS_SILENT, true), KHO_ANSWER_LISTEN);
}
END_TEST

static Suite *failover_suite(void)
{
	Suite *suite = suite_create("failover");
	TCase *tc = tcase_create("decide");

	tcase_add_test(tc, nothing_was_moved);
	tcase_add_test(tc, workloads_were_there);
	tcase_add_test(tc, nobody_knows);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(failover_suite());
}
