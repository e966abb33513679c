// SPDX-License-Identifier: GPL-2.0-only
/* The record of ownership; owner.h has the idea. */
#include <errno.h>

#include "upgrade/owner.h"

static struct kho_owner decode(uint64_t word)
{
	return (struct kho_owner){ .epoch = word >> 1, .is_new = word & 1 };
}

static int check(const volatile struct kho_owner_record *record, size_t size, struct kho_err *err)
{
	if (size < sizeof(*record) || record->magic != KHO_OWNER_MAGIC ||
	    record->version != KHO_OWNER_VERSION)
		return kho_fail(err, -EBADMSG, "the record of who owns the workloads is damaged or "
				"of another version; reset the machine if in doubt");
	return 0;
}

void kho_owner_format(volatile void *arena, uint64_t epoch)
{
	volatile struct kho_owner_record *record = arena;

	record->version = KHO_OWNER_VERSION;
	record->move = 0;
	record->word = epoch << 1;
	__atomic_store_n(&record->magic, KHO_OWNER_MAGIC, __ATOMIC_RELEASE);
}

int kho_owner_read(const volatile void *arena, size_t size, struct kho_owner *ret,
		   struct kho_err *err)
{
	const volatile struct kho_owner_record *record = arena;
	int r = check(record, size, err);

	if (r == 0)
		*ret = decode(__atomic_load_n(&record->word, __ATOMIC_ACQUIRE));
	return r;
}

/* What the record is to say. */
struct change {
	bool to_new;
	uint64_t move;
};

static int pass(volatile struct kho_owner_record *record, const struct change *change,
		struct kho_owner *ret, struct kho_err *err)
{
	uint64_t old = __atomic_load_n(&record->word, __ATOMIC_ACQUIRE), new;

	if ((old & 1) == change->to_new)
		return kho_fail(err, -EALREADY, "the %s kernel owns the workloads already",
				change->to_new ? "new" : "old");
	new = ((old >> 1) + 1) << 1 | change->to_new;
	record->move = change->move;
	if (!__atomic_compare_exchange_n(&record->word, &old, new, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return kho_fail(err, -EBADMSG, "somebody else writes to the record of ownership; "
				"khoctl reclaim, and look for what it is");
	*ret = decode(new);
	return 0;
}

int kho_owner_commit(volatile void *arena, size_t size, uint64_t move, struct kho_owner *ret,
		     struct kho_err *err)
{
	const struct change change = { .to_new = true, .move = move };
	int r = check(arena, size, err);

	return r < 0 ? r : pass(arena, &change, ret, err);
}

int kho_owner_return(volatile void *arena, size_t size, uint64_t move, struct kho_owner *ret,
		     struct kho_err *err)
{
	const struct change change = { .to_new = false, .move = move };
	int r = check(arena, size, err);

	return r < 0 ? r : pass(arena, &change, ret, err);
}
