// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory blocks on a fake tree: reading, offlining, taking all or nothing, giving
 * back as it was.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "system/memory.h"
#include "unit/fake_tree.h"
#include "unit/run.h"

#define MEM_DIR		"sys/devices/system/memory"
#define BLOCK		(128 * KHO_MIB)
#define NR_BLOCKS	24		/* 0-7 DMA32, a hole, 16-31 Normal */

/* The fake kernel. */
struct machine {
	uint64_t available;		/* bytes */
	bool refuses[64];		/* -EBUSY for these blocks */
	int refusal;			/* or this errno */
	bool lies;			/* says yes, does nothing */
	bool keeps_offline;		/* onlining fails */
};

static struct fake_tree tree;
static struct machine machine;
static struct kho_err err;

static void put_word(unsigned int block, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), MEM_DIR "/memory%u/%s", block, name);
	fake_put(&tree, path, text);
}

static void put_available(void)
{
	char text[160];

	snprintf(text, sizeof(text), "MemTotal:        4194304 kB\nMemFree:         1 kB\n"
		 "MemAvailable:   %llu kB\nBuffers:           1208 kB\n",
		 (unsigned long long)(machine.available / KHO_KIB));
	fake_put(&tree, "proc/meminfo", text);
}

static void put_block(unsigned int block, const char *state, const char *zones)
{
	put_word(block, "state", state);
	put_word(block, "valid_zones", zones);
	put_word(block, "removable", "1\n");
}

static bool is_offline(unsigned int block)
{
	struct kho_mem_map map;
	bool found = false;
	size_t i;

	ck_assert_int_eq(kho_memory_read(&tree.root, &map, &err), 0);
	for (i = 0; i < map.nr; i++)
		if (map.blocks[i].index == block)
			found = map.blocks[i].state == KHO_MEM_OFFLINE;
	kho_mem_map_done(&map);
	return found;
}

static size_t count_offline(void)
{
	unsigned int block;
	size_t nr = 0;

	for (block = 0; block < 32; block++)
		nr += is_offline(block);
	return nr;
}

static int memory_kernel(struct fake_tree *t, const char *path, const char *value)
{
	unsigned int block;

	(void)t;
	ck_assert_int_eq(sscanf(path, MEM_DIR "/memory%u/state", &block), 1);
	if (machine.lies)
		return 0;
	if (strcmp(value, "offline") == 0) {
		if (machine.refuses[block])
			return machine.refusal ? machine.refusal : -EBUSY;
		put_block(block, "offline\n", "Normal Movable\n");
		machine.available -= BLOCK;
	} else {
		if (machine.keeps_offline)
			return -EBUSY;
		put_block(block, "online\n", strcmp(value, "online_movable") == 0 ? "Movable\n" :
			  "Normal\n");
		machine.available += BLOCK;
	}
	put_available();
	return 0;
}

static void setup(void)
{
	unsigned int block;

	machine = (struct machine) { .available = 3 * KHO_GIB };
	fake_tree_init(&tree);
	tree.on_write = memory_kernel;
	fake_put(&tree, MEM_DIR "/block_size_bytes", "8000000\n");
	fake_put(&tree, MEM_DIR "/auto_online_blocks", "offline\n");
	fake_put(&tree, MEM_DIR "/soft_offline_page", "");
	put_block(0, "online\n", "none\n");
	for (block = 1; block < 8; block++)
		put_block(block, "online\n", "DMA32\n");
	for (block = 16; block < 32; block++)
		put_block(block, "online\n", "Normal\n");
	put_available();
	err = (struct kho_err) { 0 };
}

static void teardown(void)
{
	fake_tree_done(&tree);
}

/* ---- memory to come ---- */

START_TEST(policy_is_set_and_restored)
{
	char before[KHO_MEM_POLICY] = "";

	tree.on_write = NULL;
	fake_put(&tree, MEM_DIR "/auto_online_blocks", "online_movable\n");
	ck_assert_int_eq(kho_memory_set_policy(&tree.root, "offline", before, &err), 0);
	ck_assert_str_eq(before, "online_movable");
	ck_assert_int_eq(kho_memory_set_policy(&tree.root, before, NULL, &err), 0);
	ck_assert_str_eq(tree.log, MEM_DIR "/auto_online_blocks=offline\n"
			 MEM_DIR "/auto_online_blocks=online_movable\n");
	fake_remove(&tree, MEM_DIR "/auto_online_blocks");
	ck_assert_int_eq(kho_memory_set_policy(&tree.root, "offline", before, &err), -ENOENT);
	ck_assert_str_eq(before, "online_movable");
}
END_TEST

/* ---- reading ---- */

START_TEST(blocks_are_read)
{
	_cleanup_(kho_mem_map_done) struct kho_mem_map map = { 0 };

	put_block(5, "offline\n", "Normal Movable\n");
	put_block(6, "going-offline\n", "Movable\n");
	put_word(7, "removable", "0\n");
	fake_remove(&tree, MEM_DIR "/memory16/removable");
	ck_assert_int_eq(kho_memory_read(&tree.root, &map, &err), 0);
	ck_assert_uint_eq(map.block_size, BLOCK);
	ck_assert_uint_eq(map.nr, NR_BLOCKS);
	ck_assert_uint_eq(map.blocks[0].index, 0);
	ck_assert_int_eq(map.blocks[0].zone, KHO_ZONE_NONE);
	ck_assert_int_eq(map.blocks[1].zone, KHO_ZONE_DMA32);
	ck_assert_int_eq(map.blocks[5].state, KHO_MEM_OFFLINE);
	ck_assert_int_eq(map.blocks[5].zone, KHO_ZONE_NORMAL);
	ck_assert_int_eq(map.blocks[6].state, KHO_MEM_CHANGING);
	ck_assert_int_eq(map.blocks[6].zone, KHO_ZONE_MOVABLE);
	ck_assert(!map.blocks[7].removable);
	ck_assert_uint_eq(map.blocks[8].index, 16);
	ck_assert(map.blocks[8].removable);
	ck_assert_uint_eq(map.blocks[23].index, 31);
}
END_TEST

START_TEST(blocks_make_no_sense)
{
	struct kho_mem_map map = { .nr = 77 };

	put_word(3, "state", "sideways\n");
	ck_assert_int_eq(kho_memory_read(&tree.root, &map, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "memory3"));
	put_word(3, "state", "online\n");
	fake_put(&tree, MEM_DIR "/block_size_bytes", "8000001\n");
	ck_assert_int_eq(kho_memory_read(&tree.root, &map, &err), -EBADMSG);
	fake_put(&tree, MEM_DIR "/block_size_bytes", "0\n");
	ck_assert_int_eq(kho_memory_read(&tree.root, &map, &err), -EBADMSG);
	fake_put(&tree, MEM_DIR "/block_size_bytes", "8000000\n");
	put_block(0, "online\n", "Normal\n");
	fake_put(&tree, MEM_DIR "/memory137438953471/state", "online\n");
	ck_assert_int_eq(kho_memory_read(&tree.root, &map, &err), -EBADMSG);
	fake_remove(&tree, MEM_DIR "/block_size_bytes");
	ck_assert_int_eq(kho_memory_read(&tree.root, &map, &err), -EOPNOTSUPP);
	ck_assert_uint_eq(map.nr, 77);
}
END_TEST

START_TEST(available_is_read)
{
	static const char *const bad[] = {
		"", "MemAvailable: 5 kB\n", "\nMemAvailable: 5 MB\n", "\nMemAvailable:\n",
		"\nMemAvailable: kB\n", "\nMemAvailable: -5 kB\n", "\nMemAvailable: 5",
		"\nMemAvailable: 99999999999999999999 kB\n",
		"\nMemAvailable: 18446744073709551615 kB\n",
		"\nMemAvailable: 11111111111111111111111111111111111 kB\n",
	};
	uint64_t available = 0;
	size_t i;

	ck_assert_int_eq(kho_memory_available(&tree.root, &available, &err), 0);
	ck_assert_uint_eq(available, 3 * KHO_GIB);
	for (i = 0; i < KHO_ARRAY_SIZE(bad); i++) {
		fake_put(&tree, "proc/meminfo", bad[i]);
		ck_assert_int_eq(kho_memory_available(&tree.root, &available, &err), -EBADMSG);
	}
	ck_assert_uint_eq(available, 3 * KHO_GIB);
}
END_TEST

/* ---- one block ---- */

START_TEST(block_goes_off_and_on)
{
	ck_assert_int_eq(kho_memory_offline(&tree.root, 20, 1000, &err), 0);
	ck_assert_int_eq(kho_memory_offline(&tree.root, 20, 1000, &err), 0);
	ck_assert_int_eq(kho_memory_online(&tree.root, 20, KHO_ZONE_NORMAL, &err), 0);
	ck_assert_int_eq(kho_memory_online(&tree.root, 20, KHO_ZONE_NORMAL, &err), 0);
	ck_assert_int_eq(kho_memory_offline(&tree.root, 20, 1000, &err), 0);
	ck_assert_int_eq(kho_memory_online(&tree.root, 20, KHO_ZONE_MOVABLE, &err), 0);
	ck_assert_int_eq(kho_memory_offline(&tree.root, 20, 1000, &err), 0);
	ck_assert_int_eq(kho_memory_online(&tree.root, 20, KHO_ZONE_NONE, &err), 0);
	ck_assert_str_eq(tree.log, MEM_DIR "/memory20/state=offline\n"
			 MEM_DIR "/memory20/state=online_kernel\n"
			 MEM_DIR "/memory20/state=offline\n"
			 MEM_DIR "/memory20/state=online_movable\n"
			 MEM_DIR "/memory20/state=offline\n"
			 MEM_DIR "/memory20/state=online\n");
}
END_TEST

START_TEST(block_stays)
{
	machine.refuses[20] = true;
	ck_assert_int_eq(kho_memory_offline(&tree.root, 20, 1000, &err), -EBUSY);
	ck_assert_int_eq(kho_memory_offline(&tree.root, 99, 1000, &err), -ENOENT);
	machine.lies = true;
	ck_assert_int_eq(kho_memory_offline(&tree.root, 21, 1000, &err), -EIO);
	machine.lies = false;
	tree.ms_per_write = 2000;
	ck_assert_int_eq(kho_memory_offline(&tree.root, 21, 1000, &err), -ETIMEDOUT);
	tree.ms_per_write = 0;
	ck_assert_int_eq(kho_memory_offline(&tree.root, 21, 1000, &err), 0);
	machine.keeps_offline = true;
	ck_assert_int_eq(kho_memory_online(&tree.root, 21, KHO_ZONE_NONE, &err), -EBUSY);
	ck_assert_ptr_nonnull(strstr(err.msg, "release its region"));
}
END_TEST

START_TEST(absorbed_blocks_go_on)
{
	struct mk_range ranges[] = {
		{ 4 * BLOCK, 2 * BLOCK }, { 20 * BLOCK + 1, 2 * BLOCK }, { UINT64_MAX, UINT64_MAX },
	};
	struct kho_mem_ranges what = { ranges, KHO_ARRAY_SIZE(ranges), KHO_ZONE_MOVABLE };
	uint64_t size = 0;
	unsigned int block;

	for (block = 3; block < 7; block++)
		put_block(block, "offline\n", "Normal Movable\n");
	for (block = 19; block < 24; block++)
		put_block(block, "offline\n", "Normal Movable\n");
	ck_assert_int_eq(kho_memory_online_ranges(&tree.root, &what, &size, &err), 0);
	ck_assert_uint_eq(size, 3 * BLOCK);
	ck_assert_str_eq(tree.log, MEM_DIR "/memory4/state=online_movable\n"
			 MEM_DIR "/memory5/state=online_movable\n"
			 MEM_DIR "/memory21/state=online_movable\n");
	machine.keeps_offline = true;
	put_block(5, "offline\n", "Normal Movable\n");
	ck_assert_int_eq(kho_memory_online_ranges(&tree.root, &what, &size, &err), -EBUSY);
	ck_assert_uint_eq(size, 0);
}
END_TEST

/* ---- taking ---- */

static struct kho_mem_request request(unsigned int blocks, unsigned int first)
{
	return (struct kho_mem_request) {
		.spec = { .size = blocks * BLOCK, .first_size = first * BLOCK },
		.min_available = KHO_GIB,
		.timeout_ms = 60000,
	};
}

START_TEST(take_goes_around_refusals)
{
	struct kho_mem_request want = request(6, 3);
	struct kho_mem_taken taken;

	machine.refuses[26] = machine.refuses[21] = true;
	put_block(22, "online\n", "Movable\n");
	ck_assert_msg(kho_memory_take(&tree.root, &want, &taken, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(taken.nr_refused, 2);
	ck_assert_uint_eq(count_offline(), 6);
	/* around block 22, which is movable, and then from the top */
	ck_assert_uint_eq(taken.nr_ranges, 2);
	ck_assert_uint_eq(taken.ranges[0].start, 22 * BLOCK);
	ck_assert_uint_eq(taken.ranges[0].size, 4 * BLOCK);
	ck_assert_uint_eq(taken.ranges[1].start, 30 * BLOCK);
	ck_assert_uint_eq(taken.ranges[1].size, 2 * BLOCK);
}
END_TEST

START_TEST(take_uses_what_is_offline)
{
	struct kho_mem_request want = request(2, 2);
	struct kho_mem_taken taken;

	put_block(18, "offline\n", "Normal Movable\n");
	want.spec.use_offline = true;
	ck_assert_int_eq(kho_memory_take(&tree.root, &want, &taken, &err), 0);
	ck_assert_uint_eq(taken.nr_ranges, 1);
	ck_assert_uint_eq(taken.ranges[0].start, 18 * BLOCK);
	ck_assert_uint_eq(taken.ranges[0].size, 2 * BLOCK);
}
END_TEST

static void assert_take_fails(const struct kho_mem_request *want, int code, const char *text)
{
	struct kho_mem_taken taken = { .nr_ranges = 77 };

	ck_assert_int_eq(kho_memory_take(&tree.root, want, &taken, &err), code);
	ck_assert_int_eq(err.code, code);
	ck_assert_msg(strstr(err.msg, text) != NULL, "%s", err.msg);
	ck_assert_ptr_nonnull(strchr(err.msg, ';'));
	ck_assert_uint_eq(taken.nr_ranges, 77);
}

START_TEST(take_rolls_back)
{
	struct kho_mem_request want = request(6, 2);
	unsigned int block;

	for (block = 1; block < 28; block++)
		machine.refuses[block] = true;
	assert_take_fails(&want, -ENOSPC, "4 of 6");
	ck_assert_ptr_nonnull(strstr(err.msg, "Device or resource busy"));
	ck_assert_uint_eq(count_offline(), 0);

	/* refusals by other codes are refusals too */
	machine.refusal = -EINVAL;
	assert_take_fails(&want, -ENOSPC, "Invalid argument");
	ck_assert_uint_eq(count_offline(), 0);

	/* but these stop it at once */
	machine.refusal = -EPERM;
	tree.log[0] = '\0';
	assert_take_fails(&want, -EPERM, "root");
	ck_assert_uint_eq(count_offline(), 0);
	ck_assert_ptr_nonnull(strstr(tree.log, "memory27/state=offline"));
	ck_assert_ptr_null(strstr(tree.log, "memory26/state=offline"));
}
END_TEST

START_TEST(take_says_what_it_could_not_undo)
{
	struct kho_mem_request want = request(6, 2);
	unsigned int block;

	for (block = 1; block < 28; block++)
		machine.refuses[block] = true;
	machine.keeps_offline = true;
	assert_take_fails(&want, -ENOSPC, "4 blocks are still offline");
	ck_assert_uint_eq(count_offline(), 4);
}
END_TEST

START_TEST(take_keeps_the_floor)
{
	struct kho_mem_request want = request(17, 2);

	/* 17 blocks are 2176 MiB, 3072 - 2176 < 1024 */
	assert_take_fails(&want, -ENOMEM, "less than 1024 MiB");
	ck_assert_str_eq(tree.log, "");
	/* somebody else takes memory meanwhile */
	want = request(10, 2);
	machine.available = 10 * BLOCK + KHO_GIB;
	put_available();
	machine.available -= 3 * BLOCK;
	assert_take_fails(&want, -ENOMEM, "less than 1024 MiB");
	ck_assert_ptr_nonnull(strstr(tree.log, "=offline"));
	ck_assert_uint_eq(count_offline(), 0);
}
END_TEST

START_TEST(take_keeps_the_deadline)
{
	struct kho_mem_request want = request(6, 2);

	want.timeout_ms = 0;
	assert_take_fails(&want, -EINVAL, "no time");
	want.timeout_ms = 3500;
	tree.ms_per_write = 1000;
	assert_take_fails(&want, -ETIMEDOUT, "3 of 6");
	ck_assert_uint_eq(count_offline(), 0);
	/* each block takes too long by itself: all are refused, none is waited for */
	want.timeout_ms = 1000000;
	want.block_timeout_ms = 500;
	assert_take_fails(&want, -ENOSPC, "given up");
}
END_TEST

START_TEST(take_asks_for_too_much)
{
	struct kho_mem_request want = request(40, 2);

	assert_take_fails(&want, -ENOSPC, "only 23 memory blocks of 128 MiB");
	want = request(0, 0);
	assert_take_fails(&want, -EINVAL, "no memory was asked for");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("memory");
	TCase *tc = tcase_create("memory");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, blocks_are_read);
	tcase_add_test(tc, policy_is_set_and_restored);
	tcase_add_test(tc, blocks_make_no_sense);
	tcase_add_test(tc, available_is_read);
	tcase_add_test(tc, block_goes_off_and_on);
	tcase_add_test(tc, block_stays);
	tcase_add_test(tc, absorbed_blocks_go_on);
	tcase_add_test(tc, take_goes_around_refusals);
	tcase_add_test(tc, take_uses_what_is_offline);
	tcase_add_test(tc, take_rolls_back);
	tcase_add_test(tc, take_says_what_it_could_not_undo);
	tcase_add_test(tc, take_keeps_the_floor);
	tcase_add_test(tc, take_keeps_the_deadline);
	tcase_add_test(tc, take_asks_for_too_much);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
