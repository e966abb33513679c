// SPDX-License-Identifier: GPL-2.0-only
/* Bulk streams: the reading side, for which every header is hostile until checked. */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "base/bits.h"
#include "base/crc32c.h"
#include "channel/bulk.h"
#include "channel/bulk_crc.h"

#define FLAGS_KNOWN	(KHO_BULK_CRC | KHO_BULK_END)

int kho_bulk_reader_init(struct kho_bulk_reader *reader, struct kho_ring *ring,
			 struct kho_err *err)
{
	if (ring->side != KHO_RING_CONSUMER || ring->size < KHO_BULK_LANE_MIN)
		return kho_fail(err, -EINVAL,
				"bulk: a lane of %llu bytes can't be read; it takes %u or more",
				(unsigned long long)ring->size, KHO_BULK_LANE_MIN);
	*reader = (struct kho_bulk_reader){ .ring = ring };
	return 0;
}

static int lost(struct kho_bulk_reader *reader, const char *what, struct kho_err *err)
{
	reader->error = -EBADMSG;
	return kho_fail(err, -EBADMSG, "bulk: %s: the peer wrote garbage; spawn it again", what);
}

/* Bytes that the chunk takes in the lane. */
static uint64_t chunk_total(uint32_t length)
{
	return kho_align_up(KHO_BULK_HEADER_SIZE + (uint64_t)length, KHO_BULK_ALIGN);
}

/* What is wrong with a header, in a lane that has @ready bytes; or NULL. */
static const char *check_wire(const struct kho_bulk_wire *wire, uint64_t ready)
{
	uint32_t flags = le32toh(wire->flags);

	if (le32toh(wire->magic) != KHO_BULK_MAGIC)
		return "no chunk where one should start";
	if (kho_crc32c(wire, offsetof(struct kho_bulk_wire, check)) != le32toh(wire->check))
		return "a chunk's header has a wrong CRC";
	if (le32toh(wire->stream) == 0 || (flags & ~FLAGS_KNOWN) ||
	    (!(flags & KHO_BULK_CRC) && wire->crc != 0))
		return "a chunk with stream 0 or unknown flags";
	if (le32toh(wire->length) > KHO_BULK_CHUNK_MAX ||
	    (le32toh(wire->length) == 0 && !(flags & KHO_BULK_END)))
		return "a chunk of no possible length";
	if (le64toh(wire->offset) > INT64_MAX - KHO_BULK_CHUNK_MAX)
		return "a chunk beyond the end of any stream";
	if (chunk_total(le32toh(wire->length)) > ready)
		return "half a chunk";
	return NULL;
}

/* Makes reader->chunk the chunk at the head. */
static int fetch(struct kho_bulk_reader *reader, struct kho_err *err)
{
	struct kho_bulk_wire wire;
	const char *wrong;
	ssize_t ready;

	if (reader->error)
		return lost(reader, "the lane was lost before", err);
	if (reader->have_chunk)
		return 0;
	ready = kho_ring_ready(reader->ring);
	if (ready < 0)
		return lost(reader, "its index", err);
	if (ready == 0)
		return -EAGAIN;
	if ((size_t)ready < sizeof(wire) || kho_ring_peek(reader->ring, 0, &wire, sizeof(wire)) < 0)
		return lost(reader, "half a header", err);
	wrong = check_wire(&wire, (uint64_t)ready);
	if (wrong)
		return lost(reader, wrong, err);
	reader->chunk = (struct kho_bulk_chunk){
		.stream = le32toh(wire.stream),
		.length = le32toh(wire.length),
		.flags = le32toh(wire.flags),
		.offset = le64toh(wire.offset),
	};
	reader->have_chunk = true;
	reader->checked = !(reader->chunk.flags & KHO_BULK_CRC);
	reader->done = 0;
	reader->crc = le32toh(wire.crc);
	reader->crc_done = 0;
	return 0;
}

int kho_bulk_next(struct kho_bulk_reader *reader, struct kho_bulk_chunk *ret,
		  struct kho_err *err)
{
	int r;

	r = fetch(reader, err);
	if (r < 0)
		return r;
	*ret = reader->chunk;
	ret->offset += reader->done;
	ret->length -= reader->done;
	return 0;
}

static int release(struct kho_bulk_reader *reader)
{
	reader->have_chunk = false;
	return kho_ring_advance(reader->ring, chunk_total(reader->chunk.length));
}

/* @size more bytes were delivered. The chunk goes back with its last one. */
static int delivered(struct kho_bulk_reader *reader, uint32_t size)
{
	reader->done += size;
	if (reader->done < reader->chunk.length)
		return 0;
	if (!reader->checked && reader->crc_done != reader->crc)
		return lost(reader, "a chunk's payload has a wrong CRC", NULL);
	return release(reader);
}

ssize_t kho_bulk_read(struct kho_bulk_reader *reader, void *data, size_t size)
{
	size_t some;
	int r;

	r = fetch(reader, NULL);
	if (r < 0)
		return r;
	some = reader->chunk.length - reader->done;
	if (some > size)
		some = size;
	if (some == 0 && reader->chunk.length)
		return 0;
	r = kho_ring_peek(reader->ring, KHO_BULK_HEADER_SIZE + (uint64_t)reader->done, data, some);
	if (r < 0)
		return r;
	if (!reader->checked && some)
		reader->crc_done = kho_bulk_crc_add(reader->crc_done, data, some);
	r = delivered(reader, (uint32_t)some);
	return r < 0 ? r : (ssize_t)some;
}

/* The payload in the ring, whose CRC is checked before any of it is delivered. */
static int payload_spans(struct kho_bulk_reader *reader, struct kho_span spans[2])
{
	uint64_t at = KHO_BULK_HEADER_SIZE + (uint64_t)reader->done;
	uint32_t crc = reader->crc_done;
	int r;

	r = kho_ring_spans(reader->ring, at, reader->chunk.length - reader->done, spans);
	if (r < 0)
		return r;
	if (reader->checked)
		return 0;
	for (int i = 0; i < 2; i++)
		crc = kho_bulk_crc_add(crc, spans[i].base, spans[i].size);
	if (crc != reader->crc)
		return lost(reader, "a chunk's payload has a wrong CRC", NULL);
	reader->checked = true;
	return 0;
}

static ssize_t write_spans(int fd, const struct kho_span spans[2])
{
	struct iovec vec[2];
	ssize_t some;

	for (int i = 0; i < 2; i++)
		vec[i] = (struct iovec){ .iov_base = spans[i].base, .iov_len = spans[i].size };
	do
		some = writev(fd, vec, spans[1].size ? 2 : 1);
	while (some < 0 && errno == EINTR);
	return some < 0 ? -errno : some;
}

ssize_t kho_bulk_read_fd(struct kho_bulk_reader *reader, int fd)
{
	struct kho_span spans[2];
	ssize_t some;
	int r;

	r = fetch(reader, NULL);
	if (r == 0)
		r = payload_spans(reader, spans);
	if (r < 0)
		return r;
	some = reader->chunk.length ? write_spans(fd, spans) : 0;
	if (some < 0)
		return some;
	r = delivered(reader, (uint32_t)some);
	return r < 0 ? r : some;
}

int kho_bulk_skip(struct kho_bulk_reader *reader)
{
	int r;

	r = fetch(reader, NULL);
	return r < 0 ? r : release(reader);
}

int kho_bulk_reader_reset(struct kho_bulk_reader *reader)
{
	if (reader->error)
		return reader->error;
	reader->have_chunk = false;
	return kho_ring_drain(reader->ring);
}
