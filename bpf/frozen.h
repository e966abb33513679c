/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The probe "frozen": for how long no task of a workload ran, as the schedulers of the
 * two kernels saw it, and how long until it made its first system call.
 *
 * On the side that it leaves: when a CPU left one of its tasks last, before all of them
 * stood still. What CRIU makes them do afterwards doesn't count: as soon as one of them is
 * on a CPU again after the kernel has said that they're frozen, nothing is noted any more.
 *
 * On the side that it comes to: tasks of its unit's cgroup are its own if a tracer has
 * stopped them (CRIU stops all that it has restored; CRIU and kho-restore, which are in
 * the same cgroup, aren't traced). When the first of them is on a CPU and not traced, it
 * runs.
 */
#ifndef KHO_BPF_FROZEN_H
#define KHO_BPF_FROZEN_H

#include <linux/types.h>

#define KHO_FROZEN_TASKS	16384u	/* restored tasks that are told apart */

/* Of a workload. Times are of that kernel's monotonic clock; 0: not seen. */
struct kho_frozen_seen {
	__u64 last_out_ns;		/* a CPU left one of its tasks */
	__u64 first_in_ns;		/* a CPU took up one of its restored tasks */
	__u64 first_call_ns;		/* such a task made a system call */
	__u64 dropped;			/* tasks that there was no room for */
	__u64 touched;			/* not 0: one ran since all stood still */
};

#endif
