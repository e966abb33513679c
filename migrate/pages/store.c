// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page store: slots, rounds and what goes in. See store.h.
 *
 * The whole mapping is made at once, as large as the data may get: only what the
 * file has behind it may be touched, and that is allocated by fallocate() first,
 * so a file system without room is an error here and never a SIGBUS.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "migrate/pages/store_private.h"

#define LIMIT_MAX	((uint64_t)UINT32_MAX * KHO_PAGE_SIZE)

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static int check_new(int fd, uint64_t limit, struct kho_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return kho_fail_errno(err, -errno, "page store: looking at its file");
	if (!S_ISREG(st.st_mode) || st.st_size)
		return kho_fail(err, -EINVAL, "page store: not an empty file; give a new memfd");
	if (limit < KHO_PAGE_SIZE || limit > LIMIT_MAX)
		return kho_fail(err, -EINVAL, "page store: a limit of %llu bytes is not between "
				"4 KiB and 16 TiB", (unsigned long long)limit);
	return 0;
}

int kho_page_store_new(int fd, uint64_t limit, struct kho_page_store **ret, struct kho_err *err)
{
	_cleanup_free_ struct kho_page_store *store = NULL;
	_cleanup_close_ int copy = -EBADF;
	void *map;
	int r;

	r = check_new(fd, limit, err);
	if (r < 0)
		return r;
	limit = kho_align_down(limit, KHO_PAGE_SIZE);
	store = calloc(1, sizeof(*store));
	if (!store)
		return kho_fail(err, -ENOMEM, "page store: no memory");
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return kho_fail_errno(err, -errno, "page store: keeping its file");
	map = mmap(NULL, limit, PROT_READ | PROT_WRITE, MAP_SHARED, copy, 0);
	if (map == MAP_FAILED)
		return kho_fail_errno(err, -errno, "page store: mapping its file");
	store->map = map;
	store->map_size = limit;
	store->fd = TAKE_FD(copy);
	store->full = true;
	*ret = TAKE_PTR(store);
	return 0;
}

int kho_page_store_new_in_memory(int *ret_fd, struct kho_page_store **ret, struct kho_err *err)
{
	uint64_t available = (uint64_t)sysconf(_SC_AVPHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	_cleanup_close_ int fd = memfd_create("kho-pages", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return kho_fail_errno(err, -errno, "no file for pages");
	r = kho_page_store_new(fd, available / 10 * 9, ret, err);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

void kho_page_store_free(struct kho_page_store *store)
{
	size_t i;

	if (!store)
		return;
	for (i = 0; i < store->nr_images; i++)
		store_image_free(store, store->images[i]);
	free(store->images);
	free(store->unused);
	free(store->file);
	if (store->map_size)
		munmap(store->map, store->map_size);
	if (store->fd >= 0)
		close(store->fd);
	free(store);
}

/* Makes the file @size bytes long, allocated and mapped */
static int allocate(struct kho_page_store *store, uint64_t size, struct kho_err *err)
{
	uint64_t more;

	size = kho_align_up(size, KHO_PAGE_STORE_STEP);
	if (size > store->map_size)
		size = store->map_size;
	if (size <= store->allocated)
		return 0;
	more = size - store->allocated;
	if (fallocate(store->fd, 0, (off_t)store->allocated, (off_t)more) < 0)
		return kho_fail_errno(err, errno == EINTR ? -EAGAIN : -errno,
				      "page store: %llu MiB more; give the new kernel more memory",
				      (unsigned long long)(more / KHO_MIB));
	/* without it, page by page when touched */
	(void)madvise(store->map + store->allocated, more, MADV_POPULATE_WRITE);
	store->allocated = size;
	store->stats.file_bytes = size;
	return 0;
}

static int writable(const struct kho_page_store *store, struct kho_err *err)
{
	return store->loaded ? kho_fail(err, -EROFS, "page store: opened for reading") : 0;
}

int kho_page_store_reserve(struct kho_page_store *store, uint64_t bytes, struct kho_err *err)
{
	uint64_t used = store->slots * KHO_PAGE_SIZE;
	uint64_t unused = store->nr_unused * KHO_PAGE_SIZE;
	int r;

	r = writable(store, err);
	if (r < 0)
		return r;
	if (bytes <= unused)
		return 0;
	if (!kho_within(used, bytes - unused, store->map_size))
		return kho_fail(err, -ENOSPC, "page store: %llu MiB more are beyond its limit of "
				"%llu MiB; give the new kernel more memory",
				(unsigned long long)(bytes / KHO_MIB),
				(unsigned long long)(store->map_size / KHO_MIB));
	return allocate(store, used + bytes - unused, err);
}

void kho_page_store_trim(struct kho_page_store *store)
{
	uint64_t used = store->slots * KHO_PAGE_SIZE;

	if (store->loaded || store->allocated <= used || ftruncate(store->fd, (off_t)used) < 0)
		return;
	store->allocated = store->stats.file_bytes = used;
}

int kho_page_store_begin(struct kho_page_store *store, struct kho_err *err)
{
	int r;

	r = writable(store, err);
	if (r < 0)
		return r;
	if (store->running)
		return kho_fail(err, -EBUSY, "page store: the round before is under way");
	store->running = true;
	store->full = store->mixed || store->stats.rounds == 0;
	store->open = NULL;
	store->stats.rounds++;
	store->stats.round_new = store->stats.round_again = 0;
	store->stats.round_kept = store->stats.round_dropped = 0;
	return 0;
}

static int push_unused(struct kho_page_store *store, uint32_t slot)
{
	size_t want = store->room_unused ? 2 * store->room_unused : 1024;
	uint32_t *grown;

	if (store->nr_unused == store->room_unused) {
		grown = reallocarray(store->unused, want, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		store->unused = grown;
		store->room_unused = want;
	}
	store->unused[store->nr_unused++] = slot;
	return 0;
}

static void drop_bits(struct kho_page_store *store, struct store_leaf *leaf, uint64_t bits)
{
	bits &= leaf->there;
	leaf->there &= ~bits;
	leaf->named &= ~bits;
	for (; bits; bits &= bits - 1) {
		/* without memory to remember it the slot is lost, nothing worse */
		(void)push_unused(store, leaf->slot[__builtin_ctzll(bits)]);
		store->stats.pages--;
		store->stats.round_dropped++;
	}
}

static void drop_unnamed(struct kho_page_store *store, struct store_leaf *leaf, uint64_t bits)
{
	drop_bits(store, leaf, bits & ~leaf->named);
	leaf->named = 0;
}

static void forget_names(struct kho_page_store *store, struct store_leaf *leaf, uint64_t bits)
{
	(void)store;
	(void)bits;
	leaf->named = 0;
}

/* So that slots are used again in ascending order */
static void turn_around(uint32_t *slots, size_t nr)
{
	size_t i;

	for (i = 0; i < nr / 2; i++) {
		uint32_t slot = slots[i];

		slots[i] = slots[nr - 1 - i];
		slots[nr - 1 - i] = slot;
	}
}

static void end_image(struct kho_page_store *store, struct store_image *image)
{
	bool gone = image->round != store->stats.rounds;

	store_each_leaf(store, image, 0, UINT64_MAX, gone ? drop_bits : drop_unnamed);
}

int kho_page_store_end(struct kho_page_store *store, struct kho_err *err)
{
	size_t i, kept = 0, before = store->nr_unused;

	if (!store->running)
		return kho_fail(err, -EINVAL, "page store: no round is under way");
	for (i = 0; i < store->nr_images; i++) {
		struct store_image *image = store->images[i];

		end_image(store, image);
		if (image->round == store->stats.rounds)
			store->images[kept++] = image;
		else
			store_image_free(store, image);
	}
	store->nr_images = kept;
	if (store->nr_unused > before)
		turn_around(store->unused + before, store->nr_unused - before);
	store->running = store->mixed = false;
	store->open = NULL;
	return 0;
}

void kho_page_store_fail(struct kho_page_store *store)
{
	size_t i;

	if (!store->running)
		return;
	for (i = 0; i < store->nr_images; i++)
		store_each_leaf(store, store->images[i], 0, UINT64_MAX, forget_names);
	store->running = false;
	store->mixed = true;
	store->open = NULL;
}

int kho_page_store_open(struct kho_page_store *store, uint64_t image, struct kho_err *err)
{
	struct store_image *opened;
	int r;

	if (!store->running)
		return kho_fail(err, -EINVAL, "page store: no round is under way");
	r = store_image_get(store, image, &opened);
	if (r < 0)
		return kho_fail_errno(err, r, "page store: one more image");
	opened->round = store->stats.rounds;
	store->open = opened;
	return 0;
}

/* The slot that a new page would get */
static uint32_t next_slot(const struct kho_page_store *store)
{
	return store->nr_unused ? store->unused[store->nr_unused - 1] : store->slots;
}

static int take_slot(struct kho_page_store *store, struct kho_err *err)
{
	int r;

	if (store->nr_unused) {
		store->nr_unused--;
		return 0;
	}
	r = kho_page_store_reserve(store, KHO_PAGE_SIZE, err);
	if (r < 0)
		return r;
	store->slots++;
	return 0;
}

static int check_range(const struct kho_page_store *store, uint64_t vaddr, uint64_t nr_pages,
		       struct kho_err *err)
{
	if (!store->open)
		return kho_fail(err, -EINVAL, "page store: no image is open");
	if (nr_pages == 0 || nr_pages > KHO_PAGE_RUN_MAX ||
	    !kho_is_aligned(vaddr, KHO_PAGE_SIZE) ||
	    !kho_within(vaddr, nr_pages * KHO_PAGE_SIZE, KHO_PAGE_VADDR_END))
		return kho_fail(err, -EINVAL, "page store: %llu pages at %#llx can't be",
				(unsigned long long)nr_pages, (unsigned long long)vaddr);
	return 0;
}

/*
 * Puts one page into @leaf, if its slot can be @wanted (or any: UINT32_MAX).
 * 1 with the slot, 0 it would be another one.
 */
static int put_page(struct kho_page_store *store, struct store_leaf *leaf, unsigned int n,
		    uint32_t wanted, uint32_t *ret_slot, struct kho_err *err)
{
	bool there = leaf->there >> n & 1;
	uint32_t slot = there ? leaf->slot[n] : next_slot(store);
	int r;

	if (wanted != UINT32_MAX && slot != wanted)
		return 0;
	if (there) {
		store->stats.round_again++;
	} else {
		r = take_slot(store, err);
		if (r < 0)
			return r;
		leaf->slot[n] = slot;
		leaf->there |= 1ULL << n;
		store->stats.pages++;
		store->stats.round_new++;
	}
	leaf->named |= 1ULL << n;
	*ret_slot = slot;
	return 1;
}

int kho_page_store_put(struct kho_page_store *store, uint64_t vaddr, uint64_t nr_pages,
		       void **ret_data, uint64_t *ret_nr, struct kho_err *err)
{
	uint64_t page = vaddr / KHO_PAGE_SIZE, i;
	struct store_leaf *leaf = NULL;
	uint32_t first = UINT32_MAX, slot;
	int r;

	r = check_range(store, vaddr, nr_pages, err);
	if (r < 0)
		return r;
	for (i = 0; i < nr_pages; i++) {
		if (!leaf || (page + i) % LEAF_PAGES == 0)
			leaf = store_leaf_get(store, store->open, page + i);
		if (!leaf && i == 0)
			return kho_fail(err, -ENOMEM, "page store: no memory for its index; "
					"give the new kernel more memory");
		if (!leaf)
			break;
		r = put_page(store, leaf, (page + i) % LEAF_PAGES,
			     i ? first + (uint32_t)i : UINT32_MAX, &slot, i ? NULL : err);
		if (r < 0 && i == 0)
			return r;
		if (r <= 0)
			break;
		if (i == 0)
			first = slot;
	}
	*ret_data = store->map + first * KHO_PAGE_SIZE;
	*ret_nr = i;
	return 0;
}

static int nothing_before(const struct kho_page_store *store, uint64_t page, struct kho_err *err)
{
	return kho_fail(err, -ENODATA, "page store: %#llx of image %#llx is said to be as before, "
			"but %s; restart the move", (unsigned long long)(page * KHO_PAGE_SIZE),
			(unsigned long long)store->open->image,
			store->full ? "there's no whole round before" : "it isn't here");
}

int kho_page_store_keep(struct kho_page_store *store, uint64_t vaddr, uint64_t nr_pages,
			struct kho_err *err)
{
	uint64_t page = vaddr / KHO_PAGE_SIZE, end = page + nr_pages;
	int r;

	r = check_range(store, vaddr, nr_pages, err);
	if (r < 0)
		return r;
	if (store->full)
		return nothing_before(store, page, err);
	while (page < end) {
		struct store_leaf *leaf = store_leaf_find(store->open, page);
		uint64_t nr = LEAF_PAGES - page % LEAF_PAGES, bits;

		if (nr > end - page)
			nr = end - page;
		bits = ~0ULL >> (LEAF_PAGES - nr) << page % LEAF_PAGES;
		if (!leaf || (leaf->there & bits) != bits)
			return nothing_before(store, page, err);
		leaf->named |= bits;
		page += nr;
	}
	store->stats.round_kept += nr_pages;
	return 0;
}

bool kho_page_store_next_image(const struct kho_page_store *store, uint64_t *image)
{
	size_t at;

	if (store->loaded)
		return store_file_next_image(store, image);
	at = store_image_place(store, *image + 1);
	if (at == store->nr_images)
		return false;
	*image = store->images[at]->image;
	return true;
}

bool kho_page_store_next_run(const struct kho_page_store *store, uint64_t image, uint64_t from,
			     uint64_t end, struct kho_page_run *ret)
{
	struct store_image *found;

	if (end > KHO_PAGE_VADDR_END)
		end = KHO_PAGE_VADDR_END;
	if (from >= end)
		return false;
	if (store->loaded)
		return store_file_next_run(store, image, from, end, ret);
	found = store_image_find(store, image);
	return found && store_tree_next_run(found, from, end, ret);
}

const void *kho_page_store_data(const struct kho_page_store *store, uint32_t slot)
{
	return store->map + slot * KHO_PAGE_SIZE;
}

int kho_page_store_release(const struct kho_page_store *store, uint32_t slot, uint64_t nr_pages)
{
	if (!kho_within(slot, nr_pages, store->slots))
		return -EINVAL;
	if (fallocate(store->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)(slot * KHO_PAGE_SIZE), (off_t)(nr_pages * KHO_PAGE_SIZE)) < 0)
		return -errno;
	return 0;
}

void kho_page_store_stats(const struct kho_page_store *store, struct kho_page_store_stats *ret)
{
	*ret = store->stats;
	ret->images = (uint32_t)store->nr_images;
}
