// SPDX-License-Identifier: GPL-2.0-only
/*
 * Choosing memory blocks; memplan.h has the contract.
 *
 * Positions here are positions in map->blocks. Two positions are adjacent if their
 * indexes are too: holes in physical memory (the one below 4 GiB always) break
 * a run. Each choice is one pass over the blocks.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/bits.h"
#include "system/memplan.h"

#define LOW_TRIES	4

enum mark {
	MARK_UNUSABLE,			/* never to be tried */
	MARK_CANDIDATE,
	MARK_TAKEN,
	MARK_REFUSED,
};

/* A run of adjacent taken blocks. */
struct run {
	size_t first;
	size_t nr;
};

void kho_mem_map_done(struct kho_mem_map *map)
{
	free(map->blocks);
	*map = (struct kho_mem_map) { 0 };
}

/* ---- setting up ---- */

/*
 * Block 0 is never one: its low memory is the real-mode code's, and kernels keep
 * early allocations there.
 */
static enum mark first_mark(const struct kho_mem_block *block, bool use_offline)
{
	if (block->index == 0)
		return MARK_UNUSABLE;
	if (block->state == KHO_MEM_OFFLINE)
		return use_offline ? MARK_CANDIDATE : MARK_UNUSABLE;
	if (block->state != KHO_MEM_ONLINE || !block->removable)
		return MARK_UNUSABLE;
	if (block->zone == KHO_ZONE_NONE || block->zone == KHO_ZONE_DEVICE)
		return MARK_UNUSABLE;
	return MARK_CANDIDATE;
}

bool kho_memplan_may_go(const struct kho_mem_block *block)
{
	return first_mark(block, false) == MARK_CANDIDATE;
}

size_t kho_memplan_count(const struct kho_mem_map *map, size_t *ret_movable)
{
	const struct kho_mem_block *block;
	size_t nr = 0;

	*ret_movable = 0;
	for (block = map->blocks; block < map->blocks + map->nr; block++) {
		if (!kho_memplan_may_go(block))
			continue;
		nr++;
		*ret_movable += block->zone == KHO_ZONE_MOVABLE;
	}
	return nr;
}

static size_t set_marks(struct kho_memplan *plan)
{
	size_t i, nr = 0;

	for (i = 0; i < plan->map->nr; i++) {
		plan->marks[i] = first_mark(&plan->map->blocks[i], plan->spec.use_offline);
		nr += plan->marks[i] == MARK_CANDIDATE;
	}
	return nr;
}

/* Blocks that hold @size; rounds up without overflow. */
static size_t to_blocks(uint64_t size, uint64_t block_size)
{
	return size / block_size + (size % block_size != 0);
}

static int check_spec(const struct kho_memplan_spec *spec, struct kho_err *err)
{
	unsigned long long size = spec->size, first_size = spec->first_size;

	if (!size)
		return kho_fail(err, -EINVAL, "no memory was asked for; ask for a size");
	if (first_size > size)
		return kho_fail(err, -EINVAL, "%llu bytes must be contiguous but only %llu were "
				"asked for; ask for at least as many",
				first_size, size);
	if (spec->max_ranges > MK_MAX_RANGES)
		return kho_fail(err, -EINVAL, "%u ranges are too many; allow at most %d",
				spec->max_ranges, MK_MAX_RANGES);
	return 0;
}

int kho_memplan_init(struct kho_memplan *plan, const struct kho_mem_map *map,
		     const struct kho_memplan_spec *spec, struct kho_err *err)
{
	size_t nr;
	int r;

	r = check_spec(spec, err);
	if (r < 0)
		return r;
	*plan = (struct kho_memplan) {
		.map = map,
		.spec = *spec,
		.want = to_blocks(spec->size, map->block_size),
		.want_first = to_blocks(spec->first_size, map->block_size),
		.marks = calloc(map->nr + 1, 1),
	};
	if (!plan->spec.max_ranges)
		plan->spec.max_ranges = MK_MAX_RANGES;
	if (!plan->marks)
		return kho_fail(err, -ENOMEM, "no memory to plan with; free some");
	nr = set_marks(plan);
	if (nr >= plan->want)
		return 0;
	kho_memplan_done(plan);
	return kho_fail(err, -ENOSPC, "only %zu memory blocks of %llu MiB can be offlined, %zu are "
			"needed; ask for a smaller region", nr,
			(unsigned long long)(map->block_size / KHO_MIB),
			to_blocks(spec->size, map->block_size));
}

void kho_memplan_done(struct kho_memplan *plan)
{
	free(plan->marks);
	*plan = (struct kho_memplan) { 0 };
}

/* ---- runs ---- */

/* Whether the block at @i directly follows the one before it. */
static bool follows(const struct kho_memplan *plan, size_t i)
{
	const struct kho_mem_block *blocks = plan->map->blocks;

	return i > 0 && blocks[i].index == blocks[i - 1].index + 1;
}

bool kho_memplan_has(const struct kho_memplan *plan, size_t block)
{
	return block < plan->map->nr && plan->marks[block] == MARK_TAKEN;
}

bool kho_memplan_tried(const struct kho_memplan *plan, size_t block)
{
	return block < plan->map->nr &&
	       (plan->marks[block] == MARK_TAKEN || plan->marks[block] == MARK_REFUSED);
}

/* The next run of taken blocks at or after @run->first + @run->nr. */
static bool next_run(const struct kho_memplan *plan, struct run *run)
{
	size_t i = run->first + run->nr;

	while (i < plan->map->nr && !kho_memplan_has(plan, i))
		i++;
	*run = (struct run) { .first = i };
	if (i == plan->map->nr)
		return false;
	do {
		run->nr++;
		i++;
	} while (kho_memplan_has(plan, i) && follows(plan, i));
	return true;
}

static struct run longest_run(const struct kho_memplan *plan)
{
	struct run run = { 0 }, longest = { 0 };

	while (next_run(plan, &run))
		if (run.nr > longest.nr)
			longest = run;
	return longest;
}

static size_t count_runs(const struct kho_memplan *plan)
{
	struct run run = { 0 };
	size_t nr = 0;

	while (next_run(plan, &run))
		nr++;
	return nr;
}

/* ---- the next block ---- */

/* What taking a block costs the running kernel, for comparisons only. */
static unsigned int cost(const struct kho_memplan *plan, size_t i)
{
	const struct kho_mem_block *block = &plan->map->blocks[i];

	if (plan->marks[i] == MARK_TAKEN || block->state == KHO_MEM_OFFLINE)
		return 0;
	return block->zone == KHO_ZONE_MOVABLE ? 1 : 2;
}

/* Below 4 GiB, where devices that know no other addresses reach it. */
static bool is_low(const struct kho_memplan *plan, size_t i)
{
	return plan->map->blocks[i].index < 4 * KHO_GIB / plan->map->block_size;
}

/*
 * A kernel without any low memory has no zone DMA32. Each refusal takes seconds, so
 * it isn't tried for ever.
 */
static bool may_try_low(const struct kho_memplan *plan)
{
	unsigned int refused = 0;

	for (size_t i = 0; i < plan->map->nr && is_low(plan, i); i++)
		refused += plan->marks[i] == MARK_REFUSED;
	return refused < LOW_TRIES;
}

static bool wants_low(const struct kho_memplan *plan)
{
	for (size_t i = 0; i < plan->map->nr && is_low(plan, i); i++)
		if (plan->marks[i] == MARK_TAKEN)
			return false;
	return may_try_low(plan);
}

static bool usable(const struct kho_memplan *plan, size_t i)
{
	return plan->marks[i] == MARK_CANDIDATE || plan->marks[i] == MARK_TAKEN;
}

/*
 * The cheapest window of @want_first adjacent usable blocks; among equals one below
 * 4 GiB, and among those the highest: *@ret is its first position.
 */
static bool find_window(const struct kho_memplan *plan, size_t *ret)
{
	size_t i, length = 0, want = plan->want_first;
	uint64_t sum = 0, best = UINT64_MAX;
	bool try_low = may_try_low(plan), best_low = false, low;

	for (i = 0; i < plan->map->nr; i++) {
		if (!usable(plan, i)) {
			length = 0;
			continue;
		}
		if (length == 0 || !follows(plan, i)) {
			length = 0;
			sum = 0;
		}
		sum += cost(plan, i);
		if (++length > want)
			sum -= cost(plan, i - want);
		low = try_low && is_low(plan, i);
		if (length < want || sum > best || (sum == best && best_low && !low))
			continue;
		best = sum;
		best_low = low;
		*ret = i + 1 - want;
	}
	return best != UINT64_MAX;
}

/* The highest block of the window that isn't taken yet. */
static int next_of_window(const struct kho_memplan *plan, size_t *ret, struct kho_err *err)
{
	size_t first, i;

	if (!find_window(plan, &first))
		return kho_fail(err, -ENOSPC, "there are no %zu adjacent memory blocks of %llu MiB "
				"that can be offlined (%zu refused); stop what pins memory, or "
				"boot with movablecore=",
				plan->want_first,
				(unsigned long long)(plan->map->block_size / KHO_MIB),
				plan->nr_refused);
	i = first + plan->want_first - 1;
	while (i > first && plan->marks[i] == MARK_TAKEN)
		i--;
	*ret = i;
	return 1;
}

static bool beside_a_run(const struct kho_memplan *plan, size_t i)
{
	if (follows(plan, i) && kho_memplan_has(plan, i - 1))
		return true;
	return kho_memplan_has(plan, i + 1) && follows(plan, i + 1);
}

/*
 * Lower is better: what grows a run first, then by cost. Low memory comes before all
 * else as long as there's none, and last as soon as there's some: the running kernel
 * needs it as well.
 */
static unsigned int rank(const struct kho_memplan *plan, size_t i, bool want_low)
{
	return (is_low(plan, i) == want_low ? 0 : 8) + (beside_a_run(plan, i) ? 0 : 4) +
	       cost(plan, i);
}

static int next_of_rest(const struct kho_memplan *plan, size_t *ret, struct kho_err *err)
{
	bool full = count_runs(plan) >= plan->spec.max_ranges;
	bool want_low = wants_low(plan);
	unsigned int best = ~0u, here;
	size_t i;

	for (i = 0; i < plan->map->nr; i++) {
		if (plan->marks[i] != MARK_CANDIDATE || (full && !beside_a_run(plan, i)))
			continue;
		here = rank(plan, i, want_low);
		if (here <= best) {
			best = here;
			*ret = i;
		}
	}
	if (best != ~0u)
		return 1;
	return kho_fail(err, -ENOSPC, "only %zu of %zu memory blocks of %llu MiB could be offlined "
			"(%zu refused)%s; stop what pins memory, or ask for a smaller region",
			plan->nr_taken, plan->want,
			(unsigned long long)(plan->map->block_size / KHO_MIB), plan->nr_refused,
			full ? " without making too many ranges" : "");
}

int kho_memplan_next(const struct kho_memplan *plan, size_t *ret_block, struct kho_err *err)
{
	if (longest_run(plan).nr < plan->want_first)
		return next_of_window(plan, ret_block, err);
	if (plan->nr_taken < plan->want)
		return next_of_rest(plan, ret_block, err);
	return 0;
}

void kho_memplan_taken(struct kho_memplan *plan, size_t block)
{
	if (block >= plan->map->nr || plan->marks[block] != MARK_CANDIDATE)
		return;
	plan->marks[block] = MARK_TAKEN;
	plan->nr_taken++;
}

void kho_memplan_refused(struct kho_memplan *plan, size_t block)
{
	if (block >= plan->map->nr || plan->marks[block] != MARK_CANDIDATE)
		return;
	plan->marks[block] = MARK_REFUSED;
	plan->nr_refused++;
}

/* ---- the result ---- */

int kho_memplan_surplus(struct kho_memplan *plan, size_t *ret_block)
{
	struct run longest = longest_run(plan), run = { 0 }, shortest = longest;

	if (plan->nr_taken <= plan->want)
		return 0;
	while (next_run(plan, &run))
		if (run.nr < shortest.nr)
			shortest = run;
	if (shortest.nr == longest.nr && longest.nr <= plan->want_first &&
	    shortest.first == longest.first) {
		/* All runs are as long as need be: spare any but the one that's needed. */
		run = (struct run) { .first = longest.first, .nr = longest.nr };
		if (!next_run(plan, &run))
			return 0;
		shortest = run;
	}
	*ret_block = shortest.first;
	plan->marks[shortest.first] = MARK_CANDIDATE;
	plan->nr_taken--;
	return 1;
}

static struct mk_range to_range(const struct kho_memplan *plan, const struct run *run)
{
	uint64_t size = plan->map->block_size;

	return (struct mk_range) {
		.start = plan->map->blocks[run->first].index * size,
		.size = run->nr * size,
	};
}

int kho_memplan_ranges(const struct kho_memplan *plan, struct mk_range ret[MK_MAX_RANGES],
		       size_t *ret_nr, struct kho_err *err)
{
	struct run longest = longest_run(plan), run = { 0 };
	size_t nr = count_runs(plan);

	if (nr > MK_MAX_RANGES)
		return kho_fail(err, -ENOSPC, "the blocks make %zu ranges, at most %d can be; ask "
				"for a smaller region", nr, MK_MAX_RANGES);
	*ret_nr = 0;
	if (!nr)
		return 0;
	ret[(*ret_nr)++] = to_range(plan, &longest);
	while (next_run(plan, &run))
		if (run.first != longest.first)
			ret[(*ret_nr)++] = to_range(plan, &run);
	return 0;
}
