/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The old agent's end of CRIU's page server: answers locally, forwards all.
 *
 * Theory of operation
 *
 * CRIU connects to a "page server" by a stream socket that it's given (option
 * ps.fd: one end of a socketpair). The relay holds the other end for one call of
 * criu (a round). It reads commands from there, answers what is asked, and hands
 * out the very same bytes in spans for a lane to the other kernel. Payload is
 * never touched: the caller moves it from the socket to the lane by itself.
 *
 *	while ((r = kho_page_relay_next(relay, &span, &err)) > 0) {
 *		n = span.data ? kho_bulk_write(&writer, span.data, span.size)
 *			      : kho_bulk_write_fd(&writer, span.fd, span.size);
 *		if (n < 0)
 *			break;			-EAGAIN: wait for the lane or the socket
 *		kho_page_relay_moved(relay, n);
 *	}
 *
 * CRIU asks whether an image has a parent, and then sends only what changed. A
 * task has one if a whole round with it was received before: the relay remembers
 * that by round. Shared memory never has: CRIU doesn't track changes to it.
 *
 * At the end of a round CRIU waits until the page server says that it has all.
 * That answer is the caller's: it's given when the new agent has all, too. So a
 * criu that went on means that the round is complete on the other side.
 *
 * A round that failed leaves the other side with a mixture: no image has a parent
 * in the next round, and all is sent again.
 */
#ifndef KHO_PAGES_RELAY_H
#define KHO_PAGES_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "migrate/pages/wire.h"

struct kho_page_relay;

/* Bytes to forward: @data if there is some, else from @fd. */
struct kho_page_span {
	const void *data;		/* valid until the next call */
	int fd;				/* CRIU's socket, non-blocking */
	size_t size;			/* at least 1 */
};

struct kho_page_relay_stats {
	uint64_t pages;			/* with data */
	uint64_t holes;			/* pages that are as before */
	uint64_t bytes;			/* all that was forwarded */
	uint32_t images;		/* that were opened */
};

/* -ENOMEM. To be freed by kho_page_relay_free(), which takes NULL. */
int kho_page_relay_new(struct kho_page_relay **ret, struct kho_err *err);
void kho_page_relay_free(struct kho_page_relay *relay);

/*
 * A round begins: the other end of @fd is CRIU's. The fd is taken over (also on
 * failure) and made non-blocking. -EBUSY: a round is under way.
 */
int kho_page_relay_begin(struct kho_page_relay *relay, int fd, struct kho_err *err);

/* CRIU's socket while a round is under way (poll it for reading), or -EBADF. */
int kho_page_relay_fd(const struct kho_page_relay *relay);

/*
 * What is to be forwarded next. Returns
 *   1          a span; it's the same one again until it was moved
 *   0          CRIU has sent all of this round and waits for the answer:
 *              kho_page_relay_answer(). All spans were moved.
 *   -EAGAIN    nothing now: poll the fd
 *   -EPIPE     CRIU closed its end before that
 *   -EBADMSG   CRIU doesn't speak this protocol
 *   or the errno of recv() and send().
 */
int kho_page_relay_next(struct kho_page_relay *relay, struct kho_page_span *ret,
			struct kho_err *err);

/* @size bytes of the span were moved, at most span.size. */
void kho_page_relay_moved(struct kho_page_relay *relay, size_t size);

/*
 * Tells CRIU that all was received (@status 0) or that it wasn't (negative
 * errno: criu fails). With 0 the round counts: its tasks have a parent in the
 * next one. The round is over either way and the fd closed.
 * -EINVAL: CRIU didn't ask. Or the errno of send().
 */
int kho_page_relay_answer(struct kho_page_relay *relay, int status, struct kho_err *err);

/* Ends a round that failed, or what was remembered of all rounds. Closes the fd. */
void kho_page_relay_abandon(struct kho_page_relay *relay);

/* Of the current round, or the last one if none is under way. */
void kho_page_relay_stats(const struct kho_page_relay *relay, struct kho_page_relay_stats *ret);

#endif
