/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside the page server: what a task still has to get.
 *
 * A space is an address space with a userfaultfd. It has spans, sorted by address,
 * that never overlap: consecutive addresses that were consecutive at the dump, with
 * a bit a page: set while the page is wanted. A mapping that moves takes its spans
 * along; only then, and where a move cuts one in two, spans change at all.
 */
#ifndef KHO_PAGES_SERVE_PRIVATE_H
#define KHO_PAGES_SERVE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "migrate/pages/images.h"
#include "migrate/pages/serve.h"

#define SPACE_HOT	16		/* recent faults whose surroundings come first */
#define NO_SPAN		SIZE_MAX

struct span {
	uint64_t start;			/* where it is now */
	uint64_t origin;		/* where it was at the dump */
	uint64_t pages;
	uint64_t left;			/* wanted bits that are set */
	uint64_t *wanted;
};

struct space {
	struct space *next;
	uint64_t image;			/* in the store */
	int fd;				/* userfaultfd; -EBADF: it's over */
	bool shared;			/* it forked, or is a fork: slots have more users */
	struct span *spans;
	size_t nr, room;
	uint64_t left;			/* of all spans */
	size_t cursor;			/* the span that background work is in, */
	uint64_t cursor_page;		/* and where */
	uint64_t hot[SPACE_HOT];	/* addresses, the newest last */
	unsigned int nr_hot;
	uint64_t *retry;		/* faults that have to be tried again */
	size_t nr_retry, room_retry;
};

struct kho_page_server {
	struct kho_page_server_config config;
	int epoll_fd;
	int listen_fd;
	int conn_fd;
	int pid;			/* whose fd comes next, or 0 */
	unsigned char word[4];		/* of the connection */
	unsigned int word_filled;
	bool background;		/* may be done */
	bool retry;			/* something has to be tried again at once */
	int error;			/* sticky */
	struct space *spaces;
	struct space *turn;		/* whose background work is next */
	struct kho_page_server_stats stats;
};

/* serve_space.c */

/* A space with all that the store has for @image in lazy mappings. -ENOMEM. */
int space_new(const struct kho_page_store *store, uint64_t image,
	      const struct kho_image_vma *vmas, size_t nr_vmas, struct space **ret);
/* What a fork gets: the same that its parent still wants. -ENOMEM. */
int space_clone(const struct space *parent, struct space **ret);
void space_free(struct space *space);	/* closes the fd; NULL is fine */

size_t space_find(const struct space *space, uint64_t vaddr);
bool span_wants(const struct span *span, uint64_t page);
/* How many consecutive pages are wanted from @page on, at most @max. */
uint64_t span_wanted_run(const struct span *span, uint64_t page, uint64_t max);
/* The first wanted page at or after @page, or span->pages. */
uint64_t span_next_wanted(const struct span *span, uint64_t page);
/* Pages aren't wanted any more; returns how many were. */
uint64_t space_done(struct space *space, struct span *span, uint64_t page, uint64_t nr);
/* The same for all in [start, end), whatever spans there are. */
uint64_t space_drop(struct space *space, uint64_t start, uint64_t end);
/* A mapping moved. Returns how many pages were dropped at its new place, or -ENOMEM. */
int64_t space_move(struct space *space, uint64_t from, uint64_t to, uint64_t size);

/* serve_fault.c */

/*
 * Reads what the kernel tells by a space's fd, and acts. 0 or a negative errno
 * that ends the server.
 */
int space_events(struct kho_page_server *server, struct space *space, struct kho_err *err);
int space_retries(struct kho_page_server *server, struct space *space, struct kho_err *err);
/* One chunk of background work. 1: done some; 0: there's none. */
int space_background(struct kho_page_server *server, struct space *space, struct kho_err *err);
/* Closes a space's fd: its task has all, or is gone. */
void space_end(struct kho_page_server *server, struct space *space);

/* serve_hand.c */

/* Accepts CRIU's connection; reads what comes by it. 0 or what process() returns. */
int hand_accept(struct kho_page_server *server, struct kho_err *err);
int hand_read(struct kho_page_server *server, struct kho_err *err);
/* Takes a space into the server's list and its fd into epoll. Frees it on failure. */
int hand_add(struct kho_page_server *server, struct space *space, struct kho_err *err);

#endif
