// SPDX-License-Identifier: GPL-2.0-only
/* Reading physical memory that another kernel wrote; phys.h has the contract. */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "spawn/phys.h"

int kho_mem_read(const struct kho_mem *mem, uint64_t phys, void *buf, size_t size)
{
	const void *bytes = mem->map(mem->ctx, phys, size);

	if (!bytes)
		return -EFAULT;
	memcpy(buf, bytes, size);
	return 0;
}

static int read_mem(void *ctx, uint64_t phys, void *buf, size_t size)
{
	return kho_mem_read(ctx, phys, buf, size);
}

struct kho_phys_reader kho_mem_reader(struct kho_mem *mem)
{
	return (struct kho_phys_reader) { .read = read_mem, .ctx = mem };
}

static int range_contains(const struct mk_range *range, uint64_t phys, uint64_t size)
{
	return phys >= range->start && kho_within(phys - range->start, size, range->size);
}

int kho_ranges_contain(const struct mk_range *ranges, size_t nr, uint64_t phys, uint64_t size)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (size && range_contains(&ranges[i], phys, size))
			return 1;
	return 0;
}

static const void *map_region(void *ctx, uint64_t phys, size_t size)
{
	const struct kho_region_view *view = ctx;
	uint64_t offset = 0;
	size_t i;

	for (i = 0; i < view->nr_ranges; i++) {
		if (range_contains(&view->ranges[i], phys, size))
			return (const char *)view->base + offset + (phys - view->ranges[i].start);
		offset += view->ranges[i].size;
	}
	return NULL;
}

struct kho_mem kho_region_mem(struct kho_region_view *view)
{
	return (struct kho_mem) { .map = map_region, .ctx = view };
}
