/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a checkpoint of CRIU doesn't hold, or holds wrongly: recorded while the tasks
 * stand still, set again before they run.
 *
 *	old side			    new side, in pre-resume
 *	read() -> format() ---- file ----> parse() -> set()
 *
 * Per task (thread): CPU affinity, scheduling with nice, I/O priority, timer slack.
 * Per process: oom_score_adj (CRIU leaves its own if it was 0), coredump_filter.
 * Per TCP socket: congestion control. Per timerfd: when it's due; CRIU forgets the
 * period of one that has expired and wasn't read yet, which is each that came due
 * while tasks stood still, and rounds absolute times down to seconds.
 *
 * CPUs have other numbers in the new kernel. Who might run on all CPUs may do so there,
 * also on those that it's given later. Other sets are mapped CPU for CPU, the first
 * online one to the first, and so on, round and round if there are fewer.
 *
 * Format: a line each, words and numbers; what's recorded twice counts as it's last.
 *
 *	kho-attributes 1
 *	online CPUS
 *	task TID POLICY FLAGS NICE PRIORITY RUNTIME DEADLINE PERIOD IOPRIO SLACK_NS CPUS|all
 *	process PID OOM_SCORE_ADJ COREDUMP_FILTER
 *	congestion PID FD NAME
 *	timer PID FD CLOCK FLAGS TICKS DUE_NS INTERVAL_NS
 *	end
 *
 * Lines of other words, and words at a line's end, are of later versions and ignored.
 */
#ifndef KHO_MIGRATE_ATTRIBUTES_H
#define KHO_MIGRATE_ATTRIBUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/parse.h"
#include "migrate/workload/cgroup.h"

#define KHO_ATTRIBUTES_FILE	"attributes"	/* in the folder of CRIU's images */
#define KHO_ATTRIBUTES_MAX	(16u << 20)	/* bytes of text */
#define KHO_CONGESTION_NAME	16

struct kho_task_attributes {
	pid_t tid;
	bool all_cpus;			/* then @cpus doesn't count */
	struct kho_cpus cpus;
	uint32_t policy;
	uint64_t flags;			/* SCHED_FLAG_*, as of sched_setattr(2) */
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;	/* of SCHED_DEADLINE, else 0 */
	uint32_t ioprio;		/* as of ioprio_set(2); 0: none of its own */
	uint64_t slack_ns;
};

struct kho_process_attributes {
	pid_t pid;
	int32_t oom_score_adj;
	uint32_t coredump_filter;
};

struct kho_socket_attributes {
	pid_t pid;
	int fd;
	char congestion[KHO_CONGESTION_NAME];
};

struct kho_timer_attributes {
	pid_t pid;
	int fd;
	uint32_t clock;
	uint32_t flags;			/* of timerfd_settime(2) */
	uint64_t ticks;			/* that weren't read */
	uint64_t due_ns;		/* by the task's own clock; 0: not armed */
	uint64_t interval_ns;
};

struct kho_attributes {
	struct kho_cpus online;		/* of the old kernel */
	struct kho_task_attributes *tasks;	/* arrays are owned */
	struct kho_process_attributes *processes;
	struct kho_socket_attributes *sockets;
	struct kho_timer_attributes *timers;
	size_t nr_tasks, nr_processes, nr_sockets, nr_timers;
};

void kho_attributes_done(struct kho_attributes *attributes);

/* Copies. -ENOMEM */
int kho_attributes_add_task(struct kho_attributes *attributes,
			    const struct kho_task_attributes *task, struct kho_err *err);
int kho_attributes_add_process(struct kho_attributes *attributes,
			       const struct kho_process_attributes *process, struct kho_err *err);
int kho_attributes_add_socket(struct kho_attributes *attributes,
			      const struct kho_socket_attributes *socket, struct kho_err *err);
int kho_attributes_add_timer(struct kho_attributes *attributes,
			     const struct kho_timer_attributes *timer, struct kho_err *err);

/* *@ret is the caller's to free. */
int kho_attributes_format(const struct kho_attributes *attributes, char **ret,
			  struct kho_err *err);

/* @text is changed. -EBADMSG: not of this form, or cut off. */
int kho_attributes_parse(char *text, struct kho_attributes *ret, struct kho_err *err);

/* See above. *@ret is never empty unless @to is. */
void kho_attributes_map_cpus(const struct kho_cpus *cpus, const struct kho_cpus *from,
			     const struct kho_cpus *to, struct kho_cpus *ret);

/*
 * attributes_read.c: of all tasks of the processes, which stand still. -ESRCH: one of
 * them is gone.
 */
int kho_attributes_read(const struct kho_pids *pids, struct kho_attributes *ret,
			struct kho_err *err);

/*
 * attributes_set.c: on tasks of the same PIDs, in this kernel; what is so already is
 * left alone. The first that can't be set ends it: the message names task and remedy.
 */
int kho_attributes_set(const struct kho_attributes *attributes, struct kho_err *err);

/* What the file in the folder of images says; 0 if there's none: an older agent's dump. */
int kho_attributes_set_from(int images_fd, struct kho_err *err);

#endif
