/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading physical memory that another kernel wrote.
 *
 * Parsers of such memory take a struct kho_mem: where the bytes come from (a
 * mapped region, a test's buffer) is the caller's business, and so is the bound:
 * map() gives a pointer to exactly the bytes asked for, or nothing. What it points
 * to may change under the reader: copy first, then check.
 *
 * struct kho_region_view is the usual one: a region's ranges, mapped one behind
 * the other in the order of their region offsets, as /dev/multikernel does it.
 */
#ifndef KHO_SPAWN_PHYS_H
#define KHO_SPAWN_PHYS_H

#include <stddef.h>
#include <stdint.h>
#include <uapi/multikernel.h>

/* All addresses are physical, all sizes are bytes. */
struct kho_mem {
	/*
	 * NULL if any of the bytes isn't there. The pointer is aligned as @phys is,
	 * up to 8 bytes, and stays valid as long as @ctx.
	 */
	const void *(*map)(void *ctx, uint64_t phys, size_t size);
	void *ctx;
};

/* 0, or -EFAULT and @buf untouched if any of the bytes isn't there. */
int kho_mem_read(const struct kho_mem *mem, uint64_t phys, void *buf, size_t size);

/* The same for callers that can only copy, and readers that need no more. */
struct kho_phys_reader {
	/* 0, or a negative errno if any of the bytes isn't there. */
	int (*read)(void *ctx, uint64_t phys, void *buf, size_t size);
	void *ctx;
};

/* Reads through @mem, which must outlive the result. */
struct kho_phys_reader kho_mem_reader(struct kho_mem *mem);

struct kho_region_view {
	const struct mk_range *ranges;	/* no wrap-around: see kho_handover_check() */
	size_t nr_ranges;
	const void *base;		/* of the mapping */
};

/* Reads through @view, which must outlive the result. */
struct kho_mem kho_region_mem(struct kho_region_view *view);

/* Whether [phys, phys + size) lies within one of the ranges; size 0 never does. */
int kho_ranges_contain(const struct mk_range *ranges, size_t nr, uint64_t phys, uint64_t size);

/* Whether two ranges share a byte. Neither may wrap around. */
static inline int kho_ranges_overlap(const struct mk_range *a, const struct mk_range *b)
{
	return a->start < b->start + b->size && b->start < a->start + a->size;
}

#endif
