// SPDX-License-Identifier: GPL-2.0-only
/*
 * A CRIU's guard, on a child that plays CRIU and a folder that plays the cgroup: what is in
 * cgroup.freeze when the child's death is known.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "migrate/criu/guard.h"
#include "tests/unit/run.h"

#define STATUS	7	/* how a child ends by itself */

static char cgroup[] = "/tmp/kho-guard-XXXXXX";
static pid_t criu;
static int orders;	/* a byte: end by yourself */
static int guard;
static struct kho_err err;

static void put(const char *name, const char *text)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", cgroup, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static void set_up(void)
{
	int fds[2];

	signal(SIGTERM, SIG_DFL);	/* Check has a handler for it, which the child would run */
	ck_assert_ptr_nonnull(mkdtemp(cgroup));
	put("cgroup.freeze", "0");
	put("cgroup.events", "populated 1\nfrozen 1\n");
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	criu = fork();
	if (criu == 0) {
		char byte;

		close(fds[0]);
		_exit(read(fds[1], &byte, 1) == 1 ? STATUS : 1);
	}
	close(fds[1]);
	orders = fds[0];
	guard = kho_criu_guard_start(criu, cgroup, &err);
	ck_assert_msg(guard >= 0, "%s", err.msg);
}

static void tear_down(void)
{
	char command[96];

	close(guard);
	close(orders);
	snprintf(command, sizeof(command), "%s/cgroup.freeze", cgroup);
	unlink(command);
	snprintf(command, sizeof(command), "%s/cgroup.events", cgroup);
	unlink(command);
	rmdir(cgroup);
}

/* When it has ended, and how. */
static int wait_end(void)
{
	int status;

	ck_assert_int_eq(waitpid(criu, &status, 0), criu);
	return status;
}

static void assert_freeze(const char *wanted)
{
	char path[64], text[8] = "";
	FILE *file;

	snprintf(path, sizeof(path), "%s/cgroup.freeze", cgroup);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
	fclose(file);
	ck_assert_str_eq(text, wanted);
}

/* All signals that end a process, whether a kernel or an operator sends them. */
START_TEST(killed)
{
	static const int signals[] = { SIGKILL, SIGTERM, SIGSEGV, SIGABRT };

	ck_assert_int_eq(kho_criu_guard_arm(guard, &err), 0);
	assert_freeze("0");
	kill(criu, signals[_i]);
	ck_assert_int_eq(WTERMSIG(wait_end()), signals[_i]);
	assert_freeze("1");
}
END_TEST

START_TEST(ends_by_itself)
{
	ck_assert_int_eq(kho_criu_guard_arm(guard, &err), 0);
	ck_assert_int_eq(send(orders, "", 1, 0), 1);
	ck_assert_int_eq(WEXITSTATUS(wait_end()), STATUS);
	assert_freeze("0");
}
END_TEST

START_TEST(not_armed)
{
	kill(criu, SIGKILL);
	ck_assert_int_eq(WTERMSIG(wait_end()), SIGKILL);
	assert_freeze("0");
}
END_TEST

/* It has answered, and is killed before it has ended by itself. */
START_TEST(disarmed)
{
	ck_assert_int_eq(kho_criu_guard_arm(guard, &err), 0);
	kho_criu_guard_disarm(guard);
	kill(criu, SIGKILL);
	ck_assert_int_eq(WTERMSIG(wait_end()), SIGKILL);
	assert_freeze("0");
}
END_TEST

/* One that has copied memory has answered, too, and was never guarded. */
START_TEST(disarmed_but_never_armed)
{
	char byte;

	kho_criu_guard_disarm(guard);
	/* it has ended */
	ck_assert_int_eq(recv(guard, &byte, 1, 0), 0);
	kill(criu, SIGKILL);
	ck_assert_int_eq(WTERMSIG(wait_end()), SIGKILL);
	assert_freeze("0");
}
END_TEST

/* It's the tasks' guard, not its caller's. */
START_TEST(outlives_its_caller)
{
	ck_assert_int_eq(kho_criu_guard_arm(guard, &err), 0);
	close(guard);
	guard = -EBADF;
	kill(criu, SIGKILL);
	ck_assert_int_eq(WTERMSIG(wait_end()), SIGKILL);
	assert_freeze("1");
}
END_TEST

/* Signals reach it as without a guard; stopped by one, it stays so until it's told to go on. */
START_TEST(signals)
{
	int status;

	ck_assert_int_eq(kho_criu_guard_arm(guard, &err), 0);
	kill(criu, SIGWINCH);
	kill(criu, SIGSTOP);
	ck_assert_int_eq(waitpid(criu, &status, WUNTRACED), criu);
	ck_assert(WIFSTOPPED(status));
	kill(criu, SIGCONT);
	ck_assert_int_eq(waitpid(criu, &status, WCONTINUED), criu);
	ck_assert(WIFCONTINUED(status));
	ck_assert_int_eq(send(orders, "", 1, 0), 1);
	ck_assert_int_eq(WEXITSTATUS(wait_end()), STATUS);
	assert_freeze("0");
}
END_TEST

START_TEST(gone_before)
{
	kill(criu, SIGKILL);
	wait_end();
	ck_assert_int_eq(kho_criu_guard_arm(guard, &err), -ESRCH);
	ck_assert_ptr_nonnull(strstr(err.msg, "CAP_SYS_PTRACE"));
}
END_TEST

START_TEST(traced_by_another)
{
	ck_assert_int_eq(ptrace(PTRACE_SEIZE, criu, NULL, NULL), 0);
	ck_assert_int_eq(kho_criu_guard_arm(guard, &err), -EPERM);
	kill(criu, SIGKILL);
	wait_end();
}
END_TEST

static Suite *guard_suite(void)
{
	Suite *suite = suite_create("guard");
	TCase *tc = tcase_create("guard");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, killed, 0, 4);
	tcase_add_test(tc, ends_by_itself);
	tcase_add_test(tc, not_armed);
	tcase_add_test(tc, disarmed);
	tcase_add_test(tc, disarmed_but_never_armed);
	tcase_add_test(tc, outlives_its_caller);
	tcase_add_test(tc, signals);
	tcase_add_test(tc, gone_before);
	tcase_add_test(tc, traced_by_another);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(guard_suite());
}
