// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log of a kernel that can't be asked any more; dmesg.h has the contract.
 *
 * Tried in this order: VMCOREINFO where the caller says it is, VMCOREINFO found by
 * a search, the early log buffer. A ring that gives no record doesn't count: the
 * next way is tried.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "spawn/prb.h"

struct attempt {
	const struct kho_dmesg_source *source;
	struct kho_vmcoreinfo info;
	struct kho_prb prb;
	char *text;			/* KHO_PRB_TEXT_MAX bytes */
};

/* Whether what lies at @where leads to a ring with a record in it. */
static bool try_vmcoreinfo(struct attempt *attempt, const struct mk_range *where)
{
	const struct kho_phys_reader *reader = &attempt->source->reader;
	struct kho_dmesg_result result = { .records = 0 };

	if (kho_vmcoreinfo_load(reader, where, &attempt->info, NULL) < 0 ||
	    kho_prb_open(reader, &attempt->info, &attempt->prb) < 0)
		return false;
	kho_prb_walk(&attempt->prb, NULL, attempt->text, &result);
	return result.records > 0;
}

/* 1 ends the search. */
static int try_found(void *ctx, uint64_t phys)
{
	struct mk_range where = { phys, 0 };

	return try_vmcoreinfo(ctx, &where);
}

static bool find_ring(struct attempt *attempt)
{
	const struct kho_dmesg_source *source = attempt->source;
	struct kho_vmcoreinfo_search search = {
		.ranges = source->ranges,
		.nr_ranges = source->nr_ranges,
		.found = try_found,
		.ctx = attempt,
	};

	if (source->vmcoreinfo.start && try_vmcoreinfo(attempt, &source->vmcoreinfo))
		return true;
	return kho_vmcoreinfo_search(&source->reader, &search) > 0;
}

static int read_ring(struct attempt *attempt, const struct kho_dmesg_sink *sink,
		     struct kho_dmesg_result *result)
{
	memcpy(result->release, attempt->info.release, sizeof(result->release));
	return kho_prb_walk(&attempt->prb, sink, attempt->text, result);
}

int kho_dmesg_read(const struct kho_dmesg_source *source, const struct kho_dmesg_sink *sink,
		   struct kho_dmesg_result *ret, struct kho_err *err)
{
	_cleanup_free_ char *text = malloc(KHO_PRB_TEXT_MAX);
	struct attempt attempt = { .source = source, .text = text };
	struct kho_dmesg_result result = { .records = 0 };
	int r;

	if (!text)
		return kho_fail(err, -ENOMEM, "no memory to read a kernel log; free some");
	if (find_ring(&attempt))
		r = read_ring(&attempt, sink, &result);
	else
		r = kho_prb_early(source, sink, &result);
	if (r == -ENOENT && !result.records)
		return kho_fail(err, r,
				"neither VMCOREINFO nor an early log is in the kernel's memory; "
				"it died before it logged, or this isn't its memory");
	if (r < 0)
		return kho_fail_errno(err, r, "reading a kernel log stopped");
	if (ret)
		*ret = result;
	return r;
}
