// SPDX-License-Identifier: GPL-2.0-only
/* Attributes onto restored tasks that haven't run yet; attributes.h has the idea. */
#include <errno.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/workload/attributes.h"
#include "migrate/workload/attributes_private.h"

#define NS_PER_SEC	1000000000ull
#define SET_TICKS	_IOW('T', 0, uint64_t)	/* TFD_IOC_SET_TICKS */

struct setting {
	const struct kho_attributes *attributes;
	struct kho_cpus online, possible;
	pid_t pid;			/* whose descriptor is open; 0: none */
	int pidfd;
};

static int write_proc(pid_t pid, const char *name, const char *value, struct kho_err *err)
{
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	r = kho_file_write_string(path, value, err);
	return r < 0 ? kho_wrap(err, r, "%s can't be %s again", name, value) : 0;
}

/* ---- tasks ---- */

static int set_affinity(const struct setting *setting, const struct kho_task_attributes *t,
			struct kho_err *err)
{
	struct kho_cpus cpus = setting->possible;

	if (!t->all_cpus)
		kho_attributes_map_cpus(&t->cpus, &setting->attributes->online, &setting->online,
					&cpus);
	if (syscall(SYS_sched_setaffinity, t->tid, sizeof(cpus.bits), cpus.bits) < 0)
		return kho_fail_errno(err, -errno, "the CPUs of task %d can't be set; see AllowedCPUs= "
				      "of its unit", t->tid);
	return 0;
}

static bool same_sched(const struct kho_task_attributes *a, const struct kho_task_attributes *b)
{
	return a->policy == b->policy && a->flags == b->flags && a->nice == b->nice &&
	       a->priority == b->priority && a->runtime_ns == b->runtime_ns &&
	       a->deadline_ns == b->deadline_ns && a->period_ns == b->period_ns;
}

static int set_sched(const struct kho_task_attributes *t, struct kho_err *err)
{
	struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = t->policy,
		.sched_flags = t->flags,
		.sched_nice = t->nice,
		.sched_priority = t->priority,
		.sched_runtime = t->runtime_ns,
		.sched_deadline = t->deadline_ns,
		.sched_period = t->period_ns,
	};
	struct kho_task_attributes now = {};
	int r = kho_attributes_get_sched(t->tid, &now, err);

	if (r < 0 || same_sched(t, &now))
		return r;
	if (syscall(SYS_sched_setattr, t->tid, &attr, 0) < 0)
		return kho_fail_errno(err, -errno, "scheduling of task %d can't be policy %u, priority "
				      "%u, nice %d again; see kernel.sched_rt_runtime_us of the new "
				      "kernel", t->tid, t->policy, t->priority, t->nice);
	return 0;
}

static int set_ioprio(const struct kho_task_attributes *t, struct kho_err *err)
{
	uint32_t now = 0;
	int r = kho_attributes_get_ioprio(t->tid, &now, err);

	if (r < 0 || now == t->ioprio)
		return r;
	if (syscall(SYS_ioprio_set, KHO_IOPRIO_WHO_PROCESS, t->tid, t->ioprio) < 0)
		return kho_fail_errno(err, -errno, "the I/O priority of task %d can't be 0x%x again",
				      t->tid, t->ioprio);
	return 0;
}

static int set_slack(const struct kho_task_attributes *t, struct kho_err *err)
{
	uint64_t now = 0;
	char value[24];
	int r = kho_attributes_get_slack(t->tid, &now, err);

	if (r < 0 || now == t->slack_ns)
		return r;
	snprintf(value, sizeof(value), "%llu", (unsigned long long)t->slack_ns);
	return write_proc(t->tid, "timerslack_ns", value, err);
}

static int set_task(const struct setting *setting, const struct kho_task_attributes *t,
		    struct kho_err *err)
{
	int r = set_affinity(setting, t, err);

	if (r >= 0)
		r = set_sched(t, err);
	if (r >= 0)
		r = set_ioprio(t, err);
	return r < 0 ? r : set_slack(t, err);
}

/* ---- processes ---- */

static int set_process(const struct kho_process_attributes *p, struct kho_err *err)
{
	struct kho_process_attributes now;
	char value[24];
	int r = kho_attributes_get_process(p->pid, &now, err);

	if (r >= 0 && now.oom_score_adj != p->oom_score_adj) {
		snprintf(value, sizeof(value), "%d", p->oom_score_adj);
		r = write_proc(p->pid, "oom_score_adj", value, err);
	}
	if (r >= 0 && now.coredump_filter != p->coredump_filter) {
		snprintf(value, sizeof(value), "0x%x", p->coredump_filter);
		r = write_proc(p->pid, "coredump_filter", value, err);
	}
	return r;
}

/* ---- descriptors ---- */

/* Lists are by process: one pidfd is open at a time. */
static int take_fd(struct setting *setting, pid_t pid, int number, struct kho_err *err)
{
	int fd;

	if (setting->pid != pid) {
		if (setting->pidfd >= 0)
			close(setting->pidfd);
		setting->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		setting->pid = pid;
	}
	fd = setting->pidfd < 0 ? -1 : kho_attributes_take_fd(setting->pidfd, number);
	return fd < 0 ? kho_fail_errno(err, -errno, "descriptor %d of process %d", number, pid) : fd;
}

static int set_socket(struct setting *setting, const struct kho_socket_attributes *s,
		      struct kho_err *err)
{
	_cleanup_close_ int fd = take_fd(setting, s->pid, s->fd, err);
	char now[KHO_CONGESTION_NAME];

	if (fd < 0)
		return fd;
	if (kho_attributes_get_congestion(fd, now) == 0 && strcmp(now, s->congestion) == 0)
		return 0;
	if (setsockopt(fd, SOL_TCP, TCP_CONGESTION, s->congestion, strlen(s->congestion)) < 0)
		return kho_fail_errno(err, -errno, "descriptor %d of process %d can't have congestion "
				      "control %s; load tcp_%s in the new kernel", s->fd, s->pid,
				      s->congestion, s->congestion);
	return 0;
}

static struct timespec to_timespec(uint64_t ns)
{
	return (struct timespec){ (time_t)(ns / NS_PER_SEC), (long)(ns % NS_PER_SEC) };
}

/*
 * @offset is what the task's clock is ahead of ours, by which we have to speak. Always
 * absolute: what came due in the meantime is counted by the kernel then.
 */
static int arm(int fd, const struct kho_timer_attributes *t, int64_t offset)
{
	struct itimerspec spec = { .it_interval = to_timespec(t->interval_ns) };
	int64_t due = (int64_t)t->due_ns - offset;

	if (t->due_ns)
		spec.it_value = to_timespec(due > 0 ? (uint64_t)due : 1);
	if (timerfd_settime(fd, (int)(t->flags | TFD_TIMER_ABSTIME), &spec, NULL) < 0 ||
	    (t->ticks && ioctl(fd, SET_TICKS, &t->ticks) < 0))
		return -errno;
	return 0;
}

static int set_timer(struct setting *setting, const struct kho_timer_attributes *t,
		     struct kho_err *err)
{
	_cleanup_close_ int fd = take_fd(setting, t->pid, t->fd, err);
	int64_t offsets[2];
	int r = fd < 0 ? fd : kho_attributes_get_offsets(t->pid, offsets, err);

	if (r < 0)
		return r;
	r = arm(fd, t, kho_attributes_offset(offsets, t->clock));
	return r < 0 ? kho_fail_errno(err, r, "the timer on descriptor %d of process %d can't be set "
				      "again", t->fd, t->pid) : 0;
}

static int set_all(struct setting *setting, struct kho_err *err)
{
	const struct kho_attributes *a = setting->attributes;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < a->nr_tasks; i++)
		r = set_task(setting, &a->tasks[i], err);
	for (size_t i = 0; r >= 0 && i < a->nr_processes; i++)
		r = set_process(&a->processes[i], err);
	for (size_t i = 0; r >= 0 && i < a->nr_sockets; i++)
		r = set_socket(setting, &a->sockets[i], err);
	for (size_t i = 0; r >= 0 && i < a->nr_timers; i++)
		r = set_timer(setting, &a->timers[i], err);
	return r;
}

int kho_attributes_set(const struct kho_attributes *attributes, struct kho_err *err)
{
	struct setting setting = { .attributes = attributes, .pidfd = -EBADF };
	int r = kho_attributes_read_cpus("online", &setting.online, err);

	if (r >= 0)
		r = kho_attributes_read_cpus("possible", &setting.possible, err);
	if (r >= 0)
		r = set_all(&setting, err);
	if (setting.pidfd >= 0)
		close(setting.pidfd);
	return r;
}

int kho_attributes_set_from(int images_fd, struct kho_err *err)
{
	struct kho_attributes attributes = {};
	_cleanup_free_ char *text = NULL;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/" KHO_ATTRIBUTES_FILE, images_fd);
	if (access(path, F_OK) < 0)
		return 0;
	r = kho_file_read(path, KHO_ATTRIBUTES_MAX, &text, NULL, err);
	if (r >= 0)
		r = kho_attributes_parse(text, &attributes, err);
	if (r >= 0)
		r = kho_attributes_set(&attributes, err);
	kho_attributes_done(&attributes);
	return r;
}
