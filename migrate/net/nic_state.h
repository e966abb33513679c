/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is configured on a NIC: kept, and set again on the same NIC in another kernel.
 *
 * Theory of operation
 *
 * When a NIC's PCI function goes to the other kernel its interface ends here, with all
 * addresses and routes. They are read before, as the messages by which rtnetlink tells
 * of them, and made anew from those: on the new side, or here again if the move is
 * called off. Interfaces have other numbers and names then, so messages are never
 * sent as they are: each is taken apart, and what's known to be needed goes into a
 * fresh one for the interface that has the function now.
 *
 *	addresses  all but link-local IPv6 ones, which the kernel makes from the MAC
 *	           address, and temporary ones; no duplicate address detection
 *	routes     of the main table by that interface, but those that come with an
 *	           address; preferred source, priority and gateway are kept
 *	link       MTU
 *
 * Not kept: offload settings, queues and other rules of the driver, traffic control,
 * multicast routes, routes with several next hops, what a VLAN or bridge above it has.
 *
 * The bytes go over the channel: nothing in them is trusted.
 */
#ifndef KHO_MIGRATE_NET_NIC_STATE_H
#define KHO_MIGRATE_NET_NIC_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "migrate/net/address.h"

#define KHO_NIC_STATE_MAX	32768u

struct kho_nic_state {
	uint32_t mtu;			/* 0: as the driver has it */
	size_t size;
	uint8_t messages[KHO_NIC_STATE_MAX];	/* netlink's, one after the other */
};

/* -E2BIG: more is configured than KHO_NIC_STATE_MAX holds. */
int kho_nic_state_read(const struct kho_nic *nic, struct kho_nic_state *ret,
		       struct kho_err *err);

/*
 * Sets it on an interface that is up; what's there already is no error. Goes on after
 * a failure and returns the first one. -EBADMSG: not what kho_nic_state_read() makes,
 * and then nothing was done.
 */
int kho_nic_state_apply(const struct kho_nic_state *state, unsigned int ifindex,
			struct kho_err *err);

/*
 * Calls @make for each message of @state, made anew for @ifindex, addresses first; it's
 * valid during the call. Anything but 0 ends it and is its result. -EBADMSG: as above,
 * found before the first call. Pure.
 */
struct nlmsghdr;
int kho_nic_state_walk(const struct kho_nic_state *state, unsigned int ifindex,
		       int (*make)(void *ctx, struct nlmsghdr *message), void *ctx,
		       struct kho_err *err);

#endif
