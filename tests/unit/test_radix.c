// SPDX-License-Identifier: GPL-2.0-only
/*
 * The radix tree of preserved memory: its encoding against numbers worked out by
 * hand from the kernel's description, and walks over trees made to hurt.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "spawn/radix.h"
#include "unit/run.h"

#define PHYS		0x200000000ULL
#define NR_PAGES	64

static uint64_t pages[NR_PAGES][512] __attribute__((aligned(4096)));
static struct kho_radix radix;
static struct kho_err err;

static struct mk_range range = { PHYS, sizeof(pages) };
static struct kho_region_view view = { &range, 1, pages };

static void setup(void)
{
	memset(pages, 0xcc, sizeof(pages));
	ck_assert_int_eq(kho_radix_init(&radix, pages, PHYS, NR_PAGES), 0);
}

struct block {
	uint64_t phys;
	unsigned int order;
};

static struct block blocks[4096];
static size_t nr_blocks;

static int collect(void *ctx, uint64_t phys, unsigned int order)
{
	(void)ctx;
	ck_assert_uint_lt(nr_blocks, KHO_ARRAY_SIZE(blocks));
	blocks[nr_blocks++] = (struct block) { phys, order };
	return 0;
}

static int walk(void)
{
	struct kho_radix_visitor visitor = { .block = collect };
	struct kho_mem mem = kho_region_mem(&view);

	nr_blocks = 0;
	return kho_radix_walk(&mem, PHYS, &visitor, &err);
}

static int count(void *ctx, uint64_t phys, unsigned int order)
{
	(void)phys;
	(void)order;
	++*(uint64_t *)ctx;
	return 0;
}

static int walk_counting(uint64_t *nr)
{
	struct kho_radix_visitor visitor = { count, nr };
	struct kho_mem mem = kho_region_mem(&view);

	return kho_radix_walk(&mem, PHYS, &visitor, &err);
}

/* ---- encoding ---- */

/*
 * Page 0x12345678 of order 0: key 0x0010_0000_1234_5678. Its indices are 2 (bits
 * 59:51), 0, 0, 0x12 (32:24), 0x68 (23:15), and bit 0x5678.
 */
START_TEST(key_of_a_page)
{
	ck_assert_int_eq(kho_radix_add(&radix, 0x12345678000, 0), 0);
	ck_assert_uint_eq(radix.used, 6);
	ck_assert_uint_eq(pages[0][2], PHYS + 1 * 4096);
	ck_assert_uint_eq(pages[1][0], PHYS + 2 * 4096);
	ck_assert_uint_eq(pages[2][0], PHYS + 3 * 4096);
	ck_assert_uint_eq(pages[3][0x12], PHYS + 4 * 4096);
	ck_assert_uint_eq(pages[4][0x68], PHYS + 5 * 4096);
	ck_assert_uint_eq(pages[5][0x5678 / 64], 1ULL << 0x5678 % 64);
}
END_TEST

/*
 * 4 MiB at 4 GiB, order 10: key 1 << 42 | 0x400. Its indices are 0, 1 (bit 42 is
 * level 4's lowest, 50:42), 0, 0, 0, and bit 0x400.
 */
START_TEST(key_of_a_large_block)
{
	ck_assert_int_eq(kho_radix_add(&radix, 4 * KHO_GIB, 10), 0);
	ck_assert_uint_eq(pages[0][0], PHYS + 1 * 4096);
	ck_assert_uint_eq(pages[1][1], PHYS + 2 * 4096);
	ck_assert_uint_eq(pages[2][0], PHYS + 3 * 4096);
	ck_assert_uint_eq(pages[3][0], PHYS + 4 * 4096);
	ck_assert_uint_eq(pages[4][0], PHYS + 5 * 4096);
	ck_assert_uint_eq(pages[5][0x400 / 64], 1);
}
END_TEST

START_TEST(every_order_comes_back)
{
	unsigned int order;

	for (order = 0; order <= KHO_RADIX_MAX_ORDER; order++)
		ck_assert_int_eq(kho_radix_add(&radix, 0xfffffffc00000, order), 0);
	ck_assert_int_eq(walk(), 0);
	ck_assert_uint_eq(nr_blocks, KHO_RADIX_MAX_ORDER + 1);
	for (order = 0; order <= KHO_RADIX_MAX_ORDER; order++) {
		/* small keys, that is high orders, come first */
		ck_assert_uint_eq(blocks[KHO_RADIX_MAX_ORDER - order].order, order);
		ck_assert_uint_eq(blocks[order].phys, 0xfffffffc00000);
	}
}
END_TEST

START_TEST(range_becomes_blocks)
{
	static const struct mk_range unaligned = { 3 * 4096, 16 * 4096 };
	static const struct block want[] = {
		{ 8 * 4096, 3 }, { 4 * 4096, 2 }, { 16 * 4096, 1 }, { 3 * 4096, 0 },
		{ 18 * 4096, 0 },
	};

	ck_assert_int_eq(kho_radix_add_range(&radix, &unaligned), 0);
	ck_assert_int_eq(walk(), 0);
	ck_assert_uint_eq(nr_blocks, KHO_ARRAY_SIZE(want));
	ck_assert_mem_eq(blocks, want, sizeof(want));
}
END_TEST

START_TEST(large_range_becomes_largest_blocks)
{
	static const struct mk_range large = { KHO_GIB, KHO_GIB };
	size_t i;

	ck_assert_int_eq(kho_radix_add_range(&radix, &large), 0);
	ck_assert_int_eq(walk(), 0);
	ck_assert_uint_eq(nr_blocks, 256);
	for (i = 0; i < nr_blocks; i++) {
		ck_assert_uint_eq(blocks[i].order, 10);
		ck_assert_uint_eq(blocks[i].phys, KHO_GIB + i * 4 * KHO_MIB);
	}
}
END_TEST

START_TEST(bad_blocks)
{
	static const struct mk_range odd = { 4096, 4095 };

	ck_assert_int_eq(kho_radix_add(&radix, 4096, 1), -EINVAL);
	ck_assert_int_eq(kho_radix_add(&radix, 1, 0), -EINVAL);
	ck_assert_int_eq(kho_radix_add(&radix, 0, 11), -EINVAL);
	ck_assert_int_eq(kho_radix_add_range(&radix, &odd), -EINVAL);
	ck_assert_uint_eq(radix.used, 1);
}
END_TEST

START_TEST(runs_out_of_pages)
{
	size_t nr;

	ck_assert_int_eq(kho_radix_init(&radix, pages, PHYS, 0), -ENOSPC);
	for (nr = 1; nr < 6; nr++) {
		ck_assert_int_eq(kho_radix_init(&radix, pages, PHYS, nr), 0);
		ck_assert_int_eq(kho_radix_add(&radix, 0x1000, 0), -ENOSPC);
		ck_assert_uint_eq(pages[nr][0], 0xcccccccccccccccc);
	}
	ck_assert_int_eq(kho_radix_init(&radix, pages, PHYS, 6), 0);
	ck_assert_int_eq(kho_radix_add(&radix, 0x1000, 0), 0);
	ck_assert_int_eq(kho_radix_add(&radix, 0x1000, 0), 0);
	ck_assert_int_eq(walk(), 0);
	ck_assert_uint_eq(nr_blocks, 1);
}
END_TEST

/* ---- hostile trees ---- */

START_TEST(empty_tree)
{
	ck_assert_int_eq(walk(), 0);
	ck_assert_uint_eq(nr_blocks, 0);
}
END_TEST

START_TEST(node_points_at_itself)
{
	/* level by level the same page, which at last is its own bitmap */
	pages[0][0] = PHYS;
	ck_assert_int_eq(walk(), 0);
	/* the address' bits are keys of high orders, but keys */
	ck_assert_uint_eq(nr_blocks, 1);
}
END_TEST

START_TEST(nodes_without_end)
{
	uint64_t nr = 0;
	size_t i;

	for (i = 0; i < 512; i++)
		pages[0][i] = PHYS;
	ck_assert_int_eq(walk_counting(&nr), -E2BIG);
	ck_assert_str_eq(err.msg, "radix tree has more than 4096 nodes; drop it");
	/* 512 times 512 times a table with nothing in it */
	for (i = 0; i < 512; i++) {
		pages[0][i] = PHYS + 4096;
		pages[1][i] = PHYS + 8192;
		pages[2][i] = 0;
	}
	nr = 0;
	ck_assert_int_eq(walk_counting(&nr), -E2BIG);
	ck_assert_uint_eq(nr, 0);
}
END_TEST

START_TEST(bad_addresses)
{
	static const uint64_t bad[] = {
		1, PHYS + 8, PHYS - 4096, PHYS + sizeof(pages), UINT64_MAX, UINT64_MAX - 4095,
	};
	size_t i;

	for (i = 0; i < KHO_ARRAY_SIZE(bad); i++) {
		pages[0][511] = bad[i];
		ck_assert_int_eq(walk(), -EBADMSG);
		ck_assert_uint_eq(nr_blocks, 0);
	}
}
END_TEST

static void put_key(uint64_t key)
{
	unsigned int level;

	memset(pages, 0, sizeof(pages));
	for (level = 5; level > 0; level--)
		pages[5 - level][key >> ((level - 1) * 9 + 15) & 511] = PHYS + (6 - level) * 4096;
	pages[5][(key & 0x7fff) / 64] = 1ULL << key % 64;
}

START_TEST(bad_keys)
{
	static const uint64_t bad[] = { 0, 1, 1ULL << 53, 1ULL << 59 | 5, 0xfffffffffffffff };
	size_t i;

	for (i = 0; i < KHO_ARRAY_SIZE(bad); i++) {
		put_key(bad[i]);
		ck_assert_int_eq(walk(), -EBADMSG);
		ck_assert_uint_eq(nr_blocks, 0);
	}
	put_key(3);
	ck_assert_int_eq(walk(), 0);
	ck_assert_uint_eq(blocks[0].order, 51);
	ck_assert_uint_eq(blocks[0].phys, 1ULL << 63);
	put_key(0x1fffffffffffff);
	ck_assert_int_eq(walk(), 0);
	ck_assert_uint_eq(blocks[0].order, 0);
	ck_assert_uint_eq(blocks[0].phys, 0xfffffffffffff000);
}
END_TEST

START_TEST(too_many_blocks)
{
	uint64_t nr = 0;
	size_t i;

	/* order 0 from 0 on, one full bitmap used over and over */
	memset(pages, 0, sizeof(pages));
	pages[0][2] = PHYS + 4096;
	pages[1][0] = PHYS + 2 * 4096;
	pages[2][0] = PHYS + 3 * 4096;
	pages[3][0] = PHYS + 4 * 4096;
	for (i = 0; i < 512; i++)
		pages[4][i] = PHYS + 5 * 4096;
	memset(pages[5], 0xff, 4096);
	ck_assert_int_eq(walk_counting(&nr), -E2BIG);
	ck_assert_uint_eq(nr, 4u << 20);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("radix");
	TCase *encoding = tcase_create("encoding"), *hostile = tcase_create("hostile");

	tcase_add_checked_fixture(encoding, setup, NULL);
	tcase_add_checked_fixture(hostile, setup, NULL);
	tcase_add_test(encoding, key_of_a_page);
	tcase_add_test(encoding, key_of_a_large_block);
	tcase_add_test(encoding, every_order_comes_back);
	tcase_add_test(encoding, range_becomes_blocks);
	tcase_add_test(encoding, large_range_becomes_largest_blocks);
	tcase_add_test(encoding, bad_blocks);
	tcase_add_test(encoding, runs_out_of_pages);
	tcase_add_test(hostile, empty_tree);
	tcase_add_test(hostile, node_points_at_itself);
	tcase_add_test(hostile, nodes_without_end);
	tcase_add_test(hostile, bad_addresses);
	tcase_add_test(hostile, bad_keys);
	tcase_add_test(hostile, too_many_blocks);
	suite_add_tcase(s, encoding);
	suite_add_tcase(s, hostile);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
