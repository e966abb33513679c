/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The probe "tcp": what went wrong on connections of a service address, in one kernel.
 * Only those of the agent's own network namespace: a rehearsal's copy has one of its own, with
 * the same addresses. Addresses are 16 bytes, IPv4 ones mapped into IPv6 (::ffff:a.b.c.d).
 */
#ifndef KHO_BPF_TCP_H
#define KHO_BPF_TCP_H

#include <linux/types.h>

#define KHO_TCP_ADDRESSES	128u

struct kho_tcp_address {
	__u8 bytes[16];
};

struct kho_tcp_seen {
	__u64 retransmits;		/* segments sent again */
	__u64 resets_sent;
	__u64 resets_received;
	__u64 zero_windows;		/* times that "no room" was to be told the peer */
	__u64 window_probes;		/* times that the peer was asked whether it has room */
};

#endif
