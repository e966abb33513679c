// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log of a dead kernel, read out of a made-up kernel's memory: intact, in
 * every stage of wrapping; early; damaged. Its text is test_dmesg_text.c's.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "unit/fake_kernel.h"
#include "unit/run.h"

#define MAX_RECORDS	2048

static struct fake_kernel kernel;
static struct kho_err err;

/* what the sink got */
static struct {
	struct kho_dmesg_record meta;
	char text[256];
} got[MAX_RECORDS];
static size_t nr_got;
static int sink_result;

static const struct fake_kernel_options plain = {
	.page_shift = 21, .count_bits = 10, .size_bits = 16,
};

static int take(void *ctx, const struct kho_dmesg_record *record)
{
	size_t size = record->text_len;

	(void)ctx;
	ck_assert_uint_lt(nr_got, MAX_RECORDS);
	if (size >= sizeof(got[0].text))
		size = sizeof(got[0].text) - 1;
	got[nr_got].meta = *record;
	memcpy(got[nr_got].text, record->text, size);
	got[nr_got].text[size] = '\0';
	nr_got++;
	return sink_result;
}

static struct kho_dmesg_result result;

static int read_log(void)
{
	struct kho_dmesg_sink sink = { .record = take };

	nr_got = 0;
	err = (struct kho_err) { 0 };
	memset(&result, 0xcc, sizeof(result));
	return kho_dmesg_read(&kernel.source, &sink, &result, &err);
}

static void setup(void)
{
	fake_kernel_init(&kernel, &plain);
	sink_result = 0;
}

static void teardown(void)
{
	fake_kernel_done(&kernel);
}

/* ---- intact logs ---- */

static const struct fake_kernel_options shapes[] = {
	{ false, 12, 5, 10, false }, { false, 21, 5, 10, true }, { false, 30, 4, 12, false },
	{ true, 12, 6, 9, true }, { true, 21, 3, 10, false }, { true, 30, 5, 10, false },
};

static size_t make_text(char *text, size_t size, unsigned int nr)
{
	int used = snprintf(text, size, "record %u ", nr);

	memset(text + used, 'a' + (int)nr % 26, nr % 61);
	text[used + (int)(nr % 61)] = '\0';
	return (size_t)used + nr % 61;
}

/* All that are left, the newest last, whatever has wrapped how often. */
START_TEST(ring_in_every_state)
{
	unsigned int nr, i;
	char text[128];

	fake_kernel_done(&kernel);
	fake_kernel_init(&kernel, &shapes[_i]);
	fake_kernel_write_info(&kernel);
	for (nr = 0; nr < 200; nr++) {
		make_text(text, sizeof(text), nr);
		fake_kernel_log(&kernel, nr * 1000000, text);
		ck_assert_msg(read_log() == 0, "%s", err.msg);
		ck_assert_uint_eq(result.records, nr_got);
		ck_assert_uint_eq(result.lost, 0);
		ck_assert(!result.early);
		ck_assert_uint_ge(nr_got, nr < 5 ? nr + 1 : 4);
		for (i = 0; i < nr_got; i++) {
			ck_assert_uint_eq(got[i].meta.seq, nr + 1 - nr_got + i);
			make_text(text, sizeof(text), (unsigned int)got[i].meta.seq);
			ck_assert_str_eq(got[i].text, text);
			ck_assert_uint_eq(got[i].meta.ts_nsec, got[i].meta.seq * 1000000);
		}
	}
}
END_TEST

START_TEST(record_has_everything)
{
	fake_kernel_write_info(&kernel);
	fake_kernel_log(&kernel, 1234567890, "hello");
	ck_assert_int_eq(read_log(), 0);
	ck_assert_str_eq(result.release, "7.3.4-fake");
	ck_assert_uint_eq(nr_got, 1);
	ck_assert(got[0].meta.has_meta);
	ck_assert_uint_eq(got[0].meta.seq, 0);
	ck_assert_uint_eq(got[0].meta.ts_nsec, 1234567890);
	ck_assert_uint_eq(got[0].meta.facility, 3);
	ck_assert_uint_eq(got[0].meta.level, 6);
	ck_assert_uint_eq(got[0].meta.caller_id, 77);
	ck_assert_uint_eq(got[0].meta.text_len, 5);
	ck_assert_str_eq(got[0].text, "hello");
}
END_TEST

START_TEST(found_by_address)
{
	size_t size;

	size = fake_kernel_write_info(&kernel);
	fake_kernel_log(&kernel, 0, "hello");
	kernel.source.nr_ranges = 0;
	ck_assert_int_eq(read_log(), -ENOENT);
	kernel.source.vmcoreinfo.start = FAKE_KERNEL_PHYS + FAKE_KERNEL_INFO;
	ck_assert_int_eq(read_log(), 0);
	kernel.source.vmcoreinfo.start = FAKE_KERNEL_PHYS + FAKE_KERNEL_NOTE;
	ck_assert_int_eq(read_log(), 0);
	kernel.source.vmcoreinfo.size = 24 + size;
	ck_assert_int_eq(read_log(), 0);
	kernel.source.vmcoreinfo.size = 24 + size / 2;
	ck_assert_int_eq(read_log(), -ENOENT);
	/* a wrong address doesn't prevent the search */
	kernel.source.vmcoreinfo.start = 0x1000;
	kernel.source.nr_ranges = 1;
	ck_assert_int_eq(read_log(), 0);
	ck_assert_str_eq(got[0].text, "hello");
}
END_TEST

START_TEST(search_goes_on_after_a_bad_one)
{
	static const char bad[] = "OSRELEASE=6.12\nSYMBOL(prb)=0\n";

	fake_kernel_write_info(&kernel);
	fake_kernel_log(&kernel, 0, "hello");
	memcpy(kernel.mem + 0x600000, bad, sizeof(bad));
	/* complete, but it leads to no ring */
	memcpy(kernel.mem + 0x601000, kernel.mem + FAKE_KERNEL_INFO, KHO_PAGE_SIZE);
	memcpy(strstr((char *)kernel.mem + 0x601000, "SYMBOL(prb)=f") + 12, "00", 2);
	ck_assert_int_eq(read_log(), 0);
	ck_assert_str_eq(got[0].text, "hello");
}
END_TEST

START_TEST(states_of_records)
{
	fake_kernel_write_info(&kernel);
	fake_kernel_log(&kernel, 0, "committed");
	*fake_kernel_desc(&kernel, kernel.head_id) = kernel.head_id | 1ULL << 62;
	fake_kernel_log(&kernel, 1, "being written");
	*fake_kernel_desc(&kernel, kernel.head_id) = kernel.head_id;
	fake_kernel_log(&kernel, 2, "of another id");
	*fake_kernel_desc(&kernel, kernel.head_id) = (kernel.head_id - 1024) | 2ULL << 62;
	fake_kernel_log(&kernel, 3, "given up");
	*fake_kernel_desc(&kernel, kernel.head_id) = kernel.head_id | 3ULL << 62;
	fake_kernel_log(&kernel, 4, "");
	fake_kernel_log(&kernel, 5, "there was no room for it");
	fake_kernel_desc(&kernel, kernel.head_id)[1] = 1;
	fake_kernel_desc(&kernel, kernel.head_id)[2] = 1;
	ck_assert_int_eq(read_log(), 0);
	ck_assert_uint_eq(nr_got, 2);
	ck_assert_str_eq(got[0].text, "committed");
	ck_assert_uint_eq(got[1].meta.seq, 4);
	ck_assert_uint_eq(got[1].meta.text_len, 0);
	ck_assert_uint_eq(result.lost, 3);
}
END_TEST

START_TEST(sink_can_stop)
{
	fake_kernel_write_info(&kernel);
	fake_kernel_log(&kernel, 0, "one");
	fake_kernel_log(&kernel, 0, "two");
	sink_result = 4711;
	ck_assert_int_eq(read_log(), 4711);
	ck_assert_uint_eq(nr_got, 1);
	sink_result = -ENOSPC;
	ck_assert_int_eq(read_log(), -ENOSPC);
	ck_assert_uint_eq(nr_got, 1);
	ck_assert_int_eq(err.code, -ENOSPC);
}
END_TEST

/* ---- damage ---- */

START_TEST(no_log_at_all)
{
	ck_assert_int_eq(read_log(), -ENOENT);
	ck_assert_int_eq(err.code, -ENOENT);
	ck_assert_uint_eq(nr_got, 0);
	fake_kernel_write_info(&kernel);
	ck_assert_int_eq(read_log(), -ENOENT);
	kernel.range.start = 0;
	ck_assert_int_eq(read_log(), -ENOENT);
}
END_TEST

START_TEST(ring_that_can_not_be)
{
	static const struct {
		unsigned int word;
		uint64_t value;
	} bad[] = {
		{ 0, 0 }, { 0, 21 }, { 0, UINT32_MAX }, { 1, 0 }, { 1, 0xffff888000000000 },
		{ 1, 0x40100000 }, { 2, 0 }, { 2, UINT64_MAX }, { 6, 0 }, { 6, 3 }, { 6, 27 },
		{ 6, UINT32_MAX }, { 7, 8 }, { 7, 0xffff888040000000 - 8 },
	};
	uint64_t *ring = fake_kernel_word(&kernel, FAKE_KERNEL_RING), before;
	size_t i;

	fake_kernel_write_info(&kernel);
	fake_kernel_log(&kernel, 0, "hello");
	for (i = 0; i < KHO_ARRAY_SIZE(bad); i++) {
		before = ring[bad[i].word];
		ring[bad[i].word] = bad[i].value;
		kernel.reads = 0;
		ck_assert_int_eq(read_log(), -ENOENT);
		ck_assert_uint_lt(kernel.reads, 30000);
		ring[bad[i].word] = before;
	}
	*fake_kernel_word(&kernel, FAKE_KERNEL_PRB) = 0xffff887fffffffff;
	ck_assert_int_eq(read_log(), -ENOENT);
}
END_TEST

/* A head that never comes: the descriptors are gone through once. */
START_TEST(head_is_nowhere)
{
	fake_kernel_write_info(&kernel);
	fake_kernel_log(&kernel, 0, "hello");
	fake_kernel_word(&kernel, FAKE_KERNEL_RING)[3] = 5;
	ck_assert_int_eq(read_log(), 0);
	ck_assert_uint_eq(nr_got, 1);
	ck_assert_uint_eq(result.lost, 1022);
}
END_TEST

START_TEST(blocks_that_can_not_be)
{
	static const uint64_t bad[][2] = {
		{ 0, 0 }, { 0, 7 }, { 4, 20 }, { 0, 1 << 17 }, { 16, 8 }, { 1, 3 }, { 3, 1 },
		{ UINT64_MAX - 15, UINT64_MAX }, { 0x7fff8, 0x80004 }, { 65536 - 8, 65536 + 4 },
		{ 8, 32 },
	};
	uint64_t *desc;
	size_t i;

	fake_kernel_write_info(&kernel);
	fake_kernel_log(&kernel, 0, "first");
	fake_kernel_log(&kernel, 0, "second");
	desc = fake_kernel_desc(&kernel, kernel.head_id);
	for (i = 0; i < KHO_ARRAY_SIZE(bad); i++) {
		desc[1] = bad[i][0];
		desc[2] = bad[i][1];
		ck_assert_int_eq(read_log(), 0);
		ck_assert_uint_eq(nr_got, 1);
		ck_assert_uint_eq(result.lost, 1);
	}
}
END_TEST

/* A length that doesn't fit the block is cut to it. */
START_TEST(text_longer_than_its_block)
{
	uint16_t size = 65535;

	fake_kernel_write_info(&kernel);
	fake_kernel_log(&kernel, 0, "first");
	/* the info of index 0 is at the start of the last of 32 scattered pages */
	memcpy(kernel.mem + 0x300000 + 31 * 4096 + 16, &size, 2);
	ck_assert_int_eq(read_log(), 0);
	ck_assert_uint_eq(got[0].meta.text_len, 8);
	ck_assert_mem_eq(got[0].text, "first\0\0\0", 8);
}
END_TEST

START_TEST(page_tables_in_a_circle)
{
	uint64_t *top = fake_kernel_word(&kernel, FAKE_KERNEL_TOP);
	size_t i;

	fake_kernel_write_info(&kernel);
	fake_kernel_log(&kernel, 0, "hello");
	for (i = 0; i < 512; i++)
		top[i] = (FAKE_KERNEL_PHYS + FAKE_KERNEL_TOP) | 1;
	kernel.reads = 0;
	ck_assert_int_eq(read_log(), -ENOENT);
	ck_assert_uint_lt(kernel.reads, 30000);
	for (i = 0; i < 512; i++)
		top[i] = 0x000ffffffffff001;
	ck_assert_int_eq(read_log(), -ENOENT);
}
END_TEST

/* Anything may be wrong: no crash, no reading without end. */
START_TEST(random_damage)
{
	static const uint64_t places[][2] = {
		{ FAKE_KERNEL_PRB, 8 }, { FAKE_KERNEL_RING, 80 }, { FAKE_KERNEL_TOP, 4096 },
		{ FAKE_KERNEL_INFO, 1500 }, { FAKE_KERNEL_DESCS, 400 }, { FAKE_KERNEL_TEXTS, 400 },
		{ 0x300000 + 31 * 4096, 400 }, { 0x400000, 4 * 4096 },
	};
	uint64_t random = 1, place, offset;
	uint8_t before, *byte;
	unsigned int i;

	fake_kernel_write_info(&kernel);
	for (i = 0; i < 10; i++)
		fake_kernel_log(&kernel, i, "some text");
	kernel.source.vmcoreinfo.start = FAKE_KERNEL_PHYS + FAKE_KERNEL_INFO;
	kernel.source.nr_ranges = 0;
	for (i = 0; i < 20000; i++) {
		random = random * 6364136223846793005 + 1442695040888963407;
		place = (random >> 33) % KHO_ARRAY_SIZE(places);
		offset = (random >> 40) % places[place][1];
		byte = kernel.mem + places[place][0] + offset;
		before = *byte;
		*byte ^= (uint8_t)(random >> 20 | 1);
		kernel.reads = 0;
		ck_assert_int_ge(read_log(), -ENOENT);
		ck_assert_uint_lt(kernel.reads, 1 << 24);
		*byte = before;
	}
	ck_assert_int_eq(read_log(), 0);
	ck_assert_uint_eq(nr_got, 10);
}
END_TEST

/* ---- the early log ---- */

START_TEST(early_log)
{
	fake_kernel_log(&kernel, 0, "Linux version 6.12.107+deb13-cloud-amd64 (x@y) #1 SMP");
	fake_kernel_log(&kernel, 0, "Command line: pci=off");
	fake_kernel_log(&kernel, 0, "exactly8");
	fake_kernel_log(&kernel, 0, "last words");
	ck_assert_int_eq(read_log(), 0);
	ck_assert(result.early);
	ck_assert_str_eq(result.release, "6.12.107+deb13-cloud-amd64");
	ck_assert_uint_eq(nr_got, 4);
	ck_assert_uint_eq(result.records, 4);
	ck_assert(!got[0].meta.has_meta);
	ck_assert_str_eq(got[1].text, "Command line: pci=off");
	ck_assert_str_eq(got[2].text, "exactly8");
	ck_assert_str_eq(got[3].text, "last words");
}
END_TEST

START_TEST(early_log_ends_at_garbage)
{
	fake_kernel_log(&kernel, 0, "Linux version 6.12 x");
	fake_kernel_log(&kernel, 0, "good");
	fake_kernel_log(&kernel, 0, "not\002good");
	fake_kernel_log(&kernel, 0, "never seen");
	ck_assert_int_eq(read_log(), 0);
	ck_assert_uint_eq(nr_got, 2);
	ck_assert_str_eq(got[1].text, "good");
}
END_TEST

/* What printk leaves behind a text: seen in the memory of 6.12 and 7.3. */
START_TEST(early_log_without_leftovers)
{
	static const struct {
		const char *memory;
		const char *text;
	} texts[] = {
		{ "Linux version 7.3 x x\n", "Linux version 7.3 x" },
		{ "Command line: panic=0 0 \n", "Command line: panic=0 " },
		{ "RAM map:p:\n", "RAM map:" },
		{ "RAM map:p:", "RAM map:" },
		{ "continued\001c\n", "continued" },
		{ "two\nlineses\n", "two\nlines" },
		{ "no level\n", "no level" },
		{ "abab", "ab" },
		{ "bab", "bab" },
		{ "\n", "" },
	};
	size_t i;

	for (i = 0; i < KHO_ARRAY_SIZE(texts); i++)
		fake_kernel_log(&kernel, 0, texts[i].memory);
	ck_assert_int_eq(read_log(), 0);
	ck_assert_uint_eq(nr_got, KHO_ARRAY_SIZE(texts));
	for (i = 0; i < KHO_ARRAY_SIZE(texts); i++)
		ck_assert_str_eq(got[i].text, texts[i].text);
}
END_TEST

/* The first id of 2^12 descriptors: of 62 bits, or of 32 in older kernels. */
static uint64_t first_id = (1ULL << 62) - 4096;

/* Written at @offset, as it would lie in a static log buffer. */
static void put_early(uint64_t offset)
{
	uint64_t id = first_id;

	memcpy(kernel.mem + offset, &id, 8);
	memcpy(kernel.mem + offset + 8, "Linux version 6.1 x", 19);
	id++;
	if (offset + 32 + 16 > FAKE_KERNEL_SIZE)
		return;
	memcpy(kernel.mem + offset + 32, &id, 8);
	memcpy(kernel.mem + offset + 40, "second", 6);
}

START_TEST(early_log_anywhere)
{
	static const uint64_t offsets[] = {
		0, 8, 65536 - 8, 65536 - 24, 65536 - 40, 0x600000, FAKE_KERNEL_SIZE - 48,
	};
	size_t i;

	for (i = 0; i < KHO_ARRAY_SIZE(offsets); i++) {
		memset(kernel.mem, 0, FAKE_KERNEL_SIZE);
		put_early(offsets[i]);
		ck_assert_msg(read_log() == 0, "at %llx", (unsigned long long)offsets[i]);
		ck_assert_uint_eq(nr_got, 2);
		ck_assert_str_eq(result.release, "6.1");
		ck_assert_str_eq(got[0].text, "Linux version 6.1 x");
		ck_assert_str_eq(got[1].text, "second");
	}
	memset(kernel.mem, 0, FAKE_KERNEL_SIZE);
	put_early(FAKE_KERNEL_SIZE - 32);
	ck_assert_int_eq(read_log(), 0);
	ck_assert_uint_eq(nr_got, 1);
}
END_TEST

START_TEST(early_log_with_narrow_ids)
{
	first_id = (1ULL << 32) - 4096;
	put_early(0x12340);
	ck_assert_int_eq(read_log(), 0);
	ck_assert_uint_eq(nr_got, 2);
	ck_assert_str_eq(got[1].text, "second");
}
END_TEST

START_TEST(banner_that_is_no_record)
{
	uint64_t id = 1ULL << 62;

	memcpy(kernel.mem + 0x5000, "Linux version 6.1 x", 19);
	memcpy(kernel.mem + 0x6000, &id, 8);
	memcpy(kernel.mem + 0x6008, "Linux version 6.1 x", 19);
	id -= 4096;
	memcpy(kernel.mem + 0x7004, &id, 8);
	memcpy(kernel.mem + 0x700c, "Linux version 6.1 x", 19);
	ck_assert_int_eq(read_log(), -ENOENT);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("dmesg");
	TCase *ring = tcase_create("ring"), *damage = tcase_create("damage");
	TCase *early = tcase_create("early");

	tcase_add_checked_fixture(ring, setup, teardown);
	tcase_add_checked_fixture(damage, setup, teardown);
	tcase_add_checked_fixture(early, setup, teardown);
	tcase_set_timeout(damage, 120);
	tcase_add_loop_test(ring, ring_in_every_state, 0, KHO_ARRAY_SIZE(shapes));
	tcase_add_test(ring, record_has_everything);
	tcase_add_test(ring, found_by_address);
	tcase_add_test(ring, search_goes_on_after_a_bad_one);
	tcase_add_test(ring, states_of_records);
	tcase_add_test(ring, sink_can_stop);
	tcase_add_test(damage, no_log_at_all);
	tcase_add_test(damage, ring_that_can_not_be);
	tcase_add_test(damage, head_is_nowhere);
	tcase_add_test(damage, blocks_that_can_not_be);
	tcase_add_test(damage, text_longer_than_its_block);
	tcase_add_test(damage, page_tables_in_a_circle);
	tcase_add_test(damage, random_damage);
	tcase_add_test(early, early_log);
	tcase_add_test(early, early_log_ends_at_garbage);
	tcase_add_test(early, early_log_anywhere);
	tcase_add_test(early, early_log_without_leftovers);
	tcase_add_test(early, early_log_with_narrow_ids);
	tcase_add_test(early, banner_that_is_no_record);
	suite_add_tcase(s, ring);
	suite_add_tcase(s, damage);
	suite_add_tcase(s, early);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
