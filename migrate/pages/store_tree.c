// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page store's index: images, chapters and leaves. See store_private.h.
 *
 * CRIU sends an image's pages in ascending order, so the chapter that was used
 * last is tried first, and new ones are nearly always appended.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "migrate/pages/store_private.h"

size_t store_image_place(const struct kho_page_store *store, uint64_t image)
{
	size_t low = 0, high = store->nr_images;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (store->images[middle]->image < image)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct store_image *store_image_find(const struct kho_page_store *store, uint64_t image)
{
	size_t at = store_image_place(store, image);

	return at < store->nr_images && store->images[at]->image == image ? store->images[at]
									  : NULL;
}

/* Makes room for one more pointer in an array */
static int grow(void *array, size_t nr, size_t *room)
{
	void **pointers = array;
	size_t want = *room ? 2 * *room : 8;
	void *grown;

	if (nr < *room)
		return 0;
	grown = reallocarray(*pointers, want, sizeof(void *));
	if (!grown)
		return -ENOMEM;
	*pointers = grown;
	*room = want;
	return 0;
}

int store_image_get(struct kho_page_store *store, uint64_t image, struct store_image **ret)
{
	size_t at = store_image_place(store, image);
	struct store_image *new;

	if (at < store->nr_images && store->images[at]->image == image) {
		*ret = store->images[at];
		return 0;
	}
	if (store->nr_images >= STORE_IMAGES_MAX)
		return -ENOSPC;
	if (grow(&store->images, store->nr_images, &store->room_images) < 0)
		return -ENOMEM;
	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	new->image = image;
	memmove(store->images + at + 1, store->images + at,
		(store->nr_images - at) * sizeof(*store->images));
	store->images[at] = new;
	store->nr_images++;
	store->stats.index_bytes += sizeof(*new) + sizeof(new);
	*ret = new;
	return 0;
}

static void free_chapter(struct kho_page_store *store, struct store_chapter *chapter)
{
	size_t i;

	for (i = 0; i < CHAPTER_LEAVES; i++)
		free(chapter->leaf[i]);
	store->stats.index_bytes -= sizeof(*chapter) + sizeof(chapter) +
				    chapter->leaves * sizeof(struct store_leaf);
	free(chapter);
}

void store_image_free(struct kho_page_store *store, struct store_image *image)
{
	size_t i;

	for (i = 0; i < image->nr; i++)
		free_chapter(store, image->chapters[i]);
	free(image->chapters);
	store->stats.index_bytes -= sizeof(*image) + sizeof(image);
	free(image);
}

static size_t chapter_place(const struct store_image *image, uint64_t number)
{
	size_t low = 0, high = image->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (image->chapters[middle]->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct store_chapter *chapter_find(struct store_image *image, uint64_t number)
{
	size_t at = image->hint;

	if (at >= image->nr || image->chapters[at]->number != number)
		at = chapter_place(image, number);
	if (at >= image->nr || image->chapters[at]->number != number)
		return NULL;
	image->hint = at;
	return image->chapters[at];
}

static struct store_chapter *chapter_get(struct kho_page_store *store,
					 struct store_image *image, uint64_t number)
{
	struct store_chapter *chapter = chapter_find(image, number);
	size_t at;

	if (chapter)
		return chapter;
	if (grow(&image->chapters, image->nr, &image->room) < 0)
		return NULL;
	chapter = calloc(1, sizeof(*chapter));
	if (!chapter)
		return NULL;
	chapter->number = number;
	at = chapter_place(image, number);
	memmove(image->chapters + at + 1, image->chapters + at,
		(image->nr - at) * sizeof(*image->chapters));
	image->chapters[at] = chapter;
	image->nr++;
	image->hint = at;
	store->stats.index_bytes += sizeof(*chapter) + sizeof(chapter);
	return chapter;
}

struct store_leaf *store_leaf_find(struct store_image *image, uint64_t page)
{
	struct store_chapter *chapter = chapter_find(image, page / CHAPTER_PAGES);

	return chapter ? chapter->leaf[page / LEAF_PAGES % CHAPTER_LEAVES] : NULL;
}

struct store_leaf *store_leaf_get(struct kho_page_store *store, struct store_image *image,
				  uint64_t page)
{
	struct store_chapter *chapter = chapter_get(store, image, page / CHAPTER_PAGES);
	struct store_leaf **leaf;

	if (!chapter)
		return NULL;
	leaf = &chapter->leaf[page / LEAF_PAGES % CHAPTER_LEAVES];
	if (!*leaf) {
		*leaf = calloc(1, sizeof(**leaf));
		if (!*leaf)
			return NULL;
		chapter->leaves++;
		store->stats.index_bytes += sizeof(**leaf);
	}
	return *leaf;
}

/* Bits of the pages of the leaf that starts at @base which are in [first, end) */
static uint64_t bits_within(uint64_t base, uint64_t first, uint64_t end)
{
	uint64_t bits = ~0ULL;

	if (end <= base || first >= base + LEAF_PAGES)
		return 0;
	if (first > base)
		bits &= ~0ULL << (first - base);
	if (end < base + LEAF_PAGES)
		bits &= ~0ULL >> (base + LEAF_PAGES - end);
	return bits;
}

static void each_leaf_of(struct kho_page_store *store, struct store_chapter *chapter,
			 uint64_t first, uint64_t end, store_leaf_fn *fn)
{
	uint64_t base = chapter->number * CHAPTER_PAGES;
	size_t i;

	for (i = 0; i < CHAPTER_LEAVES; i++, base += LEAF_PAGES) {
		struct store_leaf *leaf = chapter->leaf[i];
		uint64_t bits = bits_within(base, first, end);

		if (!leaf || !bits)
			continue;
		fn(store, leaf, bits);
		if (leaf->there)
			continue;
		free(leaf);
		chapter->leaf[i] = NULL;
		chapter->leaves--;
		store->stats.index_bytes -= sizeof(*leaf);
	}
}

void store_each_leaf(struct kho_page_store *store, struct store_image *image,
		     uint64_t first, uint64_t end, store_leaf_fn *fn)
{
	size_t i, kept = 0;

	for (i = 0; i < image->nr; i++) {
		struct store_chapter *chapter = image->chapters[i];

		if (chapter->number * CHAPTER_PAGES < end &&
		    (chapter->number + 1) * CHAPTER_PAGES > first)
			each_leaf_of(store, chapter, first, end, fn);
		if (chapter->leaves)
			image->chapters[kept++] = chapter;
		else
			free_chapter(store, chapter);
	}
	image->nr = kept;
	image->hint = 0;
}

/* The first page at or after @page, or @end */
static uint64_t next_page(const struct store_image *image, uint64_t page, uint64_t end)
{
	size_t at = chapter_place(image, page / CHAPTER_PAGES);

	for (; at < image->nr; at++) {
		const struct store_chapter *chapter = image->chapters[at];
		uint64_t base = chapter->number * CHAPTER_PAGES;
		size_t i;

		if (page < base)
			page = base;
		for (i = (page - base) / LEAF_PAGES; i < CHAPTER_LEAVES && page < end; i++) {
			const struct store_leaf *leaf = chapter->leaf[i];
			uint64_t bits = leaf ? leaf->there >> page % LEAF_PAGES : 0;

			if (bits)
				return page + (uint64_t)__builtin_ctzll(bits);
			page = kho_align_down(page, LEAF_PAGES) + LEAF_PAGES;
		}
		if (page >= end)
			break;
	}
	return end;
}

bool store_tree_next_run(const struct store_image *image, uint64_t from, uint64_t end,
			 struct kho_page_run *ret)
{
	uint64_t last = end / KHO_PAGE_SIZE, first, page;
	const struct store_leaf *leaf = NULL;
	struct store_image *search = (struct store_image *)image;	/* only its hint */
	uint32_t slot = 0;

	first = next_page(image, kho_align_up(from, KHO_PAGE_SIZE) / KHO_PAGE_SIZE, last);
	if (first >= last)
		return false;
	for (page = first; page < last && page - first < STORE_RUN_MAX; page++) {
		if (!leaf || page % LEAF_PAGES == 0)
			leaf = store_leaf_find(search, page);
		if (!leaf || !(leaf->there >> page % LEAF_PAGES & 1))
			break;
		if (page == first)
			slot = leaf->slot[page % LEAF_PAGES];
		else if (leaf->slot[page % LEAF_PAGES] != slot + (page - first))
			break;
	}
	*ret = (struct kho_page_run){
		.vaddr = first * KHO_PAGE_SIZE, .nr_pages = page - first, .slot = slot,
	};
	return true;
}
