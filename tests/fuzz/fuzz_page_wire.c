// SPDX-License-Identifier: GPL-2.0-only
/*
 * CRIU's page protocol of arbitrary bytes, in chunks of arbitrary sizes, into a
 * small store. Whatever comes, a round ends well or fails, and the store's runs
 * stay in order and within its file.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "migrate/pages/feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void check_runs(const struct kho_page_store *store)
{
	struct kho_page_store_stats stats;
	uint64_t image = 0, pages = 0;

	kho_page_store_stats(store, &stats);
	while (kho_page_store_next_image(store, &image)) {
		struct kho_page_run run;
		uint64_t from = 0;

		while (kho_page_store_next_run(store, image, from, UINT64_MAX, &run)) {
			require(run.nr_pages > 0 && run.vaddr >= from);
			require((run.slot + run.nr_pages) * 4096 <= stats.file_bytes);
			from = run.vaddr + run.nr_pages * 4096;
			pages += run.nr_pages;
		}
	}
	require(pages == stats.pages);
}

static void feed_all(struct kho_page_feed *feed, const uint8_t *data, size_t size)
{
	size_t chunk = size ? 1 + data[0] * 97u : 1, room;
	struct kho_err err;
	void *to;
	int r;

	while (size > 0) {
		if (!feed->running && kho_page_feed_begin(feed, &err) < 0)
			abort();
		r = kho_page_feed_room(feed, &to, &room, &err);
		if (r < 0)
			continue;
		require(r == 1 && room > 0);
		if (room > chunk)
			room = chunk;
		if (room > size)
			room = size;
		memcpy(to, data, room);
		data += room;
		size -= room;
		(void)kho_page_feed_filled(feed, room, &err);
	}
	kho_page_feed_abandon(feed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kho_page_store *store;
	struct kho_page_feed feed;
	struct kho_err err;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	require(kho_page_store_new(fd, 1 << 20, &store, &err) == 0);
	close(fd);
	kho_page_feed_init(&feed, store);
	feed_all(&feed, data, size);
	check_runs(store);
	kho_page_store_free(store);
	return 0;
}
