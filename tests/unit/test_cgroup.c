// SPDX-License-Identifier: GPL-2.0-only
/* What memory.stat says of a workload's memory. */
#include "migrate/workload/cgroup.h"
#include "tests/unit/run.h"

static bool parse(const char *stat, uint64_t *ret)
{
	*ret = 0;
	return kho_cgroup_memory_parse(stat, ret);
}

START_TEST(anonymous_and_shared)
{
	uint64_t total;

	ck_assert(parse("anon 4096\nfile 1000000\nshmem 8192\nshmem_thp 7\n", &total));
	ck_assert_uint_eq(total, 12288);
	ck_assert(parse("anon 0\nfile 0\nshmem 0", &total));
	ck_assert_uint_eq(total, 0);
}
END_TEST

START_TEST(not_a_stat)
{
	static const char *const bad[] = {
		"", "anon", "anon 1\n", "anon 1\nshmem x\n", "file 1\nanon 1\nshmem 1\n",
		"anon 1\nshmem_thp 1\n", "anon 18446744073709551615\nshmem 1\n",
	};
	uint64_t total;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!parse(bad[i], &total), "taken: %s", bad[i]);
}
END_TEST

static Suite *cgroup_suite(void)
{
	Suite *suite = suite_create("cgroup");
	TCase *tc = tcase_create("memory");

	tcase_add_test(tc, anonymous_and_shared);
	tcase_add_test(tc, not_a_stat);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(cgroup_suite());
}
