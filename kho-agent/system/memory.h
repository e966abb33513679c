/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory blocks: taking memory from the running kernel, and onlining it again.
 *
 * Memory is offlined in blocks (128 MiB on small machines, up to 2 GiB on large
 * ones) through /sys/devices/system/memory. Some blocks refuse, and some take long
 * before they do; kho_memory_take() tries others in their place until it has
 * enough or its time is up, and in the end either all was taken or nothing.
 *
 * Sizes and addresses are bytes. Every function returns 0 or a negative errno.
 */
#ifndef KHO_SYSTEM_MEMORY_H
#define KHO_SYSTEM_MEMORY_H

#include "system/memplan.h"
#include "system/sysroot.h"

/*
 * Reads all blocks. The caller frees by kho_mem_map_done().
 *   -EOPNOTSUPP  this kernel can't offline memory
 *   -EBADMSG     sysfs said something that makes no sense
 */
int kho_memory_read(const struct kho_sysroot *root, struct kho_mem_map *ret,
		    struct kho_err *err);

/* MemAvailable of /proc/meminfo. -EBADMSG if it isn't there. */
int kho_memory_available(const struct kho_sysroot *root, uint64_t *ret, struct kho_err *err);

/*
 * Offlines one block. It may move a block's worth of pages first.
 *   -EBUSY, -EAGAIN, -EINVAL, -ENOMEM, -EINTR  the kernel refused this block
 *   -ETIMEDOUT  it took longer than @timeout_ms
 *   -EIO        the kernel said yes and nothing happened
 */
int kho_memory_offline(const struct kho_sysroot *root, uint64_t index, unsigned int timeout_ms,
		       struct kho_err *err);

/*
 * Onlines one block into @zone, of which only ZONE_MOVABLE or not counts;
 * KHO_ZONE_NONE leaves it to the kernel. A block that's online is left as it is.
 */
int kho_memory_online(const struct kho_sysroot *root, uint64_t index, enum kho_mem_zone zone,
		      struct kho_err *err);

/*
 * Onlines every offline block that lies wholly in one of @ranges; what was
 * absorbed from a retired kernel is such. *@ret_size: bytes onlined, also when it
 * fails half way.
 */
struct kho_mem_ranges {
	const struct mk_range *ranges;
	size_t nr;
	enum kho_mem_zone zone;
};

int kho_memory_online_ranges(const struct kho_sysroot *root, const struct kho_mem_ranges *ranges,
			     uint64_t *ret_size, struct kho_err *err);

#define KHO_MEM_POLICY	32	/* bytes of the name of a policy, with terminator */

/*
 * What becomes of memory that is added later: "offline", "online_movable"... What it
 * was before is put into @ret_before unless that's NULL.
 */
int kho_memory_set_policy(const struct kho_sysroot *root, const char *policy,
			  char ret_before[KHO_MEM_POLICY], struct kho_err *err);

/*
 * -ENOMEM: taking @more bytes would leave less than @floor of MemAvailable. Or it can't
 * be read.
 */
int kho_memory_check_floor(const struct kho_sysroot *root, uint64_t more, uint64_t floor,
			   struct kho_err *err);

/* ---- taking memory for a region ---- */

struct kho_mem_request {
	struct kho_memplan_spec spec;
	uint64_t min_available;		/* MemAvailable never goes below this */
	unsigned int timeout_ms;	/* for everything; more than 0 */
	unsigned int block_timeout_ms;	/* for one block; 0: 3 s */
};

struct kho_mem_taken {
	size_t nr_ranges;
	struct mk_range ranges[MK_MAX_RANGES];	/* the one for the kernel first */
	size_t nr_refused;		/* blocks that wouldn't go */
};

/*
 * Offlines blocks as @request says. On failure whatever was offlined has been
 * onlined again; if a block wouldn't, the message says so too.
 *   -ENOMEM     MemAvailable would go below the floor
 *   -ENOSPC     too many blocks refused, or too few exist
 *   -ETIMEDOUT  time was up before enough was taken
 *   -EINVAL     the request makes no sense
 */
int kho_memory_take(const struct kho_sysroot *root, const struct kho_mem_request *request,
		    struct kho_mem_taken *ret, struct kho_err *err);

#endif
