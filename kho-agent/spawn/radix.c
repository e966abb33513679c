// SPDX-License-Identifier: GPL-2.0-only
/*
 * The radix tree of preserved memory; radix.h has the format.
 *
 * The walker recurses at most five times and counts nodes and blocks, so a tree
 * whose nodes point at each other, or at themselves, ends it with an error and
 * not with the caller's patience.
 */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "spawn/radix.h"

#define PAGE_SHIFT	12
#define ORDER_0_BIT	52
#define TOP_LEVEL	5
#define TABLE_BITS	9
#define TABLE_ENTRIES	(1u << TABLE_BITS)
#define BITMAP_BITS	15
#define BITMAP_WORDS	((1u << BITMAP_BITS) / 64)
#define MAX_NODES	4096u
#define MAX_BLOCKS	(4u << 20)

/* ---- building ---- */

int kho_radix_init(struct kho_radix *radix, void *pages, uint64_t phys, size_t nr_pages)
{
	if (!nr_pages)
		return -ENOSPC;
	*radix = (struct kho_radix) {
		.pages = pages,
		.phys = phys,
		.nr_pages = nr_pages,
		.used = 1,
	};
	memset(pages, 0, KHO_PAGE_SIZE);
	return 0;
}

/* Where the index of @level starts in a key. */
static unsigned int level_shift(unsigned int level)
{
	return (level - 1) * TABLE_BITS + BITMAP_BITS;
}

/* The node below @entry of a table, made if there's none. NULL: no page left. */
static uint8_t *node_below(struct kho_radix *radix, uint8_t *entry)
{
	uint64_t phys;
	uint8_t *node;

	memcpy(&phys, entry, sizeof(phys));
	if (phys)
		return radix->pages + (phys - radix->phys);
	if (radix->used == radix->nr_pages)
		return NULL;
	phys = radix->phys + radix->used * KHO_PAGE_SIZE;
	node = radix->pages + radix->used * KHO_PAGE_SIZE;
	radix->used++;
	memset(node, 0, KHO_PAGE_SIZE);
	memcpy(entry, &phys, sizeof(phys));
	return node;
}

static int add_key(struct kho_radix *radix, uint64_t key)
{
	uint8_t *node = radix->pages;
	unsigned int level, bit;

	for (level = TOP_LEVEL; level > 0; level--) {
		node = node_below(radix, node + (key >> level_shift(level)) % TABLE_ENTRIES * 8);
		if (!node)
			return -ENOSPC;
	}
	bit = key % (1u << BITMAP_BITS);
	node[bit / 8] |= (uint8_t)(1u << bit % 8);
	return 0;
}

int kho_radix_add(struct kho_radix *radix, uint64_t phys, unsigned int order)
{
	if (order > KHO_RADIX_MAX_ORDER || !kho_is_aligned(phys, KHO_PAGE_SIZE << order))
		return -EINVAL;
	return add_key(radix, 1ULL << (ORDER_0_BIT - order) | phys >> (PAGE_SHIFT + order));
}

/* The largest block that starts at page @pfn and has at most @count pages. */
static unsigned int largest_order(uint64_t pfn, uint64_t count)
{
	unsigned int order = 0;

	while (order < KHO_RADIX_MAX_ORDER && kho_is_aligned(pfn, 2ULL << order) &&
	       2ULL << order <= count)
		order++;
	return order;
}

int kho_radix_add_range(struct kho_radix *radix, const struct mk_range *range)
{
	uint64_t pfn = range->start >> PAGE_SHIFT, count = range->size >> PAGE_SHIFT;
	unsigned int order;
	int r;

	if (!kho_is_aligned(range->start | range->size, KHO_PAGE_SIZE))
		return -EINVAL;
	for (; count; count -= 1ULL << order, pfn += 1ULL << order) {
		order = largest_order(pfn, count);
		r = kho_radix_add(radix, pfn << PAGE_SHIFT, order);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- walking ---- */

struct walk {
	const struct kho_mem *mem;
	const struct kho_radix_visitor *visitor;
	struct kho_err *err;
	unsigned int nodes;
	unsigned int blocks;
};

/* The other kernel may write while we read: each word is read once. */
static uint64_t word_of(const void *node, unsigned int index)
{
	return __atomic_load_n((const uint64_t *)node + index, __ATOMIC_RELAXED);
}

static int map_node(struct walk *walk, uint64_t phys, const void **ret)
{
	const void *node;

	if (!kho_is_aligned(phys, KHO_PAGE_SIZE))
		return kho_fail(walk->err, -EBADMSG,
				"radix node at 0x%llx is not page aligned; drop the tree",
				(unsigned long long)phys);
	if (++walk->nodes > MAX_NODES)
		return kho_fail(walk->err, -E2BIG,
				"radix tree has more than %u nodes; drop it", MAX_NODES);
	node = walk->mem->map(walk->mem->ctx, phys, KHO_PAGE_SIZE);
	if (!node)
		return kho_fail(walk->err, -EBADMSG,
				"radix node at 0x%llx is outside the region; drop the tree",
				(unsigned long long)phys);
	*ret = node;
	return 0;
}

static int visit_key(struct walk *walk, uint64_t key)
{
	unsigned int top, order;

	if (++walk->blocks > MAX_BLOCKS)
		return kho_fail(walk->err, -E2BIG,
				"radix tree has more than %u blocks; drop it", MAX_BLOCKS);
	/* below bit 1 the order would be that of the whole address space, or more */
	top = key > 1 ? 63 - (unsigned int)__builtin_clzll(key) : 0;
	if (!top || top > ORDER_0_BIT)
		return kho_fail(walk->err, -EBADMSG, "radix key 0x%llx can't be; drop the tree",
				(unsigned long long)key);
	order = ORDER_0_BIT - top;
	/* the order bit goes out at the top */
	return walk->visitor->block(walk->visitor->ctx, key << (PAGE_SHIFT + order), order);
}

static int walk_bitmap(struct walk *walk, const void *node, uint64_t prefix)
{
	unsigned int i;
	uint64_t word;
	int r;

	for (i = 0; i < BITMAP_WORDS; i++) {
		for (word = word_of(node, i); word; word &= word - 1) {
			r = visit_key(walk, prefix | i * 64u | (unsigned int)__builtin_ctzll(word));
			if (r)
				return r;
		}
	}
	return 0;
}

static int walk_node(struct walk *walk, uint64_t phys, unsigned int level, uint64_t prefix)
{
	const void *node = NULL;
	unsigned int i;
	uint64_t below;
	int r;

	r = map_node(walk, phys, &node);
	if (r < 0)
		return r;
	if (!level)
		return walk_bitmap(walk, node, prefix);
	for (i = 0; i < TABLE_ENTRIES; i++) {
		below = word_of(node, i);
		if (!below)
			continue;
		r = walk_node(walk, below, level - 1, prefix | (uint64_t)i << level_shift(level));
		if (r)
			return r;
	}
	return 0;
}

int kho_radix_walk(const struct kho_mem *mem, uint64_t root,
		   const struct kho_radix_visitor *visitor, struct kho_err *err)
{
	struct walk walk = { .mem = mem, .visitor = visitor, .err = err };

	return walk_node(&walk, root, TOP_LEVEL, 0);
}
