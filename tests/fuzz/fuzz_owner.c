// SPDX-License-Identifier: GPL-2.0-only
/*
 * The record of ownership in an arena of arbitrary bytes. What's no record isn't
 * written to; what is one is committed once.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "upgrade/owner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void commit(uint8_t *arena, size_t size, const struct kho_owner *before)
{
	struct kho_owner owner = {}, after = {};
	struct kho_err err;
	int r = kho_owner_commit(arena, size, 1, &owner, &err);

	require(r == (before->is_new ? -EALREADY : 0));
	require(kho_owner_read(arena, size, &after, &err) == 0 && after.is_new);
	if (r == 0)
		require(owner.epoch == after.epoch && owner.is_new);
	else
		require(after.epoch == before->epoch);
	require(kho_owner_commit(arena, size, 2, &owner, &err) == -EALREADY);
	require(kho_owner_return(arena, size, 3, &owner, &err) == 0 && !owner.is_new);
	require(owner.epoch != after.epoch);
	require(kho_owner_return(arena, size, 4, &owner, &err) == -EALREADY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kho_owner owner;
	struct kho_err err;
	uint8_t *arena;

	if (size == 0 || size > 4096)
		return 0;
	arena = aligned_alloc(8, (size + 7) & ~7ul);
	require(arena != NULL);
	memcpy(arena, data, size);
	if (kho_owner_read(arena, size, &owner, &err) == 0) {
		commit(arena, size, &owner);
	} else {
		require(err.code == -EBADMSG);
		require(kho_owner_commit(arena, size, 1, &owner, &err) == -EBADMSG);
		require(memcmp(arena, data, size) == 0);
	}
	free(arena);
	return 0;
}
