// SPDX-License-Identifier: GPL-2.0-only
/* Attributes of tasks that stand still, out of /proc and by their numbers; attributes.h has the idea. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/workload/attributes.h"
#include "migrate/workload/attributes_private.h"

#define PROC_MAX	65536
#define LINK_MAX	64
#define NS_PER_SEC	1000000000ull

int kho_attributes_read_cpus(const char *name, struct kho_cpus *ret, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/%s", name);
	r = kho_file_read_string(path, PROC_MAX, &text, err);
	return r < 0 ? r : kho_parse_cpus(text, ret, err);
}

static int read_proc(pid_t pid, const char *name, char **ret, struct kho_err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return kho_file_read(path, PROC_MAX, ret, NULL, err);
}

/* What stands after @key in a file of lines; NULL: nothing. */
static const char *after(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? at + strlen(key) : NULL;
}

/* ---- tasks ---- */

static bool holds_all(const struct kho_cpus *cpus, const struct kho_cpus *all)
{
	for (size_t i = 0; i < sizeof(all->bits) / sizeof(all->bits[0]); i++)
		if (all->bits[i] & ~cpus->bits[i])
			return false;
	return true;
}

static int read_affinity(const char *status, const struct kho_cpus *possible,
			 struct kho_task_attributes *t, struct kho_err *err)
{
	const char *at = after(status, "\nCpus_allowed_list:\t");
	char list[KHO_CPUS_TEXT];

	if (!at)
		return kho_fail(err, -EBADMSG, "/proc/%d/status names no CPUs", t->tid);
	snprintf(list, sizeof(list), "%.*s", (int)strcspn(at, "\n"), at);
	if (kho_parse_cpus(list, &t->cpus, err) < 0)
		return err->code;
	t->all_cpus = holds_all(&t->cpus, possible);
	return 0;
}

int kho_attributes_get_sched(pid_t tid, struct kho_task_attributes *t, struct kho_err *err)
{
	struct sched_attr attr = {};

	if (syscall(SYS_sched_getattr, tid, &attr, sizeof(attr), 0) < 0)
		return kho_fail_errno(err, -errno, "scheduling of task %d", tid);
	t->policy = attr.sched_policy;
	t->flags = attr.sched_flags & SCHED_FLAG_RESET_ON_FORK;
	t->priority = attr.sched_priority;
	errno = 0;
	t->nice = getpriority(PRIO_PROCESS, (id_t)tid);
	if (t->policy == SCHED_DEADLINE) {
		t->flags = attr.sched_flags;
		t->runtime_ns = attr.sched_runtime;
		t->deadline_ns = attr.sched_deadline;
		t->period_ns = attr.sched_period;
	}
	return errno ? kho_fail_errno(err, -errno, "nice of task %d", tid) : 0;
}

int kho_attributes_get_ioprio(pid_t tid, uint32_t *ret, struct kho_err *err)
{
	long ioprio = syscall(SYS_ioprio_get, KHO_IOPRIO_WHO_PROCESS, tid);

	if (ioprio < 0)
		return kho_fail_errno(err, -errno, "I/O priority of task %d", tid);
	*ret = (uint32_t)ioprio;
	return 0;
}

int kho_attributes_get_slack(pid_t tid, uint64_t *ret, struct kho_err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/timerslack_ns", tid);
	return kho_file_read_u64(path, ret, err);
}

struct reading {
	struct kho_attributes *attributes;
	struct kho_cpus possible;
	pid_t pid;
	int pidfd;
	int64_t offset[2];		/* of its clocks, monotonic and boottime */
};

static int read_task(struct reading *reading, pid_t tid, struct kho_err *err)
{
	_cleanup_free_ char *status = NULL;
	struct kho_task_attributes t = { .tid = tid };
	const char *state;
	int r = read_proc(tid, "status", &status, err);

	if (r < 0)
		return r;
	state = after(status, "\nState:\t");
	if (state && (*state == 'Z' || *state == 'X'))
		return 0;
	r = read_affinity(status, &reading->possible, &t, err);
	if (r >= 0)
		r = kho_attributes_get_sched(tid, &t, err);
	if (r >= 0)
		r = kho_attributes_get_ioprio(tid, &t.ioprio, err);
	if (r >= 0)
		r = kho_attributes_get_slack(tid, &t.slack_ns, err);
	return r < 0 ? r : kho_attributes_add_task(reading->attributes, &t, err);
}

static int read_tasks(struct reading *reading, struct kho_err *err)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	char path[64];
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", reading->pid);
	dir = opendir(path);
	if (!dir)
		return kho_fail_errno(err, -errno, "%s", path);
	while (r >= 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			r = read_task(reading, (pid_t)strtol(entry->d_name, NULL, 10), err);
	return r;
}

/* ---- processes ---- */

int kho_attributes_get_process(pid_t pid, struct kho_process_attributes *ret, struct kho_err *err)
{
	_cleanup_free_ char *score = NULL, *filter = NULL;
	int r = read_proc(pid, "oom_score_adj", &score, err);

	if (r >= 0)
		r = read_proc(pid, "coredump_filter", &filter, err);
	if (r < 0)
		return r;
	ret->pid = pid;
	ret->oom_score_adj = (int32_t)strtol(score, NULL, 10);
	ret->coredump_filter = (uint32_t)strtoul(filter, NULL, 16);
	return 0;
}

/* ---- descriptors ---- */

int kho_attributes_take_fd(int pidfd, int fd)
{
	return (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
}

int kho_attributes_get_congestion(int fd, char ret[KHO_CONGESTION_NAME])
{
	socklen_t size = sizeof(int);
	int protocol = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0 ||
	    protocol != IPPROTO_TCP)
		return -EOPNOTSUPP;
	size = KHO_CONGESTION_NAME - 1;
	memset(ret, 0, KHO_CONGESTION_NAME);
	return getsockopt(fd, SOL_TCP, TCP_CONGESTION, ret, &size) < 0 ? -errno : 0;
}

static int read_socket(struct reading *reading, int number, struct kho_err *err)
{
	struct kho_socket_attributes s = { .pid = reading->pid, .fd = number };
	_cleanup_close_ int fd = kho_attributes_take_fd(reading->pidfd, number);

	if (fd < 0)
		return kho_fail_errno(err, -errno, "descriptor %d of process %d", number,
				      reading->pid);
	if (kho_attributes_get_congestion(fd, s.congestion) < 0)
		return 0;
	return kho_attributes_add_socket(reading->attributes, &s, err);
}

int kho_attributes_get_offsets(pid_t pid, int64_t ret[2], struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	static const char *const keys[2] = { "monotonic", "boottime" };
	int r = read_proc(pid, "timens_offsets", &text, err);

	/* a kernel without time namespaces */
	if (r == -ENOENT) {
		ret[0] = ret[1] = 0;
		return 0;
	}
	for (int i = 0; r >= 0 && i < 2; i++) {
		const char *at = after(text, keys[i]);
		long long sec = 0, nsec = 0;

		if (!at || sscanf(at, "%lld %lld", &sec, &nsec) != 2)
			return kho_fail(err, -EBADMSG, "/proc/%d/timens_offsets can't be read", pid);
		ret[i] = sec * (long long)NS_PER_SEC + nsec;
	}
	return r;
}

uint64_t kho_attributes_now(uint32_t clock)
{
	struct timespec now = {};

	clock_gettime((clockid_t)clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec;
}

int64_t kho_attributes_offset(const int64_t offset[2], uint32_t clock)
{
	if (clock == CLOCK_MONOTONIC)
		return offset[0];
	return clock == CLOCK_BOOTTIME || clock == CLOCK_BOOTTIME_ALARM ? offset[1] : 0;
}

/* "key: (SECONDS, NANOSECONDS)" */
static bool read_time(const char *text, const char *key, uint64_t *ret)
{
	unsigned long long sec, nsec;
	const char *at = after(text, key);

	if (!at || sscanf(at, " (%llu, %llu)", &sec, &nsec) != 2 || sec > INT64_MAX / NS_PER_SEC - 1)
		return false;
	*ret = sec * NS_PER_SEC + nsec;
	return true;
}

static bool read_timer_text(const char *text, struct kho_timer_attributes *ret, uint64_t *ret_left)
{
	const char *clock = after(text, "clockid:"), *ticks = after(text, "ticks:"),
		   *flags = after(text, "settime flags:");

	if (!clock || !ticks || !flags || !read_time(text, "it_value:", ret_left) ||
	    !read_time(text, "it_interval:", &ret->interval_ns))
		return false;
	ret->clock = (uint32_t)strtoul(clock, NULL, 10);
	ret->ticks = strtoull(ticks, NULL, 10);
	ret->flags = (uint32_t)strtoul(flags, NULL, 8);
	return true;
}

/*
 * One that expired is counted on only when it's looked at, by a read or by
 * timerfd_gettime(): which is asked first, so that what /proc says then is all.
 */
static int read_timer(struct reading *reading, int number, struct kho_err *err)
{
	struct kho_timer_attributes t = { .pid = reading->pid, .fd = number };
	_cleanup_close_ int fd = kho_attributes_take_fd(reading->pidfd, number);
	_cleanup_free_ char *text = NULL;
	struct itimerspec ignored;
	char name[32];
	uint64_t left;
	int r;

	if (fd < 0 || timerfd_gettime(fd, &ignored) < 0)
		return kho_fail_errno(err, -errno, "timer %d of process %d", number, reading->pid);
	snprintf(name, sizeof(name), "fdinfo/%d", number);
	r = read_proc(reading->pid, name, &text, err);
	if (r < 0)
		return r;
	if (!read_timer_text(text, &t, &left))
		return kho_fail(err, -EBADMSG, "/proc/%d/%s is of no timer", reading->pid, name);
	/* expired just now */
	if (!left)
		left = t.interval_ns;
	if (left)
		t.due_ns = kho_attributes_now(t.clock) + left +
			   (uint64_t)kho_attributes_offset(reading->offset, t.clock);
	return kho_attributes_add_timer(reading->attributes, &t, err);
}

static int read_fd(struct reading *reading, int dir, const char *name, struct kho_err *err)
{
	char link[LINK_MAX];
	ssize_t n = readlinkat(dir, name, link, sizeof(link) - 1);
	int number = (int)strtol(name, NULL, 10);

	if (n <= 0)
		return 0;
	link[n] = '\0';
	if (strncmp(link, "socket:", 7) == 0)
		return read_socket(reading, number, err);
	if (strcmp(link, "anon_inode:[timerfd]") == 0)
		return read_timer(reading, number, err);
	return 0;
}

static int read_fds(struct reading *reading, struct kho_err *err)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	char path[64];
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", reading->pid);
	dir = opendir(path);
	if (!dir)
		return kho_fail_errno(err, -errno, "%s", path);
	while (r >= 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			r = read_fd(reading, dirfd(dir), entry->d_name, err);
	return r;
}

static int read_process(struct reading *reading, struct kho_err *err)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, reading->pid, 0);
	struct kho_process_attributes p;
	int r;

	if (pidfd < 0)
		return kho_fail_errno(err, -errno, "process %d", reading->pid);
	reading->pidfd = pidfd;
	r = kho_attributes_get_process(reading->pid, &p, err);
	if (r >= 0)
		r = kho_attributes_add_process(reading->attributes, &p, err);
	if (r >= 0)
		r = kho_attributes_get_offsets(reading->pid, reading->offset, err);
	if (r >= 0)
		r = read_tasks(reading, err);
	return r < 0 ? r : read_fds(reading, err);
}

int kho_attributes_read(const struct kho_pids *pids, struct kho_attributes *ret,
			struct kho_err *err)
{
	struct kho_attributes attributes = {};
	struct reading reading = { .attributes = &attributes };
	int r = kho_attributes_read_cpus("online", &attributes.online, err);

	if (r >= 0)
		r = kho_attributes_read_cpus("possible", &reading.possible, err);
	for (size_t i = 0; r >= 0 && i < pids->nr; i++) {
		reading.pid = pids->pids[i];
		r = read_process(&reading, err);
	}
	if (r < 0)
		kho_attributes_done(&attributes);
	else
		*ret = attributes;
	return r;
}
