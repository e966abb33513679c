// SPDX-License-Identifier: GPL-2.0-only
/*
 * An array of strings with an open-addressing table of indices beside it; the
 * table is at most half full, so a search always ends at a free slot.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "image/strset.h"

#define FIRST_SLOTS	64
#define MAX_ITEMS	(1u << 24)

/* FNV-1a */
static uint64_t hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3ULL;
	return h ^ h >> 32;
}

/* The slot that holds @text, or the free one where it belongs. */
static size_t slot_of(const struct kho_strset *set, const char *text)
{
	size_t slot = hash(text) & (set->nr_slots - 1);

	while (set->slots[slot] && strcmp(set->items[set->slots[slot] - 1].text, text) != 0)
		slot = (slot + 1) & (set->nr_slots - 1);
	return slot;
}

static int grow_slots(struct kho_strset *set)
{
	struct kho_strset bigger = *set;
	size_t i;

	bigger.nr_slots = set->nr_slots ? set->nr_slots * 2 : FIRST_SLOTS;
	bigger.slots = calloc(bigger.nr_slots, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (i = 0; i < set->nr; i++)
		bigger.slots[slot_of(&bigger, set->items[i].text)] = (uint32_t)i + 1;
	free(set->slots);
	*set = bigger;
	return 0;
}

static int grow_items(struct kho_strset *set)
{
	size_t capacity = set->capacity ? set->capacity * 2 : FIRST_SLOTS / 2;
	struct kho_strset_item *items;

	items = reallocarray(set->items, capacity, sizeof(*items));
	if (!items)
		return -ENOMEM;
	set->items = items;
	set->capacity = capacity;
	return 0;
}

int kho_strset_add(struct kho_strset *set, const char *text, size_t value)
{
	size_t slot;

	if (set->nr >= MAX_ITEMS)
		return -E2BIG;
	if (set->nr == set->capacity && grow_items(set) < 0)
		return -ENOMEM;
	if (set->nr * 2 >= set->nr_slots && grow_slots(set) < 0)
		return -ENOMEM;
	slot = slot_of(set, text);
	if (set->slots[slot])
		return 0;
	set->items[set->nr].text = strdup(text);
	if (!set->items[set->nr].text)
		return -ENOMEM;
	set->items[set->nr].value = value;
	set->slots[slot] = (uint32_t)++set->nr;
	return 1;
}

size_t kho_strset_find(const struct kho_strset *set, const char *text)
{
	size_t slot;

	if (set->nr_slots == 0)
		return KHO_STRSET_NONE;
	slot = slot_of(set, text);
	return set->slots[slot] ? set->slots[slot] - 1 : KHO_STRSET_NONE;
}

void kho_strset_done(struct kho_strset *set)
{
	size_t i;

	for (i = 0; i < set->nr; i++)
		free(set->items[i].text);
	free(set->items);
	free(set->slots);
	*set = (struct kho_strset){ 0 };
}
