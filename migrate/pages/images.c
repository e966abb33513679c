// SPDX-License-Identifier: GPL-2.0-only
/* CRIU's image files: reading mappings, writing pagemaps. See images.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "criu-images.pb-c.h"
#include "migrate/criu/image_file.h"
#include "migrate/pages/images.h"
#include "migrate/pages/wire.h"

#define MAGIC_MM	0x57492820u
#define MAGIC_PAGEMAP	0x56084025u
#define MM_MAX		(64u << 20)	/* bytes: 65530 mappings take about 4 MiB */

/* CRIU's status of a mapping: made by the kernel, not to be lazy */
#define STATUS_VSYSCALL	(1u << 2)
#define STATUS_VDSO	(1u << 3)
#define STATUS_VVAR	(1u << 12)

/*
 * The first four conditions are CRIU's own. Memory that a fork wipes is ours: its
 * pages would reach the child as if they hadn't been wiped.
 */
static bool can_be_lazy(const Kho__Image__Vma *vma)
{
	return vma->flags & MAP_PRIVATE && vma->flags & MAP_ANONYMOUS &&
	       !(vma->flags & (MAP_LOCKED | MAP_HUGETLB)) &&
	       !(vma->status & (STATUS_VSYSCALL | STATUS_VDSO | STATUS_VVAR)) &&
	       !(vma->madv & 1ULL << MADV_WIPEONFORK);
}

static void cleanup_mm(Kho__Image__Mm **mm)
{
	if (*mm)
		kho__image__mm__free_unpacked(*mm, NULL);
}

static int take_vmas(const Kho__Image__Mm *mm, struct kho_image_vma **ret, size_t *ret_nr,
		     struct kho_err *err)
{
	_cleanup_free_ struct kho_image_vma *vmas = calloc(mm->n_vmas + 1, sizeof(*vmas));
	uint64_t before = 0;
	size_t i;

	if (!vmas)
		return kho_fail(err, -ENOMEM, "no memory for its mappings");
	for (i = 0; i < mm->n_vmas; i++) {
		const Kho__Image__Vma *vma = mm->vmas[i];

		if (vma->start < before || vma->end <= vma->start ||
		    !kho_is_aligned(vma->start | vma->end, KHO_PAGE_SIZE))
			return kho_fail(err, -EBADMSG, "its mappings are out of order; dump again");
		before = vma->end;
		vmas[i] = (struct kho_image_vma){
			.start = vma->start, .end = vma->end,
			.lazy = can_be_lazy(vma),
		};
	}
	*ret = TAKE_PTR(vmas);
	*ret_nr = mm->n_vmas;
	return 0;
}

int kho_image_parse_vmas(const void *data, size_t size, struct kho_image_vma **ret,
			 size_t *ret_nr, struct kho_err *err)
{
	_cleanup_(cleanup_mm) Kho__Image__Mm *mm = NULL;
	struct kho_image_file image = { .data = data, .size = size };
	int r = kho_image_file_begin(&image, MAGIC_MM, err);

	if (r < 0)
		return r;
	mm = kho_image_file_next(&image, &kho__image__mm__descriptor, err);
	return !mm ? -EBADMSG : take_vmas(mm, ret, ret_nr, err);
}

static int read_image(int dir_fd, const char *name, char **ret, size_t *ret_size,
		      struct kho_err *err)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_free_ char *data = NULL;
	struct stat st;
	size_t done = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return kho_fail_errno(err, -errno, "opening it");
	if (!S_ISREG(st.st_mode) || st.st_size > MM_MAX)
		return kho_fail(err, -EFBIG, "larger than any image of mappings");
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return kho_fail(err, -ENOMEM, "no memory for it");
	while (done < (size_t)st.st_size) {
		ssize_t n = read(fd, data + done, (size_t)st.st_size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return kho_fail_errno(err, -errno, "reading it");
		if (n == 0)
			break;
		done += (size_t)n;
	}
	*ret = TAKE_PTR(data);
	*ret_size = done;
	return 0;
}

int kho_image_read_vmas(int dir_fd, uint64_t pid, struct kho_image_vma **ret, size_t *ret_nr,
			struct kho_err *err)
{
	_cleanup_free_ char *data = NULL;
	size_t size = 0;
	char name[40];
	int r;

	(void)snprintf(name, sizeof(name), "mm-%llu.img", (unsigned long long)pid);
	r = read_image(dir_fd, name, &data, &size, err);
	if (r == 0)
		r = kho_image_parse_vmas(data, size, ret, ret_nr, err);
	return r < 0 ? kho_wrap(err, r, "image %s", name) : 0;
}

static void flush(struct kho_image_pagemap *map)
{
	size_t done = 0;

	while (map->error == 0 && done < map->used) {
		ssize_t n = write(map->fd, map->buffer + done, map->used - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			map->error = n < 0 ? -errno : -EIO;
		else
			done += (size_t)n;
	}
	map->used = 0;
}

static void put(struct kho_image_pagemap *map, const void *data, size_t size)
{
	if (size > sizeof(map->buffer) - map->used)
		flush(map);
	memcpy(map->buffer + map->used, data, size);
	map->used += size;
}

static void put_u32(struct kho_image_pagemap *map, uint32_t value)
{
	put(map, &value, sizeof(value));
}

void kho_image_pagemap_begin(struct kho_image_pagemap *map, int fd, uint32_t pages_id)
{
	Kho__Image__PagemapHead head = KHO__IMAGE__PAGEMAP_HEAD__INIT;
	uint8_t packed[16];

	map->fd = fd;
	map->used = 0;
	map->entries = map->nr_pages = 0;
	map->error = 0;
	head.pages_id = pages_id;
	put_u32(map, KHO_CRIU_MAGIC);
	put_u32(map, MAGIC_PAGEMAP);
	put_u32(map, (uint32_t)kho__image__pagemap_head__pack(&head, packed));
	put(map, packed, kho__image__pagemap_head__get_packed_size(&head));
}

static void put_entry(struct kho_image_pagemap *map)
{
	Kho__Image__PagemapEntry entry = KHO__IMAGE__PAGEMAP_ENTRY__INIT;
	uint8_t packed[64];
	size_t size;

	if (map->nr_pages == 0)
		return;
	entry.vaddr = map->vaddr;
	entry.compat_nr_pages = 0;	/* as criu 4.2.1 has it */
	entry.has_flags = entry.has_nr_pages = true;
	entry.flags = map->flags;
	entry.nr_pages = map->nr_pages;
	size = kho__image__pagemap_entry__pack(&entry, packed);
	put_u32(map, (uint32_t)size);
	put(map, packed, size);
	map->entries++;
	map->nr_pages = 0;
}

void kho_image_pagemap_add(struct kho_image_pagemap *map, uint64_t vaddr, uint64_t nr_pages,
			   uint32_t flags)
{
	if (map->nr_pages && map->flags == flags &&
	    map->vaddr + map->nr_pages * KHO_PAGE_SIZE == vaddr &&
	    map->nr_pages + nr_pages <= INT32_MAX) {
		map->nr_pages += nr_pages;
		return;
	}
	put_entry(map);
	map->vaddr = vaddr;
	map->nr_pages = nr_pages;
	map->flags = flags;
}

int kho_image_pagemap_end(struct kho_image_pagemap *map)
{
	put_entry(map);
	flush(map);
	return map->error;
}
