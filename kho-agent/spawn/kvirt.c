// SPDX-License-Identifier: GPL-2.0-only
/* Kernel virtual addresses of another kernel; kvirt.h has the contract. */
#include <errno.h>
#include <stdbool.h>

#include "base/bits.h"
#include "spawn/kvirt.h"

#define TEXT_START	0xffffffff80000000ULL
#define TEXT_END	0xffffffffc0000000ULL	/* modules follow, or less image */
#define PHYS_END	(1ULL << 52)
#define ENTRY_PRESENT	1u
#define ENTRY_LARGE	(1u << 7)
#define ENTRY_ADDRESS	0x000ffffffffff000ULL
#define NO_PAGE		1u

struct kho_kvirt kho_kvirt_init(const struct kho_phys_reader *reader,
				const struct kho_vmcoreinfo *info)
{
	struct kho_kvirt kvirt = {
		.reader = reader,
		.phys_base = info->phys_base,
		.sme_mask = info->sme_mask,
		.levels = info->la57 ? 5 : 4,
		.last_page = NO_PAGE,
	};
	uint64_t top;

	/* it lies in the image, so no table is needed to find it */
	if (kho_kvirt_to_phys(&kvirt, info->init_top_pgt, &top) == 0 &&
	    kho_is_aligned(top, KHO_PAGE_SIZE))
		kvirt.top = top;
	return kvirt;
}

static int text_to_phys(const struct kho_kvirt *kvirt, uint64_t virt, uint64_t *ret)
{
	uint64_t phys = virt - TEXT_START + kvirt->phys_base;

	if (phys >= PHYS_END)
		return -EFAULT;
	*ret = phys;
	return 0;
}

/* In the upper half of the address space, with all unused bits set. */
static bool is_kernel_address(const struct kho_kvirt *kvirt, uint64_t virt)
{
	return virt >> (kvirt->levels * 9 + 11) == UINT64_MAX >> (kvirt->levels * 9 + 11);
}

/* @ret is the physical address of @page, which is page aligned. */
static int walk_tables(const struct kho_kvirt *kvirt, uint64_t page, uint64_t *ret)
{
	const struct kho_phys_reader *reader = kvirt->reader;
	uint64_t entry, table = kvirt->top, mask;
	unsigned int level, shift;

	if (!table || !is_kernel_address(kvirt, page))
		return -EFAULT;
	for (level = kvirt->levels; level > 0; level--) {
		shift = level * 9 + 3;
		if (reader->read(reader->ctx, table + (page >> shift) % 512 * 8, &entry, 8) < 0 ||
		    !(entry & ENTRY_PRESENT))
			return -EFAULT;
		table = entry & ENTRY_ADDRESS & ~kvirt->sme_mask;
		if (level == 1 || (level <= 3 && entry & ENTRY_LARGE)) {
			mask = (1ULL << shift) - 1;
			*ret = (table & ~mask) | (page & mask);
			return 0;
		}
	}
	return -EFAULT;
}

int kho_kvirt_to_phys(struct kho_kvirt *kvirt, uint64_t virt, uint64_t *ret)
{
	uint64_t page = kho_align_down(virt, KHO_PAGE_SIZE), phys;
	int r;

	if (virt >= TEXT_START && virt < TEXT_END)
		return text_to_phys(kvirt, virt, ret);
	if (page != kvirt->last_page) {
		r = walk_tables(kvirt, page, &phys);
		if (r < 0)
			return r;
		kvirt->last_page = page;
		kvirt->last_phys = phys;
	}
	*ret = kvirt->last_phys + (virt - page);
	return 0;
}

int kho_kvirt_read(struct kho_kvirt *kvirt, uint64_t virt, void *buf, size_t size)
{
	uint64_t phys;
	size_t part;
	char *to = buf;
	int r;

	for (; size; size -= part, virt += part, to += part) {
		part = KHO_PAGE_SIZE - virt % KHO_PAGE_SIZE;
		if (part > size)
			part = size;
		r = kho_kvirt_to_phys(kvirt, virt, &phys);
		if (r < 0)
			return r;
		r = kvirt->reader->read(kvirt->reader->ctx, phys, to, part);
		if (r < 0)
			return r;
	}
	return 0;
}
