// SPDX-License-Identifier: GPL-2.0-only
/* The story of an upgrade in shared memory: its bytes, who comes last, damage of any kind. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "unit/golden.h"
#include "unit/run.h"
#include "upgrade/owner.h"
#include "upgrade/story.h"

#define SIZE	0xd000u			/* of the arena "owners" */

static _Alignas(8) uint8_t arena[SIZE];
static struct kho_story story, seen;
static struct kho_err err;

static void setup(void)
{
	memset(arena, 0, sizeof(arena));
	memset(&seen, 0xee, sizeof(seen));
	err = (struct kho_err){};
	story = (struct kho_story){
		.ms = 1764120002000,
		.step = "freeze",
		.journal = {
			.seq = 3,
			.id = "0b6e0a3e-0000-4000-8000-00000000000a",
			.boot = "5a3f0000-0000-4000-8000-00000000000b",
			.by = "uid 0, khoctl (pid 12)",
			.image = "/var/lib/kho-agent/images/new",
			.source = "6.12.117+deb13-cloud-amd64",
			.target = "7.3.4+deb13-cloud-amd64",
			.soak_sec = 30,
			.upgrade = { .workloads = true, .state = KHO_UPGRADE_MOVE },
		},
	};
	kho_journal_add(&story.journal, KHO_UPGRADE_CHECK, 1764120000123);
	kho_journal_add(&story.journal, KHO_UPGRADE_SPAWN, 1764120001456);
	kho_journal_add(&story.journal, KHO_UPGRADE_MOVE, 1764120001789);
}

static void write_as(bool is_new, const char *step)
{
	snprintf(story.step, sizeof(story.step), "%s", step);
	ck_assert_int_eq(kho_story_write(arena, SIZE, is_new, &story, &err), 0);
}

static void expect(uint64_t seq, const char *step)
{
	ck_assert_int_eq(kho_story_read(arena, SIZE, &seen, &err), 0);
	ck_assert_uint_eq(seen.seq, seq);
	ck_assert_str_eq(seen.step, step);
}

static void expect_error(int code)
{
	memset(&seen, 0xee, sizeof(seen));
	ck_assert_int_eq(kho_story_read(arena, SIZE, &seen, &err), code);
	ck_assert_int_eq(err.code, code);
	for (size_t i = 0; i < sizeof(seen); i++)
		ck_assert_int_eq(((uint8_t *)&seen)[i], 0xee);
}

/* What both kernels' agents read, whatever their versions. */
START_TEST(layout)
{
	write_as(false, "freeze");
	golden_compare("story.bin", arena + KHO_STORY_OFFSET, 512);
	ck_assert_uint_eq(KHO_STORY_END, 0xb000);
}
END_TEST

START_TEST(there_and_back)
{
	write_as(true, "undo-dump");
	ck_assert_int_eq(kho_story_read(arena, SIZE, &seen, &err), 0);
	story.seq = 1;
	ck_assert_mem_eq(&seen, &story, sizeof(seen));
	write_as(true, "");
	expect(2, "");
}
END_TEST

/* Nothing of the record of ownership is touched, and nothing behind the slots. */
START_TEST(in_its_place)
{
	memset(arena, 0, SIZE);
	kho_owner_format(arena, 7);
	memset(arena + KHO_STORY_END, 0xaa, SIZE - KHO_STORY_END);
	for (int i = 0; i < 6; i++)
		write_as(i & 1, "dump");
	for (size_t i = KHO_STORY_END; i < SIZE; i++)
		ck_assert_int_eq(arena[i], 0xaa);
	for (size_t i = sizeof(struct kho_owner_record); i < KHO_STORY_OFFSET; i++)
		ck_assert_int_eq(arena[i], 0);
	ck_assert_int_eq(kho_owner_read(arena, SIZE, &(struct kho_owner){}, &err), 0);
}
END_TEST

/* The latest counts, whoever wrote it. */
START_TEST(turns)
{
	write_as(false, "freeze");
	write_as(false, "dump");
	expect(2, "dump");
	write_as(true, "arm");
	expect(3, "arm");
	write_as(true, "freeze");
	write_as(true, "dump");
	expect(5, "dump");
	write_as(false, "settle");
	expect(6, "settle");
}
END_TEST

/* A writer that's killed at any byte leaves what it wrote before, or the other side has. */
START_TEST(killed_while_writing)
{
	uint8_t *slot = arena + KHO_STORY_OFFSET;
	static uint8_t whole[KHO_STORY_SLOT];

	write_as(false, "freeze");
	write_as(false, "dump");
	memcpy(whole, slot + KHO_STORY_SLOT, sizeof(whole));
	for (size_t at = 0; at < 400; at++) {
		memcpy(slot + KHO_STORY_SLOT, whole, sizeof(whole));
		slot[KHO_STORY_SLOT + at] ^= 0x10;
		expect(1, "freeze");
	}
	/* and the next one goes there, and counts */
	write_as(false, "release");
	expect(2, "release");
	memset(slot + KHO_STORY_SLOT, 0, KHO_STORY_SLOT);
	expect(1, "freeze");
}
END_TEST

static void seal(uint8_t *slot, const char *text)
{
	struct kho_story_head head = { .magic = KHO_STORY_MAGIC, .version = KHO_STORY_VERSION,
				       .seq = 9, .size = (uint32_t)strlen(text) };

	memcpy(slot + sizeof(head), text, head.size);
	head.crc = kho_crc32c_add(kho_crc32c(&head, sizeof(head)), text, head.size);
	memcpy(slot, &head, sizeof(head));
}

/* Whole, and yet no story. */
START_TEST(nonsense)
{
	static const char *const texts[] = {
		"", "kho-story 1", "kho-story 1\n", "kho-story 2\nwritten 1\n",
		"kho-story 1\nwritten 1\n", "kho-story 1\nwritten x\nkho-upgrade 1\n",
		"kho-story 1\nstep a b\nkho-upgrade 1\n", "kho-story 1\nkho-upgrade 1\nseq 1\n",
		"kho-story 1\nstep abcdefghijklmnopqrstuvwxyz-abcdefghij\nkho-upgrade 1\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		seal(arena + KHO_STORY_OFFSET, texts[i]);
		expect_error(-EBADMSG);
	}
}
END_TEST

/* A later agent of the same version says more. */
START_TEST(more_lines)
{
	char text[2048], *journal;

	ck_assert_int_eq(kho_journal_format(&story.journal, &journal, &err), 0);
	snprintf(text, sizeof(text), "kho-story 1\nmood fine\nalone\nstep hold\n%s", journal);
	free(journal);
	seal(arena + KHO_STORY_OFFSET, text);
	expect(9, "hold");
	ck_assert_str_eq(seen.journal.image, story.journal.image);
}
END_TEST

START_TEST(none_later_or_small)
{
	struct kho_story_head *head = (void *)(arena + KHO_STORY_OFFSET);

	expect_error(-ENOENT);
	head->magic = KHO_STORY_MAGIC;
	expect_error(-EBADMSG);
	head->version = KHO_STORY_VERSION + 1;
	expect_error(-EPROTONOSUPPORT);
	head->version = KHO_STORY_VERSION;
	head->size = UINT32_MAX;
	expect_error(-EBADMSG);
	head->size = 0;
	head->seq = UINT64_MAX;
	head->crc = kho_crc32c(head, sizeof(*head));
	expect_error(-EBADMSG);
	write_as(false, "freeze");
	expect(1, "freeze");
	memset(head, 0, 2 * KHO_STORY_SLOT);
	for (size_t size = 0; size < KHO_STORY_END; size += 0x7ff) {
		ck_assert_int_eq(kho_story_read(arena, size, &seen, &err), -ENOENT);
		ck_assert_int_eq(kho_story_write(arena, size, false, &story, &err), -ENOSPC);
	}
}
END_TEST

START_TEST(what_cant_be_written)
{
	static uint8_t before[SIZE];

	memcpy(before, arena, SIZE);
	snprintf(story.step, sizeof(story.step), "two words");
	ck_assert_int_eq(kho_story_write(arena, SIZE, false, &story, &err), -EINVAL);
	*story.step = '\0';
	snprintf(story.journal.by, sizeof(story.journal.by), "two\nlines");
	ck_assert_int_eq(kho_story_write(arena, SIZE, false, &story, &err), -EINVAL);
	ck_assert_mem_eq(arena, before, SIZE);
}
END_TEST

static Suite *story_suite(void)
{
	Suite *suite = suite_create("story");
	TCase *tc = tcase_create("story");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, layout);
	tcase_add_test(tc, there_and_back);
	tcase_add_test(tc, in_its_place);
	tcase_add_test(tc, turns);
	tcase_add_test(tc, killed_while_writing);
	tcase_add_test(tc, nonsense);
	tcase_add_test(tc, more_lines);
	tcase_add_test(tc, none_later_or_small);
	tcase_add_test(tc, what_cant_be_written);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(story_suite());
}
