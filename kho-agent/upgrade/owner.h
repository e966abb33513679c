/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who owns the workloads: one word in the memory that both kernels share.
 *
 * Theory of operation
 *
 * The record stands in the region's arena "owners". Its word holds the epoch of
 * ownership and whose it is; the owner makes the other side the owner by one atomic
 * exchange, and that instant is the commit of a move, there or back: an agent on either
 * side that is started again looks here, and so knows whether to undo or to go on. Epochs
 * only grow. An arena of zeroes (as a region is made) is one that was never owned
 * by the new side.
 *
 *	offset  size  field
 *	0       4     magic "KHOW"
 *	4       4     version, 1
 *	8       8     word: epoch * 2, + 1 if it's the new side's
 *	16      8     number of the move that it was last changed by
 */
#ifndef KHO_UPGRADE_OWNER_H
#define KHO_UPGRADE_OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define KHO_OWNER_MAGIC		0x574f484bu
#define KHO_OWNER_VERSION	1u

struct kho_owner_record {
	uint32_t magic;
	uint32_t version;
	uint64_t word;
	uint64_t move;
};

_Static_assert(sizeof(struct kho_owner_record) == 24, "owner record");

struct kho_owner {
	uint64_t epoch;
	bool is_new;			/* the new side's */
};

/* Old side, before the new kernel starts: the old side owns all. */
void kho_owner_format(volatile void *arena, uint64_t epoch);

/* -EBADMSG: the arena is too small, or doesn't hold a record. */
int kho_owner_read(const volatile void *arena, size_t size, struct kho_owner *ret,
		   struct kho_err *err);

/*
 * Old side: from here on it's the new side's. *@ret is what it's then.
 *   -EALREADY  it was before
 *   -EBADMSG   as above, or somebody else wrote to it meanwhile
 */
int kho_owner_commit(volatile void *arena, size_t size, uint64_t move, struct kho_owner *ret,
		     struct kho_err *err);

/* New side, likewise: from here on it's the old side's again. */
int kho_owner_return(volatile void *arena, size_t size, uint64_t move, struct kho_owner *ret,
		     struct kho_err *err);

#endif
