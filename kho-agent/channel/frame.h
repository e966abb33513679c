/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames: one message each, on a control lane.
 *
 * Theory of operation
 *
 *	offset  size  field     all little endian
 *	0       4     magic     "KHOF"
 *	4       2     version   1
 *	6       2     flags     bit 0 START; the others 0
 *	8       4     length    of the payload, at most KHO_FRAME_PAYLOAD_MAX
 *	12      4     crc       CRC32C of the header with crc = 0, then the payload
 *	16      8     seq       0 for START, then one more each frame
 *	24      8     epoch     ownership epoch of the sender; never goes backwards
 *	32            payload   an Envelope (proto/channel.proto)
 *
 * What kind of message it is says the Envelope, not the header.
 *
 * A frame is published whole or not at all, so both ends of a lane are always at
 * the start of a frame, also after an agent was killed and started again. Such an
 * agent opens a new session with START; until it has seen one from the other
 * side, what is in the lane was meant for its predecessor and is stale.
 *
 * The reader copies a frame into private memory before it looks at the CRC,
 * because the peer may change shared memory at any time. The codec below works
 * on private memory only.
 */
#ifndef KHO_CHANNEL_FRAME_H
#define KHO_CHANNEL_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "channel/ring.h"

#define KHO_FRAME_MAGIC		0x464f484bu	/* "KHOF" */
#define KHO_FRAME_VERSION	1
#define KHO_FRAME_START		(1u << 0)
#define KHO_FRAME_HEADER_SIZE	32
#define KHO_FRAME_PAYLOAD_MAX	(256u << 10)
#define KHO_FRAME_SIZE_MAX	(KHO_FRAME_HEADER_SIZE + KHO_FRAME_PAYLOAD_MAX)

struct kho_frame_wire {
	uint32_t magic;
	uint16_t version;
	uint16_t flags;
	uint32_t length;
	uint32_t crc;
	uint64_t seq;
	uint64_t epoch;
};

_Static_assert(sizeof(struct kho_frame_wire) == KHO_FRAME_HEADER_SIZE, "frame header");
_Static_assert(offsetof(struct kho_frame_wire, crc) == 12, "frame crc");
_Static_assert(offsetof(struct kho_frame_wire, epoch) == 24, "frame epoch");

struct kho_frame {
	uint16_t flags;			/* KHO_FRAME_START or 0 */
	uint32_t length;
	uint64_t seq;
	uint64_t epoch;
	const uint8_t *payload;		/* borrowed */
};

/*
 * Writes the header of @frame, CRC over its payload included.
 * -EMSGSIZE: the payload is too long; -EINVAL: unknown flags, or START with a
 * seq other than 0.
 */
int kho_frame_encode(const struct kho_frame *frame, uint8_t header[KHO_FRAME_HEADER_SIZE],
		     struct kho_err *err);

/*
 * Checks the frame that @data (private memory) starts with; the payload in
 * @ret_frame points into @data. Bytes after the frame are not looked at.
 * -EAGAIN: there's more to come; -EBADMSG: magic, flags, seq of a START, or CRC;
 * -EPROTONOSUPPORT: version; -EMSGSIZE: it says it's longer than allowed.
 */
int kho_frame_decode(const void *data, size_t size, struct kho_frame *ret_frame,
		     struct kho_err *err);

/* What a session's frames must keep to, on the receiving side. {} at first. */
struct kho_frame_order {
	bool synced;			/* a START has been seen */
	uint64_t next_seq;
	uint64_t epoch;			/* of the last frame */
};

/*
 * 0: @frame is next. -ESTALE: it belongs to a session before ours, drop it.
 * -EBADMSG: lost, repeated or out of order, or the epoch runs backwards.
 */
int kho_frame_accept(struct kho_frame_order *order, const struct kho_frame *frame,
		     struct kho_err *err);

/*
 * Puts @frame into a lane and publishes it. -EAGAIN: no room now; -EMSGSIZE,
 * -EINVAL as kho_frame_encode(), or longer than the lane; -EBADMSG: the peer wrote
 * garbage into the ring.
 */
int kho_frame_send(struct kho_ring *ring, const struct kho_frame *frame, struct kho_err *err);

/*
 * Takes the next frame out of a lane into @buf (KHO_FRAME_SIZE_MAX bytes).
 * -EAGAIN: there is none. Any other error means that the peer wrote garbage, and
 * the frame stays where it is: half a published frame is -EBADMSG as well.
 */
int kho_frame_receive(struct kho_ring *ring, uint8_t *buf, struct kho_frame *ret_frame,
		      struct kho_err *err);

#endif
