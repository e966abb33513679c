// SPDX-License-Identifier: GPL-2.0-only
/* What a task still has to get: spans and their bits. See serve_private.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "migrate/pages/serve_private.h"

#define GAP_MAX		4096	/* pages that a span may have between wanted ones */

static size_t words(uint64_t pages)
{
	return pages / 64 + 1;
}

/* Bits of word @w that stand for pages in [first, end) */
static uint64_t mask_of(size_t w, uint64_t first, uint64_t end)
{
	uint64_t base = (uint64_t)w * 64, mask = ~0ULL;

	if (first > base)
		mask &= ~0ULL << (first - base);
	if (end < base + 64)
		mask &= ~0ULL >> (base + 64 - end);
	return mask;
}

static int span_init(struct span *span, uint64_t start, uint64_t origin, uint64_t pages)
{
	*span = (struct span){ .start = start, .origin = origin, .pages = pages };
	span->wanted = calloc(words(pages), sizeof(*span->wanted));
	return span->wanted ? 0 : -ENOMEM;
}

static void span_want(struct span *span, uint64_t page, uint64_t nr)
{
	uint64_t end = page + nr;

	while (page < end) {
		size_t w = page / 64;

		span->wanted[w] |= mask_of(w, page, end);
		page = kho_align_down(page, 64) + 64;
	}
	span->left += nr;
}

bool span_wants(const struct span *span, uint64_t page)
{
	return span->wanted[page / 64] >> page % 64 & 1;
}

uint64_t span_next_wanted(const struct span *span, uint64_t page)
{
	while (page < span->pages) {
		uint64_t bits = span->wanted[page / 64] >> page % 64;

		if (bits) {
			page += (uint64_t)__builtin_ctzll(bits);
			break;
		}
		page = kho_align_down(page, 64) + 64;
	}
	return page < span->pages ? page : span->pages;
}

uint64_t span_wanted_run(const struct span *span, uint64_t page, uint64_t max)
{
	uint64_t nr = 0;

	while (nr < max && page + nr < span->pages && span_wants(span, page + nr))
		nr++;
	return nr;
}

uint64_t space_done(struct space *space, struct span *span, uint64_t page, uint64_t nr)
{
	uint64_t end = page + nr, cleared = 0;

	while (page < end) {
		size_t w = page / 64;
		uint64_t bits = span->wanted[w] & mask_of(w, page, end);

		cleared += (uint64_t)__builtin_popcountll(bits);
		span->wanted[w] &= ~bits;
		page = kho_align_down(page, 64) + 64;
	}
	span->left -= cleared;
	space->left -= cleared;
	return cleared;
}

static uint64_t span_end(const struct span *span)
{
	return span->start + span->pages * KHO_PAGE_SIZE;
}

/* The first span that ends after @vaddr */
static size_t place(const struct space *space, uint64_t vaddr)
{
	size_t low = 0, high = space->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (span_end(&space->spans[middle]) <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t space_find(const struct space *space, uint64_t vaddr)
{
	size_t at = place(space, vaddr);

	return at < space->nr && space->spans[at].start <= vaddr ? at : NO_SPAN;
}

/* Room for @more spans, so that adding them can't fail */
static int reserve(struct space *space, size_t more)
{
	size_t room = space->room ? space->room : 16;
	struct span *grown;

	while (room < space->nr + more)
		room *= 2;
	if (room == space->room)
		return 0;
	grown = reallocarray(space->spans, room, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	space->spans = grown;
	space->room = room;
	return 0;
}

/* Puts a span in, at its place; takes over its bits. There's room. */
static void add_span(struct space *space, const struct span *span)
{
	size_t at = place(space, span->start);

	memmove(space->spans + at + 1, space->spans + at,
		(space->nr - at) * sizeof(*space->spans));
	space->spans[at] = *span;
	space->nr++;
	space->left += span->left;
}

static int add_or_free(struct space *space, struct span *span)
{
	if (reserve(space, 1) < 0) {
		free(span->wanted);
		return -ENOMEM;
	}
	add_span(space, span);
	return 0;
}

/* The end of what the store has from @from on without a large gap, before @end */
static uint64_t extent(const struct kho_page_store *store, uint64_t image, uint64_t from,
		       uint64_t end)
{
	uint64_t reached = from;
	struct kho_page_run run;

	while (kho_page_store_next_run(store, image, reached, end, &run)) {
		if (run.vaddr - reached > GAP_MAX * KHO_PAGE_SIZE && reached > from)
			break;
		reached = run.vaddr + run.nr_pages * KHO_PAGE_SIZE;
	}
	return reached;
}

static int add_extent(struct space *space, const struct kho_page_store *store,
		      uint64_t start, uint64_t end)
{
	uint64_t from = start;
	struct kho_page_run run;
	struct span span;

	if (span_init(&span, start, start, (end - start) / KHO_PAGE_SIZE) < 0)
		return -ENOMEM;
	while (kho_page_store_next_run(store, space->image, from, end, &run)) {
		span_want(&span, (run.vaddr - start) / KHO_PAGE_SIZE, run.nr_pages);
		from = run.vaddr + run.nr_pages * KHO_PAGE_SIZE;
	}
	return add_or_free(space, &span);
}

static int add_vma(struct space *space, const struct kho_page_store *store,
		   const struct kho_image_vma *vma)
{
	struct kho_page_run run;
	uint64_t from = vma->start;
	int r;

	while (kho_page_store_next_run(store, space->image, from, vma->end, &run)) {
		from = extent(store, space->image, run.vaddr, vma->end);
		r = add_extent(space, store, run.vaddr, from);
		if (r < 0)
			return r;
	}
	return 0;
}

int space_new(const struct kho_page_store *store, uint64_t image,
	      const struct kho_image_vma *vmas, size_t nr_vmas, struct space **ret)
{
	struct space *space = calloc(1, sizeof(*space));
	size_t i;

	if (!space)
		return -ENOMEM;
	space->image = image;
	space->fd = -EBADF;
	for (i = 0; i < nr_vmas; i++)
		if (vmas[i].lazy && add_vma(space, store, &vmas[i]) < 0) {
			space_free(space);
			return -ENOMEM;
		}
	*ret = space;
	return 0;
}

static int copy_span(struct space *space, const struct span *from)
{
	struct span span;

	if (span_init(&span, from->start, from->origin, from->pages) < 0)
		return -ENOMEM;
	memcpy(span.wanted, from->wanted, words(from->pages) * sizeof(*span.wanted));
	span.left = from->left;
	return add_or_free(space, &span);
}

int space_clone(const struct space *parent, struct space **ret)
{
	struct space *space = calloc(1, sizeof(*space));
	size_t i;

	if (!space)
		return -ENOMEM;
	space->image = parent->image;
	space->fd = -EBADF;
	space->shared = true;
	for (i = 0; i < parent->nr; i++)
		if (parent->spans[i].left && copy_span(space, &parent->spans[i]) < 0) {
			space_free(space);
			return -ENOMEM;
		}
	*ret = space;
	return 0;
}

void space_free(struct space *space)
{
	size_t i;

	if (!space)
		return;
	for (i = 0; i < space->nr; i++)
		free(space->spans[i].wanted);
	free(space->spans);
	free(space->retry);
	if (space->fd >= 0)
		close(space->fd);
	free(space);
}

uint64_t space_drop(struct space *space, uint64_t start, uint64_t end)
{
	size_t at = place(space, start);
	uint64_t dropped = 0;

	for (; at < space->nr && space->spans[at].start < end; at++) {
		struct span *span = &space->spans[at];
		uint64_t first = start > span->start ? start : span->start;
		uint64_t last = end < span_end(span) ? end : span_end(span);

		dropped += space_done(space, span, (first - span->start) / KHO_PAGE_SIZE,
				      (last - first) / KHO_PAGE_SIZE);
	}
	return dropped;
}

static void remove_span(struct space *space, size_t at, struct span *ret)
{
	*ret = space->spans[at];
	space->left -= ret->left;
	memmove(space->spans + at, space->spans + at + 1,
		(space->nr - at - 1) * sizeof(*space->spans));
	space->nr--;
}

/* A part of a span, with bits of its own */
static int cut(const struct span *span, uint64_t first, uint64_t end, struct span *ret)
{
	uint64_t page;

	if (span_init(ret, span->start + first * KHO_PAGE_SIZE,
		      span->origin + first * KHO_PAGE_SIZE, end - first) < 0)
		return -ENOMEM;
	for (page = span_next_wanted(span, first); page < end;
	     page = span_next_wanted(span, page + 1))
		span_want(ret, page - first, 1);
	return 0;
}

/* Makes @vaddr a border between spans, if it's inside of one */
static int split(struct space *space, uint64_t vaddr)
{
	size_t at = space_find(space, vaddr);
	struct span whole, low, high;
	uint64_t page;

	if (at == NO_SPAN || space->spans[at].start == vaddr)
		return 0;
	page = (vaddr - space->spans[at].start) / KHO_PAGE_SIZE;
	if (reserve(space, 1) < 0 || cut(&space->spans[at], 0, page, &low) < 0)
		return -ENOMEM;
	if (cut(&space->spans[at], page, space->spans[at].pages, &high) < 0) {
		free(low.wanted);
		return -ENOMEM;
	}
	remove_span(space, at, &whole);
	free(whole.wanted);
	add_span(space, &low);
	add_span(space, &high);
	return 0;
}

int64_t space_move(struct space *space, uint64_t from, uint64_t to, uint64_t size)
{
	uint64_t dropped;
	struct span span;
	size_t at;

	if (split(space, from) < 0 || split(space, from + size) < 0 ||
	    split(space, to) < 0 || split(space, to + size) < 0)
		return -ENOMEM;
	dropped = space_drop(space, to, to + size);
	for (at = place(space, to); at < space->nr && span_end(&space->spans[at]) <= to + size;) {
		remove_span(space, at, &span);
		free(span.wanted);
	}
	for (;;) {
		at = place(space, from);
		if (at == space->nr || span_end(&space->spans[at]) > from + size)
			break;
		remove_span(space, at, &span);
		span.start = span.start - from + to;
		add_span(space, &span);		/* where the one was that was removed */
	}
	space->cursor = space->cursor_page = 0;
	return (int64_t)dropped;
}
