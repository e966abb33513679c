// SPDX-License-Identifier: GPL-2.0-only
/* Bulk streams: the writing side and what both share; bulk.h has the layout. */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "base/bits.h"
#include "base/crc32c.h"
#include "channel/bulk.h"
#include "channel/bulk_crc.h"

int kho_bulk_writer_init(struct kho_bulk_writer *writer, struct kho_ring *ring,
			 uint32_t stream, bool crc, struct kho_err *err)
{
	if (stream == 0 || ring->side != KHO_RING_PRODUCER || ring->size < KHO_BULK_LANE_MIN)
		return kho_fail(err, -EINVAL,
				"bulk: stream %u on a lane of %llu bytes; "
				"use 1 and up, %u bytes or more",
				stream, (unsigned long long)ring->size, KHO_BULK_LANE_MIN);
	*writer = (struct kho_bulk_writer){
		.ring = ring,
		.stream = stream,
		.flags = crc ? KHO_BULK_CRC : 0,
	};
	return 0;
}

void kho_bulk_writer_leave_out_crc(struct kho_bulk_writer *writer)
{
	writer->flags &= ~KHO_BULK_CRC;
}

/* So that several chunks are in the lane at once: one is read while one is written. */
static uint64_t chunk_size(const struct kho_ring *ring)
{
	return ring->size / 8 < KHO_BULK_CHUNK ? ring->size / 8 : KHO_BULK_CHUNK;
}

uint64_t kho_bulk_good_room(const struct kho_ring *ring)
{
	return ring->size / 2;
}

/* Payload bytes that can be written now, at most @size; or -EAGAIN and others. */
static ssize_t payload_room(struct kho_bulk_writer *writer, size_t size)
{
	uint64_t chunk = chunk_size(writer->ring);
	ssize_t ready;

	if (writer->ended)
		return -EPIPE;
	ready = kho_ring_ready(writer->ring);
	if (ready < 0)
		return ready;
	if ((uint64_t)ready < chunk)
		return -EAGAIN;
	chunk -= KHO_BULK_HEADER_SIZE;
	return (ssize_t)(size < chunk ? size : chunk);
}

static uint32_t spans_crc(const struct kho_span spans[2])
{
	return kho_bulk_crc_add(kho_bulk_crc_add(0, spans[0].base, spans[0].size),
				spans[1].base, spans[1].size);
}

static ssize_t read_spans(int fd, const struct kho_span spans[2])
{
	struct iovec vec[2];
	ssize_t some;

	for (int i = 0; i < 2; i++)
		vec[i] = (struct iovec){ .iov_base = spans[i].base, .iov_len = spans[i].size };
	do
		some = readv(fd, vec, spans[1].size ? 2 : 1);
	while (some < 0 && errno == EINTR);
	return some < 0 ? -errno : some;
}

/* Puts the header in front of a payload that is in place, and publishes both. */
static int publish(struct kho_bulk_writer *writer, uint32_t length, uint32_t crc, uint32_t flags)
{
	struct kho_bulk_wire wire = {
		.magic = htole32(KHO_BULK_MAGIC),
		.stream = htole32(writer->stream),
		.length = htole32(length),
		.flags = htole32(flags),
		.offset = htole64(writer->offset),
		.crc = htole32(crc),
	};
	int r;

	wire.check = htole32(kho_crc32c(&wire, offsetof(struct kho_bulk_wire, check)));
	r = kho_ring_put(writer->ring, 0, &wire, sizeof(wire));
	if (r < 0)
		return r;
	r = kho_ring_advance(writer->ring, kho_align_up(sizeof(wire) + (uint64_t)length,
							KHO_BULK_ALIGN));
	if (r == 0)
		writer->offset += length;
	return r;
}

ssize_t kho_bulk_write(struct kho_bulk_writer *writer, const void *data, size_t size)
{
	const uint8_t *from = data;
	uint32_t crc = 0;
	size_t done = 0;
	ssize_t some;
	int r;

	while (done < size) {
		some = payload_room(writer, size - done);
		if (some < 0)
			return done && some == -EAGAIN ? (ssize_t)done : some;
		r = kho_ring_put(writer->ring, KHO_BULK_HEADER_SIZE, from + done, (size_t)some);
		if (r < 0)
			return r;
		if (writer->flags & KHO_BULK_CRC)
			crc = kho_bulk_crc_add(0, from + done, (size_t)some);
		r = publish(writer, (uint32_t)some, crc, writer->flags);
		if (r < 0)
			return r;
		done += (size_t)some;
	}
	return (ssize_t)done;
}

ssize_t kho_bulk_write_fd(struct kho_bulk_writer *writer, int fd, size_t size)
{
	struct kho_span spans[2];
	uint32_t crc = 0;
	ssize_t some;
	int r;

	some = payload_room(writer, size);
	if (some <= 0)
		return some;
	r = kho_ring_spans(writer->ring, KHO_BULK_HEADER_SIZE, (size_t)some, spans);
	if (r < 0)
		return r;
	some = read_spans(fd, spans);
	if (some <= 0)
		return some;
	r = kho_ring_spans(writer->ring, KHO_BULK_HEADER_SIZE, (size_t)some, spans);
	if (r < 0)
		return r;
	if (writer->flags & KHO_BULK_CRC)
		crc = spans_crc(spans);
	r = publish(writer, (uint32_t)some, crc, writer->flags);
	return r < 0 ? r : some;
}

int kho_bulk_finish(struct kho_bulk_writer *writer)
{
	ssize_t room = payload_room(writer, 0);
	int r;

	if (room < 0)
		return (int)room;
	r = publish(writer, 0, 0, KHO_BULK_END);
	if (r == 0)
		writer->ended = true;
	return r;
}
