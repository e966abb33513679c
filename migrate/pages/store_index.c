// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page store's index as a file, and a store that was opened by it.
 *
 *	offset  size  field		all little endian
 *	0       8     magic		"KHOPAGES"
 *	8       4     version		1; whoever changes the meaning counts up
 *	12      4     images
 *	16      8     runs		of all images
 *	24      4     slots		the data file has at least that many pages
 *	28      4     reserved		0
 *	32      8     pages		of all runs
 *	40      4     crc		CRC32C of all that follows the header
 *	44      4     check		CRC32C of bytes 0 to 43
 *	48            images, ascending:
 *		      8  image, 8  runs of it (in order, without gaps)
 *	              runs, ascending within an image, never overlapping:
 *		      8  vaddr, 4  slot of the first page, 4  number of pages
 *
 * Sums find accidents. All that a reader relies on is checked as well: order,
 * bounds, and that no slot belongs to two pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/crc32c.h"
#include "migrate/pages/store_private.h"

#define MAGIC		"KHOPAGES"
#define VERSION		1u
#define FILE_MAX	(64ULL << 30)
#define BUFFER_RUNS	4096

struct store_file_head {
	char magic[8];
	uint32_t version;
	uint32_t images;
	uint64_t runs;
	uint32_t slots;
	uint32_t reserved;
	uint64_t pages;
	uint32_t crc;
	uint32_t check;
};

struct store_file_image {
	uint64_t image;
	uint64_t runs;		/* in memory: number of the first one after it */
};

struct store_file_run {
	uint64_t vaddr;
	uint32_t slot;
	uint32_t nr_pages;
};

_Static_assert(sizeof(struct store_file_head) == 48, "index header");
_Static_assert(sizeof(struct store_file_image) == 16, "index image");
_Static_assert(sizeof(struct store_file_run) == 16, "index run");

/* What's being written: sums up and collects */
struct writer {
	int fd;
	off_t offset;
	uint32_t crc;
	uint64_t runs, pages;
	size_t nr;
	struct store_file_run *buffer;
	int error;
};

static int write_all(int fd, const void *data, size_t size, off_t offset)
{
	const unsigned char *at = data;

	while (size > 0) {
		ssize_t n = pwrite(fd, at, size, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += n;
		size -= (size_t)n;
		offset += n;
	}
	return 0;
}

static void append(struct writer *w, const void *data, size_t size)
{
	if (w->error < 0)
		return;
	w->error = write_all(w->fd, data, size, w->offset);
	w->crc = kho_crc32c_add(w->crc, data, size);
	w->offset += (off_t)size;
}

static void flush(struct writer *w)
{
	append(w, w->buffer, w->nr * sizeof(*w->buffer));
	w->nr = 0;
}

/* Counts the runs of an image (@w NULL) or writes them */
static uint64_t each_run(const struct kho_page_store *store, uint64_t image, struct writer *w)
{
	struct kho_page_run run;
	uint64_t from = 0, nr = 0;

	while (kho_page_store_next_run(store, image, from, KHO_PAGE_VADDR_END, &run)) {
		nr++;
		from = run.vaddr + run.nr_pages * KHO_PAGE_SIZE;
		if (!w)
			continue;
		w->buffer[w->nr++] = (struct store_file_run){
			.vaddr = run.vaddr, .slot = run.slot, .nr_pages = (uint32_t)run.nr_pages,
		};
		w->pages += run.nr_pages;
		if (w->nr == BUFFER_RUNS)
			flush(w);
	}
	return nr;
}

int kho_page_store_save(const struct kho_page_store *store, int fd, struct kho_err *err)
{
	_cleanup_free_ struct store_file_run *buffer = calloc(BUFFER_RUNS, sizeof(*buffer));
	struct writer w = { .fd = fd, .offset = sizeof(struct store_file_head), .buffer = buffer };
	struct store_file_head head = { .magic = MAGIC, .version = VERSION };
	uint64_t image = 0;

	if (store->running || store->mixed)
		return kho_fail(err, -EINVAL, "page store: its last round is not complete");
	if (!buffer)
		return kho_fail(err, -ENOMEM, "page store: no memory for writing its index");
	while (kho_page_store_next_image(store, &image)) {
		struct store_file_image entry = { image, each_run(store, image, NULL) };

		head.images++;
		append(&w, &entry, sizeof(entry));
		w.runs += entry.runs;
	}
	for (image = 0; kho_page_store_next_image(store, &image);)
		each_run(store, image, &w);
	flush(&w);
	head.runs = w.runs;
	head.pages = w.pages;
	head.slots = store->slots;
	head.crc = w.crc;
	head.check = kho_crc32c(&head, offsetof(struct store_file_head, check));
	if (w.error == 0)
		w.error = write_all(fd, &head, sizeof(head), 0);
	if (w.error < 0)
		return kho_fail_errno(err, w.error, "page store: writing its index");
	return 0;
}

static int bad(struct kho_err *err, const char *what)
{
	return kho_fail(err, -EBADMSG, "page store: its index %s; restart the move", what);
}

static int check_head(const struct store_file_head *head, uint64_t size, struct kho_err *err)
{
	if (memcmp(head->magic, MAGIC, sizeof(head->magic)))
		return bad(err, "isn't one");
	if (head->check != kho_crc32c(head, offsetof(struct store_file_head, check)))
		return bad(err, "has a damaged header");
	if (head->version != VERSION)
		return kho_fail(err, -EPROTONOSUPPORT, "page store: index of version %u; use the "
				"kho-restore of that version", head->version);
	if (head->images > STORE_IMAGES_MAX || head->runs > UINT32_MAX || head->reserved ||
	    size != sizeof(*head) + head->images * sizeof(struct store_file_image) +
		    head->runs * sizeof(struct store_file_run))
		return bad(err, "is cut off or too long");
	return 0;
}

/* Marks the slots of a run; false if one was taken */
static bool take_slots(uint64_t *taken, const struct store_file_run *run)
{
	uint64_t slot = run->slot, end = slot + run->nr_pages;

	while (slot < end) {
		uint64_t nr = 64 - slot % 64, bits;

		if (nr > end - slot)
			nr = end - slot;
		bits = ~0ULL >> (64 - nr) << slot % 64;
		if (taken[slot / 64] & bits)
			return false;
		taken[slot / 64] |= bits;
		slot += nr;
	}
	return true;
}

static int check_runs(const struct store_file_run *runs, uint64_t nr, uint32_t slots,
		      uint64_t *taken, struct kho_err *err)
{
	uint64_t i, from = 0;

	for (i = 0; i < nr; i++) {
		const struct store_file_run *run = &runs[i];

		if (run->nr_pages == 0 || !kho_is_aligned(run->vaddr, KHO_PAGE_SIZE) ||
		    run->vaddr < from ||
		    !kho_within(run->vaddr, run->nr_pages * KHO_PAGE_SIZE, KHO_PAGE_VADDR_END))
			return bad(err, "has pages out of order");
		if (!kho_within(run->slot, run->nr_pages, slots))
			return bad(err, "refers to data that isn't there");
		if (!take_slots(taken, run))
			return bad(err, "uses data twice");
		from = run->vaddr + run->nr_pages * KHO_PAGE_SIZE;
	}
	return 0;
}

/* Checks images and runs; turns each image's count into the end of its runs */
static int check_tables(const struct store_file_head *head, struct store_file_image *images,
			const struct store_file_run *runs, struct kho_err *err)
{
	_cleanup_free_ uint64_t *taken = calloc(head->slots / 64 + 1, sizeof(*taken));
	uint64_t done = 0, before = 0;
	uint32_t i;
	int r;

	if (!taken)
		return kho_fail(err, -ENOMEM, "page store: no memory for checking its index");
	for (i = 0; i < head->images; i++) {
		if (images[i].image <= before || images[i].runs > head->runs - done)
			return bad(err, "has images out of order");
		r = check_runs(runs + done, images[i].runs, head->slots, taken, err);
		if (r < 0)
			return r;
		done += images[i].runs;
		images[i].runs = done;
		before = images[i].image;
	}
	return done == head->runs ? 0 : bad(err, "has runs of no image");
}

static int read_all(int fd, void *data, size_t size)
{
	unsigned char *at = data;
	off_t offset = 0;

	while (size > 0) {
		ssize_t n = pread(fd, at, size, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		at += n;
		offset += n;
		size -= (size_t)n;
	}
	return 0;
}

static int read_file(int fd, void **ret, uint64_t *ret_size, struct kho_err *err)
{
	_cleanup_free_ void *file = NULL;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return kho_fail_errno(err, -errno, "page store: looking at its index");
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < sizeof(struct store_file_head) ||
	    (uint64_t)st.st_size > FILE_MAX)
		return bad(err, "is cut off");
	file = malloc((size_t)st.st_size);
	if (!file)
		return kho_fail(err, -ENOMEM, "page store: no memory for its index");
	r = read_all(fd, file, (size_t)st.st_size);
	if (r < 0)
		return kho_fail_errno(err, r, "page store: reading its index");
	*ret = TAKE_PTR(file);
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

static int map_data(struct kho_page_store *store, int fd, struct kho_err *err)
{
	uint64_t size = store->slots * KHO_PAGE_SIZE;
	struct stat st;
	void *map;

	store->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (store->fd < 0 || fstat(fd, &st) < 0)
		return kho_fail_errno(err, -errno, "page store: opening its data");
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < size)
		return kho_fail(err, -EBADMSG, "page store: its data is too short; restart the move");
	if (size == 0)
		return 0;
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, store->fd, 0);
	if (map == MAP_FAILED)
		return kho_fail_errno(err, -errno, "page store: mapping its data");
	store->map = map;
	store->map_size = store->allocated = store->stats.file_bytes = size;
	return 0;
}

static int load(struct kho_page_store *store, int index_fd, struct kho_err *err)
{
	struct store_file_image *images;
	struct store_file_head *head;
	struct store_file_run *runs;
	uint64_t size = 0;
	int r;

	r = read_file(index_fd, &store->file, &size, err);
	if (r < 0)
		return r;
	head = store->file;
	r = check_head(head, size, err);
	if (r < 0)
		return r;
	images = (struct store_file_image *)(head + 1);
	runs = (struct store_file_run *)(images + head->images);
	if (head->crc != kho_crc32c(head + 1, size - sizeof(*head)))
		return bad(err, "is damaged");
	r = check_tables(head, images, runs, err);
	if (r < 0)
		return r;
	store->file_images = images;
	store->file_runs = runs;
	store->nr_images = 0;
	store->slots = head->slots;
	store->stats.pages = head->pages;
	store->stats.index_bytes = size;
	return 0;
}

static void cleanup_store(struct kho_page_store **store)
{
	kho_page_store_free(*store);
}

int kho_page_store_load(int data_fd, int index_fd, struct kho_page_store **ret,
			struct kho_err *err)
{
	_cleanup_(cleanup_store) struct kho_page_store *store = calloc(1, sizeof(*store));
	int r;

	if (!store)
		return kho_fail(err, -ENOMEM, "page store: no memory");
	store->loaded = true;
	store->fd = -EBADF;
	r = load(store, index_fd, err);
	if (r < 0)
		return r;
	r = map_data(store, data_fd, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(store);
	return 0;
}

static const struct store_file_head *head_of(const struct kho_page_store *store)
{
	return store->file;
}

/* The first image after @image */
static uint32_t image_after(const struct kho_page_store *store, uint64_t image)
{
	uint32_t low = 0, high = head_of(store)->images;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (store->file_images[middle].image <= image)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool store_file_next_image(const struct kho_page_store *store, uint64_t *image)
{
	uint32_t at = image_after(store, *image);

	if (at == head_of(store)->images)
		return false;
	*image = store->file_images[at].image;
	return true;
}

bool store_file_next_run(const struct kho_page_store *store, uint64_t image, uint64_t from,
			 uint64_t end, struct kho_page_run *ret)
{
	uint32_t at = image_after(store, image);
	const struct store_file_image *images = store->file_images;
	const struct store_file_run *run;
	uint64_t low, high, skip;

	if (at == 0 || images[at - 1].image != image)
		return false;
	low = at > 1 ? images[at - 2].runs : 0;
	high = images[at - 1].runs;
	from = kho_align_up(from, KHO_PAGE_SIZE);
	end = kho_align_down(end, KHO_PAGE_SIZE);
	while (low < high) {		/* the first run that ends after @from */
		uint64_t middle = low + (high - low) / 2;

		run = &store->file_runs[middle];
		if (run->vaddr + run->nr_pages * KHO_PAGE_SIZE <= from)
			low = middle + 1;
		else
			high = middle;
	}
	run = &store->file_runs[low];
	if (low == images[at - 1].runs || run->vaddr >= end || from >= end)
		return false;
	skip = from > run->vaddr ? (from - run->vaddr) / KHO_PAGE_SIZE : 0;
	*ret = (struct kho_page_run){
		.vaddr = run->vaddr + skip * KHO_PAGE_SIZE,
		.nr_pages = run->nr_pages - skip,
		.slot = run->slot + (uint32_t)skip,
	};
	if (ret->nr_pages > (end - ret->vaddr) / KHO_PAGE_SIZE)
		ret->nr_pages = (end - ret->vaddr) / KHO_PAGE_SIZE;
	return true;
}
