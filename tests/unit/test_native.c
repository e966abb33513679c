// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a kernel that takes the handover tree in by itself is given besides: scratch memory,
 * a control area that is RAM from the tree on, and the record that says where it is.
 */
#include <asm/bootparam.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/err.h"
#include "spawn/layout.h"
#include "spawn/world.h"
#include "unit/fake_image.h"
#include "unit/run.h"

#define BASE		0x140000000ULL
#define RECORD_SIZE	40

static struct mk_range ranges[2];
static struct kho_region region = { ranges, 1 };
static struct kho_world world;
static struct mk_range scratch;
static struct kho_err err;

static void setup(void)
{
	ranges[0] = (struct mk_range){ BASE, 1024 * KHO_MIB };
	ranges[1] = (struct mk_range){ 0x20000000ULL, 256 * KHO_MIB };
	region.nr_ranges = 1;
	world = (struct kho_world){
		.kernel_load = BASE + 32 * KHO_MIB, .kernel_size = 40 * KHO_MIB,
		.initrd_load = BASE + 1000 * KHO_MIB, .initrd_size = 24 * KHO_MIB,
		.ram_size = 1008 * KHO_MIB,
	};
	scratch = (struct mk_range){ 1, 2 };
	err = (struct kho_err){};
}

static void expect_scratch(uint64_t start_mib, uint64_t size_mib)
{
	ck_assert_msg(!kho_world_scratch(&region, &world, &scratch, &err), "%s", err.msg);
	ck_assert_uint_eq(scratch.start, BASE + start_mib * KHO_MIB);
	ck_assert_uint_eq(scratch.size, size_mib * KHO_MIB);
}

/* ---- scratch ---- */

START_TEST(scratch_is_around_the_kernel)
{
	/* 2 * 40, 64, and 1008 / 16 */
	expect_scratch(32, 208);
	world.kernel_load = BASE + 18 * KHO_MIB;
	expect_scratch(16, 208);
}
END_TEST

START_TEST(scratch_ends_before_the_initramfs)
{
	world.initrd_load = BASE + 203 * KHO_MIB;
	expect_scratch(32, 168);
	/* in another range it's in nobody's way */
	region.nr_ranges = 2;
	world.initrd_load = ranges[1].start;
	expect_scratch(32, 208);
}
END_TEST

START_TEST(scratch_too_small)
{
	/* beside the kernel: 64 + 63 MiB are wanted, half of it has to be there */
	world.initrd_load = world.kernel_load + (40 + 64) * KHO_MIB;
	expect_scratch(32, 104);
	world.initrd_load -= KHO_PAGE_SIZE;
	ck_assert_int_eq(kho_world_scratch(&region, &world, &scratch, &err), -E2BIG);
	ck_assert_ptr_nonnull(strstr(err.msg, "more memory in one piece"));
	ck_assert_uint_eq(scratch.size, 104 * KHO_MIB);
}
END_TEST

START_TEST(scratch_never_in_the_control_area)
{
	world.kernel_load = BASE + 14 * KHO_MIB;
	ck_assert_int_eq(kho_world_scratch(&region, &world, &scratch, &err), -E2BIG);
	ck_assert_uint_eq(scratch.start, 1);
}
END_TEST

/* ---- the control record ---- */

static void make_record(uint8_t record[RECORD_SIZE], const struct kho_setup_control *control)
{
	uint8_t area[128];
	struct kho_setup_chain chain;

	kho_setup_chain_init(&chain, area, sizeof(area), BASE);
	ck_assert_int_eq(kho_setup_chain_add_control(&chain, control, &err), 0);
	ck_assert_uint_eq(chain.used, 16 + RECORD_SIZE);
	memcpy(record, area + 16, RECORD_SIZE);
}

static const struct kho_setup_control good = { BASE, 2 * KHO_MIB, 16 * KHO_MIB };

START_TEST(record_reads_back)
{
	struct kho_setup_control back;
	uint8_t record[RECORD_SIZE];

	make_record(record, &good);
	ck_assert_mem_eq(record, "MKCA\1\0\0\0", 8);
	ck_assert_int_eq(kho_setup_control_parse(record, sizeof(record), &back, &err), 0);
	ck_assert_mem_eq(&back, &good, sizeof(back));
}
END_TEST

START_TEST(damaged_records_are_refused)
{
	struct kho_setup_control back = { 7, 8, 9 };
	uint8_t record[RECORD_SIZE], copy[RECORD_SIZE + 1] = {};

	make_record(record, &good);
	memcpy(copy, record, sizeof(record));
	for (size_t size = 0; size <= sizeof(copy); size++)
		if (size != RECORD_SIZE)
			ck_assert_int_eq(kho_setup_control_parse(copy, size, &back, &err), -EBADMSG);
	for (size_t i = 0; i < RECORD_SIZE; i++) {
		memcpy(copy, record, sizeof(record));
		copy[i] ^= 0x10;
		ck_assert_int_eq(kho_setup_control_parse(copy, RECORD_SIZE, &back, &err), -EBADMSG);
	}
	ck_assert_uint_eq(back.start, 7);
}
END_TEST

START_TEST(impossible_areas_are_refused)
{
	static const struct kho_setup_control bad[] = {
		{ 0, 4096, 8192 }, { BASE, 0, 8192 }, { BASE, 8192, 8192 }, { BASE, 8192, 4096 },
		{ BASE + 1, 4096, 8192 }, { BASE, 4097, 8192 }, { BASE, 4096, 8193 },
		{ UINT64_MAX - 4095, 4096, 8192 },
	};
	struct kho_setup_control back;
	uint8_t record[RECORD_SIZE];

	make_record(record, &bad[_i]);
	ck_assert_int_eq(kho_setup_control_parse(record, sizeof(record), &back, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "no area can be"));
}
END_TEST

/* ---- the world ---- */

#define SMALL_SIZE	(64 * KHO_MIB)

/* The record of @type in the built region; fails if it isn't there. */
static const uint8_t *find_record(const uint8_t *bytes, uint32_t type, uint32_t *ret_size)
{
	const struct boot_params *bp = (const void *)(bytes + KHO_OFF_BOOT_PARAMS);

	for (uint64_t at = bp->hdr.setup_data; at;) {
		const struct setup_data *record = (const void *)(bytes + (at - BASE));

		*ret_size = record->len;
		if (record->type == type)
			return record->data;
		at = record->next;
	}
	ck_abort_msg("no record of type 0x%x", type);
	return NULL;
}

START_TEST(the_control_area_is_ram_from_the_tree_on)
{
	static const uint32_t cpu = 2;
	uint8_t initrd[64] = { 1 };
	uint8_t *bytes = calloc(1, SMALL_SIZE);
	struct fake_image kernel;
	struct kho_setup_control control;
	const struct boot_params *bp;
	uint32_t size;

	ck_assert_ptr_nonnull(bytes);
	fake_image_init(&kernel);
	ranges[0].size = SMALL_SIZE;
	struct kho_world_spec spec = {
		.region = region, .low_window = KHO_LOW_WINDOW_A, .phys_end = 6 * KHO_GIB,
		.cpus = &cpu, .nr_cpus = 1, .kernel = kernel.data,
		.kernel_size = sizeof(kernel.data), .initramfs = initrd,
		.initramfs_size = sizeof(initrd), .cmdline = "quiet", .tsc_khz = 2095992,
		.clock = { .tsc = 1, .tsc_khz = 2095992 }, .tree_offset = KHO_OFF_TREE,
		.tree_size = KHO_PAGE_SIZE, .native = true,
	};

	ck_assert_msg(!kho_world_build(&spec, bytes, SMALL_SIZE, &world, &err), "%s", err.msg);
	bp = (const void *)(bytes + KHO_OFF_BOOT_PARAMS);
	ck_assert_uint_eq(bp->e820_entries, 3);
	ck_assert_uint_eq(bp->e820_table[1].addr, BASE);
	ck_assert_uint_eq(bp->e820_table[1].size, KHO_OFF_TREE);
	ck_assert_uint_eq(bp->e820_table[1].type, 2);
	ck_assert_uint_eq(bp->e820_table[2].addr, BASE + KHO_OFF_TREE);
	ck_assert_uint_eq(bp->e820_table[2].size, SMALL_SIZE - KHO_OFF_TREE);
	ck_assert_uint_eq(bp->e820_table[2].type, 1);
	ck_assert_int_eq(kho_setup_control_parse(find_record(bytes, KHO_SETUP_TYPE_CONTROL, &size),
						 RECORD_SIZE, &control, &err), 0);
	ck_assert_uint_eq(size, RECORD_SIZE);
	ck_assert_uint_eq(control.start, BASE);
	ck_assert_uint_eq(control.keep, KHO_OFF_CONTROL);
	ck_assert_uint_eq(control.size, KHO_CONTROL_AREA_SIZE);
	/* or it would use what's kept for anything */
	ck_assert_ptr_nonnull(strstr((const char *)bytes + KHO_OFF_CMDLINE, " kho=on quiet"));
	spec.cmdline = "kho=off";
	ck_assert_int_eq(kho_world_build(&spec, bytes, SMALL_SIZE, &world, &err), -EEXIST);
	free(bytes);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("native");
	TCase *tc = tcase_create("native");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, scratch_is_around_the_kernel);
	tcase_add_test(tc, scratch_ends_before_the_initramfs);
	tcase_add_test(tc, scratch_too_small);
	tcase_add_test(tc, scratch_never_in_the_control_area);
	tcase_add_test(tc, record_reads_back);
	tcase_add_test(tc, damaged_records_are_refused);
	tcase_add_loop_test(tc, impossible_areas_are_refused, 0, 8);
	tcase_add_test(tc, the_control_area_is_ram_from_the_tree_on);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
