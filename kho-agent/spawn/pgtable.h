/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Identity page tables: every virtual address is its own physical one.
 *
 * Used by code that stands between kernels: the boot stub and parked CPUs. Both
 * paging modes are served, since a CPU can't change between them in 64-bit mode:
 * the fifth level is one more page whose first entry is the fourth level's.
 *
 *	page 0 PML4, page 1 PML5, page 2... PDPTs, then page directories
 *
 * All memory is mapped writable, executable and for the kernel only. The first
 * 4 GiB, where device memory has caching rules of its own, are mapped by 2 MiB
 * pages even where the CPU knows larger ones.
 */
#ifndef KHO_SPAWN_PGTABLE_H
#define KHO_SPAWN_PGTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kho_err;

struct kho_pgtable_spec {
	uint64_t phys;			/* of the area; page aligned */
	uint64_t phys_end;		/* memory to map: [0, phys_end), at least 4 GiB */
	bool use_1g_pages;		/* the CPUs have them */
};

struct kho_pgtable {
	uint64_t pml4;			/* physical: CR3 in 4-level mode */
	uint64_t pml5;			/* physical: CR3 in 5-level mode */
	uint64_t mapped;		/* [0, mapped) is mapped */
	size_t used;			/* bytes of the area */
};

/*
 * -ENOSPC  the area is too small for that much memory
 * -ERANGE  @phys_end is beyond what 4-level paging can map to itself (128 TiB)
 * -EINVAL  the area isn't page aligned
 */
int kho_pgtable_build(const struct kho_pgtable_spec *spec, void *area, size_t size,
		      struct kho_pgtable *ret, struct kho_err *err);

/* As kho_pgtable_build(), writing nothing. */
int kho_pgtable_plan(const struct kho_pgtable_spec *spec, size_t size, struct kho_pgtable *ret,
		     struct kho_err *err);

#endif
