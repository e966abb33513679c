// SPDX-License-Identifier: GPL-2.0-only
/*
 * CRIU's page protocol into the store. See feed.h.
 *
 * Room is either for the rest of a command or for pages that the store has made
 * room for. The store gives consecutive slots a piece at a time.
 */
#include <errno.h>

#include "base/bits.h"
#include "migrate/pages/feed.h"

void kho_page_feed_init(struct kho_page_feed *feed, struct kho_page_store *store)
{
	*feed = (struct kho_page_feed){ .store = store };
}

int kho_page_feed_begin(struct kho_page_feed *feed, struct kho_err *err)
{
	int r;

	r = kho_page_store_begin(feed->store, err);
	if (r < 0)
		return r;
	kho_page_wire_init(&feed->wire);
	feed->data_left = feed->pages_left = 0;
	feed->running = true;
	return 0;
}

void kho_page_feed_abandon(struct kho_page_feed *feed)
{
	if (!feed->running)
		return;
	kho_page_store_fail(feed->store);
	feed->running = false;
	feed->data_left = feed->pages_left = 0;
}

static int failed(struct kho_page_feed *feed, int error)
{
	kho_page_feed_abandon(feed);
	return error;
}

int kho_page_feed_room(struct kho_page_feed *feed, void **ret_data, size_t *ret_size,
		       struct kho_err *err)
{
	uint64_t nr;
	int r;

	if (!feed->running)
		return 0;
	if (feed->data_left == 0 && feed->pages_left > 0) {
		r = kho_page_store_put(feed->store, feed->vaddr, feed->pages_left, &feed->data,
				       &nr, err);
		if (r < 0)
			return failed(feed, r);
		feed->data_left = nr * KHO_PAGE_SIZE;
		feed->vaddr += nr * KHO_PAGE_SIZE;
		feed->pages_left -= nr;
	}
	if (feed->data_left) {
		*ret_data = feed->data;
		*ret_size = feed->data_left;
	} else {
		*ret_data = feed->command;
		*ret_size = kho_page_wire_missing(&feed->wire);
	}
	return 1;
}

static int act(struct kho_page_feed *feed, const struct kho_page_event *event,
	       struct kho_err *err)
{
	int r;

	switch (event->type) {
	case KHO_PAGE_EVENT_OPEN:
		return kho_page_store_open(feed->store, event->image, err);
	case KHO_PAGE_EVENT_ASK_PARENT:
		return 0;
	case KHO_PAGE_EVENT_PAGES:
		feed->vaddr = event->vaddr;
		feed->pages_left = event->nr_pages;
		return 0;
	case KHO_PAGE_EVENT_HOLE:
		return kho_page_store_keep(feed->store, event->vaddr, event->nr_pages, err);
	case KHO_PAGE_EVENT_CLOSE:
		r = kho_page_store_end(feed->store, err);
		feed->running = r < 0;
		return r < 0 ? r : 1;
	}
	return -EBADMSG;
}

int kho_page_feed_filled(struct kho_page_feed *feed, size_t size, struct kho_err *err)
{
	struct kho_page_event event;
	size_t used;
	int r;

	if (!feed->running)
		return kho_fail(err, -EINVAL, "page feed: no round is under way");
	if (feed->data_left) {
		if (size > feed->data_left)
			return failed(feed, kho_fail(err, -EINVAL, "page feed: more than room"));
		feed->data = (unsigned char *)feed->data + size;
		feed->data_left -= size;
		kho_page_wire_moved(&feed->wire, size);
		return 0;
	}
	if (size > kho_page_wire_missing(&feed->wire))
		return failed(feed, kho_fail(err, -EINVAL, "page feed: more than room"));
	r = kho_page_wire_push(&feed->wire, feed->command, size, &used, &event, err);
	if (r > 0)
		r = act(feed, &event, err);
	return r < 0 ? failed(feed, r) : r;
}
