/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page store: the memory of a workload on its way, in memory of the new kernel.
 *
 * Theory of operation
 *
 * Data lies in a file that the caller gives (a memfd, or a file on tmpfs), in
 * slots of one page, mapped shared. The file grows in steps ahead of the data
 * and each step is allocated and mapped before it's needed, so that what arrives
 * during the blackout takes no page faults that could be taken before.
 *
 * The index maps (image, address) to a slot. An image is a task's memory or a
 * piece of shared memory (kho_pages_image()). Per image it's a sorted table of
 * leaves of 512 pages: 4 bytes a slot and two bits, about 0.12 % of the data.
 * A page that comes again overwrites its slot: the newest wins, and the store
 * never holds a page twice.
 *
 * Rounds. Each round names all pages that exist: with data, or as "there, and as
 * before". What it doesn't name was unmapped or given back since, and reads as
 * zeroes: it's dropped at the end of the round, and its slot used again. An image
 * that a round doesn't open is dropped as a whole. So at the end of the final
 * round the store holds the memory at the moment of the dump, no more and no
 * less. A round that fails leaves a mixture, which only a full round (one without
 * "as before") repairs; the store refuses anything else.
 *
 * Another process reads the store by the data file and an index file, which is
 * written when the final round has ended (format: store_index.c). The index file
 * is checked as a whole before anything in it is used.
 */
#ifndef KHO_PAGES_STORE_H
#define KHO_PAGES_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "migrate/pages/wire.h"

#define KHO_PAGE_STORE_STEP	(16ULL << 20)	/* bytes the file grows ahead by */

struct kho_page_store;

struct kho_page_store_stats {
	uint32_t rounds;		/* that ended well */
	uint32_t images;
	uint64_t pages;			/* in the store now */
	uint64_t file_bytes;		/* size of the data file */
	uint64_t index_bytes;		/* memory of the index */
	/* of the current round, or the last one */
	uint64_t round_new;		/* pages that weren't there */
	uint64_t round_again;		/* pages that were overwritten */
	uint64_t round_kept;		/* as before */
	uint64_t round_dropped;		/* known at its end */
};

/* Consecutive pages of an image that are consecutive in the data file, too. */
struct kho_page_run {
	uint64_t vaddr;
	uint64_t nr_pages;
	uint32_t slot;			/* of the first */
};

/*
 * An empty store in the file @fd, which is duplicated and has to be empty.
 * @limit: bytes that the data may take at most, up to 16 TiB - 4 KiB.
 * -EINVAL: not an empty regular file or no limit; -ENOMEM; errno of mmap().
 */
int kho_page_store_new(int fd, uint64_t limit, struct kho_page_store **ret,
		       struct kho_err *err);
/*
 * Likewise in a memfd of its own, *@ret_fd, which may take all memory that is available but
 * a tenth: this kernel's own programs live there, too.
 */
int kho_page_store_new_in_memory(int *ret_fd, struct kho_page_store **ret, struct kho_err *err);
void kho_page_store_free(struct kho_page_store *store);	/* NULL is fine */

/*
 * Allocates and maps room for @bytes more than are in use, so that puts don't
 * have to. Takes time; meant to be called while nobody waits.
 * -ENOSPC: not within the limit, or no memory.
 */
int kho_page_store_reserve(struct kho_page_store *store, uint64_t bytes, struct kho_err *err);

/* Gives back room that was made ahead and isn't in use: nothing more will come. */
void kho_page_store_trim(struct kho_page_store *store);

/* A round begins. -EBUSY: one is under way. */
int kho_page_store_begin(struct kho_page_store *store, struct kho_err *err);

/* It ended well: drops what wasn't named. -EINVAL: none is under way. */
int kho_page_store_end(struct kho_page_store *store, struct kho_err *err);

/* It failed. The next round has to be a full one. */
void kho_page_store_fail(struct kho_page_store *store);

/*
 * From now on the round is about @image: it exists, even without pages.
 * -EINVAL: no round; -ENOSPC: too many images; -ENOMEM.
 */
int kho_page_store_open(struct kho_page_store *store, uint64_t image, struct kho_err *err);

/*
 * Room for pages of the open image: *@ret_data is where up to *@ret_nr pages
 * from @vaddr on (1 to @nr_pages) go. Call again for the rest. They count as
 * there at once, so fill them or fail the round. Valid until the store is freed.
 * -EINVAL: nothing open, or a bad range; -ENOSPC: the limit, or no memory.
 */
int kho_page_store_put(struct kho_page_store *store, uint64_t vaddr, uint64_t nr_pages,
		       void **ret_data, uint64_t *ret_nr, struct kho_err *err);

/*
 * Pages of the open image are there and as before. -ENODATA: one of them isn't
 * in the store, so the two sides disagree and the round has to fail.
 */
int kho_page_store_keep(struct kho_page_store *store, uint64_t vaddr, uint64_t nr_pages,
			struct kho_err *err);

/* Images in ascending order: *@image is the one before (0 at first) and the next. */
bool kho_page_store_next_image(const struct kho_page_store *store, uint64_t *image);

/*
 * The first run of @image's pages at or after @from and before @end. False:
 * there's none. A run is cut at @end and has at most 2^20 pages.
 */
bool kho_page_store_next_run(const struct kho_page_store *store, uint64_t image, uint64_t from,
			     uint64_t end, struct kho_page_run *ret);

/* The data of a slot, as far as the run says. */
const void *kho_page_store_data(const struct kho_page_store *store, uint32_t slot);

/*
 * Gives memory of a run's slots back to the kernel; they read as zeroes then.
 * For a reader that has delivered them and is the last one to want them.
 */
int kho_page_store_release(const struct kho_page_store *store, uint32_t slot, uint64_t nr_pages);

/*
 * Writes the index to @fd (an empty file). -EINVAL: a round is under way or the
 * last one failed. Or errno of write().
 */
int kho_page_store_save(const struct kho_page_store *store, int fd, struct kho_err *err);

/*
 * A store for reading: data file and index file. Neither fd is taken over.
 *   -EBADMSG          damaged, cut off or inconsistent index, or data too short
 *   -EPROTONOSUPPORT  of another version
 * Or errno of read(), mmap(). Rounds, puts and drops aren't possible (-EROFS).
 */
int kho_page_store_load(int data_fd, int index_fd, struct kho_page_store **ret,
			struct kho_err *err);

void kho_page_store_stats(const struct kho_page_store *store, struct kho_page_store_stats *ret);

#endif
