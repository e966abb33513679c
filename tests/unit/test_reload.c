// SPDX-License-Identifier: GPL-2.0-only
/* Reloads of systemd that many ask for at the same time, with a systemctl that's played. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "migrate/workload/reload.h"
#include "tests/unit/run.h"

#define ASKERS	8

static char folder[] = "/tmp/kho-reload-XXXXXX";
static char state[64], calls[64];

/* It takes a while, and writes a line when it begins. */
static void play(const char *end)
{
	char path[64], text[256];
	struct kho_file_content script = { .data = text, .mode = 0755 };

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/systemctl", folder);
	snprintf(state, sizeof(state), "%s/state", folder);
	snprintf(calls, sizeof(calls), "%s/calls", folder);
	snprintf(text, sizeof(text), "#!/bin/sh\necho \"$1\" >>%s\nsleep 0.3\n%s\n", calls, end);
	script.size = strlen(text);
	ck_assert_int_eq(kho_file_write_atomic(path, &script, NULL), 0);
	snprintf(text, sizeof(text), "%s:/usr/bin:/bin", folder);
	ck_assert_int_eq(setenv("PATH", text, 1), 0);
}

static void clean(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/systemctl", folder);
	unlink(path);
	unlink(state);
	unlink(calls);
	rmdir(folder);
}

static unsigned int nr_calls(void)
{
	unsigned int nr = 0;
	char line[64];
	FILE *f = fopen(calls, "re");

	while (f && fgets(line, sizeof(line), f)) {
		ck_assert_str_eq(line, "daemon-reload\n");
		nr++;
	}
	if (f)
		fclose(f);
	return nr;
}

START_TEST(one_after_the_other)
{
	struct kho_err err;

	play("");
	ck_assert_int_eq(kho_systemd_reload(state, &err), 0);
	ck_assert_uint_eq(nr_calls(), 1);
	/* what was changed after that one isn't known to it */
	ck_assert_int_eq(kho_systemd_reload(state, &err), 0);
	ck_assert_uint_eq(nr_calls(), 2);
}
END_TEST

START_TEST(shared)
{
	pid_t pids[ASKERS];
	struct kho_err err;
	int status;

	play("");
	for (int i = 0; i < ASKERS; i++) {
		pids[i] = fork();
		ck_assert_int_ge(pids[i], 0);
		if (!pids[i])
			_exit(kho_systemd_reload(state, &err) < 0);
	}
	for (int i = 0; i < ASKERS; i++) {
		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	/* who came while the first one was under way shares the second; a slow starter may have a third */
	ck_assert_uint_ge(nr_calls(), 1);
	ck_assert_uint_le(nr_calls(), 3);
}
END_TEST

START_TEST(failure_isnt_shared)
{
	struct kho_err err;

	play("exit 1");
	ck_assert_int_lt(kho_systemd_reload(state, &err), 0);
	ck_assert_int_lt(kho_systemd_reload(state, &err), 0);
	ck_assert_uint_eq(nr_calls(), 2);
}
END_TEST

static Suite *reload_suite(void)
{
	Suite *suite = suite_create("reload");
	TCase *tc = tcase_create("reload");

	tcase_add_checked_fixture(tc, NULL, clean);
	tcase_add_test(tc, one_after_the_other);
	tcase_add_test(tc, shared);
	tcase_add_test(tc, failure_isnt_shared);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(reload_suite());
}
