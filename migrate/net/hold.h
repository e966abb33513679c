/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The old side: packets to service addresses are held, and later delivered here
 * or sent on to the new kernel's NIC. None is dropped, and no RST is sent.
 *
 *	             +------------------+
 *	             v                  |
 *	prepare --> begin --> held ----> release_local ---> stop
 *	            |  mute / unmute                          ^
 *	            +---> release_forward (packets go on) ----+
 *
 * prepare         Nothing happens yet, but all that the kernel needs for later
 *                 steps is there: modules, tables, the queue. Takes long.
 * held            Every packet to a service address, from any interface, is
 *                 queued before the kernel decides where it goes (nft queue at
 *                 prerouting, packets merged by GRO stay merged). ARP and IPv6
 *                 neighbour discovery are answered as before, so that packets
 *                 keep coming here.
 * mute            Nothing leaves from a service address any more: no ACK, FIN,
 *                 RST or retransmission. Switch it on when tasks are frozen and
 *                 before they are dumped.
 * release_local   Abort, or only a pause; nothing if nothing is held. Unmutes, delivers
 *                 what is held to the sockets, in order; what comes into the queue
 *                 in that very instant may be overtaken by its successor. Call it when tasks run
 *                 again (or at least: when their sockets are out of repair mode).
 *                 begin holds again.
 * release_forward Commit. The addresses are removed here, held packets are sent
 *                 to the new kernel's NIC, in order, and so are all that still
 *                 come. Call it when the new side has ended its silence, since
 *                 it throws away what comes before. Forwarding is done by the
 *                 kernel alone and goes on when this process ends. Muted stays
 *                 muted.
 * stop            All of ours is taken out of the kernel: rules, routes,
 *                 neighbours. After release_forward it's for when the new side
 *                 says that nothing comes here any more, or never: the old
 *                 kernel disappears anyway.
 *
 * After a release call kho_hold_process() for another 50 ms or more whenever
 * the fd is readable, then stop: packets that were on their way into the queue
 * when its rules went away are let go by it.
 *
 * When the process dies while packets are held, they and all that come later are
 * dropped: rules without a reader drop. That's what TCP repairs by itself, and
 * it can't lead to a RST. The next agent calls kho_net_clean() (clean.h).
 *
 * Limits. Held packets are lost when any program removes a base chain from this
 * network namespace's nftables or iptables meanwhile (the kernel empties all
 * queues then), or when the NIC they came by is set down. TCP repairs both.
 * What's forwarded has its TTL decremented, and DF set.
 *
 * Functions return 0 or a negative errno and fill @err (may be NULL). One that
 * isn't allowed in a state is -EINVAL.
 */
#ifndef KHO_MIGRATE_NET_HOLD_H
#define KHO_MIGRATE_NET_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "migrate/net/address.h"

#define KHO_HOLD_LENGTH		65536	/* packets held at most; more are dropped */

struct kho_hold;

struct kho_hold_stats {
	uint64_t held;		/* packets that came into the queue; a merged one counts once */
	uint64_t released;	/* of them, let go */
	uint64_t dropped;	/* lost: the queue was full or nobody read it */
};

/*
 * Makes ready to hold. @services are at most KHO_NET_ADDRESSES_MAX; they are copied.
 * ifindex is the interface that the address is on and that packets will be
 * forwarded by. All the kernel needs for later steps is asked for here: when it
 * succeeds, rules for muting and forwarding are known to work.
 *   -EBUSY       another process holds, or its leftovers are there: kho_net_clean()
 *   -EOPNOTSUPP  this kernel lacks nft_queue, nft_dup_ipv4, ...
 */
int kho_hold_prepare(const struct kho_service *services, size_t count, struct kho_hold **ret,
		     struct kho_err *err);

/*
 * The same if there's nobody to send them on to: they're delivered here, or end with this
 * kernel. What forwarding needs isn't asked for, and release_forward mustn't be.
 */
int kho_hold_prepare_here(const struct kho_service *services, size_t count,
			  struct kho_hold **ret, struct kho_err *err);

/* From here on packets are held. */
int kho_hold_begin(struct kho_hold *hold, struct kho_err *err);

/* Both. */
int kho_hold_start(const struct kho_service *services, size_t count, struct kho_hold **ret,
		   struct kho_err *err);

/* To poll for reading. It stays the same and belongs to @hold; -EBADF after stop. */
int kho_hold_fd(const struct kho_hold *hold);

/*
 * Takes in what the queue has to say; never blocks. Must be called within about
 * 40000 packets, or else the kernel drops some.
 */
int kho_hold_process(struct kho_hold *hold, struct kho_err *err);

int kho_hold_mute(struct kho_hold *hold, bool on, struct kho_err *err);

int kho_hold_release_local(struct kho_hold *hold, struct kho_err *err);

/*
 * @macs[i] is the MAC address of the new kernel's NIC for services[i]; all zero: its
 * NIC has gone there itself, and nothing is to be done about it here. Steps
 * that fail are reported, yet the others are done: there's no way back.
 */
int kho_hold_release_forward(struct kho_hold *hold, const uint8_t (*macs)[KHO_MAC_SIZE],
			     struct kho_err *err);

int kho_hold_stats(struct kho_hold *hold, struct kho_hold_stats *ret, struct kho_err *err);

/* Packets still held are dropped; after a release there are none. */
int kho_hold_stop(struct kho_hold *hold, struct kho_err *err);

/* Frees the object only; kernel state stays as it is. NULL is fine. */
void kho_hold_free(struct kho_hold *hold);

static inline void kho_cleanup_hold(struct kho_hold **hold)
{
	kho_hold_free(*hold);
}
#define _cleanup_hold_ __attribute__((cleanup(kho_cleanup_hold)))

#endif
