// SPDX-License-Identifier: GPL-2.0-only
/* Mount options as text; what isn't mounted. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "migrate/volume/options.h"
#include "migrate/volume/volume.h"
#include "migrate/volume/volume_private.h"
#include "tests/unit/run.h"

static void expect(const char *text, unsigned long flags, const char *data)
{
	struct kho_volume_options options;
	struct kho_err err = {};

	ck_assert_int_eq(kho_volume_parse_options(text, &options, &err), 0);
	ck_assert_msg(options.flags == flags, "%s: flags %lx", text, options.flags);
	ck_assert_str_eq(options.data, data);
}

START_TEST(flags_and_data)
{
	expect("", 0, "");
	expect("defaults", 0, "");
	expect("noatime,nodev,nosuid", MS_NOATIME | MS_NODEV | MS_NOSUID, "");
	expect("ro,data=journal,commit=5", MS_RDONLY, "data=journal,commit=5");
	expect("discard,noexec,errors=remount-ro", MS_NOEXEC, "discard,errors=remount-ro");
	expect(",,rw,,", 0, "");
}
END_TEST

START_TEST(the_last_one_counts)
{
	expect("ro,rw", 0, "");
	expect("rw,ro", MS_RDONLY, "");
	expect("noatime,relatime", MS_RELATIME, "");
	expect("relatime,noatime", MS_NOATIME, "");
	expect("noatime,strictatime", MS_STRICTATIME, "");
}
END_TEST

START_TEST(of_others)
{
	expect("nofail,_netdev,x-systemd.device-timeout=5,noauto", 0, "");
	/* not ours to know: the file system says what it thinks of it */
	expect("x,xattr,nosuchthing", 0, "x,xattr,nosuchthing");
}
END_TEST

/* In the kernel's words, dm-snap.c. */
START_TEST(status_of_a_snapshot)
{
	static const char *const broken[] = { "Invalid", "Merge failed", "Overflow", "Unknown", "",
					      "16/524288", "16 524288 16" };
	struct kho_volume_status status;

	ck_assert_int_eq(kho_volume_parse_status("16/524288 24", &status), 0);
	ck_assert_uint_eq(status.used, 16);
	ck_assert_uint_eq(status.total, 524288);
	ck_assert_uint_eq(status.metadata, 24);
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++)
		ck_assert_int_eq(kho_volume_parse_status(broken[i], &status), -EIO);
}
END_TEST

START_TEST(too_long)
{
	char text[KHO_VOLUME_DATA + 1] = {};
	struct kho_volume_options options;
	struct kho_err err = {};

	memset(text, 'a', KHO_VOLUME_DATA);
	ck_assert_int_eq(kho_volume_parse_options(text, &options, &err), -E2BIG);
	text[KHO_VOLUME_DATA - 1] = '\0';
	ck_assert_int_eq(kho_volume_parse_options(text, &options, &err), 0);
	ck_assert_str_eq(options.data, text);
}
END_TEST

START_TEST(nothing_is_mounted)
{
	struct kho_volume volume = { .name = "of-no-disk", .mount_point = "/" };

	/* something is, but not from this volume's device */
	ck_assert(!kho_volume_is_mounted(&volume));
	snprintf(volume.mount_point, sizeof(volume.mount_point), "/no/such/folder");
	ck_assert(!kho_volume_is_mounted(&volume));
	snprintf(volume.mount_point, sizeof(volume.mount_point), "/proc/self/maps");
	ck_assert(!kho_volume_is_mounted(&volume));
}
END_TEST

static Suite *volume_suite(void)
{
	Suite *suite = suite_create("volume");
	TCase *tc = tcase_create("options");

	tcase_add_test(tc, flags_and_data);
	tcase_add_test(tc, the_last_one_counts);
	tcase_add_test(tc, of_others);
	tcase_add_test(tc, status_of_a_snapshot);
	tcase_add_test(tc, too_long);
	suite_add_tcase(suite, tc);
	tc = tcase_create("mounts");
	tcase_add_test(tc, nothing_is_mounted);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(volume_suite());
}
