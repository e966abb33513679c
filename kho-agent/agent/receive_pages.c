// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of a workload that comes: rounds of pages into a store, and images in the end.
 *
 * The store's data is in a memfd, so it's gone with the last process that has it. A
 * stream outlives the arrival that it's for by a moment: so it's counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/receive.h"
#include "base/cleanup.h"
#include "migrate/pages/compose.h"
#include "migrate/pages/feed.h"

struct kho_arrival_pages {
	struct kho_page_store *store;
	struct kho_page_feed feed;
	int data;
	int index;			/* of one that's whole already; or else it's made */
	bool streaming;			/* a round is under way */
	bool orphan;			/* and nobody wants it */
};

static void dispose(struct kho_arrival_pages *pages)
{
	kho_page_store_free(pages->store);
	if (pages->data >= 0)
		close(pages->data);
	if (pages->index >= 0)
		close(pages->index);
	free(pages);
}

int kho_arrival_pages_new(struct kho_arrival_pages **ret, struct kho_err *err)
{
	struct kho_arrival_pages *pages = calloc(1, sizeof(*pages));
	int r;

	if (!pages)
		return kho_fail(err, -ENOMEM, "no memory for a store of pages");
	pages->data = pages->index = -EBADF;
	r = kho_page_store_new_in_memory(&pages->data, &pages->store, err);
	if (r < 0) {
		dispose(pages);
		return r;
	}
	kho_page_feed_init(&pages->feed, pages->store);
	*ret = pages;
	return 0;
}

int kho_arrival_pages_take(struct kho_arrival_pages **pages, int data, int index,
			   struct kho_err *err)
{
	struct kho_arrival_pages *whole = calloc(1, sizeof(*whole));
	int r;

	if (!whole) {
		close(data);
		close(index);
		return kho_fail(err, -ENOMEM, "no memory for a store of pages");
	}
	whole->data = data;
	whole->index = index;
	r = kho_page_store_load(data, index, &whole->store, err);
	if (r < 0) {
		dispose(whole);
		return r;
	}
	kho_arrival_pages_free(*pages);
	*pages = whole;
	return 0;
}

struct kho_arrival_pages *kho_arrival_pages_free(struct kho_arrival_pages *pages)
{
	if (pages && pages->streaming)
		pages->orphan = true;
	else if (pages)
		dispose(pages);
	return NULL;
}

/* ---- a round ---- */

static int open_pages(struct kho_session *session, const char *name, void **ret_ctx,
		      struct kho_err *err)
{
	struct kho_arrival *arrival = kho_arrival_find(session->agent->receiver, name);
	struct kho_arrival_pages *pages = arrival ? kho_arrival_pages(arrival) : NULL;
	int r;

	if (!pages)
		return kho_fail(err, -ENOENT, "no workload of that name is expected");
	r = kho_page_feed_begin(&pages->feed, err);
	if (r < 0)
		return r;
	pages->streaming = true;
	*ret_ctx = pages;
	return 0;
}

static ssize_t take(void *ctx, struct kho_bulk_reader *reader, size_t size, struct kho_err *err)
{
	struct kho_arrival_pages *pages = ctx;
	size_t room;
	void *to;
	ssize_t n;
	int r = kho_page_feed_room(&pages->feed, &to, &room, err);

	if (r == 0)
		return kho_fail(err, -EPROTO, "pages come after the end of a round");
	if (r > 0) {
		n = kho_bulk_read(reader, to, room < size ? room : size);
		if (n <= 0)
			return n;
		r = kho_page_feed_filled(&pages->feed, (size_t)n, err);
		if (r >= 0)
			return n;
	}
	/* the lane is whole: it's the stream that isn't */
	return r == -EBADMSG || r == -EAGAIN ? -EPROTO : r;
}

static void end_stream(struct kho_arrival_pages *pages)
{
	kho_page_feed_abandon(&pages->feed);
	pages->streaming = false;
	if (pages->orphan)
		dispose(pages);
}

static int end(void *ctx, struct kho_err *err)
{
	struct kho_arrival_pages *pages = ctx;
	bool running = pages->feed.running;

	end_stream(pages);
	return running ? kho_fail(err, -EPROTO, "pages end before their round does") : 0;
}

static void drop(void *ctx)
{
	end_stream(ctx);
}

const struct kho_sink_ops kho_sink_pages = {
	.sort = "pages", .open = open_pages, .take = take, .end = end, .drop = drop,
};

/* ---- the end ---- */

int kho_arrival_pages_compose(struct kho_arrival_pages *pages, int dir, int *ret_data,
			      int *ret_index, struct kho_err *err)
{
	struct kho_compose compose = { .store = pages->store, .dir_fd = dir };
	bool whole = pages->index >= 0;
	_cleanup_close_ int index = whole ? fcntl(pages->index, F_DUPFD_CLOEXEC, 0) :
					    memfd_create("kho-index", MFD_CLOEXEC);
	struct kho_compose_stats stats;
	int r;

	if (index < 0)
		return kho_fail_errno(err, -errno, "no file for an index of pages");
	r = kho_compose(&compose, &stats, err);
	if (r >= 0 && !whole)
		r = kho_page_store_save(pages->store, index, err);
	if (r < 0)
		return r;
	*ret_data = pages->data;
	*ret_index = TAKE_FD(index);
	return 0;
}
