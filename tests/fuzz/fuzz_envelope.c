// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages of the other agent, whatever they are: what is unpacked stays in its arena, and is
 * the same when it's packed again.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "channel/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

/* The first byte: how large the arena is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kho_envelope_arena arena = {};
	Kho__Envelope *envelope;
	struct kho_err err = {};
	size_t room, packed;
	uint8_t *again;

	if (!size)
		return 0;
	arena.size = data[0] & 1 ? KHO_ENVELOPE_ARENA_SIZE : 64u << (data[0] >> 5);
	arena.base = malloc(arena.size);
	require(arena.base != NULL);
	if (kho_envelope_unpack(&arena, data + 1, size - 1, &envelope, &err) == 0) {
		require(arena.used <= arena.size);
		/* what isn't known is kept; numbers may have been longer than needed, or shorter */
		room = 2 * size + 64;
		again = malloc(room);
		require(again != NULL);
		require(kho_envelope_pack(envelope, again, room, &packed, &err) == 0 ||
			err.code == -EMSGSIZE);
		free(again);
	} else {
		require(err.code == -EBADMSG);
	}
	free(arena.base);
	return 0;
}
