// SPDX-License-Identifier: GPL-2.0-only
/*
 * Upgrades are counted once, and for ever: when they leave the history, when a kernel hands
 * it to the next one, and when that one has old copies of its own. On the agent's own
 * files, in a mount namespace.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/history.h"
#include "agent/tally.h"
#include "base/cleanup.h"
#include "tests/unit/run.h"

#define UPGRADES	70u

/* Each process of a test has an empty /var/lib of its own. */
static void new_kernel(void)
{
	ck_assert_msg(mount("tmpfs", "/var/lib", "tmpfs", 0, "") == 0, "%s", strerror(errno));
}

static void setup(void)
{
	int flags = CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0);

	ck_assert_msg(unshare(flags) == 0, "no mount namespace: %s", strerror(errno));
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	new_kernel();
}

/* Number @n; every third one failed. */
static sd_json_variant *entry(unsigned int n)
{
	sd_json_variant *v = NULL;
	char text[512];

	snprintf(text, sizeof(text),
		 "{\"schema\":1,\"id\":\"00000000-0000-4000-8000-%012x\",\"result\":\"%s\",\"began_ms\":%u,"
		 "\"ended_ms\":%u,\"move\":{\"result\":\"committed\",\"workloads\":[{\"name\":\"w\","
		 "\"result\":\"moved\",\"frozen_ms\":%u,\"rounds\":2}]}}", n, n % 3 ? "committed" : "no",
		 n * 1000, n * 1000 + 500, n);
	ck_assert_int_ge(sd_json_parse(text, 0, &v, NULL, NULL), 0);
	return v;
}

static void keep(unsigned int n)
{
	_cleanup_variant_ sd_json_variant *v = entry(n);
	struct kho_err err;

	ck_assert_msg(kho_history_keep(v, &err) == 0, "%s", err.msg);
}

static size_t kept(void)
{
	_cleanup_variant_ sd_json_variant *list = NULL;

	ck_assert_int_eq(kho_history_list(&list, NULL), 0);
	return sd_json_variant_elements(list);
}

/* 1 to @nr, each once. */
static void expect_all(unsigned int nr)
{
	static struct kho_past past;
	struct kho_err err;

	ck_assert_msg(kho_history_past(&past, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(past.results[KHO_RESULT_FAILED], nr / 3);
	ck_assert_uint_eq(past.results[KHO_RESULT_COMMITTED], nr - nr / 3);
	ck_assert_uint_eq(past.frozen.count, nr);
	ck_assert_uint_eq(past.frozen.sum, (uint64_t)nr * (nr + 1) / 2);
	ck_assert_uint_eq(past.rounds.sum, 2 * nr);
	ck_assert_uint_eq(past.last.began_ms, nr * 1000);
}

static void keep_all(unsigned int nr)
{
	for (unsigned int n = 1; n <= nr; n++)
		keep(n);
}

START_TEST(test_none)
{
	static struct kho_past past;

	ck_assert_int_eq(kho_history_past(&past, NULL), 0);
	ck_assert_uint_eq(past.results[0] + past.results[1] + past.results[2], 0);
	ck_assert(!past.last.known);
}
END_TEST

START_TEST(test_drop)
{
	for (unsigned int n = 1; n <= UPGRADES; n++) {
		keep(n);
		expect_all(n);
		ck_assert_uint_eq(kept(), n < KHO_HISTORY_KEPT ? n : KHO_HISTORY_KEPT);
	}
	/* one that has left comes again */
	keep(3);
	expect_all(UPGRADES);
}
END_TEST

/* @nr_copies: of the first upgrades, that the new kernel's image had. */
static void hand_over(unsigned int nr_copies)
{
	char *texts[KHO_HISTORY_TEXTS] = {};
	size_t nr = kho_history_hand_over(NULL, texts);
	struct kho_err err;

	new_kernel();
	keep_all(nr_copies);
	for (size_t i = 0; i < nr; i++) {
		ck_assert_msg(kho_history_keep_text(texts[i], &err) == 0, "%s", err.msg);
		free(texts[i]);
	}
}

START_TEST(test_hand_over)
{
	unsigned int nr = (unsigned int)_i;

	keep_all(nr);
	hand_over(0);
	expect_all(nr);
	ck_assert_uint_eq(kept(), nr < KHO_HISTORY_HANDED ? nr : KHO_HISTORY_HANDED);
	keep(nr + 1);
	expect_all(nr + 1);
	/* and on, to one whose image was made when there were some */
	hand_over(nr / 2);
	expect_all(nr + 1);
	keep(nr + 2);
	hand_over(0);
	expect_all(nr + 2);
}
END_TEST

/* A tally that's damaged is told, not taken for none. */
START_TEST(test_damage)
{
	static struct kho_past past;
	struct kho_err err;
	FILE *file;

	keep(1);
	file = fopen(KHO_TALLY_FILE, "w");
	ck_assert_ptr_nonnull(file);
	fputs(_i ? "{\"tally\":1}" : "{", file);
	fclose(file);
	ck_assert_int_eq(kho_history_past(&past, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, KHO_TALLY_FILE));
	ck_assert_ptr_nonnull(strstr(err.msg, "remove it"));
}
END_TEST

int main(void)
{
	static const int sizes[] = { 1, 2, 7, 8, 9, 20, 64, 70 };
	Suite *suite = suite_create("history");
	TCase *tc = tcase_create("history");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_none);
	tcase_add_test(tc, test_drop);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		tcase_add_loop_test(tc, test_hand_over, sizes[i], sizes[i] + 1);
	tcase_add_loop_test(tc, test_damage, 0, 2);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
