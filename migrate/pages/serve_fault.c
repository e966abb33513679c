// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults, events and copies: what the page server says to the kernel.
 *
 * What UFFDIO_COPY may answer, and what it means here:
 *
 *	EEXIST	the page is there: somebody was faster, or it was eager
 *	ENOENT	no mapping, or the end of one within the range: tried by single
 *		pages; a single page has no mapping any more, so it isn't wanted
 *	EAGAIN	an event waits that changes mappings, or is about to be sent: it has
 *		to be read first, then again
 *	ENOMEM	no memory, or the cgroup's limit: again, the task waits meanwhile
 *	ESRCH	the task is gone
 *
 * Whoever waits for a page that turns out to be there is woken in any case.
 */
#include <errno.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/now.h"
#include "migrate/pages/serve_private.h"

#define FAULT_PAGES	16	/* brought for a fault, if they're wanted too */
#define EVENTS_MAX	64	/* read before others have their turn */

void space_end(struct kho_page_server *server, struct space *space)
{
	if (space->fd < 0)
		return;
	/* criu may have the same file open: closing alone would leave it in epoll */
	(void)epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL, space->fd, NULL);
	close(space->fd);
	space->fd = -EBADF;
	server->stats.done += space_drop(space, 0, UINT64_MAX & ~(KHO_PAGE_SIZE - 1));
	server->stats.alive--;
	space->nr_retry = space->nr_hot = 0;
}

static void done(struct kho_page_server *server, struct space *space, struct span *span,
		 uint64_t page, uint64_t nr)
{
	server->stats.done += space_done(space, span, page, nr);
}

/* The kernel's answer to a copy: how many pages are done with, 0: again, or an error */
static int64_t answer(struct kho_page_server *server, struct space *space, uint64_t nr,
		      int64_t copied, int error)
{
	if (copied > 0)
		return copied / (int64_t)KHO_PAGE_SIZE;
	switch (error) {
	case EEXIST:
		return 1;
	case ENOENT:
	case EINVAL:
		return nr == 1 ? 1 : -EDOM;
	case EAGAIN:
	case ENOMEM:
		return 0;
	case ESRCH:
	case ENOSPC:
		space_end(server, space);
		return -ESRCH;
	default:
		return -error;
	}
}

static int64_t copy(struct kho_page_server *server, struct space *space, uint64_t vaddr,
		    uint32_t slot, uint64_t nr)
{
	struct uffdio_copy c = {
		.dst = vaddr,
		.src = (uintptr_t)kho_page_store_data(server->config.store, slot),
		.len = nr * KHO_PAGE_SIZE,
	};
	int r = ioctl(space->fd, UFFDIO_COPY, &c);

	if (r == 0)
		return (int64_t)nr;
	return answer(server, space, nr, c.copy, errno);
}

static void wake(const struct space *space, uint64_t vaddr, uint64_t nr)
{
	struct uffdio_range range = { .start = vaddr, .len = nr * KHO_PAGE_SIZE };

	(void)ioctl(space->fd, UFFDIO_WAKE, &range);
}

/*
 * Brings up to @max consecutive wanted pages from @page on, which is wanted.
 * Returns how many are done with; 0: to be tried again; -ESRCH: the task is gone;
 * or an error that ends the server.
 */
static int64_t deliver(struct kho_page_server *server, struct space *space, struct span *span,
		       uint64_t page, uint64_t max)
{
	const struct kho_page_store *store = server->config.store;
	uint64_t origin = span->origin + page * KHO_PAGE_SIZE;
	uint64_t vaddr = span->start + page * KHO_PAGE_SIZE;
	uint64_t nr = span_wanted_run(span, page, max);
	struct kho_page_run run;
	int64_t n;

	if (!kho_page_store_next_run(store, space->image, origin,
				     origin + nr * KHO_PAGE_SIZE, &run) || run.vaddr != origin)
		return -EBADMSG;
	n = copy(server, space, vaddr, run.slot, run.nr_pages);
	if (n == -EDOM) {
		run.nr_pages = 1;
		n = copy(server, space, vaddr, run.slot, 1);
	}
	if (n <= 0)
		return n;
	if ((uint64_t)n < run.nr_pages || n == 1)
		wake(space, vaddr, (uint64_t)n);
	done(server, space, span, page, (uint64_t)n);
	if (server->config.release && !space->shared)
		(void)kho_page_store_release(store, run.slot, (uint64_t)n);
	return n;
}

static int64_t zero(struct kho_page_server *server, struct space *space, uint64_t vaddr)
{
	struct uffdio_zeropage z = { .range = { .start = vaddr, .len = KHO_PAGE_SIZE } };
	int64_t n;

	if (ioctl(space->fd, UFFDIO_ZEROPAGE, &z) == 0) {
		server->stats.zero_pages++;
		return 1;
	}
	n = answer(server, space, 1, z.zeropage, errno);
	if (n > 0)
		wake(space, vaddr, 1);
	return n;
}

/* One fault; as deliver() */
static int64_t resolve(struct kho_page_server *server, struct space *space, uint64_t vaddr)
{
	size_t at = space_find(space, vaddr);
	struct span *span;
	uint64_t page;
	int64_t n;

	if (at == NO_SPAN)
		return zero(server, space, vaddr);
	span = &space->spans[at];
	page = (vaddr - span->start) / KHO_PAGE_SIZE;
	if (!span_wants(span, page))
		return zero(server, space, vaddr);
	n = deliver(server, space, span, page, FAULT_PAGES);
	if (n > 0)
		server->stats.fault_pages += (uint64_t)n;
	return n;
}

static void remember_hot(struct space *space, uint64_t vaddr)
{
	if (space->nr_hot == SPACE_HOT)
		memmove(space->hot, space->hot + 1, --space->nr_hot * sizeof(*space->hot));
	space->hot[space->nr_hot++] = vaddr;
}

static int remember_retry(struct kho_page_server *server, struct space *space, uint64_t vaddr)
{
	size_t room = space->room_retry ? 2 * space->room_retry : 16;
	uint64_t *grown;

	if (space->nr_retry == space->room_retry) {
		grown = reallocarray(space->retry, room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		space->retry = grown;
		space->room_retry = room;
	}
	space->retry[space->nr_retry++] = vaddr;
	server->retry = true;
	return 0;
}

static int fail(struct kho_err *err, const struct space *space, int64_t error)
{
	return kho_fail_errno(err, (int)error, "page server: delivering memory of task %llu",
			      (unsigned long long)kho_pages_id(space->image));
}

static void count_fault(struct kho_page_server *server, struct space *space, uint64_t vaddr,
			uint64_t took)
{
	if (took > server->stats.fault_max_ns)
		server->stats.fault_max_ns = took;
	server->stats.faults++;
	remember_hot(space, vaddr);
}

static int on_fault(struct kho_page_server *server, struct space *space, uint64_t vaddr,
		    struct kho_err *err)
{
	uint64_t began = kho_now_ns();
	int64_t n;

	vaddr = kho_align_down(vaddr, KHO_PAGE_SIZE);
	n = resolve(server, space, vaddr);
	if (n == -ESRCH)
		return 0;
	if (n < 0)
		return fail(err, space, n);
	if (n == 0)
		n = remember_retry(server, space, vaddr);
	else
		count_fault(server, space, vaddr, kho_now_ns() - began);
	return n < 0 ? fail(err, space, n) : 0;
}

int space_retries(struct kho_page_server *server, struct space *space, struct kho_err *err)
{
	_cleanup_free_ uint64_t *again = space->retry;
	size_t i, nr = space->nr_retry;
	int r = 0;

	space->retry = NULL;
	space->nr_retry = space->room_retry = 0;
	for (i = 0; i < nr && space->fd >= 0 && r == 0; i++)
		r = on_fault(server, space, again[i], err);
	return r;
}

static int on_fork(struct kho_page_server *server, struct space *space, int fd,
		   struct kho_err *err)
{
	struct space *child = NULL;
	int r;

	r = space_clone(space, &child);
	if (r < 0) {
		close(fd);
		return kho_fail(err, r, "page server: no memory for a fork of task %llu",
				(unsigned long long)kho_pages_id(space->image));
	}
	space->shared = true;
	child->fd = fd;
	return hand_add(server, child, err);
}

static int on_move(struct kho_page_server *server, struct space *space,
		   const struct uffd_msg *msg, struct kho_err *err)
{
	int64_t dropped;

	dropped = space_move(space, msg->arg.remap.from, msg->arg.remap.to,
			     kho_align_up(msg->arg.remap.len, KHO_PAGE_SIZE));
	if (dropped < 0)
		return kho_fail(err, (int)dropped, "page server: no memory for a mapping that moved");
	server->stats.done += (uint64_t)dropped;
	return 0;
}

static int on_event(struct kho_page_server *server, struct space *space,
		    const struct uffd_msg *msg, struct kho_err *err)
{
	switch (msg->event) {
	case UFFD_EVENT_PAGEFAULT:
		return on_fault(server, space, msg->arg.pagefault.address, err);
	case UFFD_EVENT_FORK:
		return on_fork(server, space, (int)msg->arg.fork.ufd, err);
	case UFFD_EVENT_REMAP:
		return on_move(server, space, msg, err);
	case UFFD_EVENT_REMOVE:
	case UFFD_EVENT_UNMAP:
		server->stats.done += space_drop(space, msg->arg.remove.start,
						 msg->arg.remove.end);
		return 0;
	default:
		return kho_fail(err, -EBADMSG, "page server: event %#x of the kernel isn't known",
				msg->event);
	}
}

int space_events(struct kho_page_server *server, struct space *space, struct kho_err *err)
{
	unsigned int i;
	int r;

	for (i = 0; i < EVENTS_MAX && space->fd >= 0; i++) {
		struct uffd_msg msg;
		ssize_t n = read(space->fd, &msg, sizeof(msg));

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n != sizeof(msg))
			return kho_fail_errno(err, n < 0 ? -errno : -EIO, "page server: reading faults");
		r = on_event(server, space, &msg, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A wanted page for background work, in *@ret_span: near a recent fault, or the next */
static uint64_t pick(struct space *space, struct span **ret_span)
{
	while (space->nr_hot) {
		uint64_t vaddr = space->hot[space->nr_hot - 1];
		size_t at = space_find(space, vaddr);
		struct span *span = at == NO_SPAN ? NULL : &space->spans[at];
		uint64_t page = span ? (vaddr - span->start) / KHO_PAGE_SIZE : 0;
		uint64_t next = span ? span_next_wanted(span, page) : 0;

		space->nr_hot--;
		if (!span || next - page > 64 || next == span->pages)
			continue;
		*ret_span = span;
		return next;
	}
	while (space->cursor < space->nr) {
		struct span *span = &space->spans[space->cursor];

		if (span->left && space->cursor_page < span->pages) {
			*ret_span = span;
			space->cursor_page = span_next_wanted(span, space->cursor_page);
			return space->cursor_page;
		}
		space->cursor++;
		space->cursor_page = 0;
	}
	space->cursor = space->cursor_page = 0;
	*ret_span = NULL;
	return 0;
}

int space_background(struct kho_page_server *server, struct space *space, struct kho_err *err)
{
	struct span *span;
	uint64_t page;
	int64_t n;

	if (space->fd < 0 || !space->left)
		return 0;
	page = pick(space, &span);
	if (!span || page == span->pages)
		return 1;		/* the cursor comes around */
	n = deliver(server, space, span, page, server->config.chunk);
	if (n > 0)
		server->stats.background_pages += (uint64_t)n;
	if (n == 0)
		server->retry = true;
	return n < 0 && n != -ESRCH ? fail(err, space, n) : 1;
}
