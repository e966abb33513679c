// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which memory blocks are chosen, around refusals, holes and limits; what is given
 * back; how it's told as ranges. All pure.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "system/memplan.h"
#include "unit/run.h"

#define BLOCK	(128 * KHO_MIB)

static struct kho_err err;

START_TEST(plan_refuses_nonsense)
{
	struct kho_mem_block blocks[] = {
		{ .index = 1, .zone = KHO_ZONE_NORMAL, .removable = true },
	};
	struct kho_mem_map map = { .block_size = BLOCK, .nr = 1, .blocks = blocks };
	struct kho_memplan plan = { .want = 77 };

	ck_assert_int_eq(kho_memplan_init(&plan, &map, &(struct kho_memplan_spec) { 0 }, &err),
			 -EINVAL);
	ck_assert_int_eq(kho_memplan_init(&plan, &map, &(struct kho_memplan_spec) {
				.size = 1, .first_size = 2 }, &err), -EINVAL);
	ck_assert_int_eq(kho_memplan_init(&plan, &map, &(struct kho_memplan_spec) {
				.size = 1, .max_ranges = 33 }, &err), -EINVAL);
	ck_assert_int_eq(kho_memplan_init(&plan, &map, &(struct kho_memplan_spec) {
				.size = BLOCK + 1 }, &err), -ENOSPC);
	ck_assert_int_eq(kho_memplan_init(&plan, &map, &(struct kho_memplan_spec) {
				.size = UINT64_MAX, .first_size = UINT64_MAX }, &err), -ENOSPC);
	ck_assert_int_eq(kho_memplan_init(&plan, &map, &(struct kho_memplan_spec) {
				.size = BLOCK }, &err), 0);
	ck_assert_uint_eq(plan.want, 1);
	kho_memplan_done(&plan);
}
END_TEST

/* What can't be taken is never named. */
START_TEST(plan_skips_what_cannot_go)
{
	struct kho_mem_block blocks[] = {
		{ .index = 0, .zone = KHO_ZONE_NORMAL, .removable = true },
		{ .index = 1, .zone = KHO_ZONE_NONE, .removable = true },
		{ .index = 2, .zone = KHO_ZONE_DEVICE, .removable = true },
		{ .index = 3, .zone = KHO_ZONE_NORMAL, .removable = false },
		{ .index = 4, .zone = KHO_ZONE_NORMAL, .removable = true,
		  .state = KHO_MEM_OFFLINE },
		{ .index = 5, .zone = KHO_ZONE_NORMAL, .removable = true,
		  .state = KHO_MEM_CHANGING },
		{ .index = 6, .zone = KHO_ZONE_NORMAL, .removable = true },
	};
	struct kho_mem_map map = { .block_size = BLOCK, .nr = 7, .blocks = blocks };
	struct kho_memplan_spec spec = { .size = BLOCK };
	struct kho_memplan plan;
	size_t block = 77;

	ck_assert_int_eq(kho_memplan_init(&plan, &map, &spec, &err), 0);
	ck_assert_int_eq(kho_memplan_next(&plan, &block, &err), 1);
	ck_assert_uint_eq(block, 6);
	kho_memplan_refused(&plan, 6);
	ck_assert_int_eq(kho_memplan_next(&plan, &block, &err), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(err.msg, "1 refused"));
	/* marks of what isn't a candidate don't change */
	kho_memplan_taken(&plan, 0);
	kho_memplan_taken(&plan, 6);
	kho_memplan_taken(&plan, 7);
	ck_assert_uint_eq(plan.nr_taken, 0);
	kho_memplan_done(&plan);

	spec.use_offline = true;
	ck_assert_int_eq(kho_memplan_init(&plan, &map, &spec, &err), 0);
	ck_assert_int_eq(kho_memplan_next(&plan, &block, &err), 1);
	ck_assert_uint_eq(block, 4);
	kho_memplan_done(&plan);
}
END_TEST

/* Plays the plan against blocks that refuse; gives the ranges as text. */
static const char *play(const struct kho_mem_map *map, const struct kho_memplan_spec *spec,
			const char *refusing)
{
	static char text[1024];
	struct mk_range ranges[MK_MAX_RANGES];
	struct kho_memplan plan;
	size_t block, nr, i, used = 0;
	int r;

	text[0] = '\0';
	ck_assert_int_eq(kho_memplan_init(&plan, map, spec, &err), 0);
	while ((r = kho_memplan_next(&plan, &block, &err)) > 0)
		if (strchr(refusing, 'a' + (int)block))
			kho_memplan_refused(&plan, block);
		else
			kho_memplan_taken(&plan, block);
	while (r == 0 && kho_memplan_surplus(&plan, &block) > 0)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "-%zu ", block);
	if (r < 0) {
		kho_memplan_done(&plan);
		return "no";
	}
	ck_assert_int_eq(kho_memplan_ranges(&plan, ranges, &nr, &err), 0);
	for (i = 0; i < nr; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%llu+%llu",
					 i ? " " : "", ranges[i].start / BLOCK,
					 ranges[i].size / BLOCK);
	kho_memplan_done(&plan);
	return text;
}

START_TEST(plan_goes_around_refusals)
{
	struct kho_mem_block blocks[26];
	struct kho_mem_map map = { .block_size = BLOCK, .nr = 16, .blocks = blocks };
	struct kho_memplan_spec spec = { .size = 4 * BLOCK, .first_size = 2 * BLOCK };
	size_t i;

	for (i = 0; i < 26; i++)
		blocks[i] = (struct kho_mem_block) {
			.index = i + 100, .zone = KHO_ZONE_NORMAL, .removable = true,
		};
	/* letters are positions: 'p' is block 115, the highest */
	ck_assert_str_eq(play(&map, &spec, ""), "112+4");
	ck_assert_str_eq(play(&map, &spec, "p"), "111+4");
	/* 115 went already when 114 refused */
	ck_assert_str_eq(play(&map, &spec, "o"), "111+3 115+1");
	/* the window breaks, and what was taken for it is part of the result */
	ck_assert_str_eq(play(&map, &spec, "om"), "110+2 113+1 115+1");
	ck_assert_str_eq(play(&map, &spec, "omk"), "-11 108+2 113+1 115+1");
	/* first_size isn't to be had at all */
	ck_assert_str_eq(play(&map, &spec, "bdfhjlnp"), "no");
	ck_assert_ptr_nonnull(strstr(err.msg, "no 2 adjacent"));
	/* enough single blocks */
	spec.first_size = 0;
	ck_assert_str_eq(play(&map, &spec, "bdfhjlnp"), "108+1 110+1 112+1 114+1");
	spec.max_ranges = 3;
	ck_assert_str_eq(play(&map, &spec, "bdfhjlnp"), "no");
	ck_assert_ptr_nonnull(strstr(err.msg, "too many ranges"));
	ck_assert_str_eq(play(&map, &spec, "abcdefghijklmnop"), "no");
	/* holes in physical memory break runs */
	spec = (struct kho_memplan_spec) { .size = 2 * BLOCK, .first_size = 2 * BLOCK };
	for (i = 8; i < 26; i++)
		blocks[i].index = 200 + 2 * i;
	ck_assert_str_eq(play(&map, &spec, ""), "106+2");
}
END_TEST

START_TEST(plan_prefers_the_cheap)
{
	struct kho_mem_block blocks[16];
	struct kho_mem_map map = { .block_size = BLOCK, .nr = 16, .blocks = blocks };
	struct kho_memplan_spec spec = { .size = 3 * BLOCK, .first_size = 2 * BLOCK };
	size_t i;

	for (i = 0; i < 16; i++)
		blocks[i] = (struct kho_mem_block) {
			.index = i + 100, .zone = KHO_ZONE_NORMAL, .removable = true,
		};
	blocks[4].zone = KHO_ZONE_MOVABLE;
	blocks[5].zone = KHO_ZONE_MOVABLE;
	ck_assert_str_eq(play(&map, &spec, ""), "104+3");
	blocks[8].state = KHO_MEM_OFFLINE;
	blocks[9].state = KHO_MEM_OFFLINE;
	spec.use_offline = true;
	ck_assert_str_eq(play(&map, &spec, ""), "108+3");
}
END_TEST

/* Some of it below 4 GiB (block 32), but no more than need be. */
START_TEST(plan_takes_some_low_memory)
{
	struct kho_mem_block blocks[16];
	struct kho_mem_map map = { .block_size = BLOCK, .nr = 16, .blocks = blocks };
	struct kho_memplan_spec spec = { .size = 5 * BLOCK, .first_size = 2 * BLOCK };
	size_t i;

	/* a to h are 16 to 23, i to p are 32 to 39 */
	for (i = 0; i < 16; i++)
		blocks[i] = (struct kho_mem_block) {
			.index = i + (i < 8 ? 16 : 24), .zone = KHO_ZONE_NORMAL, .removable = true,
		};
	ck_assert_str_eq(play(&map, &spec, ""), "37+3 22+2");
	ck_assert_str_eq(play(&map, &spec, "h"), "37+3 21+2");
	/* windows break, and then there are none; what was taken for them is kept */
	ck_assert_str_eq(play(&map, &spec, "bdfh"), "38+2 18+1 20+1 22+1");
	ck_assert_str_eq(play(&map, &spec, "abcdefgh"), "35+5");
	/* what is cheap comes first, and then one low block */
	for (i = 8; i < 16; i++)
		blocks[i].zone = KHO_ZONE_MOVABLE;
	ck_assert_str_eq(play(&map, &spec, ""), "36+4 23+1");
	ck_assert_str_eq(play(&map, &spec, "h"), "36+4 22+1");
	ck_assert_str_eq(play(&map, &spec, "efgh"), "35+5");
	/* none is taken when a broken window has left enough */
	spec.first_size = 4 * BLOCK;
	ck_assert_str_eq(play(&map, &spec, "m"), "-13 -14 32+4 39+1");
	/* more than there is above */
	spec = (struct kho_memplan_spec) { .size = 11 * BLOCK };
	ck_assert_str_eq(play(&map, &spec, ""), "32+8 21+3");
}
END_TEST

/* A block that refuses takes its time to do so: not all of low memory is tried. */
START_TEST(plan_gives_up_on_low_memory)
{
	struct kho_mem_block blocks[30];
	struct kho_mem_map map = { .block_size = BLOCK, .nr = 30, .blocks = blocks };
	struct kho_memplan_spec spec = { .size = 4 * BLOCK, .first_size = 2 * BLOCK };
	struct kho_memplan plan;
	size_t block, i;
	int r;

	for (i = 0; i < 30; i++)
		blocks[i] = (struct kho_mem_block) {
			.index = i < 20 ? i + 1 : i + 40, .zone = KHO_ZONE_NORMAL, .removable = true,
		};
	ck_assert_int_eq(kho_memplan_init(&plan, &map, &spec, &err), 0);
	while ((r = kho_memplan_next(&plan, &block, &err)) > 0)
		if (block < 20)
			kho_memplan_refused(&plan, block);
		else
			kho_memplan_taken(&plan, block);
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(plan.nr_refused, 4);
	ck_assert_uint_eq(plan.nr_taken, 4);
	kho_memplan_done(&plan);
}
END_TEST

START_TEST(plan_gives_back_what_is_too_much)
{
	struct kho_mem_block blocks[16];
	struct kho_mem_map map = { .block_size = BLOCK, .nr = 16, .blocks = blocks };
	struct kho_memplan_spec spec = { .size = 4 * BLOCK, .first_size = 4 * BLOCK };
	size_t i;

	for (i = 0; i < 16; i++)
		blocks[i] = (struct kho_mem_block) {
			.index = i + 100, .zone = KHO_ZONE_NORMAL, .removable = true,
		};
	/* 115, 114, 113 went for a window that 112 broke: given back, lowest first */
	ck_assert_str_eq(play(&map, &spec, "m"), "-13 -14 -15 108+4");
	/* runs of equal length, and the first must stay whole */
	spec = (struct kho_memplan_spec) { .size = 2 * BLOCK, .first_size = 2 * BLOCK };
	ck_assert_str_eq(play(&map, &spec, "o"), "-15 112+2");
}
END_TEST

START_TEST(surplus_never_breaks_the_first_range)
{
	struct kho_mem_block blocks[8];
	struct kho_mem_map map = { .block_size = BLOCK, .nr = 8, .blocks = blocks };
	struct kho_memplan_spec spec = { .size = 3 * BLOCK, .first_size = 2 * BLOCK };
	struct kho_memplan plan;
	size_t i, block, nr;
	struct mk_range ranges[MK_MAX_RANGES];

	for (i = 0; i < 8; i++)
		blocks[i] = (struct kho_mem_block) {
			.index = i + 100, .zone = KHO_ZONE_NORMAL, .removable = true,
		};
	ck_assert_int_eq(kho_memplan_init(&plan, &map, &spec, &err), 0);
	kho_memplan_taken(&plan, 0);
	kho_memplan_taken(&plan, 1);
	kho_memplan_taken(&plan, 4);
	kho_memplan_taken(&plan, 5);
	ck_assert_int_eq(kho_memplan_surplus(&plan, &block), 1);
	ck_assert_uint_eq(block, 4);
	ck_assert_int_eq(kho_memplan_surplus(&plan, &block), 0);
	ck_assert_int_eq(kho_memplan_ranges(&plan, ranges, &nr, &err), 0);
	ck_assert_uint_eq(nr, 2);
	ck_assert_uint_eq(ranges[0].start, 100 * BLOCK);
	ck_assert_uint_eq(ranges[0].size, 2 * BLOCK);
	ck_assert_uint_eq(ranges[1].start, 105 * BLOCK);
	ck_assert(kho_memplan_tried(&plan, 5) && !kho_memplan_tried(&plan, 4));
	kho_memplan_done(&plan);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("memplan");
	TCase *tc = tcase_create("memplan");

	tcase_add_test(tc, plan_refuses_nonsense);
	tcase_add_test(tc, plan_skips_what_cannot_go);
	tcase_add_test(tc, plan_goes_around_refusals);
	tcase_add_test(tc, plan_prefers_the_cheap);
	tcase_add_test(tc, plan_takes_some_low_memory);
	tcase_add_test(tc, plan_gives_up_on_low_memory);
	tcase_add_test(tc, plan_gives_back_what_is_too_much);
	tcase_add_test(tc, surplus_never_breaks_the_first_range);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
