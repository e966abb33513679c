// SPDX-License-Identifier: GPL-2.0-only
/* Mending what a dead CRIU left; repair.h has the idea. */
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "migrate/criu/criu.h"
#include "migrate/criu/repair.h"

#define OWN_CGROUP_MAX	4096

static int pidfd_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* ---- sockets ---- */

static bool is_socket(const char *dir, const char *name)
{
	char path[96], target[16];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%.16s", dir, name);
	n = readlink(path, target, sizeof(target));
	return n > 7 && memcmp(target, "socket:", 7) == 0;
}

static bool is_connection(int fd)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
	       info.tcpi_state != TCP_LISTEN && info.tcpi_state != TCP_CLOSE;
}

/* What isn't TCP is none of ours. -ENOTSOCK and others: it isn't, or can't be asked. */
static int get_repair(int fd)
{
	int protocol, repair;
	socklen_t size = sizeof(protocol);

	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0 ||
	    protocol != IPPROTO_TCP)
		return -ENOTSOCK;
	size = sizeof(repair);
	return getsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &repair, &size) < 0 ? -errno : repair;
}

static int set(int fd, int option, int value)
{
	return setsockopt(fd, IPPROTO_TCP, option, &value, sizeof(value)) < 0 ? -errno : 1;
}

/*
 * All return 1 if there was something to do. One whose repair mode ends sends a window
 * probe, by which its peer learns that it's there.
 */
static int clear_repair(int fd)
{
	return get_repair(fd) == TCP_REPAIR_ON ? set(fd, TCP_REPAIR, TCP_REPAIR_OFF) : 0;
}

static int set_repair(int fd)
{
	return get_repair(fd) == TCP_REPAIR_OFF && is_connection(fd) ?
	       set(fd, TCP_REPAIR, TCP_REPAIR_ON) : 0;
}

static int leave_queues(int fd)
{
	return get_repair(fd) == TCP_REPAIR_ON ? set(fd, TCP_REPAIR_QUEUE, TCP_NO_QUEUE) : 0;
}

typedef int (*socket_fn)(int fd);

static int do_socket(int pidfd, int number, socket_fn act)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);

	return fd < 0 ? -errno : act(fd);
}

static int do_task(pid_t pid, socket_fn act, struct kho_err *err)
{
	_cleanup_close_ int pidfd = pidfd_open(pid);
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	char path[64];
	int done = 0, r;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = pidfd < 0 ? NULL : opendir(path);
	if (!dir)
		return errno == ESRCH || errno == ENOENT ? 0 :
		       kho_fail_errno(err, -errno, "files of process %d", pid);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !is_socket(path, entry->d_name))
			continue;
		r = do_socket(pidfd, (int)strtol(entry->d_name, NULL, 10), act);
		if (r < 0 && r != -EBADF && r != -ESRCH)
			return kho_fail_errno(err, r, "socket %s of process %d", entry->d_name,
					      pid);
		done += r > 0;
	}
	return done;
}

static int do_cgroup(const char *cgroup, socket_fn act, struct kho_err *err)
{
	struct kho_err one = {};
	struct kho_pids pids;
	int r = kho_cgroup_pids(cgroup, &pids, err), done = 0, first = 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < pids.nr; i++) {
		r = do_task(pids.pids[i], act, &one);
		if (r > 0)
			done += r;
		if (r < 0 && first == 0)
			first = kho_fail(err, r, "%s", one.msg);
	}
	kho_pids_done(&pids);
	return first < 0 ? first : done;
}

int kho_criu_clear_repair(const char *cgroup, struct kho_err *err)
{
	return do_cgroup(cgroup, clear_repair, err);
}

int kho_criu_quiet(const char *cgroup, struct kho_err *err)
{
	char own[OWN_CGROUP_MAX];
	int r = cgroup ? 0 : kho_cgroup_of(0, own, sizeof(own), err);

	return r < 0 ? r : do_cgroup(cgroup ?: own, set_repair, err);
}

int kho_criu_leave_queues(const char *cgroup, struct kho_err *err)
{
	return do_cgroup(cgroup, leave_queues, err);
}

/* ---- CRIUs ---- */

static bool is_criu(pid_t pid, const struct stat *criu)
{
	struct stat program;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	return stat(path, &program) == 0 && program.st_dev == criu->st_dev &&
	       program.st_ino == criu->st_ino;
}

int kho_criu_find_left(struct kho_criu_left *ret, struct kho_err *err)
{
	struct kho_criu_left left = {};
	char cgroup[OWN_CGROUP_MAX];
	struct kho_pids pids;
	struct stat criu;
	int r = kho_cgroup_of(0, cgroup, sizeof(cgroup), err);

	/* without a program none of it runs */
	if (r >= 0 && stat(KHO_CRIU_PROGRAM, &criu) < 0) {
		*ret = left;
		return 0;
	}
	if (r >= 0)
		r = kho_cgroup_pids(cgroup, &pids, err);
	if (r < 0)
		return r;
	left.fds = calloc(pids.nr ?: 1, sizeof(*left.fds));
	for (size_t i = 0; left.fds && i < pids.nr; i++) {
		int fd = is_criu(pids.pids[i], &criu) ? pidfd_open(pids.pids[i]) : -EBADF;

		if (fd >= 0)
			left.fds[left.nr++] = fd;
	}
	kho_pids_done(&pids);
	if (!left.fds)
		return kho_fail(err, -ENOMEM, "no memory for a list of processes");
	*ret = left;
	return 0;
}

void kho_criu_left_done(struct kho_criu_left *left)
{
	for (size_t i = 0; i < left->nr; i++)
		if (left->fds[i] >= 0)
			close(left->fds[i]);
	free(left->fds);
	*left = (struct kho_criu_left){};
}
