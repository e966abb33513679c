/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The new side: service addresses are there, and the network doesn't notice.
 *
 *	start --> (kho_address_add) --> silent --> end ---> stop    commit
 *	                                   |
 *	                                   +--> (kho_address_remove) --> stop   abort
 *
 * silent  Whatever other hosts send to a service address is dropped. No ARP and
 *         no neighbour discovery leaves with one of the addresses, neither
 *         answers nor questions. IP packets that tasks send from them to other
 *         hosts are queued. Traffic within this kernel (lo) isn't touched, so a
 *         health check by the service address works.
 * end     Commit: the rules go away, and what tasks sent meanwhile leaves, in
 *         order. Announce (announce.h) right after it, then let the old side
 *         forward.
 * stop    Takes our rules out of the kernel; when silence hasn't ended, what
 *         tasks had sent is dropped. After end call kho_silence_process() for
 *         another 50 ms whenever the fd is readable before stop.
 *
 * There may be several, by number, whose rules and queues have nothing to do with each
 * other. But for one thing: the kernel empties all queues when one of them is stopped. That
 * loses nothing: all are ended by then, or all are to be stopped.
 *
 * Start it before addresses are added. When the process dies the kernel goes on
 * being silent: queued packets are dropped then. Whether the next agent of the
 * new side ends that is for it to decide (KHO_CLEAN_SILENCE in clean.h).
 *
 * Functions return 0 or a negative errno and fill @err (may be NULL).
 */
#ifndef KHO_MIGRATE_NET_SILENCE_H
#define KHO_MIGRATE_NET_SILENCE_H

#include <stddef.h>

#include "base/err.h"
#include "migrate/net/address.h"
#include "migrate/net/hold.h"

struct kho_silence;

#define KHO_SILENCES	32

/* @number: less than KHO_SILENCES. As kho_hold_start(): -EBUSY, -EOPNOTSUPP. */
int kho_silence_start(unsigned int number, const struct kho_service *services, size_t count,
		      struct kho_silence **ret, struct kho_err *err);

/* Both as in hold.h. */
int kho_silence_fd(const struct kho_silence *silence);
int kho_silence_process(struct kho_silence *silence, struct kho_err *err);
int kho_silence_end(struct kho_silence *silence, struct kho_err *err);
int kho_silence_stop(struct kho_silence *silence, struct kho_err *err);

/* Frees the object only; kernel state stays as it is. NULL is fine. */
void kho_silence_free(struct kho_silence *silence);

static inline void kho_cleanup_silence(struct kho_silence **silence)
{
	kho_silence_free(*silence);
}
#define _cleanup_silence_ __attribute__((cleanup(kho_cleanup_silence)))

#endif
