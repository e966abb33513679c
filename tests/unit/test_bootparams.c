// SPDX-License-Identifier: GPL-2.0-only
/* Memory map, setup_data chain and boot_params: what the new kernel reads first. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/crc32c.h"
#include "base/err.h"
#include "spawn/bootparams.h"
#include "spawn/e820.h"
#include "spawn/image.h"
#include "spawn/setup_data.h"
#include "unit/fake_image.h"
#include "unit/golden.h"
#include "unit/run.h"

static struct kho_err err;

static void setup(void)
{
	err = (struct kho_err){};
}

static const struct mk_range three_ranges[] = {
	{ 0x40000000, 0x20000000 }, { 0x140000000, 0x8000000 }, { 0x30000000, 0x8000000 },
};

static const struct kho_e820_spec map_spec = {
	.ranges = three_ranges, .nr_ranges = 3, .control_size = 0x1000000,
	.low_start = 0x10000, .low_size = 0x20000,
};

START_TEST(map_is_sorted_and_complete)
{
	static const struct boot_e820_entry want[] = {
		{ 0x10000, 0x20000, 1 },
		{ 0x30000000, 0x8000000, 1 },
		{ 0x40000000, 0x1000000, 2 },
		{ 0x41000000, 0x1f000000, 1 },
		{ 0x140000000, 0x8000000, 1 },
	};
	struct kho_e820 map;

	ck_assert_int_eq(kho_e820_build(&map_spec, &map, &err), 0);
	ck_assert_uint_eq(map.nr, 5);
	ck_assert_mem_eq(map.entries, want, sizeof(want));
}
END_TEST

START_TEST(map_needs_ram_beside_the_control_area)
{
	struct mk_range range = { 0x40000000, 0x1000000 };
	struct kho_e820_spec spec = map_spec;
	struct kho_e820 map = { .nr = 77 };

	spec.ranges = &range;
	spec.nr_ranges = 1;
	ck_assert_int_eq(kho_e820_build(&spec, &map, &err), -EINVAL);
	spec.nr_ranges = 0;
	ck_assert_int_eq(kho_e820_build(&spec, &map, &err), -EINVAL);
	ck_assert_uint_eq(map.nr, 77);
	range.size += 4096;
	spec.nr_ranges = 1;
	ck_assert_int_eq(kho_e820_build(&spec, &map, &err), 0);
	ck_assert_uint_eq(map.nr, 3);
}
END_TEST

START_TEST(map_of_too_many_ranges)
{
	struct mk_range ranges[127];
	struct kho_e820_spec spec = map_spec;
	struct kho_e820 map;

	for (size_t i = 0; i < 127; i++)
		ranges[i] = (struct mk_range){ (i + 1) << 30, 0x2000000 };
	spec.ranges = ranges;
	spec.nr_ranges = 127;
	ck_assert_int_eq(kho_e820_build(&spec, &map, &err), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(err.msg, "127"));
	spec.nr_ranges = 126;
	ck_assert_int_eq(kho_e820_build(&spec, &map, &err), 0);
	ck_assert_uint_eq(map.nr, 128);
}
END_TEST

static const struct kho_setup_clock a_clock = {
	.tsc = 0x1122334455667788, .realtime_ns = 1795300000123456789,
	.monotonic_ns = 86400000000001, .tsc_khz = 2095992,
};

static const struct kho_setup_kho a_kho = {
	.fdt_addr = 0x40110000, .fdt_size = 0x1000,
	.scratch_addr = 0x40111000, .scratch_size = 16,
};

static void build_chain(struct kho_setup_chain *chain, void *area, size_t size)
{
	uint8_t seed[32];

	for (size_t i = 0; i < sizeof(seed); i++)
		seed[i] = (uint8_t)(0xa0 + i);
	memset(area, 0, size);
	kho_setup_chain_init(chain, area, size, 0x40014000);
	ck_assert_uint_eq(kho_setup_chain_head(chain), 0);
	ck_assert_int_eq(kho_setup_chain_add(chain, KHO_SETUP_TYPE_RNG_SEED, seed, 32, &err), 0);
	ck_assert_int_eq(kho_setup_chain_add_clock(chain, &a_clock, &err), 0);
	ck_assert_int_eq(kho_setup_chain_add(chain, KHO_SETUP_TYPE_KHO, &a_kho, 32, &err), 0);
	ck_assert_uint_eq(kho_setup_chain_head(chain), 0x40014000);
}

START_TEST(chain_matches_golden)
{
	struct kho_setup_chain chain;
	uint8_t area[256];

	build_chain(&chain, area, sizeof(area));
	/* 16 + 32; 16 + 40, padded by 8; 16 + 32 */
	ck_assert_uint_eq(chain.used, 48 + 64 + 48);
	golden_compare("setup_data.bin", area, chain.used);
}
END_TEST

START_TEST(chain_links_by_physical_address)
{
	static const uint32_t types[] = { 9, 0x4d4b, 10 };
	static const uint32_t lengths[] = { 32, 40, 32 };
	struct kho_setup_chain chain;
	struct setup_data record;
	uint8_t area[256];
	uint64_t at;
	size_t n = 0;

	build_chain(&chain, area, sizeof(area));
	for (at = kho_setup_chain_head(&chain); at; at = record.next) {
		ck_assert(kho_is_aligned(at, 16));
		memcpy(&record, area + (at - 0x40014000), sizeof(record));
		ck_assert_uint_eq(record.type, types[n]);
		ck_assert_uint_eq(record.len, lengths[n]);
		n++;
	}
	ck_assert_uint_eq(n, 3);
}
END_TEST

START_TEST(chain_refuses_what_does_not_fit)
{
	struct kho_setup_chain chain;
	struct kho_setup_chain before;
	uint8_t area[64] = {};
	uint8_t data[64] = { 1 };

	kho_setup_chain_init(&chain, area, sizeof(area), 0x1000);
	ck_assert_int_eq(kho_setup_chain_add(&chain, 1, data, 49, &err), -ENOSPC);
	ck_assert_uint_eq(kho_setup_chain_head(&chain), 0);
	ck_assert_int_eq(kho_setup_chain_add(&chain, 1, data, SIZE_MAX, &err), -ENOSPC);
	ck_assert_int_eq(kho_setup_chain_add(&chain, 1, data, 1ULL << 32, &err), -ENOSPC);
	ck_assert_int_eq(kho_setup_chain_add(&chain, 1, data, 30, &err), 0);
	before = chain;
	ck_assert_int_eq(kho_setup_chain_add(&chain, 2, data, 1, &err), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(err.msg, "46 of 64"));
	ck_assert_mem_eq(&chain, &before, sizeof(chain));
	ck_assert_mem_eq(area, &(uint64_t){ 0 }, 8);
	kho_setup_chain_init(&chain, area, 48, 0x1000);
	ck_assert_int_eq(kho_setup_chain_add(&chain, 1, data, 32, &err), 0);
}
END_TEST

/* The wire form of a_clock. */
static void clock_bytes(uint8_t ret[40])
{
	struct kho_setup_chain chain;
	uint8_t area[64] = {};

	kho_setup_chain_init(&chain, area, sizeof(area), 0x1000);
	ck_assert_int_eq(kho_setup_chain_add_clock(&chain, &a_clock, &err), 0);
	memcpy(ret, area + 16, 40);
}

static void fix_crc(uint8_t bytes[40])
{
	uint32_t crc = kho_crc32c(bytes, 36);

	memcpy(bytes + 36, &crc, 4);
}

START_TEST(clock_survives_the_trip)
{
	struct kho_setup_clock clock;
	uint8_t bytes[40];

	clock_bytes(bytes);
	ck_assert_int_eq(kho_setup_clock_parse(bytes, sizeof(bytes), &clock, &err), 0);
	ck_assert_uint_eq(clock.tsc, a_clock.tsc);
	ck_assert_int_eq(clock.realtime_ns, a_clock.realtime_ns);
	ck_assert_int_eq(clock.monotonic_ns, a_clock.monotonic_ns);
	ck_assert_uint_eq(clock.tsc_khz, a_clock.tsc_khz);
}
END_TEST

START_TEST(clock_truncated_or_flipped)
{
	struct kho_setup_clock clock = { .tsc_khz = 5 };
	uint8_t bytes[41] = {};

	clock_bytes(bytes);
	for (size_t size = 0; size <= 41; size++) {
		_cleanup_free_ uint8_t *copy = malloc(size ? size : 1);

		memcpy(copy, bytes, size);
		if (size != 40)
			ck_assert_int_eq(kho_setup_clock_parse(copy, size, &clock, &err), -EBADMSG);
	}
	for (size_t bit = 0; bit < 40 * 8; bit++) {
		int want = bit / 32 == 1 ? -EPROTONOSUPPORT : -EBADMSG;

		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_eq(kho_setup_clock_parse(bytes, 40, &clock, &err), want);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	ck_assert_uint_eq(clock.tsc_khz, 5);
}
END_TEST

START_TEST(clock_with_impossible_values)
{
	struct kho_setup_clock clock;
	uint8_t bytes[40];

	clock_bytes(bytes);
	memset(bytes + 32, 0, 4);		/* tsc_khz */
	fix_crc(bytes);
	ck_assert_int_eq(kho_setup_clock_parse(bytes, 40, &clock, &err), -EBADMSG);
	clock_bytes(bytes);
	bytes[23] |= 0x80;			/* realtime before 1970 */
	fix_crc(bytes);
	ck_assert_int_eq(kho_setup_clock_parse(bytes, 40, &clock, &err), -EBADMSG);
	clock_bytes(bytes);
	bytes[31] |= 0x80;			/* monotonic before boot */
	fix_crc(bytes);
	ck_assert_int_eq(kho_setup_clock_parse(bytes, 40, &clock, &err), -EBADMSG);
	clock_bytes(bytes);
	bytes[4] = 2;
	fix_crc(bytes);
	ck_assert_int_eq(kho_setup_clock_parse(bytes, 40, &clock, &err), -EPROTONOSUPPORT);
	ck_assert_ptr_nonnull(strstr(err.msg, "version 2"));
}
END_TEST

START_TEST(kho_record)
{
	struct kho_setup_kho kho;
	struct kho_setup_kho bad = a_kho;

	ck_assert_int_eq(kho_setup_kho_parse(&a_kho, 32, &kho, &err), 0);
	ck_assert_mem_eq(&kho, &a_kho, 32);
	for (size_t size = 0; size < 32; size++)
		ck_assert_int_eq(kho_setup_kho_parse(&a_kho, size, &kho, &err), -EBADMSG);
	bad.fdt_addr++;
	ck_assert_int_eq(kho_setup_kho_parse(&bad, 32, &kho, &err), -EBADMSG);
	bad.fdt_addr = 0;
	ck_assert_int_eq(kho_setup_kho_parse(&bad, 32, &kho, &err), -EBADMSG);
	bad = a_kho;
	bad.fdt_size = 0;
	ck_assert_int_eq(kho_setup_kho_parse(&bad, 32, &kho, &err), -EBADMSG);
	bad.fdt_size = UINT64_MAX;
	ck_assert_int_eq(kho_setup_kho_parse(&bad, 32, &kho, &err), -EBADMSG);
}
END_TEST

static struct fake_image file;
static struct kho_image image;
static struct kho_e820 map;

static struct kho_bootparams_spec boot_spec(void)
{
	fake_image_init(&file);
	ck_assert_int_eq(kho_image_parse(file.data, sizeof(file.data), &image, &err), 0);
	ck_assert_int_eq(kho_e820_build(&map_spec, &map, &err), 0);
	return (struct kho_bootparams_spec){
		.image = &image, .e820 = &map, .cmdline = 0x140013000,
		.initrd = 0x2147fff000, .initrd_size = 0x112345678,
		.rsdp = 0x140018000, .setup_data = 0x140014000,
	};
}

START_TEST(boot_params_fields)
{
	struct kho_bootparams_spec spec = boot_spec();
	struct boot_params bp;

	memset(&bp, 0xff, sizeof(bp));
	ck_assert_int_eq(kho_bootparams_build(&spec, &bp, &err), 0);
	ck_assert_uint_eq(bp.sentinel, 0);
	ck_assert_uint_eq(bp.hdr.header, 0x53726448);
	ck_assert_uint_eq(bp.hdr.init_size, FAKE_INIT_SIZE);
	ck_assert_uint_eq(bp.hdr.type_of_loader, 0xff);
	ck_assert_uint_eq(bp.hdr.ramdisk_image, 0x47fff000);
	ck_assert_uint_eq(bp.ext_ramdisk_image, 0x21);
	ck_assert_uint_eq(bp.hdr.ramdisk_size, 0x12345678);
	ck_assert_uint_eq(bp.ext_ramdisk_size, 1);
	ck_assert_uint_eq(bp.hdr.cmd_line_ptr, 0x40013000);
	ck_assert_uint_eq(bp.ext_cmd_line_ptr, 1);
	ck_assert_uint_eq(bp.acpi_rsdp_addr, 0x140018000);
	ck_assert_uint_eq(bp.hdr.setup_data, 0x140014000);
	ck_assert_uint_eq(bp.e820_entries, 5);
	ck_assert_mem_eq(bp.e820_table, map.entries, 5 * sizeof(map.entries[0]));
	ck_assert_uint_eq(bp.e820_table[5].size, 0);
}
END_TEST

START_TEST(boot_params_match_golden)
{
	struct kho_bootparams_spec spec = boot_spec();
	struct boot_params bp;

	ck_assert_int_eq(kho_bootparams_build(&spec, &bp, &err), 0);
	golden_compare("boot_params.bin", &bp, sizeof(bp));
}
END_TEST

/* A header longer than ours is copied whole, one that's shorter no further. */
START_TEST(boot_params_header_ends_where_the_image_says)
{
	struct kho_bootparams_spec spec = boot_spec();
	struct boot_params bp;

	memset(file.data + 0x26c, 0x77, 0x40);
	file.data[0x201] = 0x80;		/* ends at 0x282 */
	ck_assert_int_eq(kho_image_parse(file.data, sizeof(file.data), &image, &err), 0);
	ck_assert_int_eq(kho_bootparams_build(&spec, &bp, &err), 0);
	ck_assert_uint_eq(((uint8_t *)&bp)[0x281], 0x77);
	ck_assert_uint_eq(((uint8_t *)&bp)[0x282], 0);
	file.data[0x201] = 0x62;		/* ends at 0x264, before handover_offset */
	fake_image_header(&file)->handover_offset = 0x1234;
	ck_assert_int_eq(kho_image_parse(file.data, sizeof(file.data), &image, &err), 0);
	ck_assert_int_eq(kho_bootparams_build(&spec, &bp, &err), 0);
	ck_assert_uint_eq(bp.hdr.handover_offset, 0);
	ck_assert_uint_eq(bp.hdr.init_size, FAKE_INIT_SIZE);
}
END_TEST

START_TEST(boot_params_with_too_large_a_map)
{
	struct kho_bootparams_spec spec = boot_spec();
	struct boot_params bp;

	map.nr = 129;
	ck_assert_int_eq(kho_bootparams_build(&spec, &bp, &err), -E2BIG);
}
END_TEST

static Suite *bootparams_suite(void)
{
	Suite *suite = suite_create("bootparams");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, map_is_sorted_and_complete);
	tcase_add_test(tc, map_needs_ram_beside_the_control_area);
	tcase_add_test(tc, map_of_too_many_ranges);
	tcase_add_test(tc, chain_matches_golden);
	tcase_add_test(tc, chain_links_by_physical_address);
	tcase_add_test(tc, chain_refuses_what_does_not_fit);
	tcase_add_test(tc, clock_survives_the_trip);
	tcase_add_test(tc, clock_truncated_or_flipped);
	tcase_add_test(tc, clock_with_impossible_values);
	tcase_add_test(tc, kho_record);
	tcase_add_test(tc, boot_params_fields);
	tcase_add_test(tc, boot_params_match_golden);
	tcase_add_test(tc, boot_params_header_ends_where_the_image_says);
	tcase_add_test(tc, boot_params_with_too_large_a_map);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(bootparams_suite());
}
