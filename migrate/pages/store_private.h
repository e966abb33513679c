/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside the page store: its index in memory, and what a loaded one looks like.
 *
 * A writer's index is a tree per image. Addresses of an image are cut in chapters
 * of 2^15 pages, a sorted array of those that have pages; a chapter is a table of
 * pointers to leaves, and a leaf has the slots of 64 pages and two words of bits.
 * A reader's index is what the file has: sorted arrays of runs.
 */
#ifndef KHO_PAGES_STORE_PRIVATE_H
#define KHO_PAGES_STORE_PRIVATE_H

#include "base/bits.h"
#include "migrate/pages/store.h"

#define LEAF_PAGES		64
#define CHAPTER_LEAVES		512
#define CHAPTER_PAGES		(LEAF_PAGES * CHAPTER_LEAVES)
#define STORE_IMAGES_MAX	(1u << 20)
#define STORE_RUN_MAX		(1u << 20)	/* pages in a run that's handed out */

struct store_leaf {
	uint64_t there;			/* bit n: page n is in the store */
	uint64_t named;			/* and this round has named it */
	uint32_t slot[LEAF_PAGES];
};

struct store_chapter {
	uint64_t number;		/* of its first page / CHAPTER_PAGES */
	uint32_t leaves;		/* that exist */
	struct store_leaf *leaf[CHAPTER_LEAVES];
};

struct store_image {
	uint64_t image;
	uint32_t round;			/* that opened it last */
	size_t nr, room;		/* of chapters */
	struct store_chapter **chapters;	/* ascending */
	size_t hint;			/* chapter that was used last */
};

struct store_file_run;
struct store_file_image;

struct kho_page_store {
	int fd;
	unsigned char *map;		/* of @map_size bytes, backed up to @allocated */
	uint64_t map_size;
	uint64_t allocated;		/* bytes of the file that are there */
	uint32_t slots;			/* in use or on the free list */
	uint32_t *unused;		/* slots to use again, the last one first */
	size_t nr_unused, room_unused;

	struct store_image **images;	/* ascending */
	size_t nr_images, room_images;
	struct store_image *open;

	bool running;			/* a round is under way */
	bool mixed;			/* the last one failed */
	bool full;			/* this one may not say "as before" */
	struct kho_page_store_stats stats;

	/* of a loaded store only */
	bool loaded;
	const struct store_file_image *file_images;
	const struct store_file_run *file_runs;
	void *file;			/* holds both */
};

/* store_tree.c */

/* The place of @image in store->images, or where it would be. */
size_t store_image_place(const struct kho_page_store *store, uint64_t image);
struct store_image *store_image_find(const struct kho_page_store *store, uint64_t image);
/* -ENOSPC, -ENOMEM */
int store_image_get(struct kho_page_store *store, uint64_t image, struct store_image **ret);
void store_image_free(struct kho_page_store *store, struct store_image *image);

/* The leaf of a page number, or NULL; get makes it if need be (NULL: no memory). */
struct store_leaf *store_leaf_find(struct store_image *image, uint64_t page);
struct store_leaf *store_leaf_get(struct kho_page_store *store, struct store_image *image,
				  uint64_t page);

/*
 * Calls @fn for each leaf that has pages in [first, end), with the bits of those.
 * Leaves that @fn empties are freed.
 */
typedef void store_leaf_fn(struct kho_page_store *store, struct store_leaf *leaf, uint64_t bits);
void store_each_leaf(struct kho_page_store *store, struct store_image *image,
		     uint64_t first, uint64_t end, store_leaf_fn *fn);

/* As kho_page_store_next_run(), of a writer's index. */
bool store_tree_next_run(const struct store_image *image, uint64_t from, uint64_t end,
			 struct kho_page_run *ret);

/* store_index.c */
bool store_file_next_image(const struct kho_page_store *store, uint64_t *image);
bool store_file_next_run(const struct kho_page_store *store, uint64_t image, uint64_t from,
			 uint64_t end, struct kho_page_run *ret);

#endif
