// SPDX-License-Identifier: GPL-2.0-only
/*
 * Index files of page stores of arbitrary bytes. The sums are made right, so that
 * the checks behind them are reached. What loads can be walked and saved again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "migrate/pages/store.h"

#define HEAD 48u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static int file_of(const void *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	return fd;
}

static void seal(uint8_t *index, size_t size)
{
	uint32_t sum = kho_crc32c(index + HEAD, size - HEAD);

	memcpy(index + 40, &sum, 4);
	sum = kho_crc32c(index, 44);
	memcpy(index + 44, &sum, 4);
}

static void walk(const struct kho_page_store *store)
{
	unsigned int sum = 0;
	uint64_t image = 0;

	while (kho_page_store_next_image(store, &image)) {
		struct kho_page_run run;
		uint64_t from = 0;

		while (kho_page_store_next_run(store, image, from, UINT64_MAX, &run)) {
			const uint8_t *page = kho_page_store_data(store, run.slot);

			require(run.vaddr >= from && run.nr_pages > 0);
			sum += page[0] + page[run.nr_pages * 4096 - 1];
			from = run.vaddr + run.nr_pages * 4096;
		}
	}
	require(sum == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t copy[1 << 16];
	struct kho_page_store *store;
	struct kho_err err = { 0 };
	int data_fd, index_fd, r;

	if (size > sizeof(copy))
		return 0;
	memcpy(copy, data, size);
	if (size >= HEAD)
		seal(copy, size);
	data_fd = file_of("", 0);
	require(ftruncate(data_fd, 1 << 20) == 0);
	index_fd = file_of(copy, size);
	r = kho_page_store_load(data_fd, index_fd, &store, &err);
	if (r == 0) {
		walk(store);
		require(ftruncate(index_fd, 0) == 0);
		require(kho_page_store_save(store, index_fd, &err) == 0);
		kho_page_store_free(store);
		require(kho_page_store_load(data_fd, index_fd, &store, &err) == 0);
		kho_page_store_free(store);
	} else {
		require(err.code == r && err.msg[0]);
	}
	close(index_fd);
	close(data_fd);
	return 0;
}
