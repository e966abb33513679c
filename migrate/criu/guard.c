// SPDX-License-Identifier: GPL-2.0-only
/* The process that traces CRIU; guard.h has the idea. */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "migrate/criu/guard.h"
#include "migrate/workload/cgroup.h"

#define ARM_MS		5000
#define FREEZE_MS	2000	/* CRIU's tasks stand in ptrace: that counts as frozen at once */

static const char arm = 'a', disarm = 'd';

/* ---- the guard ---- */

/* It stands at the beginning of its exit. What a CRIU that ends by itself let go of may run. */
static void on_exit_of(pid_t criu, const char *cgroup)
{
	struct kho_err ignored;
	unsigned long status;
	char over;

	if (recv(0, &over, 1, MSG_DONTWAIT) == 1)
		return;
	if (ptrace(PTRACE_GETEVENTMSG, criu, NULL, &status) < 0 || !WIFSIGNALED((int)status))
		return;
	/* nobody could be told: who finds CRIU dead freezes once more, and hears it then */
	if (kho_cgroup_freeze(cgroup, true, &ignored) >= 0)
		kho_cgroup_wait(cgroup, "frozen", 1, FREEZE_MS, &ignored);
}

static void let_go_on(pid_t criu, int status)
{
	int event = status >> 16, signal = WSTOPSIG(status);

	if (event == PTRACE_EVENT_STOP && signal != SIGTRAP)
		ptrace(PTRACE_LISTEN, criu, NULL, NULL);
	else
		ptrace(PTRACE_CONT, criu, NULL, event ? NULL : (void *)(intptr_t)signal);
}

static void watch(pid_t criu, const char *cgroup)
{
	int status;

	for (;;) {
		pid_t pid = waitpid(criu, &status, __WALL);

		if (pid < 0 && errno == EINTR)
			continue;
		if (pid != criu || !WIFSTOPPED(status))
			return;
		if (status >> 16 == PTRACE_EVENT_EXIT)
			on_exit_of(criu, cgroup);
		let_go_on(criu, status);
	}
}

static void __attribute__((noreturn)) run_guard(pid_t criu, const char *cgroup, int fd)
{
	int r = 0;
	char byte;

	/* CRIU has to see its caller's end: none of its sockets may stay open here */
	if (dup2(fd, 0) < 0 || syscall(SYS_close_range, 1u, ~0u, 0u) < 0)
		_exit(1);
	prctl(PR_SET_NAME, "criu-guard");
	if (read(0, &byte, 1) != 1 || byte != arm)
		_exit(0);
	if (ptrace(PTRACE_SEIZE, criu, NULL, (void *)(uintptr_t)PTRACE_O_TRACEEXIT) < 0)
		r = -errno;
	if (write(0, &r, sizeof(r)) == sizeof(r) && r == 0)
		watch(criu, cgroup);
	_exit(0);
}

/* ---- its caller ---- */

/* By way of a child that ends at once: then init waits for the guard. */
static int fork_guard(pid_t criu, const char *cgroup, int fd)
{
	pid_t pid = fork();

	if (pid == 0) {
		pid_t guard = fork();

		if (guard == 0)
			run_guard(criu, cgroup, fd);
		_exit(guard < 0);
	}
	if (pid < 0)
		return -errno;
	for (;;) {
		int status;

		if (waitpid(pid, &status, 0) == pid)
			return status ? -EAGAIN : 0;
		if (errno != EINTR)
			return -errno;
	}
}

int kho_criu_guard_start(pid_t criu, const char *cgroup, struct kho_err *err)
{
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return kho_fail_errno(err, -errno, "no socket for CRIU's guard");
	r = fork_guard(criu, cgroup, fds[1]);
	close(fds[1]);
	if (r == 0)
		return fds[0];
	close(fds[0]);
	return kho_fail_errno(err, r, "CRIU's guard can't be started");
}

int kho_criu_guard_arm(int guard, struct kho_err *err)
{
	struct pollfd answer = { .fd = guard, .events = POLLIN };
	int r = -EPIPE;

	if (send(guard, &arm, 1, MSG_NOSIGNAL) != 1)
		return kho_fail_errno(err, -errno, "CRIU's guard is gone; try again");
	if (poll(&answer, 1, ARM_MS) != 1)
		return kho_fail(err, -ETIMEDOUT, "CRIU's guard doesn't answer; try again when the "
				"machine is less busy");
	if (recv(guard, &r, sizeof(r), 0) != sizeof(r))
		r = -EPIPE;
	return r < 0 ? kho_fail_errno(err, r, "CRIU can't be guarded; is it traced, or was "
				      "CAP_SYS_PTRACE taken from kho-agent.service?") : 0;
}

void kho_criu_guard_disarm(int guard)
{
	/* a guard that is gone needn't be told */
	(void)!send(guard, &disarm, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}
