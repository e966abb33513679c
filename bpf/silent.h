/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The probe "silent": from the last packet with data that a workload sent in the one
 * kernel to the first that it sends in the other. That's what a client on another host
 * waits for, and longer than it's frozen: packets wait until the move is committed.
 *
 * A program at the cgroup's way out sees each packet after nftables has let it pass, and
 * lets it pass in turn. What goes over the loopback (health commands), and TCP without
 * data, doesn't count. IPv4 and IPv6 without extension headers.
 */
#ifndef KHO_BPF_SILENT_H
#define KHO_BPF_SILENT_H

#include <linux/types.h>

/* Of a workload. Times are of that kernel's monotonic clock; 0: not seen. */
struct kho_silent_seen {
	__u64 last_out_ns;		/* before it was frozen */
	__u64 first_out_ns;		/* since it was told to run */
	__u64 unread;			/* packets that couldn't be told: extension headers */
};

#endif
