// SPDX-License-Identifier: GPL-2.0-only
/* The firmware's memory map on a fake tree. */
#include <check.h>
#include <errno.h>
#include <stdio.h>

#include "base/bits.h"
#include "system/memmap.h"
#include "unit/fake_tree.h"
#include "unit/run.h"

static struct fake_tree tree;
static struct kho_err err;

static void setup(void)
{
	fake_tree_init(&tree);
	err = (struct kho_err) { 0 };
}

static void teardown(void)
{
	fake_tree_done(&tree);
}

static void put_entry(unsigned int n, const char *start, const char *end, const char *type)
{
	char path[64];

	snprintf(path, sizeof(path), "sys/firmware/memmap/%u/start", n);
	fake_put(&tree, path, start);
	snprintf(path, sizeof(path), "sys/firmware/memmap/%u/end", n);
	fake_put(&tree, path, end);
	snprintf(path, sizeof(path), "sys/firmware/memmap/%u/type", n);
	fake_put(&tree, path, type);
}

START_TEST(firmware_map_is_read)
{
	static const struct kho_fw_range expected[] = {
		{ 0x0, 0x9fc00, KHO_FW_RAM },
		{ 0x9fc00, 0x400, KHO_FW_RESERVED },
		{ 0x100000, 0x7fede000, KHO_FW_RAM },
		{ 0x7ffde000, 0x1000, KHO_FW_ACPI },
		{ 0x7ffdf000, 0x1000, KHO_FW_NVS },
		{ 0x100000000, 0x80000000, KHO_FW_PMEM },
		{ 0x200000000, 0x1000, KHO_FW_UNUSABLE },
	};
	struct kho_fw_map map;
	size_t i;

	put_entry(10, "0x200000000\n", "0x200000fff\n", "Unusable memory\n");
	put_entry(2, "0x100000\n", "0x7ffddfff\n", "System RAM\n");
	put_entry(0, "0x0\n", "0x9fbff\n", "System RAM\n");
	put_entry(1, "0x9fc00\n", "0x9ffff\n", "Something new\n");
	put_entry(3, "0x7ffde000\n", "0x7ffdefff\n", "ACPI Tables\n");
	put_entry(4, "0x7ffdf000\n", "0x7ffdffff\n", "ACPI Non-volatile Storage\n");
	put_entry(5, "0x100000000\n", "0x17fffffff\n", "Persistent Memory\n");
	ck_assert_int_eq(kho_fw_map_read(&tree.root, &map, &err), 0);
	ck_assert_uint_eq(map.nr, KHO_ARRAY_SIZE(expected));
	for (i = 0; i < map.nr; i++) {
		ck_assert_uint_eq(map.ranges[i].start, expected[i].start);
		ck_assert_uint_eq(map.ranges[i].size, expected[i].size);
		ck_assert_int_eq(map.ranges[i].type, expected[i].type);
	}
	kho_fw_map_done(&map);
}
END_TEST

START_TEST(firmware_map_is_refused)
{
	struct kho_fw_map map = { .nr = 77 };

	ck_assert_int_eq(kho_fw_map_read(&tree.root, &map, &err), -EOPNOTSUPP);
	put_entry(0, "0x1000\n", "0xfff\n", "System RAM\n");
	ck_assert_int_eq(kho_fw_map_read(&tree.root, &map, &err), -EBADMSG);
	put_entry(0, "0x0\n", "0xffffffffffffffff\n", "System RAM\n");
	ck_assert_int_eq(kho_fw_map_read(&tree.root, &map, &err), -EBADMSG);
	put_entry(0, "0x0\n", "junk\n", "System RAM\n");
	ck_assert_int_eq(kho_fw_map_read(&tree.root, &map, &err), -EINVAL);
	ck_assert_uint_eq(map.nr, 77);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("memmap");
	TCase *tc = tcase_create("memmap");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, firmware_map_is_read);
	tcase_add_test(tc, firmware_map_is_refused);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
