/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CRIU's image files, as far as pages need them: mappings in, pagemaps out.
 *
 * Image files: migrate/criu/image_file.h; but pages-N.img is raw. Field numbers:
 * proto/criu-images.proto.
 */
#ifndef KHO_PAGES_IMAGES_H
#define KHO_PAGES_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct kho_image_vma {
	uint64_t start, end;		/* multiples of 4096, start < end */
	bool lazy;			/* may be restored after the task runs */
};

/*
 * The mappings of task @pid, from mm-PID.img in @dir_fd, ascending; the caller
 * frees *@ret. -ENOENT: there's no such image; -EBADMSG: it isn't one, or its
 * mappings are unaligned or overlap; -EFBIG: beyond all reason.
 */
int kho_image_read_vmas(int dir_fd, uint64_t pid, struct kho_image_vma **ret, size_t *ret_nr,
			struct kho_err *err);

/* As kho_image_read_vmas(), of a file's bytes. */
int kho_image_parse_vmas(const void *data, size_t size, struct kho_image_vma **ret,
			 size_t *ret_nr, struct kho_err *err);

/* A pagemap that is being written. Entries in ascending order. */
struct kho_image_pagemap {
	int fd;
	size_t used;
	uint64_t entries;
	/* the last one, which may still grow */
	uint64_t vaddr, nr_pages;
	uint32_t flags;
	int error;			/* sticky: errno of write() */
	unsigned char buffer[8192];
};

/* Begins a pagemap in @fd (borrowed) whose data is in pages-@pages_id.img. */
void kho_image_pagemap_begin(struct kho_image_pagemap *map, int fd, uint32_t pages_id);

/* Adds pages; @flags KHO_PAGE_*. Joined with what was added before if they fit. */
void kho_image_pagemap_add(struct kho_image_pagemap *map, uint64_t vaddr, uint64_t nr_pages,
			   uint32_t flags);

/* Writes what's left. 0 or the first error. */
int kho_image_pagemap_end(struct kho_image_pagemap *map);

#endif
