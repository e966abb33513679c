// SPDX-License-Identifier: GPL-2.0-only
/* systemd's watchdog for restarts, by a busctl that keeps the property in a file. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "system/watchdog.h"
#include "unit/run.h"

static char dir[64], program[96], property[96];
static struct kho_err err;

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static void setup(void)
{
	char script[512], path[256];

	snprintf(dir, sizeof(dir), "/tmp/kho-test-watchdog-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(program, sizeof(program), "%s/busctl", dir);
	snprintf(property, sizeof(property), "%s/property", dir);
	snprintf(script, sizeof(script), "#!/bin/sh\n"
		 "test \"$5\" = RebootWatchdogUSec || exit 2\n"
		 "case $1 in get-property) cat %s;; set-property) echo $6 $7 > %s;; esac\n",
		 property, property);
	put(program, script);
	chmod(program, 0755);
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", dir);
	setenv("PATH", path, 1);
	err = (struct kho_err){};
}

static void teardown(void)
{
	unlink(program);
	unlink(property);
	rmdir(dir);
}

START_TEST(off_and_back)
{
	uint64_t before = 99, now = 99;

	put(property, "t 600000000\n");
	ck_assert_msg(kho_reboot_watchdog_get(&before, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(before, 600000000);
	ck_assert_int_eq(kho_reboot_watchdog_set(0, &err), 0);
	ck_assert_int_eq(kho_reboot_watchdog_get(&now, &err), 0);
	ck_assert_uint_eq(now, 0);
	ck_assert_int_eq(kho_reboot_watchdog_set(UINT64_MAX, &err), 0);
	ck_assert_int_eq(kho_reboot_watchdog_get(&now, &err), 0);
	ck_assert(now == UINT64_MAX);
}
END_TEST

START_TEST(other_answers)
{
	static const char *const bad[] = { "", "\n", "t\n", "t \n", "s 5\n", "t -1\n", "t 5 5\n" };
	uint64_t usec = 99;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put(property, bad[i]);
		ck_assert_int_eq(kho_reboot_watchdog_get(&usec, &err), -EBADMSG);
	}
	unlink(property);
	ck_assert_int_eq(kho_reboot_watchdog_get(&usec, &err), -EIO);
	ck_assert_uint_eq(usec, 99);
}
END_TEST

static Suite *watchdog_suite(void)
{
	Suite *suite = suite_create("watchdog");
	TCase *tc = tcase_create("watchdog");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, off_and_back);
	tcase_add_test(tc, other_answers);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(watchdog_suite());
}
