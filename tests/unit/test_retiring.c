// SPDX-License-Identifier: GPL-2.0-only
/* The file of a kernel that's about to retire: there and back, cut, made up. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "unit/run.h"
#include "upgrade/retiring.h"

static struct kho_retiring retiring;
static struct kho_err err;
static char text[KHO_RETIRING_MAX];

START_TEST(there_and_back)
{
	struct kho_retiring before = { .watchdog_usec = 600000000 };

	for (unsigned int n = 1; n < 4; n++)
		kho_cpus_add(&before.cpus, n);
	ck_assert_int_eq(kho_retiring_format(&before, text, sizeof(text)), 0);
	ck_assert_str_eq(text, "kho-retiring 1\ncpus 1-3\nwatchdog 600000000\n");
	ck_assert_int_eq(kho_retiring_parse(text, &retiring, &err), 0);
	ck_assert_mem_eq(&retiring, &before, sizeof(before));
	ck_assert_int_eq(kho_retiring_format(&before, text, 20), -EINVAL);
}
END_TEST

START_TEST(one_cpu)
{
	ck_assert_int_eq(kho_retiring_format(&(struct kho_retiring){}, text, sizeof(text)), 0);
	ck_assert_int_eq(kho_retiring_parse(text, &retiring, &err), 0);
	ck_assert_uint_eq(kho_cpus_count(&retiring.cpus), 0);
	ck_assert_uint_eq(retiring.watchdog_usec, 0);
}
END_TEST

/* The longest there is fits. */
START_TEST(every_other_cpu)
{
	struct kho_retiring before = { .watchdog_usec = UINT64_MAX };

	for (unsigned int n = 1; n < KHO_CPUS_MAX; n += 2)
		kho_cpus_add(&before.cpus, n);
	ck_assert_int_eq(kho_retiring_format(&before, text, sizeof(text)), 0);
	ck_assert_int_eq(kho_retiring_parse(text, &retiring, &err), 0);
	ck_assert_mem_eq(&retiring, &before, sizeof(before));
}
END_TEST

static void expect_refused(const char *what)
{
	memset(&retiring, 0xee, sizeof(retiring));
	snprintf(text, sizeof(text), "%s", what);
	ck_assert_msg(kho_retiring_parse(text, &retiring, &err) == -EBADMSG, "%s", what);
	ck_assert_uint_eq(retiring.watchdog_usec, 0xeeeeeeeeeeeeeeee);
}

START_TEST(cut_and_made_up)
{
	static const char whole[] = "kho-retiring 1\ncpus 1-3\nwatchdog 60\n";
	char part[sizeof(whole)];

	for (size_t size = 0; size < sizeof(whole) - 1; size++) {
		memcpy(part, whole, size);
		part[size] = '\0';
		expect_refused(part);
	}
	expect_refused("kho-retiring 2\ncpus 1-3\nwatchdog 60\n");
	expect_refused("kho-retiring 1\nwatchdog 60\ncpus 1-3\n");
	expect_refused("kho-retiring 1\ncpus 1-600\nwatchdog 60\n");
	expect_refused("kho-retiring 1\ncpus 3-1\nwatchdog 60\n");
	expect_refused("kho-retiring 1\ncpus 1\nwatchdog -1\n");
	expect_refused("kho-retiring 1\ncpus 1\nwatchdog 60\nmore 1\n");
}
END_TEST

static Suite *retiring_suite(void)
{
	Suite *suite = suite_create("retiring");
	TCase *tc = tcase_create("retiring");

	tcase_add_test(tc, there_and_back);
	tcase_add_test(tc, one_cpu);
	tcase_add_test(tc, every_other_cpu);
	tcase_add_test(tc, cut_and_made_up);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(retiring_suite());
}
