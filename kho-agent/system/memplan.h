/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which memory blocks to take for a region: the pure half of system/memory.h.
 *
 * A plan can't be made in one go: whether a block can be offlined is known only
 * when it was tried. So the plan names one block at a time and is told how it
 * went, until what was taken is enough:
 *
 *	while ((r = kho_memplan_next(&plan, &block, err)) > 0)
 *		if (offline(block) == 0)
 *			kho_memplan_taken(&plan, block);
 *		else
 *			kho_memplan_refused(&plan, block);
 *
 * First it goes for one run of adjacent blocks that holds @first_size (control
 * area, kernel and its init_size must be contiguous), where that is cheapest; among
 * equals below 4 GiB, so that the new kernel has a zone DMA32, and highest there.
 * Then it sees that there's some low memory, but leaves the rest of that to the
 * running kernel: it grows the runs it has, and only then opens new ones. Cheap are
 * blocks that are offline already, then those of ZONE_MOVABLE, which nearly always
 * go, then the rest. What refusals have left over is named by
 * kho_memplan_surplus() in the end.
 */
#ifndef KHO_SYSTEM_MEMPLAN_H
#define KHO_SYSTEM_MEMPLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uapi/multikernel.h>

#include "base/err.h"

enum kho_mem_state {
	KHO_MEM_ONLINE,
	KHO_MEM_OFFLINE,
	KHO_MEM_CHANGING,		/* going offline just now */
};

/* KHO_ZONE_NONE: it spans several zones or nodes, and can't be offlined. */
enum kho_mem_zone {
	KHO_ZONE_NONE,
	KHO_ZONE_DMA,
	KHO_ZONE_DMA32,
	KHO_ZONE_NORMAL,
	KHO_ZONE_MOVABLE,
	KHO_ZONE_DEVICE,
};

struct kho_mem_block {
	uint64_t index;			/* starts at index * block_size */
	enum kho_mem_state state;
	enum kho_mem_zone zone;		/* of an online block; offline: the default one */
	bool removable;
};

struct kho_mem_map {
	uint64_t block_size;		/* bytes, a power of two */
	size_t nr;
	struct kho_mem_block *blocks;	/* ascending by index; owned */
};

void kho_mem_map_done(struct kho_mem_map *map);

/* How many blocks may be offlined, as far as can be told; of those, in ZONE_MOVABLE. */
size_t kho_memplan_count(const struct kho_mem_map *map, size_t *ret_movable);

/* Whether this one may be. */
bool kho_memplan_may_go(const struct kho_mem_block *block);

struct kho_memplan_spec {
	uint64_t size;			/* bytes wanted; rounded up to blocks */
	uint64_t first_size;		/* bytes that must be contiguous; may be 0 */
	unsigned int max_ranges;	/* 0: MK_MAX_RANGES */
	bool use_offline;		/* take blocks that are offline already */
};

struct kho_memplan {
	const struct kho_mem_map *map;	/* must outlive the plan */
	struct kho_memplan_spec spec;
	size_t want;			/* blocks */
	size_t want_first;
	size_t nr_taken;
	size_t nr_refused;
	uint8_t *marks;			/* one a block; owned */
};

/*
 *   -EINVAL  a size of 0, a first_size above it, or too many ranges
 *   -ENOSPC  there can't be enough blocks, whatever goes well
 *   -ENOMEM
 */
int kho_memplan_init(struct kho_memplan *plan, const struct kho_mem_map *map,
		     const struct kho_memplan_spec *spec, struct kho_err *err);
void kho_memplan_done(struct kho_memplan *plan);

/*
 * 1: try map->blocks[*ret_block]; 0: what was taken is enough; -ENOSPC: no block
 * is left that would help.
 */
int kho_memplan_next(const struct kho_memplan *plan, size_t *ret_block, struct kho_err *err);

void kho_memplan_taken(struct kho_memplan *plan, size_t block);
void kho_memplan_refused(struct kho_memplan *plan, size_t block);

/* Whether a block was taken; whether it was tried, with whatever success. */
bool kho_memplan_has(const struct kho_memplan *plan, size_t block);
bool kho_memplan_tried(const struct kho_memplan *plan, size_t block);

/*
 * 1: map->blocks[*ret_block] was taken but isn't needed, and is now out of the
 * plan: give it back. 0: everything is needed.
 */
int kho_memplan_surplus(struct kho_memplan *plan, size_t *ret_block);

/*
 * What was taken as ranges: the longest first, which holds first_size, then the
 * others ascending. -ENOSPC if there are more than MK_MAX_RANGES.
 */
int kho_memplan_ranges(const struct kho_memplan *plan, struct mk_range ret[MK_MAX_RANGES],
		       size_t *ret_nr, struct kho_err *err);

#endif
