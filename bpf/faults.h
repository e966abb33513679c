/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The probe "faults": page faults of a workload that had to wait until its memory came
 * (userfaultfd), and for how long. Only on the side that it comes to.
 */
#ifndef KHO_BPF_FAULTS_H
#define KHO_BPF_FAULTS_H

#include <linux/types.h>

#define KHO_FAULTS_SLOTS	32u	/* slot n: from 2^n to 2^(n+1) us; the first one from 0 */
#define KHO_FAULTS_WAITING	16384u	/* tasks that wait at the same time */

/* Of a workload. */
struct kho_faults_seen {
	__u64 count;
	__u64 total_ns;
	__u64 max_ns;
	__u64 dropped;			/* faults whose time isn't known: no room */
	__u64 slots[KHO_FAULTS_SLOTS];
};

#endif
