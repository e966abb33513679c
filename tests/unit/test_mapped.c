// SPDX-License-Identifier: GPL-2.0-only
/* Which files a task has mapped, by the text of its maps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "migrate/workload/mapped.h"
#include "tests/unit/run.h"

static char list[KHO_MAPPED_LIST];

START_TEST(programs_and_libraries)
{
	static const char maps[] =
		"55d0c0a00000-55d0c0a28000 r--p 00000000 fe:00 1042    /usr/bin/redis-server\n"
		"55d0c0a28000-55d0c0b00000 r-xp 00028000 fe:00 1042    /usr/bin/redis-server\n"
		"7f0000000000-7f0000400000 rw-p 00000000 00:00 0\n"
		"7f0000400000-7f0000500000 r-xp 00000000 fe:00 77      /usr/lib/libc.so.6\n"
		"7f0000500000-7f0000600000 rw-s 00000000 00:01 9       /memfd:x (deleted)\n"
		"7f0000600000-7f0000700000 rw-s 00000000 00:01 9       /dev/zero (deleted)\n"
		"7f0000700000-7f0000800000 rw-s 00000000 00:01 9       /SYSV00000000 (deleted)\n"
		"7f0000800000-7f0000900000 r--p 00000000 fe:00 8       /srv/a name\n"
		"7f0000900000-7f0000a00000 r--p 00000000 fe:00 8       /srv/old.so (deleted)\n"
		"7ffc0e5b7000-7ffc0e5d8000 rw-p 00000000 00:00 0       [stack]";

	*list = '\0';
	kho_mapped_add(maps, list);
	ck_assert_str_eq(list, "/usr/bin/redis-server\n/usr/lib/libc.so.6\n/srv/a name\n");
	kho_mapped_add(maps, list);
	ck_assert_str_eq(list, "/usr/bin/redis-server\n/usr/lib/libc.so.6\n/srv/a name\n");
	/* the beginning of another one's name is another one */
	kho_mapped_add("0-1 r--p 0 0:0 1 /usr/lib/libc.so\n", list);
	ck_assert_ptr_nonnull(strstr(list, "\n/usr/lib/libc.so\n"));
}
END_TEST

START_TEST(full)
{
	char line[128];
	size_t before = 0;

	*list = '\0';
	for (int i = 0; i < 1000; i++) {
		snprintf(line, sizeof(line), "0-1 r--p 0 0:0 1 /usr/lib/some/library-%d.so\n", i);
		kho_mapped_add(line, list);
		ck_assert_uint_lt(strlen(list), KHO_MAPPED_LIST);
		ck_assert_uint_ge(strlen(list), before);
		before = strlen(list);
	}
	ck_assert_uint_gt(before, KHO_MAPPED_LIST - 64);
	ck_assert_int_eq(list[before - 1], '\n');
}
END_TEST

/* Whatever the list says, nothing happens but reading. */
START_TEST(reading)
{
	kho_mapped_read("");
	kho_mapped_read("\n\n/\n/nosuchfile\nrelative\n/dev/null\n/dev/tty\n/etc/passwd");
}
END_TEST

START_TEST(own_cgroup)
{
	struct kho_err err = {};

	ck_assert_int_lt(kho_mapped_find("/nosuchfolder", list, &err), 0);
}
END_TEST

static Suite *mapped_suite(void)
{
	Suite *suite = suite_create("mapped");
	TCase *tc = tcase_create("mapped");

	tcase_add_test(tc, programs_and_libraries);
	tcase_add_test(tc, full);
	tcase_add_test(tc, reading);
	tcase_add_test(tc, own_cgroup);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(mapped_suite());
}
