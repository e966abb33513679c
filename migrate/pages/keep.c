// SPDX-License-Identifier: GPL-2.0-only
/* Pages that stay here; keep.h has the idea. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "migrate/pages/feed.h"
#include "migrate/pages/keep.h"

#define ENOUGH	(16u << 20)	/* bytes in one call */

struct kho_page_keep {
	int data;
	struct kho_page_store *store;
	struct kho_page_feed feed;
};

int kho_page_keep_new(struct kho_page_keep **ret, struct kho_err *err)
{
	struct kho_page_keep *keep = calloc(1, sizeof(*keep));
	int r;

	if (!keep)
		return kho_fail(err, -ENOMEM, "no memory for a store of pages");
	keep->data = -EBADF;
	r = kho_page_store_new_in_memory(&keep->data, &keep->store, err);
	if (r < 0) {
		kho_page_keep_free(keep);
		return r;
	}
	kho_page_feed_init(&keep->feed, keep->store);
	*ret = keep;
	return 0;
}

void kho_page_keep_free(struct kho_page_keep *keep)
{
	if (!keep)
		return;
	kho_page_store_free(keep->store);
	if (keep->data >= 0)
		close(keep->data);
	free(keep);
}

int kho_page_keep_begin(struct kho_page_keep *keep, struct kho_err *err)
{
	return kho_page_feed_begin(&keep->feed, err);
}

void kho_page_keep_abandon(struct kho_page_keep *keep)
{
	kho_page_feed_abandon(&keep->feed);
}

/* Bytes that were moved, or a negative errno. */
static ssize_t move_span(struct kho_page_keep *keep, const struct kho_page_span *span,
			 struct kho_err *err)
{
	size_t room;
	ssize_t n;
	void *to;
	int r = kho_page_feed_room(&keep->feed, &to, &room, err);

	if (r == 0)
		return kho_fail(err, -EPROTO, "pages come after the end of a round");
	if (r < 0)
		return r;
	n = (ssize_t)(span->size < room ? span->size : room);
	if (span->data)
		memcpy(to, span->data, (size_t)n);
	else
		n = recv(span->fd, to, (size_t)n, MSG_DONTWAIT);
	if (n == 0)
		return kho_fail(err, -EPIPE, "CRIU ended in the middle of a page");
	if (n < 0)
		return errno == EAGAIN ? -EAGAIN : kho_fail_errno(err, -errno, "CRIU's pages");
	r = kho_page_feed_filled(&keep->feed, (size_t)n, err);
	return r < 0 ? r : n;
}

int kho_page_keep_take(struct kho_page_keep *keep, struct kho_page_relay *relay,
		       struct kho_err *err)
{
	struct kho_page_span span;
	size_t sum = 0;
	ssize_t n;
	int r;

	for (;;) {
		r = kho_page_relay_next(relay, &span, err);
		if (r <= 0)
			break;
		n = move_span(keep, &span, err);
		if (n < 0)
			return (int)n;
		kho_page_relay_moved(relay, (size_t)n);
		sum += (size_t)n;
		/* a command that the relay has read already wouldn't wake anybody */
		if (sum >= ENOUGH && !span.data)
			return 1;
	}
	if (r == 0 && keep->feed.running)
		return kho_fail(err, -EPROTO, "pages end before their round does");
	return r;
}

int kho_page_keep_close(struct kho_page_keep *keep, int *ret_data, int *ret_index,
			struct kho_err *err)
{
	_cleanup_close_ int index = memfd_create("kho-index", MFD_CLOEXEC);
	int r;

	if (index < 0)
		return kho_fail_errno(err, -errno, "no file for an index of pages");
	kho_page_store_trim(keep->store);
	r = kho_page_store_save(keep->store, index, err);
	if (r < 0)
		return r;
	*ret_data = keep->data;
	*ret_index = TAKE_FD(index);
	return 0;
}
