/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where things go in a region of one or more physical ranges.
 *
 * In the caller's mapping the ranges follow each other; physically they don't.
 * Whatever the new kernel sees as one piece has to lie within one range.
 */
#ifndef KHO_SPAWN_PLACE_H
#define KHO_SPAWN_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uapi/multikernel.h>

struct kho_err;
struct kho_image;

struct kho_region {
	const struct mk_range *ranges;	/* the caller's */
	size_t nr_ranges;
};

/*
 * Checks ranges that someone else chose; @size is that of the mapping.
 *
 * -EINVAL    none or too many, empty, not page aligned, below 1 MiB, too high,
 *            or not @size bytes together
 * -EEXIST    two of them overlap
 */
int kho_region_check(const struct kho_region *region, uint64_t size, struct kho_err *err);

/* Offset in the region of [phys, phys + size); false: it isn't within one range. */
bool kho_region_offset(const struct kho_region *region, uint64_t phys, uint64_t size,
		       uint64_t *ret);

/* End of the highest range. */
uint64_t kho_region_end(const struct kho_region *region);

/*
 * Physical load address of the kernel: in the first range, behind the control
 * area and away from it if there's room (Linux decompresses in place and moves).
 * -E2BIG: the first range is too small; the message says by how much.
 */
int kho_place_kernel(const struct kho_region *region, const struct kho_image *image,
		     uint64_t *ret, struct kho_err *err);

/*
 * Physical address of an initramfs of @size bytes: page aligned, at the top of
 * the last range that has room, never below @kernel_end in the first.
 * -EINVAL: it's empty; -E2BIG: no range has room; the message says how much lacks.
 */
int kho_place_initrd(const struct kho_region *region, uint64_t kernel_end, uint64_t size,
		     uint64_t *ret, struct kho_err *err);

#endif
