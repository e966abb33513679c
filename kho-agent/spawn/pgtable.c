// SPDX-License-Identifier: GPL-2.0-only
/*
 * Identity page table builder. All counts are known before the first entry is
 * written: a PDPT for each 512 GiB, a page directory for each GiB that is mapped
 * by 2 MiB pages.
 */
#include "spawn/pgtable.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "base/err.h"

#define ENTRIES			512u
#define SIZE_2M			(1ULL << 21)
#define PRESENT			(1ULL << 0)
#define WRITABLE		(1ULL << 1)
#define LARGE			(1ULL << 7)
#define TABLE			(PRESENT | WRITABLE)
#define LEAF			(PRESENT | WRITABLE | LARGE)

#define PAGE_PML4		0u
#define PAGE_PML5		1u
#define PAGE_PDPT		2u
#define LOW_GIB			4u		/* always by 2 MiB pages */
#define MAX_PHYS_END		(1ULL << 47)	/* the lower canonical half */

struct shape {
	uint64_t nr_gib;
	uint64_t nr_pdpt;
	uint64_t nr_pd;
};

static struct shape shape_of(const struct kho_pgtable_spec *spec)
{
	struct shape shape = { .nr_gib = kho_align_up(spec->phys_end, KHO_GIB) / KHO_GIB };

	if (shape.nr_gib < LOW_GIB)
		shape.nr_gib = LOW_GIB;
	shape.nr_pdpt = (shape.nr_gib + ENTRIES - 1) / ENTRIES;
	shape.nr_pd = spec->use_1g_pages ? LOW_GIB : shape.nr_gib;
	return shape;
}

int kho_pgtable_plan(const struct kho_pgtable_spec *spec, size_t size, struct kho_pgtable *ret,
		     struct kho_err *err)
{
	struct shape shape;
	uint64_t need;

	if (!kho_is_aligned(spec->phys, KHO_PAGE_SIZE))
		return kho_fail(err, -EINVAL, "page tables: address 0x%" PRIx64 " isn't page "
				"aligned; start the region on a page", spec->phys);
	if (spec->phys_end > MAX_PHYS_END)
		return kho_fail(err, -ERANGE,
				"page tables: memory ends at 0x%" PRIx64 ", beyond the 128 TiB that "
				"can be mapped; machines of that size aren't supported",
				spec->phys_end);
	shape = shape_of(spec);
	need = (PAGE_PDPT + shape.nr_pdpt + shape.nr_pd) * KHO_PAGE_SIZE;
	if (need > size)
		return kho_fail(err, -ENOSPC,
				"page tables: %" PRIu64 " GiB of memory need %llu KiB, there are "
				"%llu KiB; %s", shape.nr_gib, need / KHO_KIB, size / KHO_KIB,
				spec->use_1g_pages ?
				"machines of that size aren't supported" :
				"it takes CPUs with 1 GiB pages");
	*ret = (struct kho_pgtable){
		.pml4 = spec->phys + PAGE_PML4 * KHO_PAGE_SIZE,
		.pml5 = spec->phys + PAGE_PML5 * KHO_PAGE_SIZE,
		.mapped = shape.nr_gib * KHO_GIB,
		.used = need,
	};
	return 0;
}

static void fill_directory(uint64_t *pd, uint64_t start)
{
	for (uint64_t i = 0; i < ENTRIES; i++)
		pd[i] = (start + i * SIZE_2M) | LEAF;
}

int kho_pgtable_build(const struct kho_pgtable_spec *spec, void *area, size_t size,
		      struct kho_pgtable *ret, struct kho_err *err)
{
	struct kho_pgtable plan;
	struct shape shape;
	uint64_t *table = area;
	uint64_t *pdpt = table + PAGE_PDPT * ENTRIES;
	uint64_t first_pd;
	int r;

	r = kho_pgtable_plan(spec, size, &plan, err);
	if (r < 0)
		return r;
	shape = shape_of(spec);
	first_pd = PAGE_PDPT + shape.nr_pdpt;
	memset(area, 0, size);
	table[PAGE_PML5 * ENTRIES] = plan.pml4 | TABLE;
	for (uint64_t i = 0; i < shape.nr_pdpt; i++)
		table[i] = (spec->phys + (PAGE_PDPT + i) * KHO_PAGE_SIZE) | TABLE;
	/* the PDPTs are adjacent, so one index runs through all of them */
	for (uint64_t gib = 0; gib < shape.nr_gib; gib++) {
		uint64_t pd = first_pd + gib;

		if (gib >= shape.nr_pd) {
			pdpt[gib] = gib * KHO_GIB | LEAF;
			continue;
		}
		fill_directory(table + pd * ENTRIES, gib * KHO_GIB);
		pdpt[gib] = (spec->phys + pd * KHO_PAGE_SIZE) | TABLE;
	}
	*ret = plan;
	return 0;
}
