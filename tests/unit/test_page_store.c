// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page store against a model of it, its limits, and its index file: what is
 * saved loads the same, what is damaged is refused.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "migrate/pages/store.h"
#include "unit/run.h"

#define PAGE		4096ull
#define MODEL_PAGES	40000ull
#define TASK		kho_pages_image(12, KHO_PAGES_TASK)

static struct kho_page_store *store;
static struct kho_err err;
static int data_fd;

/* what page n has to hold; 0: it isn't there */
static uint32_t model[MODEL_PAGES];

static void setup(void)
{
	data_fd = memfd_create("store", MFD_CLOEXEC);
	ck_assert_int_eq(kho_page_store_new(data_fd, 1ull << 30, &store, &err), 0);
	memset(model, 0, sizeof(model));
}

static void teardown(void)
{
	kho_page_store_free(store);
	close(data_fd);
}

/* Addresses: half of the pages low, the others high */
static uint64_t vaddr_of(uint64_t page)
{
	return (page < MODEL_PAGES / 2 ? 0x400000 : 0x7f0000000000) + page * PAGE;
}

static void put(uint64_t page, uint64_t nr, uint32_t value)
{
	while (nr > 0) {
		uint64_t got = 0, i;
		void *data;

		ck_assert_int_eq(kho_page_store_put(store, vaddr_of(page), nr, &data, &got, &err), 0);
		ck_assert(got >= 1 && got <= nr);
		for (i = 0; i < got; i++) {
			memcpy((char *)data + i * PAGE, &value, sizeof(value));
			model[page + i] = value;
		}
		page += got;
		nr -= got;
	}
}

static void compare(const struct kho_page_store *s)
{
	uint64_t page = 0, from = 0, there = 0, i;
	struct kho_page_run run;

	while (kho_page_store_next_run(s, TASK, from, KHO_PAGE_VADDR_END, &run)) {
		const char *data = kho_page_store_data(s, run.slot);

		for (; vaddr_of(page) < run.vaddr; page++)
			ck_assert_uint_eq(model[page], 0);
		for (i = 0; i < run.nr_pages; i++, page++) {
			uint32_t value;

			memcpy(&value, data + i * PAGE, sizeof(value));
			ck_assert_uint_eq(vaddr_of(page), run.vaddr + i * PAGE);
			ck_assert_uint_eq(value, model[page]);
			ck_assert_uint_ne(value, 0);
		}
		there += run.nr_pages;
		from = run.vaddr + run.nr_pages * PAGE;
	}
	for (; page < MODEL_PAGES; page++)
		ck_assert_uint_eq(model[page], 0);
	ck_assert_uint_gt(there, 0);
}

static uint64_t pick(uint64_t max)
{
	return (uint64_t)random() % max;
}

/* One round: pages are named at random, with data or as before */
static void random_round(uint32_t value, bool full)
{
	uint64_t half = MODEL_PAGES / 2, page = 0;

	ck_assert_int_eq(kho_page_store_begin(store, &err), 0);
	ck_assert_int_eq(kho_page_store_open(store, TASK, &err), 0);
	while (page < MODEL_PAGES) {
		uint64_t nr = 1 + pick(pick(10) ? 8 : 900), kept = 0;

		if (page < half && page + nr > half)
			nr = half - page;
		if (page + nr > MODEL_PAGES)
			nr = MODEL_PAGES - page;
		while (kept < nr && model[page + kept])
			kept++;
		if (!full && kept && pick(2)) {
			ck_assert_int_eq(kho_page_store_keep(store, vaddr_of(page), kept, &err), 0);
			nr = kept;
		} else if (pick(3)) {
			put(page, nr, value);
		} else {
			memset(model + page, 0, nr * sizeof(*model));
		}
		page += nr;
	}
	ck_assert_int_eq(kho_page_store_end(store, &err), 0);
}

START_TEST(model_of_rounds)
{
	struct kho_page_store_stats stats;
	struct kho_page_store *loaded;
	int index = memfd_create("index", MFD_CLOEXEC);
	uint32_t i;

	srandom(7);
	for (i = 1; i < 8; i++) {
		random_round(i, i == 1);
		compare(store);
	}
	kho_page_store_stats(store, &stats);
	ck_assert_uint_eq(stats.rounds, 7);
	/* 1 % is promised; slots are used again, so the file doesn't grow by the round */
	ck_assert_uint_le(stats.index_bytes * 100, MODEL_PAGES * PAGE);
	ck_assert_uint_le(stats.file_bytes, MODEL_PAGES * PAGE + KHO_PAGE_STORE_STEP);
	kho_page_store_trim(store);
	compare(store);
	ck_assert_int_eq(kho_page_store_save(store, index, &err), 0);
	ck_assert_int_eq(kho_page_store_load(data_fd, index, &loaded, &err), 0);
	compare(loaded);
	ck_assert_int_eq(kho_page_store_begin(loaded, &err), -EROFS);
	kho_page_store_free(loaded);
	close(index);
}
END_TEST

START_TEST(runs_are_cut)
{
	struct kho_page_store *loaded;
	struct kho_page_run run;
	int index = memfd_create("index", MFD_CLOEXEC), i;

	ck_assert_int_eq(kho_page_store_begin(store, &err), 0);
	ck_assert_int_eq(kho_page_store_open(store, TASK, &err), 0);
	put(10, 300, 1);
	ck_assert_int_eq(kho_page_store_end(store, &err), 0);
	ck_assert_int_eq(kho_page_store_save(store, index, &err), 0);
	ck_assert_int_eq(kho_page_store_load(data_fd, index, &loaded, &err), 0);
	for (i = 0; i < 2; i++) {
		const struct kho_page_store *s = i ? loaded : store;

		ck_assert(kho_page_store_next_run(s, TASK, 0, UINT64_MAX, &run));
		ck_assert_uint_eq(run.vaddr, vaddr_of(10));
		ck_assert_uint_eq(run.nr_pages, 300);
		ck_assert(kho_page_store_next_run(s, TASK, vaddr_of(20) + 1, vaddr_of(30), &run));
		ck_assert_uint_eq(run.vaddr, vaddr_of(21));
		ck_assert_uint_eq(run.nr_pages, 9);
		ck_assert_uint_eq(run.slot, 11);
		ck_assert(!kho_page_store_next_run(s, TASK, vaddr_of(310), UINT64_MAX, &run));
		ck_assert(!kho_page_store_next_run(s, TASK, 0, vaddr_of(10), &run));
		ck_assert(!kho_page_store_next_run(s, TASK, vaddr_of(20), vaddr_of(20), &run));
		ck_assert(!kho_page_store_next_run(s, TASK + 256, 0, UINT64_MAX, &run));
		ck_assert(!kho_page_store_next_run(s, TASK - 256, 0, UINT64_MAX, &run));
	}
	kho_page_store_free(loaded);
	close(index);
}
END_TEST

START_TEST(images_without_pages_exist)
{
	uint64_t image = 0;

	ck_assert_int_eq(kho_page_store_begin(store, &err), 0);
	ck_assert_int_eq(kho_page_store_open(store, TASK + 256, &err), 0);
	ck_assert_int_eq(kho_page_store_open(store, TASK, &err), 0);
	ck_assert_int_eq(kho_page_store_end(store, &err), 0);
	ck_assert(kho_page_store_next_image(store, &image));
	ck_assert_uint_eq(image, TASK);
	ck_assert(kho_page_store_next_image(store, &image));
	ck_assert_uint_eq(image, TASK + 256);
	ck_assert(!kho_page_store_next_image(store, &image));
	ck_assert_int_eq(kho_page_store_begin(store, &err), 0);
	ck_assert_int_eq(kho_page_store_end(store, &err), 0);
	image = 0;
	ck_assert(!kho_page_store_next_image(store, &image));
}
END_TEST

START_TEST(misuse_and_limits)
{
	struct kho_page_store *small;
	uint64_t nr = 0;
	void *data;
	int fd = memfd_create("small", MFD_CLOEXEC);

	ck_assert_int_eq(kho_page_store_new(fd, 0, &small, &err), -EINVAL);
	ck_assert_int_eq(kho_page_store_new(fd, 10 * PAGE, &small, &err), 0);
	ck_assert_int_eq(kho_page_store_reserve(small, 11 * PAGE, &err), -ENOSPC);
	ck_assert_int_eq(kho_page_store_reserve(small, 10 * PAGE, &err), 0);
	ck_assert_int_eq(kho_page_store_end(small, &err), -EINVAL);
	ck_assert_int_eq(kho_page_store_open(small, TASK, &err), -EINVAL);
	ck_assert_int_eq(kho_page_store_begin(small, &err), 0);
	ck_assert_int_eq(kho_page_store_begin(small, &err), -EBUSY);
	ck_assert_int_eq(kho_page_store_put(small, 0, 1, &data, &nr, &err), -EINVAL);
	ck_assert_int_eq(kho_page_store_open(small, TASK, &err), 0);
	ck_assert_int_eq(kho_page_store_put(small, 0, 100, &data, &nr, &err), 0);
	ck_assert_uint_eq(nr, 10);
	ck_assert_int_eq(kho_page_store_put(small, 10 * PAGE, 90, &data, &nr, &err), -ENOSPC);
	ck_assert_int_eq(kho_page_store_put(small, 1, 1, &data, &nr, &err), -EINVAL);
	ck_assert_int_eq(kho_page_store_keep(small, 0, 10, &err), -ENODATA);
	kho_page_store_fail(small);
	ck_assert_int_eq(kho_page_store_save(small, fd, &err), -EINVAL);
	ck_assert_int_eq(kho_page_store_begin(small, &err), 0);
	ck_assert_int_eq(kho_page_store_open(small, TASK, &err), 0);
	ck_assert_int_eq(kho_page_store_keep(small, 0, 10, &err), -ENODATA);
	kho_page_store_free(small);
	close(fd);
}
END_TEST

/* An index as bytes; loading takes a copy of them */
static unsigned char image_of[8192];
static size_t image_size;

static int load(size_t size)
{
	struct kho_page_store *loaded;
	int index = memfd_create("index", MFD_CLOEXEC), r;

	ck_assert_int_eq(write(index, image_of, size), (ssize_t)size);
	r = kho_page_store_load(data_fd, index, &loaded, &err);
	close(index);
	if (r == 0)
		kho_page_store_free(loaded);
	else
		ck_assert(err.msg[0]);
	return r;
}

static void make_index(void)
{
	int index = memfd_create("index", MFD_CLOEXEC);

	ck_assert_int_eq(kho_page_store_begin(store, &err), 0);
	ck_assert_int_eq(kho_page_store_open(store, TASK, &err), 0);
	put(0, 3, 1);
	put(10, 3, 1);
	ck_assert_int_eq(kho_page_store_open(store, TASK + 256, &err), 0);
	put(0, 3, 1);
	ck_assert_int_eq(kho_page_store_end(store, &err), 0);
	ck_assert_int_eq(kho_page_store_save(store, index, &err), 0);
	image_size = (size_t)pread(index, image_of, sizeof(image_of), 0);
	ck_assert_uint_eq(image_size, 48 + 2 * 16 + 3 * 16);
	close(index);
}

/* Sums made right again, so that what's behind them is reached */
static void seal(void)
{
	uint32_t crc = kho_crc32c(image_of + 48, image_size - 48);

	memcpy(image_of + 40, &crc, 4);
	crc = kho_crc32c(image_of, 44);
	memcpy(image_of + 44, &crc, 4);
}

static int with_u64(size_t offset, uint64_t value)
{
	uint64_t before;
	int r;

	memcpy(&before, image_of + offset, 8);
	memcpy(image_of + offset, &value, 8);
	seal();
	r = load(image_size);
	memcpy(image_of + offset, &before, 8);
	seal();
	ck_assert_int_eq(load(image_size), 0);
	return r;
}

START_TEST(damaged_index)
{
	size_t i;

	make_index();
	ck_assert_int_eq(load(image_size), 0);
	for (i = 0; i < image_size; i++) {
		ck_assert_int_eq(load(i), -EBADMSG);
		image_of[i] ^= 0x10;
		ck_assert_int_eq(load(image_size), -EBADMSG);
		image_of[i] ^= 0x10;
	}
	ck_assert_int_eq(load(image_size + 1), -EBADMSG);
}
END_TEST

START_TEST(hostile_index)
{
	size_t images = 48, runs = 48 + 2 * 16;
	uint64_t slot_nr = 3ull << 32;

	make_index();
	ck_assert_int_eq(with_u64(8, 2ull << 32 | 2), -EPROTONOSUPPORT);
	ck_assert_int_eq(with_u64(8, 3ull << 32 | 1), -EBADMSG);
	ck_assert_int_eq(with_u64(16, 1ull << 60), -EBADMSG);
	ck_assert_int_eq(with_u64(24, 8), -EBADMSG);		/* slots */
	ck_assert_int_eq(with_u64(24, 1 << 20), -EBADMSG);	/* data is shorter */
	ck_assert_int_eq(with_u64(images, TASK + 256), -EBADMSG);
	ck_assert_int_eq(with_u64(images + 8, 1), -EBADMSG);
	ck_assert_int_eq(with_u64(images + 8, UINT64_MAX), -EBADMSG);
	ck_assert_int_eq(with_u64(runs, 1), -EBADMSG);
	ck_assert_int_eq(with_u64(runs, vaddr_of(9)), -EBADMSG);
	ck_assert_int_eq(with_u64(runs + 16, UINT64_MAX & ~4095ull), -EBADMSG);
	ck_assert_int_eq(with_u64(runs + 8, 0), -EBADMSG);
	ck_assert_int_eq(with_u64(runs + 8, slot_nr | 1), -EBADMSG);	/* used twice */
	ck_assert_int_eq(with_u64(runs + 8, slot_nr | 7), -EBADMSG);
	ck_assert_int_eq(with_u64(runs + 8, UINT64_MAX), -EBADMSG);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("page_store");
	TCase *tc = tcase_create("page_store");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, model_of_rounds);
	tcase_add_test(tc, runs_are_cut);
	tcase_add_test(tc, images_without_pages_exist);
	tcase_add_test(tc, misuse_and_limits);
	tcase_add_test(tc, damaged_index);
	tcase_add_test(tc, hostile_index);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
