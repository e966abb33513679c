// SPDX-License-Identifier: GPL-2.0-only
/* The record of a move: its text, damage of any kind, and what follows from it. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "upgrade/record.h"
#include "unit/run.h"

#define CGROUP "/sys/fs/cgroup/system.slice/redis-server.service"

static const char whole[] =
	"kho-move-record 1\n"
	"move 1f3a9c0e77d21b55\n"
	"epoch 7\n"
	"items 1 2 1 1\n"
	"begun prepare 3\n"
	"begun freeze 2\n"
	"given 1\n"
	"cgroup 1 " CGROUP "\n"
	"mac 0 525400000002\n"
	"config\n"
	"[Workload redis]\n";

static struct kho_move_record record;
static struct kho_err err;

static void setup(void)
{
	memset(&record, 0, sizeof(record));
	err = (struct kho_err){};
	record.move = 0x1f3a9c0e77d21b55;
	record.epoch = 7;
	record.nr[KHO_SCOPE_MOVE] = record.nr[KHO_SCOPE_ADDRESS] = 1;
	record.nr[KHO_SCOPE_VOLUME] = 1;
	record.nr[KHO_SCOPE_WORKLOAD] = 2;
	record.begun[KHO_STEP_PREPARE] = 3;
	record.begun[KHO_STEP_FREEZE] = 2;
	record.nics_given = 1;
	memcpy(record.cgroups[1], CGROUP, sizeof(CGROUP));
	memcpy(record.macs[0], "\x52\x54\0\0\0\2", 6);
}

static int parse(const char *text, char **ret_config)
{
	static char copy[4096];

	ck_assert_uint_lt(strlen(text), sizeof(copy));
	memcpy(copy, text, strlen(text) + 1);
	return kho_move_record_parse(copy, &record, ret_config, &err);
}

START_TEST(as_text)
{
	struct kho_move_record before = record;
	char *text = NULL, *config = NULL;

	ck_assert_int_eq(kho_move_record_format(&record, "[Workload redis]\n", &text, &err), 0);
	ck_assert_str_eq(text, whole);
	free(text);
	memset(&record, 0xff, sizeof(record));
	ck_assert_int_eq(parse(whole, &config), 0);
	ck_assert_str_eq(config, "[Workload redis]\n");
	ck_assert_mem_eq(&record, &before, sizeof(record));
}
END_TEST

/* An agent that's killed while it writes leaves the file before; but who knows. */
START_TEST(cut_short)
{
	char *config = NULL, text[sizeof(whole)];
	const char *body = strstr(whole, "config\n") + 7;

	for (size_t size = 0; size < (size_t)(body - whole); size++) {
		memcpy(text, whole, size);
		text[size] = '\0';
		ck_assert_int_eq(parse(text, &config), -EBADMSG);
		ck_assert_int_eq(err.code, -EBADMSG);
		ck_assert(err.msg[0]);
	}
}
END_TEST

static const char *const bad_lines[] = {
	"move 0", "move", "move xyz", "move 11112222333344445", "epoch -1", "epoch",
	"items 1 2 1", "items 1 2 1 1 1", "items 1 0 1 1", "items 2 2 1 1", "items 1 33 1 1",
	"begun dump", "begun dump 0", "begun dump 4", "begun nothing 1", "begun mute 2",
	"begun dump 1 1", "given 0", "given 2", "given",
	"cgroup 2 " CGROUP, "cgroup 0 /etc", "cgroup 0 /sys/fs/cgroup/../x",
	"items 1 2 1 1", "cgroup 0", "cgroup x " CGROUP,
	"mac 1 525400000002", "mac 0 5254000000", "mac 0 0x5400000002",
	"mac 0 52540000000g", "", " ", "unknown 1",
};

START_TEST(bad_line)
{
	char text[2048], *config = NULL;

	snprintf(text, sizeof(text), "%.*s%s\nconfig\n", (int)(strstr(whole, "config\n") - whole),
		 whole, bad_lines[_i]);
	ck_assert_int_eq(parse(text, &config), -EBADMSG);
}
END_TEST

/* Items are counted before they're named. */
START_TEST(order_of_lines)
{
	char *config = NULL;

	ck_assert_int_eq(parse("kho-move-record 1\nmove 1\nbegun dump 1\nitems 1 1 0 0\nconfig\n",
			       &config), -EBADMSG);
	ck_assert_int_eq(parse("kho-move-record 2\nmove 1\nitems 1 1 0 0\nconfig\n", &config),
			 -EBADMSG);
	ck_assert_int_eq(parse("kho-move-record 1\nmove 1\nitems 1 1 0 0\nconfig\n", &config), 0);
	ck_assert_str_eq(config, "");
}
END_TEST

/* One that is being undone may not be, yet. */
START_TEST(noted)
{
	struct kho_move move = { .step = KHO_STEP_FREEZE, .pending = 2 };

	move.nr[KHO_SCOPE_WORKLOAD] = 2;
	move.begun[KHO_STEP_PREPARE] = 3;
	kho_move_record_note(&move, &record);
	ck_assert_uint_eq(record.begun[KHO_STEP_PREPARE], 3);
	ck_assert_uint_eq(record.begun[KHO_STEP_FREEZE], 2);
	ck_assert_uint_eq(record.begun[KHO_STEP_DUMP], 0);
	ck_assert_uint_eq(record.nr[KHO_SCOPE_WORKLOAD], 2);
}
END_TEST

START_TEST(committed)
{
	struct kho_owner before = { .epoch = 7 }, after = { .epoch = 8, .is_new = true };

	ck_assert(!kho_move_record_committed(&record, &before));
	ck_assert(!kho_move_record_committed(&record, NULL));
	/* by a move after it: this one can't have been */
	ck_assert(!kho_move_record_committed(&record, &after));
	record.begun[KHO_STEP_COMMIT] = 1;
	ck_assert(!kho_move_record_committed(&record, &before));
	ck_assert(kho_move_record_committed(&record, &after));
	/* the region is gone: nothing may run twice */
	ck_assert(kho_move_record_committed(&record, NULL));
	record.begun[KHO_STEP_KEEP] = 1;
	ck_assert(kho_move_record_committed(&record, &before));
}
END_TEST

START_TEST(resume_undoes)
{
	struct kho_move move = {};
	struct kho_move_output out = kho_move_record_resume(&record, false, &move);

	ck_assert_int_eq(move.state, KHO_MOVE_UNDOING);
	ck_assert_int_eq(move.err.code, -EINTR);
	ck_assert_int_eq(out.action, KHO_MOVE_UNDO);
	ck_assert_int_eq(out.step, KHO_STEP_FREEZE);
	ck_assert_uint_eq(out.items, 2);
	out = kho_move_undone(&move, KHO_STEP_FREEZE, 1, NULL);
	ck_assert_int_eq(out.step, KHO_STEP_PREPARE);
	ck_assert_uint_eq(out.items, 3);
	kho_move_undone(&move, KHO_STEP_PREPARE, 0, NULL);
	out = kho_move_undone(&move, KHO_STEP_PREPARE, 1, NULL);
	ck_assert_int_eq(out.action, KHO_MOVE_END);
	ck_assert_int_eq(move.state, KHO_MOVE_FAILED);
}
END_TEST

START_TEST(resume_without_peer)
{
	struct kho_move move = { .peer_lost = true, .fenced = true };
	struct kho_move_output out = kho_move_record_resume(&record, false, &move);

	ck_assert_int_eq(out.step, KHO_STEP_FREEZE);
	out = kho_move_undone(&move, KHO_STEP_FREEZE, 1, NULL);
	ck_assert_int_eq(out.action, KHO_MOVE_END);
}
END_TEST

/* Lost, and it may run on: before it's fenced nothing is undone. */
START_TEST(resume_with_a_lost_peer)
{
	struct kho_move move = { .peer_lost = true };

	ck_assert_int_eq(kho_move_record_resume(&record, false, &move).action, KHO_MOVE_FENCE);
	ck_assert_int_eq(kho_move_fenced(&move).step, KHO_STEP_FREEZE);
	record.begun[KHO_STEP_COMMIT] = 1;
	kho_move_record_resume(&record, true, &move);
	ck_assert_int_eq(move.undo_err.code, -ECONNRESET);
}
END_TEST

/* Nothing is taken in by its owner, or taken down there. */
START_TEST(may_receive)
{
	const struct kho_owner of_old = { .epoch = 1 }, of_new = { .epoch = 2, .is_new = true };

	ck_assert(kho_move_may_receive(&of_old, true, KHO_STEP_RESUME, false));
	ck_assert(!kho_move_may_receive(&of_new, true, KHO_STEP_RESUME, false));
	ck_assert(!kho_move_may_receive(NULL, true, KHO_STEP_RESUME, false));
	ck_assert(kho_move_may_receive(&of_new, true, KHO_STEP_KEEP, false));
	ck_assert(kho_move_may_receive(NULL, true, KHO_STEP_KEEP, false));
	ck_assert(!kho_move_may_receive(&of_old, true, KHO_STEP_KEEP, false));
	ck_assert(kho_move_may_receive(&of_old, true, KHO_STEP_RESUME, true));
	ck_assert(!kho_move_may_receive(&of_new, true, KHO_STEP_RESUME, true));
	ck_assert(kho_move_may_receive(NULL, true, KHO_STEP_RESUME, true));
	ck_assert(kho_move_may_receive(&of_new, false, KHO_STEP_RESUME, true));
}
END_TEST

START_TEST(resume_nothing)
{
	struct kho_move move = {};

	memset(record.begun, 0, sizeof(record.begun));
	ck_assert_int_eq(kho_move_record_resume(&record, false, &move).action, KHO_MOVE_END);
	ck_assert_int_eq(move.state, KHO_MOVE_FAILED);
}
END_TEST

/* The step under way is done again, those before it aren't. */
START_TEST(resume_goes_on)
{
	struct kho_move move = {};
	struct kho_move_output out;

	record.begun[KHO_STEP_COMMIT] = 1;
	out = kho_move_record_resume(&record, true, &move);
	ck_assert_int_eq(move.state, KHO_MOVE_FORWARD);
	ck_assert_int_eq(out.action, KHO_MOVE_BEGIN);
	ck_assert_int_eq(out.step, KHO_STEP_KEEP);
	record.begun[KHO_STEP_KEEP] = record.begun[KHO_STEP_ANNOUNCE] = 1;
	record.begun[KHO_STEP_FORWARD] = 1;
	out = kho_move_record_resume(&record, true, &move);
	ck_assert_int_eq(out.step, KHO_STEP_FORWARD);
	ck_assert(kho_move_committed(&move));
	move.peer_lost = true;
	out = kho_move_record_resume(&record, true, &move);
	ck_assert_int_eq(out.step, KHO_STEP_FORWARD);
	out = kho_move_done(&move, KHO_STEP_FORWARD, 0, NULL);
	ck_assert_int_eq(out.step, KHO_STEP_DISCARD);
	ck_assert_uint_eq(out.items, 3);
}
END_TEST

/* Who is restarted isn't killed as one that moved, and is started. */
START_TEST(resume_restarts)
{
	struct kho_move move = {};
	struct kho_move_output out;

	record.begun[KHO_STEP_ADMIT] = 2;
	record.begun[KHO_STEP_COMMIT] = record.begun[KHO_STEP_KEEP] = 1;
	record.begun[KHO_STEP_ANNOUNCE] = record.begun[KHO_STEP_FORWARD] = 1;
	out = kho_move_record_resume(&record, true, &move);
	ck_assert_int_eq(out.step, KHO_STEP_FORWARD);
	out = kho_move_done(&move, KHO_STEP_FORWARD, 0, NULL);
	ck_assert_int_eq(out.step, KHO_STEP_START);
	ck_assert_uint_eq(out.items, 2);
	out = kho_move_done(&move, KHO_STEP_START, 1, NULL);
	ck_assert_int_eq(out.step, KHO_STEP_DISCARD);
	ck_assert_uint_eq(out.items, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("record");
	TCase *tc = tcase_create("record");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, as_text);
	tcase_add_test(tc, cut_short);
	tcase_add_loop_test(tc, bad_line, 0, sizeof(bad_lines) / sizeof(bad_lines[0]));
	tcase_add_test(tc, order_of_lines);
	tcase_add_test(tc, noted);
	tcase_add_test(tc, committed);
	tcase_add_test(tc, resume_undoes);
	tcase_add_test(tc, resume_without_peer);
	tcase_add_test(tc, resume_with_a_lost_peer);
	tcase_add_test(tc, may_receive);
	tcase_add_test(tc, resume_nothing);
	tcase_add_test(tc, resume_goes_on);
	tcase_add_test(tc, resume_restarts);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
