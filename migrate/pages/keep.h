/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that stays in this kernel: CRIU's pages out of a relay, right into a store. For a
 * kexec, which leaves the store to the next kernel; in a move there's a lane in between.
 *
 *	criu --socketpair--> relay ---> feed ---> store (a memfd)
 */
#ifndef KHO_PAGES_KEEP_H
#define KHO_PAGES_KEEP_H

#include "base/err.h"
#include "migrate/pages/relay.h"

struct kho_page_keep;

/* An empty store. -ENOMEM, or errno of memfd_create(). Free takes NULL. */
int kho_page_keep_new(struct kho_page_keep **ret, struct kho_err *err);
void kho_page_keep_free(struct kho_page_keep *keep);

/* A round begins, ends early. -EBUSY: one is under way. */
int kho_page_keep_begin(struct kho_page_keep *keep, struct kho_err *err);
void kho_page_keep_abandon(struct kho_page_keep *keep);

/*
 * Takes what is there, from a @relay whose round has begun.
 *   0          the round is over, and all is in the store: answer the relay
 *   1          there may be more; that was enough for one call
 *   -EAGAIN    nothing now: poll the relay's fd
 * or errors of the relay and of the store: the round has failed.
 */
int kho_page_keep_take(struct kho_page_keep *keep, struct kho_page_relay *relay,
		       struct kho_err *err);

/*
 * When the last round is over: the data's file, which stays the store's, and a new one with
 * the index, the caller's to close. Nothing is taken any more.
 */
int kho_page_keep_close(struct kho_page_keep *keep, int *ret_data, int *ret_index,
			struct kho_err *err);

#endif
