// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions: physical memory that this kernel keeps its hands off.
 *
 * A claimed region is either offline memory of this kernel, which a memory
 * hotplug notifier then keeps offline, or memory that was reserved from it at
 * boot, or preserved for it by KHO (kho.c). User space maps it; other parts of
 * the module map small pieces. Each user of a region pins it, and each region
 * pins the module.
 */
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/pfn.h>
#include <linux/spinlock.h>

#include "mk.h"

/* mmap offsets: the region's id above, the region offset below */
#define MMAP_ID_SHIFT 40

struct mk_region_state {
	u32 id;				/* 0: free slot */
	u32 kind;
	u32 nr_ranges;
	u64 size;
	u64 used;			/* PRESERVED: end of what was ever mapped here */
	struct mk_range ranges[MK_MAX_RANGES];
	void *holds[MK_MAX_RANGES];	/* mappings of ranges that aren't RAM: hold_type() */
	atomic_t maps;			/* user mappings */
	atomic_t pins;			/* links, consoles, CPUs, kernel mappings */
};

static struct mk_region_state regions[MK_MAX_REGIONS];
/* guards the ranges against the notifier; everything else is under mk_lock */
static DEFINE_SPINLOCK(ranges_lock);
/* being onlined, and allowed to; size 0: none. The kernel onlines one at a time */
static struct mk_range going_online;
static u32 last_id;

static struct mk_region_state *find(u32 id)
{
	for (int i = 0; id && i < MK_MAX_REGIONS; i++)
		if (regions[i].id == id)
			return &regions[i];
	return NULL;
}

static struct mk_region_state *find_free(void)
{
	for (int i = 0; i < MK_MAX_REGIONS; i++)
		if (!regions[i].id)
			return &regions[i];
	return NULL;
}

static bool overlap(const struct mk_range *a, const struct mk_range *b)
{
	return a->start < b->start + b->size && b->start < a->start + a->size;
}

static bool overlaps_claimed(const struct mk_range *range)
{
	for (int i = 0; i < MK_MAX_REGIONS; i++)
		for (u32 k = 0; regions[i].id && k < regions[i].nr_ranges; k++)
			if (overlap(range, &regions[i].ranges[k]))
				return true;
	return false;
}

static int check_shape(const struct mk_range *range, u64 align)
{
	u64 end;

	if (!range->size || !IS_ALIGNED(range->start | range->size, align))
		return -EINVAL;
	if (check_add_overflow(range->start, range->size, &end) ||
	    end > 1ULL << boot_cpu_data.x86_phys_bits)
		return -EINVAL;
	return 0;
}

static bool is_going_online(const struct mk_range *range)
{
	bool ret;

	spin_lock(&ranges_lock);
	ret = going_online.size && overlap(range, &going_online);
	spin_unlock(&ranges_lock);
	return ret;
}

static int check_offline_ram(const struct mk_range *range)
{
	unsigned long pfn = PFN_DOWN(range->start), end = pfn + PFN_DOWN(range->size);

	if (region_intersects(range->start, range->size, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_INTERSECTS)
		return -ENXIO;
	/* before the pages: it ends with all of them online */
	if (is_going_online(range))
		return -EBUSY;
	/* pages are online or not by the section */
	for (; pfn < end; pfn += PAGES_PER_SECTION)
		if (pfn_to_online_page(pfn))
			return -EBUSY;
	return 0;
}

static int check_not_ram(const struct mk_range *range)
{
	if (region_intersects(range->start, range->size, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT)
		return -ENXIO;
	return 0;
}

static bool is_ram(const struct mk_range *range)
{
	return region_intersects(range->start, range->size, IORESOURCE_SYSTEM_RAM,
				 IORES_DESC_NONE) == REGION_INTERSECTS;
}

/*
 * Pages that aren't RAM have no memory type until somebody maps them: then it's write-back,
 * where the MTRRs say so, and uncached before. Pages of different types can't be mapped in
 * one go, and the kernel itself has mapped some here and there (mailbox, DSDT). So all of a
 * range is kept mapped, which gives its pages the same type.
 */
static int hold_type(struct mk_region_state *region, u32 i)
{
	const struct mk_range *range = &region->ranges[i];

	region->holds[i] = memremap(range->start, range->size, MEMREMAP_WB);
	return region->holds[i] ? 0 : -ENOMEM;
}

static int take_range(struct mk_region_state *region, u32 i)
{
	const struct mk_range *range = &region->ranges[i];

	if (region->kind == MK_REGION_OFFLINE)
		return check_offline_ram(range);
	if (region->kind == MK_REGION_PRESERVED && is_ram(range))
		return mk_kho_take(range);
	return check_not_ram(range) ?: hold_type(region, i);
}

static void give_back(struct mk_region_state *region, u32 first, u32 end)
{
	for (u32 i = first; i < end; i++) {
		if (region->holds[i])
			memunmap(region->holds[i]);
		else if (region->kind == MK_REGION_PRESERVED)
			mk_kho_give_back(&region->ranges[i]);
		region->holds[i] = NULL;
	}
}

static int check_request(const struct mk_region *req)
{
	u64 align = req->kind == MK_REGION_OFFLINE ? memory_block_size_bytes() : PAGE_SIZE;
	int ret;

	if (req->kind > MK_REGION_PRESERVED || !req->nr_ranges ||
	    req->nr_ranges > MK_MAX_RANGES || req->id)
		return -EINVAL;
	for (u32 i = 0; i < req->nr_ranges; i++) {
		ret = check_shape(&req->ranges[i], align);
		if (ret)
			return ret;
		if (overlaps_claimed(&req->ranges[i]))
			return -EEXIST;
		for (u32 k = 0; k < i; k++)
			if (overlap(&req->ranges[i], &req->ranges[k]))
				return -EEXIST;
	}
	return 0;
}

static void fill_slot(struct mk_region_state *slot, const struct mk_region *req)
{
	spin_lock(&ranges_lock);
	slot->kind = req->kind;
	slot->nr_ranges = req->nr_ranges;
	memcpy(slot->ranges, req->ranges, sizeof(slot->ranges));
	slot->size = 0;
	slot->used = 0;
	for (u32 i = 0; i < req->nr_ranges; i++)
		slot->size += req->ranges[i].size;
	slot->id = ++last_id ?: ++last_id;
	spin_unlock(&ranges_lock);
}

static void clear_slot(struct mk_region_state *slot)
{
	spin_lock(&ranges_lock);
	slot->id = 0;
	spin_unlock(&ranges_lock);
}

static void describe(const struct mk_region_state *region, struct mk_region *out)
{
	out->kind = region->kind;
	out->id = region->id;
	out->mmap_offset = (u64)region->id << MMAP_ID_SHIFT;
	out->size = region->size;
	out->nr_ranges = region->nr_ranges;
	out->nr_maps = atomic_read(&region->maps);
	memcpy(out->ranges, region->ranges, sizeof(out->ranges));
}

int mk_region_claim(void *arg)
{
	struct mk_region *req = arg;
	struct mk_region_state *slot = find_free();
	int ret = check_request(req);

	if (ret)
		return ret;
	if (!slot)
		return -ENOSPC;
	/* first make sure that nobody onlines it, then look whether it's offline */
	fill_slot(slot, req);
	for (u32 i = 0; i < req->nr_ranges; i++) {
		ret = take_range(slot, i);
		if (ret) {
			give_back(slot, 0, i);
			clear_slot(slot);
			return ret;
		}
	}
	__module_get(THIS_MODULE);
	describe(slot, req);
	return 0;
}

int mk_region_info(void *arg)
{
	struct mk_region *req = arg;
	struct mk_region_state *region = find(req->id);

	if (!region)
		return -ENOENT;
	describe(region, req);
	return 0;
}

int mk_region_release(void *arg)
{
	struct mk_region *req = arg;
	struct mk_region_state *region = find(req->id);

	if (!region)
		return -ENOENT;
	if (atomic_read(&region->maps) || atomic_read(&region->pins))
		return -EBUSY;
	give_back(region, 0, region->nr_ranges);
	clear_slot(region);
	module_put(THIS_MODULE);
	return 0;
}

int mk_region_trim(void *arg)
{
	struct mk_region *req = arg;
	struct mk_region_state *region = find(req->id);
	u32 nr = req->nr_ranges;
	u64 size = 0;

	if (!region)
		return -ENOENT;
	if (region->kind != MK_REGION_PRESERVED || !nr || nr >= region->nr_ranges)
		return -EINVAL;
	for (u32 i = 0; i < nr; i++)
		size += region->ranges[i].size;
	if (atomic_read(&region->maps) || region->used > size)
		return -EBUSY;
	give_back(region, nr, region->nr_ranges);
	spin_lock(&ranges_lock);
	region->nr_ranges = nr;
	region->size = size;
	spin_unlock(&ranges_lock);
	describe(region, req);
	return 0;
}

void mk_region_pin(u32 id)
{
	atomic_inc(&find(id)->pins);
}

void mk_region_unpin(u32 id)
{
	atomic_dec(&find(id)->pins);
}

static bool region_holds(const struct mk_region_state *region, u64 addr, u64 size)
{
	for (u32 i = 0; i < region->nr_ranges; i++) {
		const struct mk_range *range = &region->ranges[i];

		if (addr >= range->start && size <= range->size &&
		    addr - range->start <= range->size - size)
			return true;
	}
	return false;
}

bool mk_region_holds(u32 id, u64 addr, u64 size)
{
	struct mk_region_state *region = find(id);

	return region && region_holds(region, addr, size);
}

bool mk_regions_hold(u64 addr, u64 size)
{
	for (int i = 0; i < MK_MAX_REGIONS; i++)
		if (regions[i].id && region_holds(&regions[i], addr, size))
			return true;
	return false;
}

/* Where a region offset is in physical memory, and how far its range goes on. */
static int locate(const struct mk_region_state *region, u64 offset, u64 *addr, u64 *left)
{
	for (u32 i = 0; i < region->nr_ranges; i++) {
		if (offset < region->ranges[i].size) {
			*addr = region->ranges[i].start + offset;
			*left = region->ranges[i].size - offset;
			return 0;
		}
		offset -= region->ranges[i].size;
	}
	return -ERANGE;
}

void *mk_region_map(u32 id, u64 offset, u64 size)
{
	struct mk_region_state *region = find(id);
	u64 addr, left;
	void *mapping;

	if (!region)
		return ERR_PTR(-ENOENT);
	if (locate(region, offset, &addr, &left) || size > left)
		return ERR_PTR(-ERANGE);
	mapping = memremap(addr, size, MEMREMAP_WB);
	if (!mapping)
		return ERR_PTR(-ENOMEM);
	region->used = max(region->used, offset + size);
	atomic_inc(&region->pins);
	return mapping;
}

void mk_region_unmap(u32 id, void *mapping)
{
	memunmap(mapping);
	mk_region_unpin(id);
}

static void vma_open(struct vm_area_struct *vma)
{
	struct mk_region_state *region = vma->vm_private_data;

	atomic_inc(&region->maps);
}

static void vma_close(struct vm_area_struct *vma)
{
	struct mk_region_state *region = vma->vm_private_data;

	atomic_dec(&region->maps);
}

static const struct vm_operations_struct vma_ops = {
	.open = vma_open,
	.close = vma_close,
};

static int map_pieces(struct vm_area_struct *vma, struct mk_region_state *region, u64 offset)
{
	unsigned long at = vma->vm_start;
	u64 addr, left;
	int ret;

	while (at < vma->vm_end) {
		ret = locate(region, offset, &addr, &left);
		if (ret)
			return ret;
		left = min_t(u64, left, vma->vm_end - at);
		ret = remap_pfn_range(vma, at, PFN_DOWN(addr), left, vma->vm_page_prot);
		if (ret)
			return ret;
		at += left;
		offset += left;
	}
	return 0;
}

static int map_region(struct vm_area_struct *vma)
{
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;
	struct mk_region_state *region = find(offset >> MMAP_ID_SHIFT);
	u64 size = vma->vm_end - vma->vm_start;
	int ret;

	offset &= (1ULL << MMAP_ID_SHIFT) - 1;
	if (!region)
		return -ENOENT;
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (offset > region->size || size > region->size - offset)
		return -ERANGE;
	vm_flags_set(vma, VM_DONTCOPY | VM_DONTDUMP);
	ret = map_pieces(vma, region, offset);
	if (ret)
		return ret;
	vma->vm_private_data = region;
	vma->vm_ops = &vma_ops;
	atomic_inc(&region->maps);
	return 0;
}

int mk_region_mmap(struct file *file, struct vm_area_struct *vma)
{
	int ret;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	mutex_lock(&mk_lock);
	ret = map_region(vma);
	mutex_unlock(&mk_lock);
	return ret;
}

void mk_region_describe(struct mk_info *info)
{
	info->memory_block_size = memory_block_size_bytes();
	for (int i = 0; i < MK_MAX_REGIONS; i++) {
		info->region_ids[i] = regions[i].id;
		info->nr_regions += !!regions[i].id;
	}
}

/* Between the kernel's question and its pages being online nothing else tells of it. */
static bool may_go_online(const struct mk_range *range)
{
	bool claimed;

	spin_lock(&ranges_lock);
	claimed = overlaps_claimed(range);
	if (!claimed)
		going_online = *range;
	spin_unlock(&ranges_lock);
	return !claimed;
}

static void went_online(void)
{
	spin_lock(&ranges_lock);
	going_online.size = 0;
	spin_unlock(&ranges_lock);
}

static int memory_event(struct notifier_block *nb, unsigned long event, void *data)
{
	const struct memory_notify *what = data;
	struct mk_range range = {
		.start = PFN_PHYS(what->start_pfn),
		.size = PFN_PHYS(what->nr_pages),
	};

	switch (event) {
	case MEM_GOING_ONLINE:
		return may_go_online(&range) ? NOTIFY_OK : notifier_from_errno(-EBUSY);
	case MEM_ONLINE:
	case MEM_CANCEL_ONLINE:
		went_online();
	}
	return NOTIFY_OK;
}

static struct notifier_block memory_nb = { .notifier_call = memory_event };

int mk_region_init(void)
{
	return register_memory_notifier(&memory_nb);
}

void mk_region_exit(void)
{
	unregister_memory_notifier(&memory_nb);
}
