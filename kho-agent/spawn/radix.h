/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The radix tree of preserved memory, as kernels with KHO read it ("kho-v4").
 *
 * It is a set of keys. A key is a block of 2^order pages: its address in units of
 * its size, with one bit above that tells the order:
 *
 *	key = 1 << (52 - order) | address >> (12 + order)
 *
 *	 63      53 52      51..43   42..34   33..24...      14            0
 *	+----------+-------+-------+-------+-------+-------+---------------+
 *	|    0     |  index into the table of level         | bit number in |
 *	|          |  5 (59:51)  4 (50:42)  3 (41:33)       | the bitmap of |
 *	|          |  2 (32:24)  1 (23:15)                  | level 0       |
 *	+----------+----------------------------------------+---------------+
 *
 * Every node is one page, at a page-aligned address. Nodes of levels 5 (the root)
 * to 1 are tables of 512 addresses, 0 meaning nothing below; a node of level 0 is
 * a bitmap of 32768 bits, lowest bit of the lowest byte first. Integers are in
 * the machine's byte order. Nodes need not preserve themselves, but ours do.
 */
#ifndef KHO_SPAWN_RADIX_H
#define KHO_SPAWN_RADIX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "spawn/phys.h"

/*
 * The largest block we add: MAX_PAGE_ORDER, the largest a kernel's page allocator
 * knows. Kernels take larger ones in, but some refuse to restore them.
 */
#define KHO_RADIX_MAX_ORDER	10

/* A tree under construction, in pages the caller provides. */
struct kho_radix {
	uint8_t *pages;		/* node n is at pages + n * 4096, the root is node 0 */
	uint64_t phys;		/* address of node 0 */
	size_t nr_pages;
	size_t used;
};

/*
 * Starts an empty tree in @nr_pages pages at @pages, which are at @phys for its
 * readers. -ENOSPC if there's not even one page.
 */
int kho_radix_init(struct kho_radix *radix, void *pages, uint64_t phys, size_t nr_pages);

/*
 * Adds one block, naturally aligned, order 0 to KHO_RADIX_MAX_ORDER. Adding it
 * twice is no error. -EINVAL: alignment or order; -ENOSPC: no page left for a
 * node, and some nodes may have been added.
 */
int kho_radix_add(struct kho_radix *radix, uint64_t phys, unsigned int order);

/* Adds all pages of a page-aligned range, in the largest blocks that fit. */
int kho_radix_add_range(struct kho_radix *radix, const struct mk_range *range);

struct kho_radix_visitor {
	/* Anything but 0 ends the walk and is its result. */
	int (*block)(void *ctx, uint64_t phys, unsigned int order);
	void *ctx;
};

/*
 * Calls the visitor for every block in the tree at @root, whoever made it and
 * whatever it holds: no address is followed that @mem doesn't allow, nor more
 * than 4096 nodes, nor more than 4 Mi blocks.
 *   -EBADMSG  an address or a key can't be; -E2BIG  a limit was passed
 */
int kho_radix_walk(const struct kho_mem *mem, uint64_t root,
		   const struct kho_radix_visitor *visitor, struct kho_err *err);

#endif
