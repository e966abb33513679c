/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an agent that was killed left in the kernel's network tables.
 *
 * All of it is known by fixed names and numbers: nft tables "kho_hold" and
 * "kho_silence" with a number, routes and neighbours with protocol KHO_NET_PROTOCOL. Service
 * addresses themselves are never removed here.
 */
#ifndef KHO_MIGRATE_NET_CLEAN_H
#define KHO_MIGRATE_NET_CLEAN_H

#include <stdbool.h>

#include "base/err.h"

enum kho_clean {
	/*
	 * Ends holding and forwarding on the old side. While an agent was
	 * holding: the sockets get what is sent from now on. After a commit: late
	 * packets aren't sent on any more; don't, unless the new side says so.
	 */
	KHO_CLEAN_HOLD = 1 << 0,
	/*
	 * Ends silence on the new side: the addresses are answered for from now
	 * on. Only after a commit, or when they were removed.
	 */
	KHO_CLEAN_SILENCE = 1 << 1,
};

/* What there is, as enum kho_clean flags in @ret. */
int kho_net_leftovers(unsigned int *ret, struct kho_err *err);

/* @flags of enum kho_clean. That nothing's there is no error. */
int kho_net_clean(unsigned int flags, struct kho_err *err);

/* KHO_CLEAN_SILENCE for one of them. */
int kho_net_clean_silence(unsigned int number, struct kho_err *err);

#endif
