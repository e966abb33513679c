// SPDX-License-Identifier: GPL-2.0-only
/* What still wants a reboot after an upgrade: only kernels up to the running one don't. */
#include <check.h>
#include <stdio.h>

#include "unit/run.h"
#include "upgrade/reboot_needed.h"

#define RUNS	"7.0.10+deb13-amd64"

START_TEST(done)
{
	ck_assert(kho_reboot_is_done("linux-image-" RUNS, RUNS));
	ck_assert(kho_reboot_is_done("linux-image-" RUNS "-unsigned", RUNS));
	ck_assert(kho_reboot_is_done("linux-image-6.12.117+deb13-amd64", RUNS));
	ck_assert(kho_reboot_is_done("linux-image-7.0.9+deb13-amd64", RUNS));
}
END_TEST

START_TEST(not_done)
{
	static const char *const packages[] = {
		"linux-image-7.0.11+deb13-amd64", "linux-image-10.1.1-amd64", "linux-image-amd64",
		"linux-image-", "linux-image", "linux-base", "libc6", "dbus", "",
	};

	for (size_t i = 0; i < sizeof(packages) / sizeof(packages[0]); i++)
		ck_assert_msg(!kho_reboot_is_done(packages[i], RUNS), "%s", packages[i]);
}
END_TEST

START_TEST(lines)
{
	char text[] = "libc6\n\nlinux-image-7.0.9+deb13-amd64\nlibc6\nnot a name\n\x1b[1m\n"
		      "libssl3t64:amd64";
	char *names[KHO_REBOOT_PACKAGES];

	ck_assert_uint_eq(kho_reboot_packages(text, names), 3);
	ck_assert_str_eq(names[0], "libc6");
	ck_assert_str_eq(names[1], "linux-image-7.0.9+deb13-amd64");
	ck_assert_str_eq(names[2], "libssl3t64:amd64");
}
END_TEST

START_TEST(too_many)
{
	static char text[KHO_REBOOT_PACKAGES * 8];
	char *names[KHO_REBOOT_PACKAGES];
	size_t used = 0;

	for (unsigned int i = 0; i < KHO_REBOOT_PACKAGES + 9; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "p%u\n", i);
	ck_assert_uint_eq(kho_reboot_packages(text, names), KHO_REBOOT_PACKAGES);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reboot_needed");
	TCase *tc = tcase_create("reboot_needed");

	tcase_add_test(tc, done);
	tcase_add_test(tc, not_done);
	tcase_add_test(tc, lines);
	tcase_add_test(tc, too_many);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
