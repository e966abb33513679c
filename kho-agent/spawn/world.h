/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The new kernel's world: everything it finds when it starts, put into a region.
 *
 * This is where the builders of this folder meet. All checks are made before the
 * first byte is written, by kho_world_plan(), which can also be asked alone: a
 * preflight needs no region, only to know what it would be.
 *
 * The region's memory isn't cleared; of the control area only the parts built
 * here are written: park page, mailbox, boot_params, command line, setup_data, ACPI
 * tables and page tables. The handover tree is someone else's.
 */
#ifndef KHO_SPAWN_WORLD_H
#define KHO_SPAWN_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spawn/place.h"
#include "spawn/setup_data.h"

struct kho_err;

#define KHO_RNG_SEED_SIZE	32

/* Nothing here is owned, and nothing is kept after the call. */
struct kho_world_spec {
	struct kho_region region;
	uint64_t low_window;		/* KHO_LOW_WINDOW_A or _B */
	uint64_t phys_end;		/* end of the machine's memory */
	bool use_1g_pages;		/* its CPUs have 1 GiB pages */

	const uint32_t *cpus;		/* APIC ids, the new kernel's boot CPU first */
	size_t nr_cpus;
	const uint32_t *later_cpus;	/* CPUs that come with retirement */
	size_t nr_later_cpus;

	const void *kernel;		/* bzImage */
	size_t kernel_size;
	const void *initramfs;
	size_t initramfs_size;
	const char *cmdline;		/* the operator's, may be NULL */
	const char *extra_options;	/* the agent's, may be NULL */

	uint32_t tsc_khz;
	struct kho_setup_clock clock;
	uint8_t rng_seed[KHO_RNG_SEED_SIZE];

	uint64_t tree_offset;		/* region offset of the handover tree's FDT */
	uint64_t tree_size;		/* its bytes, 0: there's no tree */
	uint64_t scratch_addr;		/* physical, Linux's array of scratch areas; */
	uint64_t scratch_size;		/* bytes of that array, 0: none */
	bool native;			/* the kernel takes the tree in by itself: from there on
					 * the control area is RAM, which the tree preserves */
	bool any_boot_cpu;		/* the kernel knows the option of that name */
};

/* All addresses are physical, all sizes bytes. */
struct kho_world {
	uint64_t boot_entry;		/* boot stub: where the boot CPU starts */
	uint64_t park_entry;
	uint64_t mailbox;
	uint64_t pml4;
	uint64_t pml5;
	uint64_t boot_params;
	uint64_t kernel_load;
	uint64_t kernel_size;		/* init_size: what it needs from there */
	uint64_t initrd_load;
	uint64_t initrd_size;
	uint64_t ram_size;		/* that the new kernel has, of the region */
	char release[65];		/* as uname -r in the new kernel */
};

/*
 * Says whether a world can be built in a region of @size bytes, and how it will
 * look. Errors are those of kho_image_parse(), kho_region_check(),
 * kho_place_*(), kho_cmdline_build(), kho_acpi_build() and kho_pgtable_plan();
 * and -EINVAL for a low window that isn't one, or a tree outside of the region.
 */
int kho_world_plan(const struct kho_world_spec *spec, size_t size, struct kho_world *ret,
		   struct kho_err *err);

/*
 * Memory for the early allocations of a kernel that takes the tree in by itself: one range
 * aligned to 4 MiB around the kernel of @world (a result of kho_world_plan()), apart from
 * the control area and the initramfs. It may only hold movable pages later, so it isn't larger
 * than it has to be: room for the kernel twice, 64 MiB, and a sixteenth of the memory.
 *   -E2BIG  less than half of what's beside the kernel in that is there
 */
int kho_world_scratch(const struct kho_region *region, const struct kho_world *world,
		      struct mk_range *ret, struct kho_err *err);

/* As kho_world_plan(), and builds it in @region, a mapping of all @size bytes of the region. */
int kho_world_build(const struct kho_world_spec *spec, void *region, size_t size,
		    struct kho_world *ret, struct kho_err *err);

#endif
