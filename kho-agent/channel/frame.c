// SPDX-License-Identifier: GPL-2.0-only
/* Frame codec and its use on a lane; frame.h has the layout. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/crc32c.h"
#include "channel/frame.h"

#define FLAGS_KNOWN	KHO_FRAME_START

/* @wire has crc = 0. */
static uint32_t frame_crc(const struct kho_frame_wire *wire, const void *payload, size_t length)
{
	uint32_t crc = kho_crc32c(wire, sizeof(*wire));

	return length ? kho_crc32c_add(crc, payload, length) : crc;
}

int kho_frame_encode(const struct kho_frame *frame, uint8_t header[KHO_FRAME_HEADER_SIZE],
		     struct kho_err *err)
{
	struct kho_frame_wire wire = {
		.magic = htole32(KHO_FRAME_MAGIC),
		.version = htole16(KHO_FRAME_VERSION),
		.flags = htole16(frame->flags),
		.length = htole32(frame->length),
		.seq = htole64(frame->seq),
		.epoch = htole64(frame->epoch),
	};

	if (frame->length > KHO_FRAME_PAYLOAD_MAX)
		return kho_fail(err, -EMSGSIZE,
				"frame: a message of %u bytes, at most %u fit; use a bulk stream",
				frame->length, KHO_FRAME_PAYLOAD_MAX);
	if ((frame->flags & ~FLAGS_KNOWN) || ((frame->flags & KHO_FRAME_START) && frame->seq != 0))
		return kho_fail(err, -EINVAL,
				"frame: flags %#x with seq %llu can't be sent; START has seq 0",
				frame->flags, (unsigned long long)frame->seq);
	wire.crc = htole32(frame_crc(&wire, frame->payload, frame->length));
	memcpy(header, &wire, sizeof(wire));
	return 0;
}

static int check_wire(const struct kho_frame_wire *wire, struct kho_err *err)
{
	if (le32toh(wire->magic) != KHO_FRAME_MAGIC)
		return kho_fail(err, -EBADMSG,
				"frame: magic %#x: the peer wrote garbage; spawn it again",
				le32toh(wire->magic));
	if (le16toh(wire->version) != KHO_FRAME_VERSION)
		return kho_fail(err, -EPROTONOSUPPORT,
				"frame: version %u, this agent knows %u; "
				"use agents of matching versions",
				le16toh(wire->version), KHO_FRAME_VERSION);
	if (le32toh(wire->length) > KHO_FRAME_PAYLOAD_MAX)
		return kho_fail(err, -EMSGSIZE,
				"frame: says %u bytes, at most %u are allowed; "
				"spawn the peer again",
				le32toh(wire->length), KHO_FRAME_PAYLOAD_MAX);
	if (le16toh(wire->flags) & ~FLAGS_KNOWN)
		return kho_fail(err, -EBADMSG,
				"frame: unknown flags %#x; use agents of matching versions",
				le16toh(wire->flags));
	if ((le16toh(wire->flags) & KHO_FRAME_START) && wire->seq != 0)
		return kho_fail(err, -EBADMSG,
				"frame: START with seq %llu: the peer wrote garbage; "
				"spawn it again",
				(unsigned long long)le64toh(wire->seq));
	return 0;
}

int kho_frame_decode(const void *data, size_t size, struct kho_frame *ret_frame,
		     struct kho_err *err)
{
	const uint8_t *payload = (const uint8_t *)data + KHO_FRAME_HEADER_SIZE;
	struct kho_frame_wire wire;
	uint32_t crc;
	int r;

	if (size < sizeof(wire))
		return kho_fail(err, -EAGAIN, "frame: only %zu bytes yet; wait for the rest", size);
	memcpy(&wire, data, sizeof(wire));
	r = check_wire(&wire, err);
	if (r < 0)
		return r;
	if (size - sizeof(wire) < le32toh(wire.length))
		return kho_fail(err, -EAGAIN, "frame: %zu bytes of %zu; wait for the rest",
				size, sizeof(wire) + le32toh(wire.length));
	crc = le32toh(wire.crc);
	wire.crc = 0;
	if (frame_crc(&wire, payload, le32toh(wire.length)) != crc)
		return kho_fail(err, -EBADMSG,
				"frame: CRC mismatch: the peer wrote garbage; spawn it again");
	*ret_frame = (struct kho_frame){
		.flags = le16toh(wire.flags),
		.length = le32toh(wire.length),
		.seq = le64toh(wire.seq),
		.epoch = le64toh(wire.epoch),
		.payload = payload,
	};
	return 0;
}

int kho_frame_accept(struct kho_frame_order *order, const struct kho_frame *frame,
		     struct kho_err *err)
{
	bool start = frame->flags & KHO_FRAME_START;

	if (!order->synced && !start)
		return kho_fail(err, -ESTALE,
				"frame: seq %llu is of an earlier session; "
				"wait for the peer's hello",
				(unsigned long long)frame->seq);
	if (!start && frame->seq != order->next_seq)
		return kho_fail(err, -EBADMSG,
				"frame: seq %llu where %llu is next: a frame got lost; "
				"spawn the peer again",
				(unsigned long long)frame->seq,
				(unsigned long long)order->next_seq);
	if (!start && frame->epoch < order->epoch)
		return kho_fail(err, -EBADMSG,
				"frame: epoch %llu after %llu: the peer is out of date; fence it",
				(unsigned long long)frame->epoch,
				(unsigned long long)order->epoch);
	order->synced = true;
	order->next_seq = frame->seq + 1;
	order->epoch = frame->epoch;
	return 0;
}

int kho_frame_send(struct kho_ring *ring, const struct kho_frame *frame, struct kho_err *err)
{
	uint64_t total = (uint64_t)KHO_FRAME_HEADER_SIZE + frame->length;
	uint8_t header[KHO_FRAME_HEADER_SIZE];
	ssize_t ready;
	int r;

	r = kho_frame_encode(frame, header, err);
	if (r < 0)
		return r;
	if (total > ring->size)
		return kho_fail(err, -EMSGSIZE, "frame: %llu bytes in a lane of %llu; "
				"make it larger",
				(unsigned long long)total, (unsigned long long)ring->size);
	ready = kho_ring_ready(ring);
	if (ready < 0)
		return kho_fail(err, (int)ready,
				"frame: the peer wrote garbage into its index; spawn it again");
	if ((uint64_t)ready < total)
		return kho_fail(err, -EAGAIN, "frame: the lane is full; try again when it isn't");
	r = kho_ring_put(ring, 0, header, sizeof(header));
	if (r == 0)
		r = kho_ring_put(ring, sizeof(header), frame->payload, frame->length);
	if (r == 0)
		r = kho_ring_advance(ring, total);
	return r;
}

/* Copies what may be a frame into @buf; its size. The header is read once. */
static ssize_t copy_frame(const struct kho_ring *ring, uint64_t ready, uint8_t *buf)
{
	struct kho_frame_wire wire;
	uint32_t length;
	int r;

	if (ready < sizeof(wire))
		return -EBADMSG;
	r = kho_ring_peek(ring, 0, &wire, sizeof(wire));
	if (r < 0)
		return r;
	memcpy(buf, &wire, sizeof(wire));
	length = le32toh(wire.length);
	/* let the codec say what is wrong with the header */
	if (length > KHO_FRAME_PAYLOAD_MAX || length > ready - sizeof(wire))
		return sizeof(wire);
	r = kho_ring_peek(ring, sizeof(wire), buf + sizeof(wire), length);
	return r < 0 ? r : (ssize_t)(sizeof(wire) + length);
}

int kho_frame_receive(struct kho_ring *ring, uint8_t *buf, struct kho_frame *ret_frame,
		      struct kho_err *err)
{
	struct kho_frame frame;
	ssize_t ready, size;
	int r;

	ready = kho_ring_ready(ring);
	if (ready < 0)
		return kho_fail(err, (int)ready,
				"frame: the peer wrote garbage into its index; spawn it again");
	if (ready == 0)
		return -EAGAIN;
	size = copy_frame(ring, (uint64_t)ready, buf);
	r = size < 0 ? -EAGAIN : kho_frame_decode(buf, (size_t)size, &frame, err);
	if (r == -EAGAIN)
		return kho_fail(err, -EBADMSG,
				"frame: the peer published half a frame (%zd bytes); "
				"spawn it again",
				ready);
	if (r < 0)
		return r;
	r = kho_ring_advance(ring, (uint64_t)size);
	if (r < 0)
		return r;
	*ret_frame = frame;
	return 0;
}
