// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a handover may hold; handover.h has the contract.
 *
 * The checks go from the region to what lies in it, each relying on those before.
 * All are quadratic at worst, over arrays of a few hundred elements.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/bits.h"
#include "spawn/handover.h"
#include "spawn/phys.h"

#define PHYS_END	(1ULL << 52)	/* of what x86-64 page tables can reach */
#define LOW_END		(1ULL << 20)
#define BUS_SIZE	(1ULL << 20)	/* of configuration space, per PCI bus */

/* ---- ranges ---- */

static bool range_fits(const struct mk_range *range, uint64_t end)
{
	return range->size && kho_within(range->start, range->size, end);
}

static bool page_aligned(uint64_t start, uint64_t size)
{
	return kho_is_aligned(start | size, KHO_PAGE_SIZE);
}

/* Index of the first of @nr ranges that overlaps @range, or @nr. */
static uint32_t find_overlap(const struct mk_range *ranges, uint32_t nr,
			     const struct mk_range *range)
{
	uint32_t i;

	for (i = 0; i < nr; i++)
		if (kho_ranges_overlap(&ranges[i], range))
			break;
	return i;
}

static int check_region(const struct kho_handover *h, struct kho_err *err)
{
	uint32_t i;

	if (!h->nr_ranges || h->nr_ranges > MK_MAX_RANGES)
		return kho_fail(err, -EINVAL, "region has %u ranges; give 1 to %u",
				h->nr_ranges, MK_MAX_RANGES);
	for (i = 0; i < h->nr_ranges; i++) {
		if (!range_fits(&h->ranges[i], PHYS_END) ||
		    !page_aligned(h->ranges[i].start, h->ranges[i].size))
			return kho_fail(err, -EINVAL,
					"region range %u is empty, not page aligned or too high; "
					"give whole memory blocks", i);
		if (find_overlap(h->ranges, i, &h->ranges[i]) < i)
			return kho_fail(err, -EINVAL,
					"region range %u overlaps another; give each once", i);
	}
	return 0;
}

/* ---- arenas ---- */

static bool name_is_good(const char *name)
{
	size_t i;

	if (name[0] < 'a' || name[0] > 'z')
		return false;
	for (i = 0; i < KHO_HANDOVER_NAME_SIZE; i++) {
		if (!name[i])
			return true;
		if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= '0' && name[i] <= '9') &&
		    name[i] != '-')
			return false;
	}
	return false;
}

/* Whether the region offsets lie within one range, so that their memory is one piece. */
static bool in_one_range(const struct kho_handover *h, uint64_t offset, uint64_t size)
{
	uint32_t i;

	for (i = 0; i < h->nr_ranges; i++) {
		if (offset < h->ranges[i].size)
			return size && kho_within(offset, size, h->ranges[i].size);
		offset -= h->ranges[i].size;
	}
	return false;
}

static int check_arena_pair(const struct kho_handover_arena *a,
			    const struct kho_handover_arena *b, struct kho_err *err)
{
	if (!strcmp(a->name, b->name))
		return kho_fail(err, -EINVAL, "arena \"%s\" is listed twice; list it once",
				a->name);
	if (a->offset < b->offset + b->size && b->offset < a->offset + a->size)
		return kho_fail(err, -EINVAL, "arenas \"%s\" and \"%s\" overlap; move one",
				a->name, b->name);
	return 0;
}

static int check_arena(const struct kho_handover *h, uint32_t i, struct kho_err *err)
{
	const struct kho_handover_arena *arena = &h->arenas[i];
	uint32_t j;
	int r;

	if (!name_is_good(arena->name))
		return kho_fail(err, -EINVAL,
				"arena %u has a bad name; use a-z, 0-9 and '-', %u at most", i,
				KHO_HANDOVER_NAME_SIZE - 1);
	if (!page_aligned(arena->offset, arena->size))
		return kho_fail(err, -EINVAL, "arena \"%s\" is not page aligned; align it",
				arena->name);
	if (!in_one_range(h, arena->offset, arena->size))
		return kho_fail(err, -EINVAL,
				"arena \"%s\" is empty or not within one range of the region; "
				"move it inside", arena->name);
	for (j = 0; j < i; j++) {
		r = check_arena_pair(&h->arenas[j], arena, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_arenas(const struct kho_handover *h, struct kho_err *err)
{
	uint32_t i;
	int r;

	if (h->nr_arenas > KHO_HANDOVER_MAX_ARENAS)
		return kho_fail(err, -EINVAL, "%u arenas are too many; give at most %u",
				h->nr_arenas, KHO_HANDOVER_MAX_ARENAS);
	for (i = 0; i < h->nr_arenas; i++) {
		r = check_arena(h, i, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- CPUs ---- */

static bool has_id(const uint32_t *ids, uint32_t nr, uint32_t id)
{
	uint32_t i;

	for (i = 0; i < nr; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static int check_cpus(const struct kho_handover *h, struct kho_err *err)
{
	uint32_t i;

	if (!h->nr_own_cpus || h->nr_own_cpus > KHO_HANDOVER_MAX_CPUS ||
	    h->nr_later_cpus > KHO_HANDOVER_MAX_CPUS - h->nr_own_cpus)
		return kho_fail(err, -EINVAL, "%u CPUs and %u later; give 1 to %u in all",
				h->nr_own_cpus, h->nr_later_cpus, KHO_HANDOVER_MAX_CPUS);
	for (i = 0; i < h->nr_own_cpus; i++)
		if (h->own_cpus[i] == UINT32_MAX || has_id(h->own_cpus, i, h->own_cpus[i]))
			return kho_fail(err, -EINVAL,
					"CPU with APIC id %u is no CPU or listed twice; "
					"list it once", h->own_cpus[i]);
	for (i = 0; i < h->nr_later_cpus; i++)
		if (h->later_cpus[i] == UINT32_MAX ||
		    has_id(h->own_cpus, h->nr_own_cpus, h->later_cpus[i]) ||
		    has_id(h->later_cpus, i, h->later_cpus[i]))
			return kho_fail(err, -EINVAL,
					"later CPU with APIC id %u is no CPU or listed twice; "
					"list it once", h->later_cpus[i]);
	return 0;
}

/* ---- the rest ---- */

static int check_low_window(const struct mk_range *window, struct kho_err *err)
{
	if (range_fits(window, LOW_END) && page_aligned(window->start, window->size))
		return 0;
	return kho_fail(err, -EINVAL,
			"low window 0x%llx+0x%llx is empty, not page aligned or above 1 MiB; "
			"take one of layout.h's", (unsigned long long)window->start,
			(unsigned long long)window->size);
}

static int check_low(const struct kho_handover *h, struct kho_err *err)
{
	uint32_t i;
	int r;

	if (h->nr_low_later > KHO_HANDOVER_MAX_LOW)
		return kho_fail(err, -EINVAL, "%u later low windows are too many; give at most %u",
				h->nr_low_later, KHO_HANDOVER_MAX_LOW);
	r = check_low_window(&h->low_own, err);
	for (i = 0; r == 0 && i < h->nr_low_later; i++) {
		r = check_low_window(&h->low_later[i], err);
		if (r < 0)
			return r;
		if (kho_ranges_overlap(&h->low_own, &h->low_later[i]) ||
		    find_overlap(h->low_later, i, &h->low_later[i]) < i)
			return kho_fail(err, -EINVAL,
					"later low window %u overlaps another; take one that "
					"no neighbour in the chain has", i);
	}
	return r;
}

static int check_text(const char *text, const char *what, struct kho_err *err)
{
	size_t i;

	for (i = 0; i < KHO_HANDOVER_TEXT_SIZE; i++) {
		if (!text[i] && i)
			return 0;
		if (text[i] < ' ' || text[i] > '~')
			break;
	}
	return kho_fail(err, -EINVAL, "%s is empty, too long or not ASCII; give 1 to %u characters",
			what, KHO_HANDOVER_TEXT_SIZE - 1);
}

static int check_clock(const struct kho_handover_clock *clock, struct kho_err *err)
{
	if (!clock->tsc_khz || clock->realtime_ns < 0 || clock->monotonic_ns < 0)
		return kho_fail(err, -EINVAL,
				"clock record has no tsc_khz or a negative time; sample anew");
	return 0;
}

static int check_ram(const struct kho_handover *h, struct kho_err *err)
{
	struct mk_range range;
	uint32_t i;

	if (h->nr_ram > KHO_HANDOVER_MAX_RAM)
		return kho_fail(err, -EINVAL, "memory map of %u entries is too long; merge to %u",
				h->nr_ram, KHO_HANDOVER_MAX_RAM);
	for (i = 0; i < h->nr_ram; i++) {
		range = (struct mk_range) { h->ram[i].start, h->ram[i].size };
		if (!range_fits(&range, UINT64_MAX) || h->ram[i].reserved)
			return kho_fail(err, -EINVAL,
					"memory map entry %u is empty or wraps; leave it out", i);
	}
	return 0;
}

static bool ecam_is_good(const struct kho_handover_ecam *e)
{
	return e->start_bus <= e->end_bus && e->address && !e->reserved &&
	       kho_is_aligned(e->address, BUS_SIZE) &&
	       kho_within(e->address, (e->end_bus + 1ULL) * BUS_SIZE, PHYS_END);
}

static int check_ecam(const struct kho_handover *h, struct kho_err *err)
{
	const struct kho_handover_ecam *a, *b;
	uint32_t i, j;

	if (h->nr_ecam > KHO_HANDOVER_MAX_ECAM)
		return kho_fail(err, -EINVAL, "%u PCI segments are too many; give at most %u",
				h->nr_ecam, KHO_HANDOVER_MAX_ECAM);
	for (i = 0; i < h->nr_ecam; i++) {
		a = &h->ecam[i];
		if (!ecam_is_good(a))
			return kho_fail(err, -EINVAL,
					"PCI segment %u has no address or no bus; leave it out", i);
		for (j = 0; j < i; j++) {
			b = &h->ecam[j];
			if (a->domain == b->domain && a->start_bus <= b->end_bus &&
			    b->start_bus <= a->end_bus)
				return kho_fail(err, -EINVAL,
						"PCI segments %u and %u share a bus; list it once",
						j, i);
		}
	}
	return 0;
}

int kho_handover_check(const struct kho_handover *handover, struct kho_err *err)
{
	static int (*const checks[])(const struct kho_handover *, struct kho_err *) = {
		check_region, check_arenas, check_cpus, check_low, check_ram, check_ecam,
	};
	size_t i;
	int r;

	for (i = 0; i < KHO_ARRAY_SIZE(checks); i++) {
		r = checks[i](handover, err);
		if (r < 0)
			return r;
	}
	r = check_text(handover->source_release, "old kernel's release", err);
	if (r < 0)
		return r;
	r = check_text(handover->source_agent, "old agent's version", err);
	if (r < 0)
		return r;
	return check_clock(&handover->clock, err);
}

const struct kho_handover_arena *kho_handover_arena(const struct kho_handover *handover,
						    const char *name)
{
	uint32_t i;

	for (i = 0; i < handover->nr_arenas; i++)
		if (!strcmp(handover->arenas[i].name, name))
			return &handover->arenas[i];
	return NULL;
}

uint64_t kho_handover_phys(const struct kho_handover *handover, uint64_t offset)
{
	uint32_t i;

	for (i = 0; i < handover->nr_ranges; i++) {
		if (offset < handover->ranges[i].size)
			return handover->ranges[i].start + offset;
		offset -= handover->ranges[i].size;
	}
	return UINT64_MAX;
}

/* ---- building ---- */

int kho_handover_add_ram(struct kho_handover *handover, uint64_t start, uint64_t size,
			 struct kho_err *err)
{
	if (handover->nr_ram >= KHO_HANDOVER_MAX_RAM)
		return kho_fail(err, -E2BIG, "this machine's memory is in more than %u pieces; take "
				"memmap= off its command line, or update its firmware",
				KHO_HANDOVER_MAX_RAM);
	handover->ram[handover->nr_ram++] = (struct kho_handover_ram) {
		.start = start, .size = size, .type = 1,
	};
	return 0;
}

int kho_handover_add_ecam(struct kho_handover *handover, const struct kho_handover_ecam *ecam,
			  struct kho_err *err)
{
	if (handover->nr_ecam >= KHO_HANDOVER_MAX_ECAM)
		return kho_fail(err, -E2BIG, "this machine has more than %u PCI segments; switch some "
				"off in its firmware, or use another one", KHO_HANDOVER_MAX_ECAM);
	handover->ecam[handover->nr_ecam++] = *ecam;
	return 0;
}
