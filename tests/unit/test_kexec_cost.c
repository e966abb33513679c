// SPDX-License-Identifier: GPL-2.0-only
/* What an upgrade by kexec is said to cost. */
#include <check.h>

#include "base/bits.h"
#include "unit/run.h"
#include "upgrade/kexec_cost.h"

START_TEST(adds_up)
{
	struct kho_kexec_facts facts = {};

	/* even with nothing to keep tasks are dumped */
	ck_assert_uint_eq(kho_kexec_predict_ms(&facts), 1000);
	facts.boot_ms = 12000;
	ck_assert_uint_eq(kho_kexec_predict_ms(&facts), 25000);
	/* twice, at 250 MiB in a second */
	facts.memory = 1000 * KHO_MIB;
	ck_assert_uint_eq(kho_kexec_predict_ms(&facts), 25000 + 8000);
	/* at 32 MiB in a second */
	facts.image = 160 * KHO_MIB;
	ck_assert_uint_eq(kho_kexec_predict_ms(&facts), 25000 + 8000 + 5120);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kexec_cost");
	TCase *tc = tcase_create("kexec_cost");

	tcase_add_test(tc, adds_up);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
