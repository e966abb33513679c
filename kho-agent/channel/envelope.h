/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Envelopes to bytes and back, with bounded memory.
 *
 * Theory of operation
 *
 * Unpacking allocates as the sender likes: two bytes on the wire can make a
 * string of its own. So the unpacker gets memory out of one arena that was
 * allocated before and is emptied for each message: nothing to free, nothing to
 * leak, and a message that would take more than the arena is refused.
 */
#ifndef KHO_CHANNEL_ENVELOPE_H
#define KHO_CHANNEL_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "channel.pb-c.h"

/* Enough for any message of KHO_FRAME_PAYLOAD_MAX bytes that an agent sends. */
#define KHO_ENVELOPE_ARENA_SIZE	(2u << 20)

struct kho_envelope_arena {
	uint8_t *base;			/* aligned as malloc() does; borrowed */
	size_t size;
	size_t used;
};

/*
 * Unpacks @data. *@ret lives in @arena until the next call. -EBADMSG: it's not an
 * envelope, or takes more memory than the arena has.
 */
int kho_envelope_unpack(struct kho_envelope_arena *arena, const void *data, size_t size,
			Kho__Envelope **ret, struct kho_err *err);

/* Packs into @buf. -EMSGSIZE: it takes more than @size bytes. */
int kho_envelope_pack(const Kho__Envelope *envelope, uint8_t *buf, size_t size,
		      size_t *ret_size, struct kho_err *err);

#endif
