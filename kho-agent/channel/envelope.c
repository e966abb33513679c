// SPDX-License-Identifier: GPL-2.0-only
/* Envelopes to bytes and back; envelope.h says why there's an arena. */
#include <errno.h>

#include "base/bits.h"
#include "channel/envelope.h"

#define ALIGN	16

static void *arena_alloc(void *data, size_t size)
{
	struct kho_envelope_arena *arena = data;
	void *p;

	if (!kho_within(arena->used, size, arena->size))
		return NULL;
	p = arena->base + arena->used;
	arena->used += kho_align_up(size, ALIGN);
	return p;
}

static void arena_free(void *data, void *p)
{
	(void)data;
	(void)p;
}

int kho_envelope_unpack(struct kho_envelope_arena *arena, const void *data, size_t size,
			Kho__Envelope **ret, struct kho_err *err)
{
	ProtobufCAllocator allocator = {
		.alloc = arena_alloc,
		.free = arena_free,
		.allocator_data = arena,
	};
	Kho__Envelope *envelope;

	arena->used = 0;
	envelope = kho__envelope__unpack(&allocator, size, data);
	if (!envelope)
		return kho_fail(err, -EBADMSG,
				"a message of %zu bytes can't be unpacked; "
				"use agents of matching versions",
				size);
	*ret = envelope;
	return 0;
}

int kho_envelope_pack(const Kho__Envelope *envelope, uint8_t *buf, size_t size,
		      size_t *ret_size, struct kho_err *err)
{
	size_t packed = kho__envelope__get_packed_size(envelope);

	if (packed > size)
		return kho_fail(err, -EMSGSIZE,
				"a message of %zu bytes, at most %zu fit; use a bulk stream",
				packed, size);
	*ret_size = kho__envelope__pack(envelope, buf);
	return 0;
}
