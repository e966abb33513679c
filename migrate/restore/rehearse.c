// SPDX-License-Identifier: GPL-2.0-only
/* The parent's side of a rehearsal; rehearse.h has the idea. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/now.h"
#include "migrate/restore/rehearse.h"
#include "migrate/restore/restore.h"
#include "migrate/workload/isolate.h"
#include "migrate/workload/stand_in.h"

int kho_rehearsal_isolate(int dir, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	int r;

	/* before /proc is another one, in which the number means nothing */
	snprintf(path, sizeof(path), "/proc/self/fd/%d/" KHO_STAND_INS, dir);
	r = kho_file_read(path, KHO_STAND_INS_MAX, &text, NULL, err);
	if (r >= 0)
		r = kho_isolate_mounts(err);
	if (r >= 0)
		r = kho_stand_ins_make(text, err);
	return r < 0 ? r : kho_isolate_network(err);
}

void kho_rehearsal_kill_tasks(pid_t criu)
{
	/* in other namespaces than its own it would end everything */
	_cleanup_closedir_ DIR *dir = getpid() == 1 ? opendir("/proc") : NULL;
	const struct dirent *entry;
	pid_t pid;

	while (dir && (entry = readdir(dir))) {
		pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (pid > 1 && pid != criu)
			kill(pid, SIGKILL);
	}
}

int kho_rehearsal_begin(struct kho_rehearsal *rehearsal, const struct kho_rehearsal_body *body,
			struct kho_err *err)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return kho_fail_errno(err, -errno, "no socket for a rehearsal");
	*rehearsal = (struct kho_rehearsal){ .fd = fds[0], .began_ns = kho_now_ns() };
	rehearsal->pid = kho_isolate_fork();
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

/* The first process of its namespace: all others end with it. */
static void end(struct kho_rehearsal *rehearsal)
{
	kill(rehearsal->pid, SIGKILL);
	waitpid(rehearsal->pid, NULL, 0);
	close(rehearsal->fd);
	rehearsal->pid = 0;
}

int kho_rehearsal_process(struct kho_rehearsal *rehearsal, uint64_t *ret_ns, struct kho_err *err)
{
	char line[KHO_RESTORE_LINE + 1];
	ssize_t n = recv(rehearsal->fd, line, sizeof(line) - 1, 0);

	if (n <= 0) {
		end(rehearsal);
		if (!rehearsal->err.code)
			return kho_fail(err, -ECHILD, "the rehearsal ended without a word");
		*err = rehearsal->err;
		return err->code;
	}
	line[n] = '\0';
	if (strncmp(line, "stopped ", 8) == 0) {
		*ret_ns = kho_now_ns() - rehearsal->began_ns;
		end(rehearsal);
		return 0;
	}
	if (strncmp(line, "failed ", 7) == 0)
		kho_fail(&rehearsal->err, -EIO, "%.480s", line + 7);
	return 1;
}
