// SPDX-License-Identifier: GPL-2.0-only
/* Range checks, and placement of the kernel and its initramfs. */
#include "spawn/place.h"

#include <errno.h>
#include <inttypes.h>

#include "base/bits.h"
#include "base/err.h"
#include "spawn/image.h"
#include "spawn/layout.h"

#define PHYS_LIMIT		(1ULL << 52)	/* x86-64's architectural maximum */
#define KERNEL_MIN_ALIGN	(2 * KHO_MIB)
#define KERNEL_PREFERRED	(32 * KHO_MIB)	/* offset in the first range */

static uint64_t range_end(const struct mk_range *range)
{
	return range->start + range->size;
}

static uint64_t to_mib(uint64_t bytes)
{
	return (bytes + KHO_MIB - 1) / KHO_MIB;
}

static int check_range(const struct mk_range *range, struct kho_err *err)
{
	uint64_t start = range->start;
	uint64_t size = range->size;

	if (!size || !kho_is_aligned(start | size, KHO_PAGE_SIZE))
		return kho_fail(err, -EINVAL, "region: range 0x%" PRIx64 " of 0x%" PRIx64 " bytes "
				"is empty or not page aligned; use whole memory blocks",
				start, size);
	if (!kho_within(start, size, PHYS_LIMIT))
		return kho_fail(err, -EINVAL, "region: range 0x%" PRIx64 " of 0x%" PRIx64 " bytes "
				"ends beyond physical memory; use existing memory blocks",
				start, size);
	if (start < KHO_MIB)
		return kho_fail(err, -EINVAL, "region: range 0x%" PRIx64 " starts below 1 MiB, "
				"where firmware and real-mode code are; use higher memory blocks",
				start);
	return 0;
}

static int check_overlaps(const struct kho_region *region, size_t i, struct kho_err *err)
{
	const struct mk_range *a = &region->ranges[i];

	for (size_t j = 0; j < i; j++) {
		const struct mk_range *b = &region->ranges[j];

		if (a->start < range_end(b) && b->start < range_end(a))
			return kho_fail(err, -EEXIST,
					"region: ranges 0x%" PRIx64 " and 0x%" PRIx64 " overlap; "
					"list each memory block once", (uint64_t)b->start,
					(uint64_t)a->start);
	}
	return 0;
}

int kho_region_check(const struct kho_region *region, uint64_t size, struct kho_err *err)
{
	uint64_t sum = 0;

	if (!region->nr_ranges || region->nr_ranges > MK_MAX_RANGES)
		return kho_fail(err, -EINVAL, "region: %zu ranges; give 1 to %d",
				region->nr_ranges, MK_MAX_RANGES);
	for (size_t i = 0; i < region->nr_ranges; i++) {
		int r;

		r = check_range(&region->ranges[i], err);
		if (r < 0)
			return r;
		r = check_overlaps(region, i, err);
		if (r < 0)
			return r;
		sum += region->ranges[i].size;
	}
	if (sum != size)
		return kho_fail(err, -EINVAL, "region: the ranges have %" PRIu64 " bytes and the "
				"mapping %" PRIu64 "; map the region anew", sum, size);
	return 0;
}

bool kho_region_offset(const struct kho_region *region, uint64_t phys, uint64_t size,
		       uint64_t *ret)
{
	uint64_t offset = 0;

	for (size_t i = 0; i < region->nr_ranges; i++) {
		const struct mk_range *range = &region->ranges[i];

		if (phys >= range->start &&
		    kho_within(phys - range->start, size, range->size)) {
			*ret = offset + (phys - range->start);
			return true;
		}
		offset += range->size;
	}
	return false;
}

uint64_t kho_region_end(const struct kho_region *region)
{
	uint64_t end = 0;

	for (size_t i = 0; i < region->nr_ranges; i++)
		if (range_end(&region->ranges[i]) > end)
			end = range_end(&region->ranges[i]);
	return end;
}

/* Lowest address the kernel can be loaded to that isn't below @from. */
static uint64_t load_address(const struct kho_image *image, uint64_t from)
{
	uint64_t align = image->alignment;

	if (align < KERNEL_MIN_ALIGN)
		align = KERNEL_MIN_ALIGN;
	if (from < image->pref_address)
		from = image->pref_address;
	return kho_align_up(from, align);
}

int kho_place_kernel(const struct kho_region *region, const struct kho_image *image,
		     uint64_t *ret, struct kho_err *err)
{
	const struct mk_range *first = &region->ranges[0];
	uint64_t preferred = load_address(image, first->start + KERNEL_PREFERRED);
	uint64_t lowest = load_address(image, first->start + KHO_CONTROL_AREA_SIZE);
	uint64_t need = lowest + image->init_size - first->start;

	if (need > first->size)
		return kho_fail(err, -E2BIG,
				"region: the kernel needs %" PRIu64 " MiB and with the control area "
				"%" PRIu64 " MiB in the first range, which has %" PRIu64 " MiB; give "
				"the region at least %" PRIu64 " MiB more there",
				to_mib(image->init_size), to_mib(need),
				(uint64_t)(first->size / KHO_MIB), to_mib(need - first->size));
	*ret = preferred + image->init_size <= range_end(first) ? preferred : lowest;
	return 0;
}

int kho_place_initrd(const struct kho_region *region, uint64_t kernel_end, uint64_t size,
		     uint64_t *ret, struct kho_err *err)
{
	uint64_t need;
	uint64_t largest = 0;

	if (!size)
		return kho_fail(err, -EINVAL, "initramfs: it's empty, and without one there is no "
				"agent in the new kernel; build the target image again");
	if (size > PHYS_LIMIT)
		return kho_fail(err, -E2BIG, "initramfs: %" PRIu64 " bytes can't be; "
				"build the target image again", size);
	need = kho_align_up(size, KHO_PAGE_SIZE);
	for (size_t i = region->nr_ranges; i-- > 0;) {
		const struct mk_range *range = &region->ranges[i];
		uint64_t start = i ? range->start : kho_align_up(kernel_end, KHO_PAGE_SIZE);
		uint64_t room = range_end(range) > start ? range_end(range) - start : 0;

		if (need <= room) {
			*ret = range_end(range) - need;
			return 0;
		}
		if (room > largest)
			largest = room;
	}
	return kho_fail(err, -E2BIG,
			"initramfs: %" PRIu64 " MiB don't fit beside the kernel, the largest free "
			"range has %" PRIu64 " MiB; give the region at least %" PRIu64 " MiB more "
			"in one piece", to_mib(need), largest / (uint64_t)KHO_MIB,
			to_mib(need - largest));
}
