/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Peers that heard nothing for long: makes them repeat now what they've sent meanwhile.
 *
 * TCP waits twice as long before each repetition, so after a silence of 15 s a peer may well be
 * silent for 10 more. An ICMP error "unreachable" that quotes the segment it repeats takes one
 * doubling back, or has it repeat at once if that much has passed (RFC 6069, in Linux since
 * 2.6.32). A few of them, as many as there are bursts of an announcement (announce.h), bring a
 * wait of half a minute down to one second at most, mostly to none.
 *
 * A peer that waits for nothing, or whose TCP doesn't know this, takes note of an error that isn't
 * lasting, and goes on (RFC 1122, 4.2.3.9).
 */
#ifndef KHO_MIGRATE_NET_WAKE_H
#define KHO_MIGRATE_NET_WAKE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "migrate/net/address.h"

#define KHO_WAKE_MAX	56	/* bytes of a message, without its IP header */

/* A connection of TCP. Both addresses are of one family; their prefixes don't count. */
struct kho_connection {
	struct kho_address local, remote;
	uint16_t local_port, remote_port;	/* host's order */
	uint32_t next;				/* number of the peer's byte that's expected here */
};

/*
 * The ICMP message for its peer. Pure. Returns its size; that of IPv6 has no checksum, which the
 * kernel adds.
 */
size_t kho_wake_message(const struct kho_connection *connection, uint8_t message[KHO_WAKE_MAX]);

/*
 * One message for each peer, from the connection's local address, which has to be here and let
 * through. All are tried; the first error is told.
 */
int kho_wake(const struct kho_connection *connections, size_t count, struct kho_err *err);

#endif
