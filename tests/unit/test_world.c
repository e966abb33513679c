// SPDX-License-Identifier: GPL-2.0-only
/*
 * The whole world, built in a region of two physical ranges and then read as the
 * new kernel reads it: by physical address, from RSI on. And everything that must
 * be refused, with nothing written.
 */
#include <asm/bootparam.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/err.h"
#include "spawn/cmdline.h"
#include "spawn/layout.h"
#include "spawn/world.h"
#include "unit/fake_image.h"
#include "unit/run.h"

#define BASE		0x140000000ULL
#define FIRST_SIZE	(48 * KHO_MIB)
#define SECOND		0x20000000ULL
#define SECOND_SIZE	(16 * KHO_MIB)
#define SIZE		(FIRST_SIZE + SECOND_SIZE)
#define UNTOUCHED	0xee
#define INITRD_SIZE	(KHO_MIB + 5)
#define OWN_OPTIONS	"no_ipi_broadcast=1 pci=off tsc_early_khz=2095992 tsc=nowatchdog " \
			"maxcpus=2 swiotlb=8192 earlycon=memring,1400c0000"

static uint8_t *region;
static uint8_t *initrd;
static struct fake_image kernel;
static struct mk_range ranges[2];
static uint32_t own[2];
static uint32_t later[2];
static struct kho_world_spec spec;
static struct kho_world world;
static struct kho_err err;

static void setup(void)
{
	region = calloc(1, SIZE);
	initrd = malloc(INITRD_SIZE);
	ck_assert(region && initrd);
	memset(region, UNTOUCHED, KHO_OFF_CONTROL);
	for (size_t i = 0; i < INITRD_SIZE; i++)
		initrd[i] = (uint8_t)(i * 7);
	fake_image_init(&kernel);
	ranges[0] = (struct mk_range){ BASE, FIRST_SIZE };
	ranges[1] = (struct mk_range){ SECOND, SECOND_SIZE };
	own[0] = 2;
	own[1] = 3;
	later[0] = 0;
	later[1] = 1;
	memset(&world, 0x5a, sizeof(world));
	err = (struct kho_err){};
	spec = (struct kho_world_spec){
		.region = { .ranges = ranges, .nr_ranges = 2 },
		.low_window = KHO_LOW_WINDOW_A,
		.phys_end = 6 * KHO_GIB,
		.cpus = own, .nr_cpus = 2, .later_cpus = later, .nr_later_cpus = 2,
		.kernel = kernel.data, .kernel_size = sizeof(kernel.data),
		.initramfs = initrd, .initramfs_size = INITRD_SIZE,
		.cmdline = "console=ttyMK0 quiet\n",
		.tsc_khz = 2095992,
		.clock = { .tsc = 1, .realtime_ns = 2, .monotonic_ns = 3, .tsc_khz = 2095992 },
		.rng_seed = { 1, 2, 3 },
		.tree_offset = KHO_OFF_TREE, .tree_size = 0x2000,
		.scratch_addr = BASE + KHO_OFF_TREE + 0x2000, .scratch_size = 16,
	};
}

static void teardown(void)
{
	free(region);
	free(initrd);
}

static const uint8_t *at(uint64_t phys, uint64_t size)
{
	uint64_t offset;

	ck_assert_msg(kho_region_offset(&spec.region, phys, size, &offset),
		      "0x%llx isn't in the region", (unsigned long long)phys);
	return region + offset;
}

static struct boot_params build(void)
{
	struct boot_params bp;

	ck_assert_msg(!kho_world_build(&spec, region, SIZE, &world, &err), "%s", err.msg);
	memcpy(&bp, at(world.boot_params, sizeof(bp)), sizeof(bp));
	return bp;
}

START_TEST(addresses)
{
	struct kho_world plan;

	build();
	ck_assert_uint_eq(world.park_entry, BASE + 0x10000);
	ck_assert_uint_eq(world.boot_entry, BASE + 0x10800);
	ck_assert_uint_eq(world.mailbox, BASE + 0x11000);
	ck_assert_uint_eq(world.boot_params, BASE + 0x12000);
	ck_assert_uint_eq(world.pml4, BASE + 0x20000);
	ck_assert_uint_eq(world.pml5, BASE + 0x21000);
	ck_assert_uint_eq(world.kernel_load, BASE + 32 * KHO_MIB);
	ck_assert_uint_eq(world.kernel_size, FAKE_INIT_SIZE);
	ck_assert_uint_eq(world.initrd_load, SECOND + SECOND_SIZE - KHO_MIB - 4096);
	ck_assert_uint_eq(world.initrd_size, INITRD_SIZE);
	ck_assert_uint_eq(world.ram_size, SIZE - 16 * KHO_MIB);
	ck_assert_str_eq(world.release, FAKE_RELEASE);
	ck_assert_int_eq(kho_world_plan(&spec, SIZE, &plan, &err), 0);
	ck_assert_mem_eq(&plan, &world, sizeof(plan));
}
END_TEST

START_TEST(kernel_and_initramfs_are_there)
{
	struct boot_params bp = build();

	ck_assert_mem_eq(at(world.kernel_load, FAKE_KERNEL_SIZE), kernel.data + FAKE_SETUP_SIZE,
			 FAKE_KERNEL_SIZE);
	ck_assert_uint_eq(bp.hdr.ramdisk_image | (uint64_t)bp.ext_ramdisk_image << 32,
			  world.initrd_load);
	ck_assert_uint_eq(bp.hdr.ramdisk_size, INITRD_SIZE);
	ck_assert_mem_eq(at(world.initrd_load, INITRD_SIZE), initrd, INITRD_SIZE);
}
END_TEST

START_TEST(command_line)
{
	struct boot_params bp = build();
	uint64_t phys = bp.hdr.cmd_line_ptr | (uint64_t)bp.ext_cmd_line_ptr << 32;

	ck_assert_uint_eq(phys, BASE + KHO_OFF_CMDLINE);
	ck_assert_str_eq((const char *)at(phys, 4096), OWN_OPTIONS " console=ttyMK0 quiet");
	spec.cmdline = NULL;
	spec.extra_options = "mk.region=0x140000000";
	build();
	ck_assert_str_eq((const char *)at(phys, 4096), OWN_OPTIONS " mk.region=0x140000000");
	spec.any_boot_cpu = true;
	build();
	ck_assert_str_eq((const char *)at(phys, 4096),
			 OWN_OPTIONS " any_boot_cpu mk.region=0x140000000");
}
END_TEST

START_TEST(memory_map)
{
	static const struct boot_e820_entry want[] = {
		{ 0x10000, 0x20000, 1 },
		{ SECOND, SECOND_SIZE, 1 },
		{ BASE, 0x1000000, 2 },
		{ BASE + 0x1000000, FIRST_SIZE - 0x1000000, 1 },
	};
	struct boot_params bp = build();

	ck_assert_uint_eq(bp.e820_entries, 4);
	ck_assert_mem_eq(bp.e820_table, want, sizeof(want));
	spec.low_window = KHO_LOW_WINDOW_B;
	bp = build();
	ck_assert_uint_eq(bp.e820_table[0].addr, 0x30000);
}
END_TEST

START_TEST(setup_data_chain)
{
	struct boot_params bp = build();
	struct kho_setup_clock clock;
	struct kho_setup_kho kho;
	struct setup_data record;
	uint64_t phys = bp.hdr.setup_data;

	memcpy(&record, at(phys, 48), 16);
	ck_assert_uint_eq(record.type, KHO_SETUP_TYPE_RNG_SEED);
	ck_assert_mem_eq(at(phys, 48) + 16, spec.rng_seed, 32);
	phys = record.next;
	memcpy(&record, at(phys, 56), 16);
	ck_assert_uint_eq(record.type, KHO_SETUP_TYPE_CLOCK);
	ck_assert_int_eq(kho_setup_clock_parse(at(phys, 56) + 16, record.len, &clock, &err), 0);
	ck_assert_int_eq(clock.realtime_ns, 2);
	phys = record.next;
	memcpy(&record, at(phys, 48), 16);
	ck_assert_uint_eq(record.type, KHO_SETUP_TYPE_KHO);
	ck_assert_int_eq(kho_setup_kho_parse(at(phys, 48) + 16, record.len, &kho, &err), 0);
	ck_assert_uint_eq(kho.fdt_addr, BASE + KHO_OFF_TREE);
	ck_assert_uint_eq(kho.fdt_size, 0x2000);
	ck_assert_uint_eq(kho.scratch_addr, spec.scratch_addr);
	ck_assert_uint_eq(kho.scratch_size, 16);
	ck_assert_uint_eq(record.next, 0);
}
END_TEST

START_TEST(no_tree_no_record)
{
	struct setup_data record;

	spec.tree_size = 0;
	record.next = build().hdr.setup_data;
	for (int i = 0; i < 2; i++)
		memcpy(&record, at(record.next, 16), 16);
	ck_assert_uint_eq(record.type, KHO_SETUP_TYPE_CLOCK);
	ck_assert_uint_eq(record.next, 0);
}
END_TEST

START_TEST(cpu_parts)
{
	struct boot_params bp = build();
	uint64_t pdpt;
	uint64_t entry;

	ck_assert_mem_eq(at(bp.acpi_rsdp_addr, 36), "RSD PTR ", 8);
	ck_assert_uint_eq(bp.acpi_rsdp_addr, BASE + KHO_OFF_ACPI);
	ck_assert_mem_eq(at(world.park_entry, 4), "\xf3\x0f\x1e\xfa", 4);
	ck_assert_mem_eq(at(world.boot_entry, 4), "\xf3\x0f\x1e\xfa", 4);
	for (size_t i = 0; i < 4096; i++)
		ck_assert_uint_eq(at(world.mailbox, 4096)[i], 0);
	memcpy(&pdpt, at(world.pml4, 8), 8);
	/* 6 GiB: the sixth entry is used, the seventh isn't */
	memcpy(&entry, at(pdpt & ~0xfffULL, 4096) + 5 * 8, 8);
	ck_assert_uint_ne(entry, 0);
	memcpy(&entry, at(pdpt & ~0xfffULL, 4096) + 6 * 8, 8);
	ck_assert_uint_eq(entry, 0);
}
END_TEST

START_TEST(page_tables_cover_the_region)
{
	uint64_t pdpt;
	uint64_t entry;

	spec.phys_end = 0;
	build();
	memcpy(&pdpt, at(world.pml4, 8), 8);
	memcpy(&entry, at(pdpt & ~0xfffULL, 4096) + 5 * 8, 8);	/* BASE is at 5 GiB */
	ck_assert_uint_ne(entry, 0);
}
END_TEST

static void expect_untouched(uint64_t start, uint64_t end)
{
	for (uint64_t i = start; i < end; i++)
		if (region[i] != UNTOUCHED)
			ck_abort_msg("offset 0x%llx was written", (unsigned long long)i);
}

START_TEST(nothing_else_is_written)
{
	uint64_t kernel_end = 32 * KHO_MIB + FAKE_KERNEL_SIZE;

	memset(region, UNTOUCHED, SIZE);
	build();
	expect_untouched(0, KHO_OFF_PARK);
	expect_untouched(KHO_OFF_CONSOLE_OUT, 32 * KHO_MIB);
	expect_untouched(kernel_end, SIZE - KHO_MIB - 4096);
	expect_untouched(SIZE - 4096 + 5, SIZE);
}
END_TEST

/* ---- placement ---- */

START_TEST(small_first_range_takes_the_kernel_low)
{
	ranges[0].size = 20 * KHO_MIB;
	ranges[1].size = SIZE - 20 * KHO_MIB;
	build();
	ck_assert_uint_eq(world.kernel_load, BASE + 16 * KHO_MIB);
}
END_TEST

START_TEST(first_range_too_small)
{
	ranges[0].size = 20 * KHO_MIB - 4096;
	ranges[1].size = SIZE - ranges[0].size;
	ck_assert_int_eq(kho_world_build(&spec, region, SIZE, &world, &err), -E2BIG);
	ck_assert_ptr_nonnull(strstr(err.msg, "needs 4 MiB"));
	ck_assert_ptr_nonnull(strstr(err.msg, "at least 1 MiB more"));
	expect_untouched(0, KHO_OFF_CONTROL);
}
END_TEST

START_TEST(initramfs_in_the_last_range_with_room)
{
	ranges[1].size = KHO_MIB;
	ranges[0].size = SIZE - KHO_MIB;
	build();
	ck_assert_uint_eq(world.initrd_load, BASE + ranges[0].size - KHO_MIB - 4096);
}
END_TEST

START_TEST(initramfs_sizes)
{
	/* the kernel ends at 36 MiB of the first range's 48 */
	spec.initramfs = region;
	spec.initramfs_size = 16 * KHO_MIB + 1;
	ck_assert_int_eq(kho_world_plan(&spec, SIZE, &world, &err), -E2BIG);
	ck_assert_ptr_nonnull(strstr(err.msg, "17 MiB don't fit"));
	ck_assert_ptr_nonnull(strstr(err.msg, "16 MiB; give the region at least 1 MiB more"));
	spec.initramfs_size = SIZE_MAX;
	ck_assert_int_eq(kho_world_plan(&spec, SIZE, &world, &err), -E2BIG);
	spec.initramfs_size = 16 * KHO_MIB;
	ck_assert_int_eq(kho_world_plan(&spec, SIZE, &world, &err), 0);
	ck_assert_uint_eq(world.initrd_load, SECOND);
	ranges[1].size = 8 * KHO_MIB;
	ranges[0].size = SIZE - 8 * KHO_MIB;
	spec.initramfs_size = 20 * KHO_MIB;
	ck_assert_int_eq(kho_world_plan(&spec, SIZE, &world, &err), 0);
	ck_assert_uint_eq(world.initrd_load, world.kernel_load + FAKE_INIT_SIZE);
	spec.initramfs_size++;
	ck_assert_int_eq(kho_world_plan(&spec, SIZE, &world, &err), -E2BIG);
	spec.initramfs_size = 0;
	ck_assert_int_eq(kho_world_plan(&spec, SIZE, &world, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "initramfs: it's empty"));
}
END_TEST

/* Alignment beyond the base's own, and a kernel that won't run low. */
START_TEST(kernel_alignment)
{
	fake_image_header(&kernel)->kernel_alignment = 16u << 20;
	spec.tree_size = 0;
	ranges[0].start = BASE + KHO_MIB;
	build();
	ck_assert_uint_eq(world.kernel_load, BASE + 32 * KHO_MIB);
	fake_image_header(&kernel)->kernel_alignment = 4096;
	build();
	ck_assert_uint_eq(world.kernel_load, BASE + 34 * KHO_MIB);
	ranges[0].start = KHO_MIB;
	fake_image_header(&kernel)->pref_address = 40u << 20;
	build();
	ck_assert_uint_eq(world.kernel_load, 40 * KHO_MIB);
}
END_TEST

/* ---- refusals ---- */

static void expect_failure(int code, const char *text)
{
	struct kho_world before = world;

	ck_assert_int_eq(kho_world_build(&spec, region, SIZE, &world, &err), code);
	ck_assert_int_eq(err.code, code);
	ck_assert_msg(strstr(err.msg, text), "\"%s\" isn't in \"%s\"", text, err.msg);
	ck_assert_mem_eq(&world, &before, sizeof(world));
	expect_untouched(0, KHO_OFF_CONTROL);
}

START_TEST(bad_ranges)
{
	ranges[1].start++;
	expect_failure(-EINVAL, "page aligned");
	ranges[1] = (struct mk_range){ SECOND, 0 };
	expect_failure(-EINVAL, "empty");
	ranges[1] = (struct mk_range){ UINT64_MAX - 4095, 8192 };
	expect_failure(-EINVAL, "beyond physical memory");
	ranges[1] = (struct mk_range){ 1ULL << 52, 4096 };
	expect_failure(-EINVAL, "beyond physical memory");
	ranges[1] = (struct mk_range){ 0xff000, SECOND_SIZE };
	expect_failure(-EINVAL, "below 1 MiB");
	ranges[1] = (struct mk_range){ BASE + FIRST_SIZE - 4096, SECOND_SIZE };
	expect_failure(-EEXIST, "overlap");
	ranges[1] = (struct mk_range){ BASE, SECOND_SIZE };
	expect_failure(-EEXIST, "overlap");
	ranges[1] = (struct mk_range){ SECOND, SECOND_SIZE - 4096 };
	expect_failure(-EINVAL, "map the region anew");
	spec.region.nr_ranges = 0;
	expect_failure(-EINVAL, "0 ranges");
	spec.region.nr_ranges = MK_MAX_RANGES + 1;
	expect_failure(-EINVAL, "33 ranges");
	ranges[1].size = SECOND_SIZE;
	spec.region.nr_ranges = 2;
	ranges[1].start = BASE + FIRST_SIZE;	/* adjacent ranges are fine */
	build();
}
END_TEST

START_TEST(too_much_memory)
{
	spec.phys_end = (1ULL << 47) + 1;
	expect_failure(-ERANGE, "128 TiB");
	spec.phys_end = 200 * KHO_GIB;
	expect_failure(-ENOSPC, "1 GiB pages");
	spec.use_1g_pages = true;
	build();
}
END_TEST

START_TEST(bad_cpus)
{
	spec.nr_cpus = 0;
	expect_failure(-EINVAL, "CPUs: none");
	spec.nr_cpus = 2;
	later[1] = 2;
	expect_failure(-EINVAL, "listed twice");
	later[1] = UINT32_MAX;
	expect_failure(-EINVAL, "all CPUs");
	spec.nr_later_cpus = 511;
	expect_failure(-E2BIG, "512");
}
END_TEST

START_TEST(bad_low_window)
{
	static const uint64_t windows[] = { 0, 0x10001, 0x20000, 0x100000, 0x100010000 };

	spec.low_window = windows[_i];
	expect_failure(-EINVAL, "low window");
}
END_TEST

START_TEST(bad_tree)
{
	spec.tree_offset++;
	expect_failure(-EINVAL, "handover tree");
	spec.tree_offset = FIRST_SIZE - 4096;
	expect_failure(-EINVAL, "handover tree");
	spec.tree_offset = UINT64_MAX - 4095;
	expect_failure(-EINVAL, "handover tree");
	spec.tree_offset = KHO_OFF_TREE;
	spec.scratch_addr = BASE + FIRST_SIZE - 8;
	expect_failure(-EINVAL, "scratch");
	spec.scratch_addr = UINT64_MAX - 8;
	expect_failure(-EINVAL, "scratch");
	spec.scratch_size = 0;
	build();
}
END_TEST

START_TEST(bad_kernel)
{
	spec.kernel_size--;
	expect_failure(-ENODATA, "truncated");
	kernel.data[0x202] = 0;
	expect_failure(-ENOEXEC, "kernel image");
}
END_TEST

START_TEST(options_that_are_ours)
{
	static const char *const lines[] = {
		"quiet maxcpus=4", "pci=noacpi", "tsc-early-khz=1", "tsc=unstable", "no_ipi_broadcast=0",
		"\"pci=off\"", "x=\"a b\" pci", "pci", "\tmaxcpus=1", "any-boot-cpu",
	};

	spec.cmdline = lines[_i];
	expect_failure(-EEXIST, "remove it");
	spec.cmdline = NULL;
	spec.extra_options = lines[_i];
	expect_failure(-EEXIST, "remove it");
}
END_TEST

START_TEST(options_that_only_look_like_ours)
{
	static const char *const lines[] = {
		"pcie_aspm=off", "xpci=off", "x=\"a pci=off b\"", "-- pci=off maxcpus=7",
		"panic=pci", "pci.x=1", "", "   \n", "maxcpu=1", "kho=off",
		"earlycon=uart8250,io,0x3f8",
	};

	spec.cmdline = lines[_i];
	build();
}
END_TEST

START_TEST(command_line_that_is_no_line)
{
	spec.cmdline = "a\nb";
	expect_failure(-EINVAL, "control character 0x0a after 1 characters");
	spec.cmdline = "a\x7f" "b";
	expect_failure(-EINVAL, "control character");
	spec.cmdline = "x=\"a b";
	expect_failure(-EINVAL, "quotation");
	spec.cmdline = NULL;
	spec.tsc_khz = 0;
	expect_failure(-EINVAL, "TSC");
}
END_TEST

START_TEST(command_line_length)
{
	size_t own_length = sizeof(OWN_OPTIONS) - 1;
	char line[FAKE_CMDLINE_SIZE + 1];
	size_t room = FAKE_CMDLINE_SIZE - own_length - 1;

	memset(line, 'x', sizeof(line));
	line[room + 1] = '\0';
	spec.cmdline = line;
	expect_failure(-E2BIG, "2048 characters");
	ck_assert_ptr_nonnull(strstr(err.msg, "takes 2047"));
	line[room] = '\0';
	build();
	ck_assert_uint_eq(strlen((char *)region + KHO_OFF_CMDLINE), FAKE_CMDLINE_SIZE);
}
END_TEST

/* A kernel that takes more than our page is still given no more than that. */
START_TEST(command_line_page)
{
	size_t own_length = sizeof(OWN_OPTIONS) - 1;
	char line[KHO_CMDLINE_SIZE];

	fake_image_header(&kernel)->cmdline_size = 8191;
	memset(line, 'x', sizeof(line));
	line[KHO_CMDLINE_SIZE - own_length - 1] = '\0';
	spec.cmdline = line;
	expect_failure(-E2BIG, "takes 4095");
	line[KHO_CMDLINE_SIZE - own_length - 2] = '\0';
	build();
	ck_assert_uint_eq(strlen((char *)region + KHO_OFF_CMDLINE), 4095);
}
END_TEST

static TCase *refusals(void)
{
	TCase *tc = tcase_create("refusals");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, bad_ranges);
	tcase_add_test(tc, too_much_memory);
	tcase_add_test(tc, bad_cpus);
	tcase_add_loop_test(tc, bad_low_window, 0, 5);
	tcase_add_test(tc, bad_tree);
	tcase_add_test(tc, bad_kernel);
	tcase_add_loop_test(tc, options_that_are_ours, 0, 10);
	tcase_add_loop_test(tc, options_that_only_look_like_ours, 0, 11);
	tcase_add_test(tc, command_line_that_is_no_line);
	tcase_add_test(tc, command_line_length);
	tcase_add_test(tc, command_line_page);
	return tc;
}

static Suite *world_suite(void)
{
	Suite *suite = suite_create("world");
	TCase *built = tcase_create("built");
	TCase *placed = tcase_create("placed");

	tcase_add_checked_fixture(built, setup, teardown);
	tcase_add_test(built, addresses);
	tcase_add_test(built, kernel_and_initramfs_are_there);
	tcase_add_test(built, command_line);
	tcase_add_test(built, memory_map);
	tcase_add_test(built, setup_data_chain);
	tcase_add_test(built, no_tree_no_record);
	tcase_add_test(built, cpu_parts);
	tcase_add_test(built, page_tables_cover_the_region);
	tcase_add_test(built, nothing_else_is_written);
	suite_add_tcase(suite, built);

	tcase_add_checked_fixture(placed, setup, teardown);
	tcase_add_test(placed, small_first_range_takes_the_kernel_low);
	tcase_add_test(placed, first_range_too_small);
	tcase_add_test(placed, initramfs_in_the_last_range_with_room);
	tcase_add_test(placed, initramfs_sizes);
	tcase_add_test(placed, kernel_alignment);
	suite_add_tcase(suite, placed);
	suite_add_tcase(suite, refusals());
	return suite;
}

int main(void)
{
	return run_suite(world_suite());
}
