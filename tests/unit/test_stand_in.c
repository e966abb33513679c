// SPDX-License-Identifier: GPL-2.0-only
/* The list of stand-ins: what is taken, and what is refused before anything is made. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "migrate/workload/stand_in.h"
#include "unit/run.h"

START_TEST(test_lines)
{
	const char *at = "volume /srv/data\nnode 100644 12345 /srv/data/a b\n"
			 "node 40755 0 /srv/data/dir";
	struct kho_stand_in one;

	ck_assert_int_eq(kho_stand_in_next(&at, &one, NULL), 1);
	ck_assert(one.volume);
	ck_assert_str_eq(one.path, "/srv/data");
	ck_assert_int_eq(kho_stand_in_next(&at, &one, NULL), 1);
	ck_assert(!one.volume);
	ck_assert_uint_eq(one.mode, 0100644);
	ck_assert_uint_eq(one.size, 12345);
	ck_assert_str_eq(one.path, "/srv/data/a b");
	ck_assert_int_eq(kho_stand_in_next(&at, &one, NULL), 1);
	ck_assert_uint_eq(one.mode, 040755);
	ck_assert_int_eq(kho_stand_in_next(&at, &one, NULL), 0);
	ck_assert_int_eq(kho_stand_in_next(&at, &one, NULL), 0);
}
END_TEST

START_TEST(test_damaged)
{
	static const char *const texts[] = {
		"\n", "volume\n", "volume relative\n", "volume /a/../b\n", "volume /..\n",
		"node 100644 /x\n", "node 100644 5 x\n", "node 100644 5\n", "node 8 5 /x\n",
		"node 100644 9999999999999999999 /x\n", "other /x\n", " volume /x\n",
	};
	char lengthy[3000] = "volume /";
	struct kho_stand_in one = {}, zero = {};
	struct kho_err err;

	memset(lengthy + 8, 'x', sizeof(lengthy) - 9);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *at = texts[i];

		ck_assert_msg(kho_stand_in_next(&at, &one, &err) == -EBADMSG, "%s", texts[i]);
		ck_assert_ptr_eq(at, texts[i]);
		ck_assert_mem_eq(&one, &zero, sizeof(one));
	}
	for (size_t size = 1031; size < sizeof(lengthy); size += 700) {
		const char *at = lengthy;

		lengthy[size] = '\0';
		ck_assert_int_eq(kho_stand_in_next(&at, &one, &err), -EBADMSG);
		lengthy[size] = 'x';
	}
}
END_TEST

/* A name that only looks like one that leads up. */
START_TEST(test_dots)
{
	const char *at = "volume /a/..b/c..\n";
	struct kho_stand_in one;

	ck_assert_int_eq(kho_stand_in_next(&at, &one, NULL), 1);
	ck_assert_str_eq(one.path, "/a/..b/c..");
}
END_TEST

/* Nothing is mounted or made for these. */
START_TEST(test_refused)
{
	struct kho_err err;

	ck_assert_int_eq(kho_stand_ins_make("node 100644 5 /tmp/x\n", &err), -EBADMSG);
	ck_assert_int_eq(kho_stand_ins_make("garbage", &err), -EBADMSG);
	ck_assert_int_eq(kho_stand_ins_make("", &err), 0);
}
END_TEST

START_TEST(test_no_volumes)
{
	static const struct kho_config config;
	char *text = NULL;

	ck_assert_int_eq(kho_stand_ins_list("/nonexistent", &config, &text, NULL), 0);
	ck_assert_str_eq(text, "");
	free(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stand_in");
	TCase *tc = tcase_create("stand_in");

	tcase_add_test(tc, test_lines);
	tcase_add_test(tc, test_damaged);
	tcase_add_test(tc, test_dots);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_no_volumes);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
