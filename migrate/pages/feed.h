/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The new agent's end: bytes of CRIU's page protocol into a page store.
 *
 * Theory of operation
 *
 * The feed says where the next bytes are to be put, so that a page is copied
 * once, from the lane to its place in the store:
 *
 *	while ((r = kho_page_feed_room(feed, &data, &size, &err)) > 0) {
 *		n = kho_bulk_read(&reader, data, size);
 *		if (n <= 0)
 *			break;
 *		r = kho_page_feed_filled(feed, n, &err);
 *		if (r < 0)
 *			...			the round has failed
 *	}
 *
 * A round begins by kho_page_feed_begin() and ends by itself at CRIU's CLOSE.
 */
#ifndef KHO_PAGES_FEED_H
#define KHO_PAGES_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "migrate/pages/store.h"
#include "migrate/pages/wire.h"

/* Private to feed.c. */
struct kho_page_feed {
	struct kho_page_store *store;	/* borrowed */
	struct kho_page_wire wire;
	unsigned char command[KHO_PAGE_COMMAND_SIZE];
	void *data;			/* where payload goes, if any is left */
	uint64_t data_left;		/* bytes there */
	uint64_t vaddr;			/* of what comes after them */
	uint64_t pages_left;		/* that have no room yet */
	bool running;
};

void kho_page_feed_init(struct kho_page_feed *feed, struct kho_page_store *store);

/* As kho_page_store_begin(). */
int kho_page_feed_begin(struct kho_page_feed *feed, struct kho_err *err);

/*
 * Where the next bytes go, and at most how many: 1 with *@ret_data and *@ret_size;
 * 0: the round has ended, or none is under way; else as kho_page_store_put().
 * An error fails the round.
 */
int kho_page_feed_room(struct kho_page_feed *feed, void **ret_data, size_t *ret_size,
		       struct kho_err *err);

/*
 * @size bytes are there now, at most what room was given for. 1: the round has
 * ended well; 0: more is to come; -EBADMSG and what the store returns (-ENODATA,
 * -ENOSPC): the round has failed.
 */
int kho_page_feed_filled(struct kho_page_feed *feed, size_t size, struct kho_err *err);

/* Fails a round that is under way; else does nothing. */
void kho_page_feed_abandon(struct kho_page_feed *feed);

#endif
