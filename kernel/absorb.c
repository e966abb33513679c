// SPDX-License-Identifier: GPL-2.0-only
/*
 * Absorbing memory: what a retired kernel left becomes this kernel's RAM.
 *
 * Whole memory blocks only; user space onlines them through sysfs. Refused as
 * long as the peer lives: its memory is its own.
 */
#include <linux/align.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>

#include "mk.h"

#define RESOURCE_NAME "System RAM (multikernel)"

/* the link may be dropped afterwards; the machine stays ours */
static bool sole;

bool mk_absorb_is_sole(void)
{
	return sole;
}

static int absorb_block(u64 start, u64 size)
{
	int ret = add_memory_driver_managed(numa_mem_id(), start, size, RESOURCE_NAME, MHP_NONE);

	/* there from an earlier call that was cut short: just as good */
	return ret == -EEXIST ? 0 : ret;
}

static int absorb_range(const struct mk_range *range, u64 *added)
{
	u64 block = memory_block_size_bytes();
	u64 start = ALIGN(range->start, block);
	u64 end = ALIGN_DOWN(range->start + range->size, block);
	int ret;

	if (range->start + range->size < range->start)
		return -EINVAL;
	/* block by block: one that can't be added costs no other */
	for (; start < end; start += block) {
		ret = absorb_block(start, block);
		if (ret)
			return ret;
		*added += block;
	}
	return 0;
}

int mk_absorb(void *arg)
{
	struct mk_absorb *req = arg;
	u64 added = 0;
	int ret;

	if (!req->nr_ranges || req->nr_ranges > MK_MAX_RANGES)
		return -EINVAL;
	if (!mk_link_is_up(req->region) || !mk_link_peer_retired())
		return -EBUSY;
	sole = true;
	for (u32 i = 0; i < req->nr_ranges; i++) {
		ret = absorb_range(&req->ranges[i], &added);
		if (ret)
			return ret;
	}
	req->added = added;
	return 0;
}
