// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pagemaps and data files for CRIU, out of a page store. See compose.h.
 *
 * The work is proportional to the number of runs and mappings, and to what is
 * restored eagerly: nothing here looks at lazy pages one by one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "migrate/pages/compose.h"
#include "migrate/pages/images.h"

/* The two files of one image, being written */
struct output {
	struct kho_image_pagemap map;
	int map_fd;
	int data_fd;
};

static void cleanup_output(struct output *out)
{
	if (out->map_fd >= 0)
		close(out->map_fd);
	if (out->data_fd >= 0)
		close(out->data_fd);
}

static int create(int dir_fd, const char *name, int *ret_fd, struct kho_err *err)
{
	int fd;

	if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		return kho_fail_errno(err, -errno, "replacing %s", name);
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return kho_fail_errno(err, -errno, "creating %s", name);
	*ret_fd = fd;
	return 0;
}

static int open_output(struct output *out, const struct kho_compose *compose, uint64_t image,
		       uint32_t pages_id, struct kho_err *err)
{
	bool task = kho_pages_type(image) == KHO_PAGES_TASK;
	char name[64];
	int r;

	(void)snprintf(name, sizeof(name), "pagemap-%s%llu.img", task ? "" : "shmem-",
		       (unsigned long long)kho_pages_id(image));
	r = create(compose->dir_fd, name, &out->map_fd, err);
	if (r < 0)
		return r;
	(void)snprintf(name, sizeof(name), "pages-%u.img", pages_id);
	r = create(compose->dir_fd, name, &out->data_fd, err);
	if (r < 0)
		return r;
	kho_image_pagemap_begin(&out->map, out->map_fd, pages_id);
	return 0;
}

static int copy_out(struct output *out, const struct kho_page_store *store,
		    const struct kho_page_run *run, struct kho_err *err)
{
	const unsigned char *data = kho_page_store_data(store, run->slot);
	uint64_t left = run->nr_pages * KHO_PAGE_SIZE;

	while (left > 0) {
		ssize_t n = write(out->data_fd, data, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return kho_fail_errno(err, n < 0 ? -errno : -EIO, "writing pages; give "
					      "the new kernel more memory");
		data += n;
		left -= (uint64_t)n;
	}
	return 0;
}

/* All that @image has in [start, end) */
static int add_range(struct output *out, const struct kho_compose *compose, uint64_t image,
		     const struct kho_image_vma *range, struct kho_compose_stats *stats,
		     struct kho_err *err)
{
	uint32_t flags = range->lazy ? KHO_PAGE_LAZY : KHO_PAGE_PRESENT;
	uint64_t from = range->start;
	struct kho_page_run run;
	int r;

	while (kho_page_store_next_run(compose->store, image, from, range->end, &run)) {
		kho_image_pagemap_add(&out->map, run.vaddr, run.nr_pages, flags);
		from = run.vaddr + run.nr_pages * KHO_PAGE_SIZE;
		if (range->lazy) {
			stats->lazy_pages += run.nr_pages;
			continue;
		}
		stats->eager_pages += run.nr_pages;
		r = copy_out(out, compose->store, &run, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_task(struct output *out, const struct kho_compose *compose, uint64_t image,
		    struct kho_compose_stats *stats, struct kho_err *err)
{
	_cleanup_free_ struct kho_image_vma *vmas = NULL;
	size_t i, nr = 0;
	int r;

	r = kho_image_read_vmas(compose->dir_fd, kho_pages_id(image), &vmas, &nr, err);
	if (r < 0)
		return r;
	for (i = 0; i < nr; i++) {
		if (compose->eager)
			vmas[i].lazy = false;
		r = add_range(out, compose, image, &vmas[i], stats, err);
		if (r < 0)
			return r;
	}
	stats->tasks++;
	return 0;
}

static int add_shmem(struct output *out, const struct kho_compose *compose, uint64_t image,
		     struct kho_compose_stats *stats, struct kho_err *err)
{
	const struct kho_image_vma all = { .end = KHO_PAGE_VADDR_END };

	stats->shmems++;
	return add_range(out, compose, image, &all, stats, err);
}

static int compose_image(const struct kho_compose *compose, uint64_t image, uint32_t pages_id,
			 struct kho_compose_stats *stats, struct kho_err *err)
{
	_cleanup_(cleanup_output) struct output out = { .map_fd = -EBADF, .data_fd = -EBADF };
	int r;

	r = open_output(&out, compose, image, pages_id, err);
	if (r < 0)
		return r;
	if (kho_pages_type(image) == KHO_PAGES_TASK)
		r = add_task(&out, compose, image, stats, err);
	else
		r = add_shmem(&out, compose, image, stats, err);
	if (r < 0)
		return r;
	r = kho_image_pagemap_end(&out.map);
	if (r < 0)
		return kho_fail_errno(err, r, "writing a pagemap");
	stats->entries += out.map.entries;
	return 0;
}

int kho_compose(const struct kho_compose *compose, struct kho_compose_stats *ret,
		struct kho_err *err)
{
	struct kho_compose_stats stats = { 0 };
	uint32_t pages_id = 0;
	uint64_t image = 0;
	int r;

	while (kho_page_store_next_image(compose->store, &image)) {
		r = compose_image(compose, image, ++pages_id, &stats, err);
		if (r < 0)
			return kho_wrap(err, r, "images of memory");
	}
	*ret = stats;
	return 0;
}
