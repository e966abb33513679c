/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serves the memory of restored tasks out of a page store, while they run.
 *
 * Theory of operation
 *
 * `criu restore` with lazy pages connects to "lazy-pages.socket" in its working
 * directory and hands over, for each task, its PID and a userfaultfd that covers
 * its private anonymous mappings. A task that touches a page that isn't there
 * stops, the fault is read from that fd, and a copy of the page put in place lets
 * it go on. What isn't in the store is a page of zeroes.
 *
 * All other pages are brought in the background, so that after a while nobody
 * depends on the server any more: first what lies around recent faults, then in
 * order of addresses, in chunks, with faults answered between any two chunks.
 *
 * Tasks go on living meanwhile. The kernel tells by the same fd of a fork (the
 * child gets an fd of its own and misses the same pages), of mremap (pages are
 * wanted elsewhere), of munmap and madvise (they aren't wanted at all). Until
 * such an event is read, copies fail with EAGAIN: so events come first.
 *
 * Event loop: one epoll fd. When it's readable, or while kho_page_server_busy(),
 * call kho_page_server_process(). It never blocks, and does about one chunk of
 * background work a call.
 *
 *	for (;;) {
 *		r = epoll_wait(kho_page_server_fd(server), &ev, 1,
 *			       kho_page_server_busy(server) ? 0 : -1);
 *		r = kho_page_server_process(server, &err);
 *		if (r <= 0)
 *			break;			0: all is delivered; or a failure
 *	}
 *
 * A server that ends early would leave tasks that wait for ever, or, with its
 * fds closed, see zeroes where data was: whoever runs it must not let it die
 * before it's done, and has to kill the tasks if it does.
 */
#ifndef KHO_PAGES_SERVE_H
#define KHO_PAGES_SERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "migrate/pages/store.h"

#define KHO_LAZY_SOCKET		"lazy-pages.socket"

struct kho_page_server;

struct kho_page_server_config {
	const struct kho_page_store *store;	/* borrowed */
	int work_fd;			/* CRIU's working directory; socket goes here */
	int images_fd;			/* mm-PID.img are read there */
	uint32_t chunk;			/* pages in a step of background work; 0: 64 */
	bool release;			/* give slots back to the kernel once delivered */
	bool wait;			/* no background work before kho_page_server_go() */
};

struct kho_page_server_stats {
	uint32_t tasks;			/* that have been handed over, forks included */
	uint32_t alive;			/* whose fd is still open */
	bool handed_over;		/* CRIU's end mark was seen */
	uint64_t pages;			/* to be delivered, of all tasks so far */
	uint64_t done;			/* of these: delivered, or not wanted any more */
	uint64_t faults;		/* that were answered */
	uint64_t fault_pages;		/* copied for them */
	uint64_t zero_pages;
	uint64_t background_pages;
	uint64_t fault_max_ns;		/* from reading a fault to its answer */
};

/*
 * Listens. An old socket of that name is replaced. -ENOMEM, -EINVAL, or errno of
 * socket(), bind(), epoll_create1().
 */
int kho_page_server_new(const struct kho_page_server_config *config,
			struct kho_page_server **ret, struct kho_err *err);

/* Closes all and removes the socket. NULL is fine. */
void kho_page_server_free(struct kho_page_server *server);

int kho_page_server_fd(const struct kho_page_server *server);

/* Whether process() has something to do without waiting. */
bool kho_page_server_busy(const struct kho_page_server *server);

/* With config.wait: background work may begin. */
void kho_page_server_go(struct kho_page_server *server);

/*
 * Does what can be done without waiting, faults first.
 *   1         there's more to come
 *   0         CRIU is done, and every task has all its pages or is gone
 *   -EPIPE    CRIU's connection ended without the end mark: restore failed
 *   -EBADMSG  CRIU sent what isn't this protocol, or a task isn't in the store
 *   or errno of a system call. Failures are sticky.
 */
int kho_page_server_process(struct kho_page_server *server, struct kho_err *err);

void kho_page_server_stats(const struct kho_page_server *server,
			   struct kho_page_server_stats *ret);

#endif
