// SPDX-License-Identifier: GPL-2.0-only
/*
 * Identity page tables, walked in software as the CPU walks them: from CR3, in
 * both paging modes, with the bits of the Intel manual.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/err.h"
#include "spawn/layout.h"
#include "spawn/pgtable.h"
#include "unit/run.h"

#define PHYS	0x4f8020000ULL		/* above 4 GiB, as a region may be */
#define NOWHERE	UINT64_MAX

static uint64_t area[KHO_PGTABLE_SIZE / 8];
static struct kho_err err;

static void setup(void)
{
	memset(area, 0xcc, sizeof(area));
	err = (struct kho_err){};
}

static struct kho_pgtable build(uint64_t phys_end, bool use_1g_pages)
{
	const struct kho_pgtable_spec spec = {
		.phys = PHYS, .phys_end = phys_end, .use_1g_pages = use_1g_pages,
	};
	struct kho_pgtable ret;

	ck_assert_msg(!kho_pgtable_build(&spec, area, sizeof(area), &ret, &err), "%s", err.msg);
	return ret;
}

/* Entry @index of the table at physical @table, which must be in our area. */
static uint64_t entry(uint64_t table, uint64_t index)
{
	uint64_t offset = table - PHYS;

	ck_assert(kho_is_aligned(table, 4096));
	ck_assert(table >= PHYS && offset < sizeof(area));
	return area[offset / 8 + index];
}

/* Physical address of @virt, NOWHERE: not mapped. */
static uint64_t translate(uint64_t cr3, int levels, uint64_t virt)
{
	uint64_t table = cr3;

	for (int level = levels; level >= 2; level--) {
		int shift = 12 + 9 * (level - 1);
		uint64_t e = entry(table, virt >> shift & 511);

		if (!(e & 1))
			return NOWHERE;
		/* present, writable, supervisor, cached, executable */
		ck_assert_uint_eq(e & 0xfff & ~0x80ULL, 3);
		ck_assert_uint_eq(e >> 52, 0);
		if (e & 0x80) {
			ck_assert_int_le(level, 3);
			ck_assert(kho_is_aligned(e & ~0xfffULL, 1ULL << shift));
			return (e & ~0xfffULL) + (virt & ((1ULL << shift) - 1));
		}
		table = e & ~0xfffULL;
	}
	ck_abort_msg("4 KiB pages at 0x%llx", (unsigned long long)virt);
}

static void expect_identity(const struct kho_pgtable *pt)
{
	for (uint64_t a = 0; a < pt->mapped; a += KHO_GIB) {
		static const uint64_t probes[] = {
			0, 0x1234, 0x200000, 0x3fffffff, 0x12345678,
		};

		for (size_t i = 0; i < KHO_ARRAY_SIZE(probes); i++) {
			ck_assert_uint_eq(translate(pt->pml4, 4, a + probes[i]), a + probes[i]);
			ck_assert_uint_eq(translate(pt->pml5, 5, a + probes[i]), a + probes[i]);
		}
	}
	ck_assert_uint_eq(translate(pt->pml4, 4, pt->mapped), NOWHERE);
	ck_assert_uint_eq(translate(pt->pml5, 5, pt->mapped), NOWHERE);
}

START_TEST(at_least_4_gib)
{
	struct kho_pgtable pt = build(1, false);

	ck_assert_uint_eq(pt.mapped, 4 * KHO_GIB);
	ck_assert_uint_eq(pt.pml4, PHYS);
	ck_assert_uint_eq(pt.pml5, PHYS + 4096);
	ck_assert_uint_eq(pt.used, 7 * 4096);
	expect_identity(&pt);
}
END_TEST

START_TEST(every_2_mib_of_a_small_machine)
{
	struct kho_pgtable pt = build(5 * KHO_GIB + 1, false);

	ck_assert_uint_eq(pt.mapped, 6 * KHO_GIB);
	for (uint64_t a = 0; a < pt.mapped; a += 2 * KHO_MIB)
		ck_assert_uint_eq(translate(pt.pml4, 4, a + 5), a + 5);
	expect_identity(&pt);
}
END_TEST

START_TEST(large_machine_with_2_mib_pages)
{
	struct kho_pgtable pt = build(157 * KHO_GIB, false);

	ck_assert_uint_eq(pt.used, KHO_PGTABLE_SIZE);
	ck_assert_uint_eq(pt.mapped, 157 * KHO_GIB);
	expect_identity(&pt);
}
END_TEST

/* Crosses a PDPT: 512 GiB. */
START_TEST(large_machine_with_1_gib_pages)
{
	struct kho_pgtable pt = build(3 * 1024 * KHO_GIB - 5, true);

	ck_assert_uint_eq(pt.mapped, 3 * 1024 * KHO_GIB);
	ck_assert_uint_eq(pt.used, (2 + 6 + 4) * 4096);
	expect_identity(&pt);
}
END_TEST

START_TEST(first_4_gib_have_2_mib_pages)
{
	struct kho_pgtable pt = build(16 * KHO_GIB, true);
	uint64_t pdpt = entry(pt.pml4, 0) & ~0xfffULL;

	for (uint64_t i = 0; i < 4; i++)
		ck_assert_uint_eq(entry(pdpt, i) & 0x80, 0);
	ck_assert_uint_eq(entry(pdpt, 4), 4 * KHO_GIB | 0x83);
	expect_identity(&pt);
}
END_TEST

START_TEST(unused_entries_are_clear)
{
	struct kho_pgtable pt = build(4 * KHO_GIB, true);

	for (uint64_t i = 1; i < 512; i++) {
		ck_assert_uint_eq(entry(pt.pml4, i), 0);
		ck_assert_uint_eq(entry(pt.pml5, i), 0);
	}
	for (size_t i = pt.used / 8; i < KHO_ARRAY_SIZE(area); i++)
		ck_assert_uint_eq(area[i], 0);
}
END_TEST

static int fail_with(uint64_t phys, uint64_t phys_end, bool use_1g_pages, size_t size)
{
	const struct kho_pgtable_spec spec = {
		.phys = phys, .phys_end = phys_end, .use_1g_pages = use_1g_pages,
	};
	struct kho_pgtable ret = { .used = 99 };
	int r = kho_pgtable_build(&spec, area, size, &ret, &err);

	ck_assert_int_eq(kho_pgtable_plan(&spec, size, &ret, NULL), r);
	ck_assert_uint_eq(ret.used, 99);
	ck_assert_uint_eq(area[0], 0xccccccccccccccccULL);
	return r;
}

START_TEST(what_does_not_fit)
{
	ck_assert_int_eq(fail_with(PHYS, 157 * KHO_GIB + 1, false, sizeof(area)), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(err.msg, "158 GiB"));
	ck_assert_ptr_nonnull(strstr(err.msg, "1 GiB pages"));
	ck_assert_int_eq(fail_with(PHYS, 4 * KHO_GIB, false, 7 * 4096 - 1), -ENOSPC);
	ck_assert_int_eq(fail_with(PHYS, 4 * KHO_GIB, false, 0), -ENOSPC);
	ck_assert_int_eq(fail_with(PHYS, 1ULL << 47, true, sizeof(area)), -ENOSPC);
	ck_assert_int_eq(fail_with(PHYS, (1ULL << 47) + 1, true, sizeof(area)), -ERANGE);
	ck_assert_int_eq(fail_with(PHYS, UINT64_MAX, true, sizeof(area)), -ERANGE);
	ck_assert_int_eq(fail_with(PHYS + 8, 4 * KHO_GIB, true, sizeof(area)), -EINVAL);
}
END_TEST

static Suite *pgtable_suite(void)
{
	Suite *suite = suite_create("pgtable");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, at_least_4_gib);
	tcase_add_test(tc, every_2_mib_of_a_small_machine);
	tcase_add_test(tc, large_machine_with_2_mib_pages);
	tcase_add_test(tc, large_machine_with_1_gib_pages);
	tcase_add_test(tc, first_4_gib_have_2_mib_pages);
	tcase_add_test(tc, unused_entries_are_clear);
	tcase_add_test(tc, what_does_not_fit);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(pgtable_suite());
}
