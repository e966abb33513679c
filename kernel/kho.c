// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preserved memory, in a kernel that was given a handover tree and took it in by itself.
 *
 * Such a kernel keeps its page allocator away from every page that the tree preserves,
 * until somebody asks for it by kho_restore_pages(). From then on it's an ordinary page with
 * one reference, ours, and freeing it gives it to the page allocator. Each page is preserved
 * alone (order 0), so any range of them can be restored.
 *
 * kho_none.c stands in for this file where the kernel was built without KHO.
 */
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/pfn.h>

#include "mk.h"

static void free_range(u64 start, u64 end)
{
	for (u64 at = start; at < end; at += PAGE_SIZE)
		__free_page(pfn_to_page(PHYS_PFN(at)));
}

int mk_kho_take(const struct mk_range *range)
{
	u64 end = range->start + range->size;

	if (!is_kho_boot())
		return -ENXIO;
	for (u64 at = range->start; at < end; at += PAGE_SIZE) {
		/* it warns of a page that isn't preserved, or was restored before */
		if (!kho_restore_pages(at, 1)) {
			free_range(range->start, at);
			return -ENXIO;
		}
	}
	return 0;
}

void mk_kho_give_back(const struct mk_range *range)
{
	free_range(range->start, range->start + range->size);
}
