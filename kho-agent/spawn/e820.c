// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory map builder. Entries go in in the order of the region's ranges and are
 * sorted at the end: a region's first range needn't be its lowest.
 */
#include "spawn/e820.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/err.h"

static void add(struct kho_e820 *map, uint64_t addr, uint64_t size, uint32_t type)
{
	if (size)
		map->entries[map->nr++] = (struct boot_e820_entry){
			.addr = addr, .size = size, .type = type,
		};
}

static int compare(const void *a, const void *b)
{
	const struct boot_e820_entry *x = a;
	const struct boot_e820_entry *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

int kho_e820_build(const struct kho_e820_spec *spec, struct kho_e820 *ret, struct kho_err *err)
{
	struct kho_e820 map = { .nr = 0 };
	const struct mk_range *first = spec->ranges;

	if (!spec->nr_ranges || first->size <= spec->control_size)
		return kho_fail(err, -EINVAL,
				"memory map: the region's first range has no RAM beside its "
				"control area of %llu KiB; make it larger",
				(unsigned long long)(spec->control_size / KHO_KIB));
	/* the low window and the control area take one entry each */
	if (spec->nr_ranges + 2 > KHO_ARRAY_SIZE(map.entries))
		return kho_fail(err, -ENOSPC,
				"memory map: %zu ranges are more than boot_params can list; "
				"use fewer, larger ranges", spec->nr_ranges);
	add(&map, spec->low_start, spec->low_size, KHO_E820_RAM);
	add(&map, first->start, spec->control_size, KHO_E820_RESERVED);
	add(&map, first->start + spec->control_size, first->size - spec->control_size,
	    KHO_E820_RAM);
	for (size_t i = 1; i < spec->nr_ranges; i++)
		add(&map, spec->ranges[i].start, spec->ranges[i].size, KHO_E820_RAM);
	qsort(map.entries, map.nr, sizeof(map.entries[0]), compare);
	*ret = map;
	return 0;
}
