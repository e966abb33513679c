/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all probes that watch workloads share with their programs in the kernel: which
 * cgroups are meant, and how far each workload has come.
 *
 *	side that it leaves		side that it comes to
 *
 *	RUNS	watched			RUNS	watched; its tasks aren't there yet
 *	  | the kernel says: frozen	  | it's about to be restored
 *	  v				  v
 *	FROZEN	what was seen stays	COMING	tasks that a tracer stops are its tasks
 *					  | it's about to be told to run
 *					  v
 *					RESUMED	what is first from here on counts
 */
#ifndef KHO_BPF_WATCH_H
#define KHO_BPF_WATCH_H

#include <linux/types.h>

#define KHO_WATCHED	32u		/* workloads, KHO_MOVE_ITEMS */
#define KHO_WATCH_LEVEL	9		/* of a workload's cgroup below the root, at most */
#define KHO_WATCH_NONE	(~0u)

enum kho_watch_phase {
	KHO_WATCH_RUNS = 0,
	KHO_WATCH_FROZEN,
	KHO_WATCH_COMING,
	KHO_WATCH_RESUMED,
};

#endif
