// SPDX-License-Identifier: GPL-2.0-only
/* The switch of huge pages is set as it was, by whoever comes next. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "migrate/pages/huge.h"
#include "tests/unit/run.h"

static char dir[] = "/tmp/huge-XXXXXX", path[64], kept[64];
static const struct kho_huge huge = { .path = path, .kept = kept };

static void set_up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/enabled", dir);
	snprintf(kept, sizeof(kept), "%s/kept", dir);
}

static void tear_down(void)
{
	unlink(path);
	unlink(kept);
	rmdir(dir);
	memcpy(dir, "/tmp/huge-XXXXXX", sizeof(dir));
}

static void put(const char *file, const char *text)
{
	const struct kho_file_content content = {
		.data = text, .size = strlen(text), .mode = 0600,
	};

	ck_assert_int_eq(kho_file_write_atomic(file, &content, NULL), 0);
}

/* A plain file keeps what's longer: the kernel's has one word in brackets again. */
static void expect(const char *file, const char *want)
{
	char *text;

	ck_assert_int_eq(kho_file_read_string(file, 256, &text, NULL), 0);
	ck_assert_msg(strncmp(text, want, strlen(want)) == 0, "%s", text);
	free(text);
}

START_TEST(off_and_as_it_was)
{
	struct kho_err err = {};

	put(path, "always [madvise] never\n");
	ck_assert_int_eq(kho_huge_stop(&huge, &err), 0);
	expect(path, "never");
	expect(kept, "madvise");
	ck_assert_int_eq(kho_huge_allow(&huge, &err), 0);
	expect(path, "madvise");
	ck_assert_int_eq(access(kept, F_OK), -1);
}
END_TEST

START_TEST(twice_keeps_the_first)
{
	struct kho_err err = {};

	put(path, "[always] madvise never\n");
	ck_assert_int_eq(kho_huge_stop(&huge, &err), 0);
	put(path, "always madvise [never]\n");
	ck_assert_int_eq(kho_huge_stop(&huge, &err), 0);
	expect(kept, "always");
}
END_TEST

START_TEST(nothing_to_do)
{
	struct kho_err err = {};

	put(path, "always madvise [never]\n");
	ck_assert_int_eq(kho_huge_stop(&huge, &err), 0);
	ck_assert_int_eq(access(kept, F_OK), -1);
	ck_assert_int_eq(kho_huge_allow(&huge, &err), 0);
	expect(path, "always");
}
END_TEST

START_TEST(no_switch)
{
	struct kho_err err = {};

	ck_assert_int_eq(kho_huge_stop(&huge, &err), -ENOENT);
	ck_assert_int_eq(access(kept, F_OK), -1);
	put(path, "always madvise never\n");
	ck_assert_int_eq(kho_huge_stop(&huge, &err), -EINVAL);
	put(kept, "always");
	unlink(path);
	/* it can be tried again */
	ck_assert_int_eq(kho_huge_allow(&huge, &err), -ENOENT);
	ck_assert_int_eq(access(kept, F_OK), 0);
}
END_TEST

static Suite *huge_suite(void)
{
	Suite *suite = suite_create("huge");
	TCase *tc = tcase_create("huge");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, off_and_as_it_was);
	tcase_add_test(tc, twice_keeps_the_first);
	tcase_add_test(tc, nothing_to_do);
	tcase_add_test(tc, no_switch);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(huge_suite());
}
