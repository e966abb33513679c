/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Clients that are told of each change as it happens: open calls with "more".
 *
 * Theory of operation
 *
 * What's told goes to the socket at once if there's room, and otherwise waits in a queue
 * of the client's own. Writing never blocks: a message is only handed to the library when
 * the socket says that it's writable, and then less than a quarter of its buffer is in
 * use, more than any message needs. A client whose queue is full is dropped: its
 * connection ends, and what it missed it can ask for again.
 *
 *	push -> queue (KHO_FEED_QUEUE) -> socket -> client
 *	          | full: dropped
 *
 * Whoever owns the feed calls kho_feed_drain() now and then while it says that something
 * waits. Nothing is logged here; kho_feed_push() says how many were dropped.
 */
#ifndef KHO_API_FEED_H
#define KHO_API_FEED_H

#include <stdbool.h>
#include <systemd/sd-varlink.h>

#define KHO_FEED_CLIENTS	16u
#define KHO_FEED_QUEUE		64u		/* messages that wait, for each client */
#define KHO_FEED_MESSAGE	32768u		/* bytes of one, about */

struct kho_feed_client {
	sd_varlink *link;			/* a reference; NULL: free */
	bool until_over;			/* its call ends when what's under way does */
	bool over;				/* the last in the queue is its answer */
	sd_json_variant *queue[KHO_FEED_QUEUE];
	unsigned int first, nr;
};

/* All zero: no clients. */
struct kho_feed {
	struct kho_feed_client clients[KHO_FEED_CLIENTS];
	unsigned int nr;
};

/* -EBUSY: there are as many as can be. */
int kho_feed_add(struct kho_feed *feed, sd_varlink *link, bool until_over);

/* @v for @link alone, which was added. As kho_feed_push(). */
unsigned int kho_feed_push_to(struct kho_feed *feed, sd_varlink *link, sd_json_variant *v);

/* @v for all; returns how many were dropped. */
unsigned int kho_feed_push(struct kho_feed *feed, sd_json_variant *v);

/* The same; and it ends the call of those that wait for that. */
unsigned int kho_feed_push_over(struct kho_feed *feed, sd_json_variant *v);

/* Sends what can be sent; true: something still waits. */
bool kho_feed_drain(struct kho_feed *feed);

/* Its connection is gone. Anybody's: those that aren't clients are ignored. */
void kho_feed_gone(struct kho_feed *feed, sd_varlink *link);

void kho_feed_done(struct kho_feed *feed);

/* Whether a message can be written to it, and flushed, without waiting. */
bool kho_feed_is_writable(sd_varlink *link);

#endif
