// SPDX-License-Identifier: GPL-2.0-only
/* The parent's side of a rehearsal; rehearse.h has the idea. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "migrate/restore/rehearse.h"
#include "migrate/restore/restore.h"

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* As fork(2), but with namespaces. */
static pid_t fork_apart(void)
{
	return (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | SIGCHLD,
			      NULL, NULL, NULL, 0);
}

int kho_rehearsal_begin(struct kho_rehearsal *rehearsal, const struct kho_rehearsal_body *body,
			struct kho_err *err)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return kho_fail_errno(err, -errno, "no socket for a rehearsal");
	*rehearsal = (struct kho_rehearsal){ .fd = fds[0], .began_ns = now_ns() };
	rehearsal->pid = fork_apart();
	if (rehearsal->pid == 0) {
		close(fds[0]);
		_exit(body->run(body->ctx, fds[1]));
	}
	close(fds[1]);
	if (rehearsal->pid > 0)
		return 0;
	close(fds[0]);
	rehearsal->pid = 0;
	return kho_fail_errno(err, -errno, "a rehearsal needs namespaces");
}

static int end(struct kho_rehearsal *rehearsal, uint64_t *ret_ns, struct kho_err *err)
{
	bool well = rehearsal->stopped_ns && !rehearsal->err.code;

	/* the first process of its namespace: all others end with it */
	kill(rehearsal->pid, SIGKILL);
	waitpid(rehearsal->pid, NULL, 0);
	close(rehearsal->fd);
	rehearsal->pid = 0;
	if (well) {
		*ret_ns = rehearsal->stopped_ns - rehearsal->began_ns;
		return 0;
	}
	if (rehearsal->err.code)
		*err = rehearsal->err;
	else
		kho_fail(err, -ECHILD, "the rehearsal ended without a word");
	return err->code;
}

int kho_rehearsal_process(struct kho_rehearsal *rehearsal, uint64_t *ret_ns, struct kho_err *err)
{
	char line[KHO_RESTORE_LINE + 1];
	ssize_t n = recv(rehearsal->fd, line, sizeof(line) - 1, 0);

	if (n <= 0)
		return end(rehearsal, ret_ns, err);
	line[n] = '\0';
	if (strncmp(line, "stopped ", 8) == 0)
		rehearsal->stopped_ns = now_ns();
	else if (strncmp(line, "failed ", 7) == 0)
		kho_fail(&rehearsal->err, -EIO, "%.480s", line + 7);
	return 1;
}
