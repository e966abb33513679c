// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking memory for a region, all or nothing; memory.h has the contract.
 *
 * The plan says which block is next, the kernel says whether it goes. What counts
 * as the kernel refusing one block, so that another is tried, and what is a reason
 * to stop altogether, is in is_refusal().
 */
#include <errno.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "system/memory.h"

#define BLOCK_TIMEOUT_MS	3000

/* One go at taking memory. */
struct take {
	const struct kho_sysroot *root;
	const struct kho_mem_request *request;
	struct kho_mem_map map;		/* as it was before */
	struct kho_memplan plan;
	uint64_t deadline;
	struct kho_err refusal;		/* the last one, for the message */
};

static void take_done(struct take *take)
{
	kho_memplan_done(&take->plan);
	kho_mem_map_done(&take->map);
}

/*
 * -EBUSY: pinned pages; -EINVAL: holes in it; -EINTR and -ETIMEDOUT: it went on
 * for too long; -EIO: it was onlined again by somebody.
 */
static bool is_refusal(int code)
{
	switch (code) {
	case -EBUSY:
	case -EAGAIN:
	case -EINVAL:
	case -EINTR:
	case -ENOMEM:
	case -ETIMEDOUT:
	case -EIO:
		return true;
	default:
		return false;
	}
}

/* ---- limits ---- */

int kho_memory_check_floor(const struct kho_sysroot *root, uint64_t more, uint64_t floor,
			   struct kho_err *err)
{
	uint64_t available;
	int r;

	r = kho_memory_available(root, &available, err);
	if (r < 0)
		return r;
	if (available >= more && available - more >= floor)
		return 0;
	return kho_fail(err, -ENOMEM, "taking %llu MiB more would leave less than %llu MiB of the "
			"%llu MiB available; stop something, or ask for a smaller region",
			(unsigned long long)(more / KHO_MIB), (unsigned long long)(floor / KHO_MIB),
			(unsigned long long)(available / KHO_MIB));
}

static int check_floor(const struct take *take, uint64_t more, struct kho_err *err)
{
	return kho_memory_check_floor(take->root, more, take->request->min_available, err);
}

/* What can be had without taking anything from the running kernel. */
static uint64_t offline_bytes(const struct take *take)
{
	uint64_t bytes = 0;
	size_t i;

	if (!take->request->spec.use_offline)
		return 0;
	for (i = 0; i < take->map.nr; i++)
		if (take->map.blocks[i].state == KHO_MEM_OFFLINE)
			bytes += take->map.block_size;
	return bytes;
}

static int check_request(const struct take *take, struct kho_err *err)
{
	uint64_t have = offline_bytes(take), size = take->request->spec.size;

	if (!take->request->timeout_ms)
		return kho_fail(err, -EINVAL, "no time to take memory; give a timeout");
	return size > have ? check_floor(take, size - have, err) : 0;
}

/* The time for the next block; -ETIMEDOUT if there's none. */
static int next_timeout(const struct take *take, unsigned int *ret, struct kho_err *err)
{
	unsigned int limit = take->request->block_timeout_ms;
	uint64_t now = take->root->ops->now_ms(take->root->ctx);

	if (!limit)
		limit = BLOCK_TIMEOUT_MS;
	if (now >= take->deadline)
		return kho_fail(err, -ETIMEDOUT, "only %zu of %zu memory blocks could be offlined "
				"in %u ms (%zu refused); stop what keeps memory busy, or give it "
				"more time", take->plan.nr_taken, take->plan.want,
				take->request->timeout_ms, take->plan.nr_refused);
	*ret = take->deadline - now < limit ? (unsigned int)(take->deadline - now) : limit;
	return 0;
}

/* ---- taking ---- */

static int take_block(struct take *take, size_t i, struct kho_err *err)
{
	const struct kho_mem_block *block = &take->map.blocks[i];
	struct kho_err reason = { 0 };
	unsigned int timeout_ms = 0;
	int r;

	if (block->state == KHO_MEM_OFFLINE) {
		kho_memplan_taken(&take->plan, i);
		return 0;
	}
	r = next_timeout(take, &timeout_ms, err);
	if (r == 0)
		r = check_floor(take, take->map.block_size, err);
	if (r < 0)
		return r;
	r = kho_memory_offline(take->root, block->index, timeout_ms, &reason);
	if (r == 0) {
		kho_memplan_taken(&take->plan, i);
		return 0;
	}
	if (!is_refusal(r))
		return kho_fail(err, r, "%s", reason.msg);
	take->refusal = reason;
	kho_memplan_refused(&take->plan, i);
	return 0;
}

static int take_enough(struct take *take, struct kho_err *err)
{
	size_t block;
	int r;

	for (;;) {
		r = kho_memplan_next(&take->plan, &block, err);
		if (r == 0)
			return 0;
		if (r > 0)
			r = take_block(take, block, err);
		if (r < 0 && take->refusal.code && r == -ENOSPC)
			return kho_wrap(err, r, "last refusal: %.160s", take->refusal.msg);
		if (r < 0)
			return r;
	}
}

/* Puts a block back as it was. */
static int put_back(const struct take *take, size_t i, struct kho_err *err)
{
	const struct kho_mem_block *block = &take->map.blocks[i];

	if (block->state == KHO_MEM_OFFLINE)
		return 0;
	return kho_memory_online(take->root, block->index, block->zone, err);
}

/*
 * A block refused may be offline all the same, if the child that was killed won a
 * race: they're put back as well.
 */
static int roll_back(const struct take *take, int code, struct kho_err *err)
{
	struct kho_err failure = { 0 }, first = { 0 };
	size_t i, nr_failed = 0;

	for (i = 0; i < take->map.nr; i++) {
		if (!kho_memplan_tried(&take->plan, i) || put_back(take, i, &failure) == 0)
			continue;
		if (!nr_failed++)
			first = failure;
	}
	if (nr_failed)
		return kho_wrap(err, code, "%zu blocks are still offline (%.160s; online them by "
				"hand), and", nr_failed, first.msg);
	return code;
}

static int give_surplus(struct take *take, struct kho_err *err)
{
	size_t block;
	int r;

	while (kho_memplan_surplus(&take->plan, &block) > 0) {
		r = put_back(take, block, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int kho_memory_take(const struct kho_sysroot *root, const struct kho_mem_request *request,
		    struct kho_mem_taken *ret, struct kho_err *err)
{
	_cleanup_(take_done) struct take take = {
		.root = root,
		.request = request,
		.deadline = root->ops->now_ms(root->ctx) + request->timeout_ms,
	};
	struct kho_mem_taken taken = {};
	int r;

	r = kho_memory_read(root, &take.map, err);
	if (r == 0)
		r = kho_memplan_init(&take.plan, &take.map, &request->spec, err);
	if (r == 0)
		r = check_request(&take, err);
	if (r < 0)
		return r;
	r = take_enough(&take, err);
	if (r == 0)
		r = give_surplus(&take, err);
	if (r == 0)
		r = kho_memplan_ranges(&take.plan, taken.ranges, &taken.nr_ranges, err);
	if (r < 0)
		return roll_back(&take, r, err);
	taken.nr_refused = take.plan.nr_refused;
	*ret = taken;
	return 0;
}
