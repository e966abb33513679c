/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections within the new kernel (lo) while they're being restored: one end is there
 * before the other. What it sends, because its queue has unsent data or the kernel
 * probes the window, meets no socket, and the kernel would answer by a reset that ends
 * the connection. While a hush lasts such resets don't leave.
 *
 * A reset that answers a segment of a connection has no flag but RST; that of a refused
 * connect() has ACK, and isn't touched. Data that was dropped is repeated by TCP.
 *
 * The rules are in the network namespace of the caller, in a table of its own that the
 * kernel removes when the caller's socket goes, however it ends.
 */
#ifndef KHO_MIGRATE_NET_HUSH_H
#define KHO_MIGRATE_NET_HUSH_H

#include "base/err.h"
#include "migrate/net/nl.h"

struct kho_hush {
	struct kho_nl nl;
};

/* -EOPNOTSUPP and others of nftables: this kernel can't; all zero then, as after end(). */
int kho_hush_begin(struct kho_hush *hush, struct kho_err *err);
void kho_hush_end(struct kho_hush *hush);

#endif
