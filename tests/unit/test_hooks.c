// SPDX-License-Identifier: GPL-2.0-only
/* The operator's programs: which ones are run, in which order, with what, for how long. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/hooks.h"
#include "unit/run.h"

static char folder[64], log_path[96];
static sd_event *event;
static struct kho_hooks *hooks;
static struct kho_err err, result;
static int calls;

static void setup(void)
{
	snprintf(folder, sizeof(folder), "/tmp/kho-hooks-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(log_path, sizeof(log_path), "%s/.log", folder);
	ck_assert_int_ge(sd_event_new(&event), 0);
	calls = 0;
	hooks = NULL;
	result = (struct kho_err){ .code = 99 };
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void teardown(void)
{
	kho_hooks_free(hooks);
	sd_event_unref(event);
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void add_as(const char *name, const char *body, mode_t mode)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "#!/bin/sh\n%s\n", body);
	fclose(file);
	ck_assert_int_eq(chmod(path, mode), 0);
}

static void add(const char *name, const char *body)
{
	add_as(name, body, 0755);
}

static const char *logged(void)
{
	static char text[1024];
	FILE *file = fopen(log_path, "re");
	size_t size = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	text[size] = '\0';
	if (file)
		fclose(file);
	return text;
}

static void on_done(void *ctx, const struct kho_err *how)
{
	ck_assert_ptr_eq(ctx, &calls);
	calls++;
	result = *how;
	sd_event_exit(event, 0);
}

static int begin(bool all, uint32_t timeout_ms)
{
	char log[128];
	const char *const environment[] = { "KHO_EVENT=pre-switch", "KHO_IMAGE=/a b", log, NULL };
	const struct kho_hooks_spec spec = {
		.folder = folder, .event = "pre-switch", .environment = environment,
		.timeout_ms = timeout_ms, .all = all, .done = on_done, .ctx = &calls,
	};

	snprintf(log, sizeof(log), "LOG=%s", log_path);
	return kho_hooks_run(event, &spec, &hooks, &err);
}

static void run_all(bool all, uint32_t timeout_ms)
{
	ck_assert_int_eq(begin(all, timeout_ms), 1);
	ck_assert_int_eq(calls, 0);
	ck_assert_int_ge(sd_event_loop(event), 0);
	ck_assert_int_eq(calls, 1);
}

START_TEST(none)
{
	ck_assert_int_eq(begin(false, 1000), 0);
	add("README", "exit 1");
	add(".hidden", "exit 1");
	add("old~", "exit 1");
	add("10-a.dpkg-old", "exit 1");
	ck_assert_int_eq(begin(false, 1000), 0);
	ck_assert_ptr_null(hooks);
	snprintf(folder, sizeof(folder), "/tmp/kho-no-such-folder");
	ck_assert_int_eq(begin(false, 1000), 0);
}
END_TEST

START_TEST(in_order)
{
	add("20-b", "echo b $1 $# $KHO_EVENT \"$KHO_IMAGE\" >>$LOG");
	add("10-c.sh", "echo c >>$LOG");
	add("30-a", "echo a >>$LOG");
	run_all(false, 20000);
	ck_assert_int_eq(result.code, 0);
	ck_assert_str_eq(logged(), "c\nb pre-switch 1 pre-switch /a b\na\n");
}
END_TEST

START_TEST(the_first_failure_stops)
{
	add("1", "echo 1 >>$LOG");
	add("2", "exit 7");
	add("3", "echo 3 >>$LOG");
	run_all(false, 20000);
	ck_assert_int_eq(result.code, -EIO);
	ck_assert_ptr_nonnull(strstr(result.msg, "/2 ended with status 7"));
	ck_assert_str_eq(logged(), "1\n");
}
END_TEST

START_TEST(or_it_does_not)
{
	add("1", "kill -9 $$");
	add("2", "exit 7");
	add("3", "echo 3 >>$LOG");
	run_all(true, 20000);
	ck_assert_ptr_nonnull(strstr(result.msg, "/1 was ended by signal 9"));
	ck_assert_str_eq(logged(), "3\n");
}
END_TEST

/* Neither it nor what it has begun is there afterwards. */
START_TEST(time_is_up)
{
	char lock_path[128];
	int lock;

	add("1", "exec 9>$LOG.lock; flock 9; sleep 1000 & wait");
	run_all(false, 1500);
	ck_assert_int_eq(result.code, -ETIMEDOUT);
	hooks = kho_hooks_free(hooks);
	/* the lock is held by all that have the descriptor: gone with the last one of them */
	snprintf(lock_path, sizeof(lock_path), "%s.lock", log_path);
	lock = open(lock_path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(lock, 0);
	alarm(10);
	ck_assert_int_eq(flock(lock, LOCK_EX), 0);
	alarm(0);
	close(lock);
}
END_TEST

START_TEST(freed_while_it_runs)
{
	add("1", "sleep 1000");
	ck_assert_int_eq(begin(false, 60000), 1);
	hooks = kho_hooks_free(hooks);
	ck_assert_int_ge(sd_event_run(event, 0), 0);
	ck_assert_int_eq(calls, 0);
}
END_TEST

START_TEST(refused)
{
	add("1", "echo 1 >>$LOG");
	add_as("2", "echo 2 >>$LOG", 0644);
	ck_assert_int_eq(begin(true, 1000), -ENOEXEC);
	add_as("2", "echo 2 >>$LOG", 0775);
	ck_assert_int_eq(begin(true, 1000), -EPERM);
	add("2", "");
	ck_assert_int_eq(chmod(folder, 0777), 0);
	ck_assert_int_eq(begin(true, 1000), -EPERM);
	ck_assert_int_eq(chmod(folder, 0700), 0);
	for (int i = 10; i < 42; i++) {
		char name[8];

		snprintf(name, sizeof(name), "%d", i);
		add(name, "");
	}
	ck_assert_int_eq(begin(true, 1000), -E2BIG);
	ck_assert_int_eq(calls, 0);
	ck_assert_str_eq(logged(), "");
}
END_TEST

/* What can't be run at all. */
START_TEST(no_program)
{
	add("1", "");
	snprintf(log_path, sizeof(log_path), "%s/1", folder);
	ck_assert_int_eq(truncate(log_path, 0), 0);
	run_all(false, 20000);
	ck_assert_int_eq(result.code, -EIO);
}
END_TEST

static Suite *hooks_suite(void)
{
	Suite *suite = suite_create("hooks");
	TCase *tc = tcase_create("hooks");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, none);
	tcase_add_test(tc, in_order);
	tcase_add_test(tc, the_first_failure_stops);
	tcase_add_test(tc, or_it_does_not);
	tcase_add_test(tc, time_is_up);
	tcase_add_test(tc, freed_while_it_runs);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, no_program);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(hooks_suite());
}
