/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Byte streams over a bulk lane.
 *
 * Theory of operation
 *
 * A lane carries chunks, each of one stream, in any mixture of streams:
 *
 *	offset  size  field     all little endian
 *	0       4     magic     "KHOB"
 *	4       4     stream    1 and up; BulkOpen says what it is for
 *	8       4     length    of the payload, at most KHO_BULK_CHUNK_MAX
 *	12      4     flags     bit 0 CRC: the payload's is there; bit 1 END:
 *	                        nothing follows in this stream (length may be 0)
 *	16      8     offset    of the payload in its stream
 *	24      4     crc       CRC32C of the payload, 0 without the flag
 *	28      4     check     CRC32C of bytes 0 to 27
 *	32            payload, then 0 to 63 bytes so that the next header is aligned
 *	              to KHO_BULK_ALIGN
 *
 * A chunk is published whole, so a reader needs no state to find the next one
 * and a lane that is drained is always at a chunk's start. Data is copied once on
 * each side: from the source into the ring, from the ring to its destination.
 *
 * The CRC of the payload finds accidents: a stray write, a bug, a bad DIMM. It is
 * an option (feature "bulk-crc") because it costs a pass over the data. It's no
 * defence against a hostile peer, who would compute it; so a payload may be
 * checked in the ring and then written to a file from there. The header is
 * copied before it is checked, since lengths and offsets must not change later.
 */
#ifndef KHO_CHANNEL_BULK_H
#define KHO_CHANNEL_BULK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "channel/ring.h"

#define KHO_BULK_MAGIC		0x424f484bu	/* "KHOB" */
#define KHO_BULK_CRC		(1u << 0)
#define KHO_BULK_END		(1u << 1)
#define KHO_BULK_HEADER_SIZE	32
#define KHO_BULK_ALIGN		64
#define KHO_BULK_CHUNK_MAX	(1u << 20)	/* what a reader accepts */
#define KHO_BULK_CHUNK		(64u << 10)	/* what a writer makes, header included */
#define KHO_BULK_LANE_MIN	4096u		/* data of the smallest lane */

struct kho_bulk_wire {
	uint32_t magic;
	uint32_t stream;
	uint32_t length;
	uint32_t flags;
	uint64_t offset;
	uint32_t crc;
	uint32_t check;
};

_Static_assert(sizeof(struct kho_bulk_wire) == KHO_BULK_HEADER_SIZE, "bulk header");
_Static_assert(offsetof(struct kho_bulk_wire, check) == 28, "bulk check");

/* One stream that is being written. Private to this file's functions. */
struct kho_bulk_writer {
	struct kho_ring *ring;		/* borrowed */
	uint32_t stream;
	uint32_t flags;			/* KHO_BULK_CRC or 0 */
	uint64_t offset;
	bool ended;
};

/* What the head of a lane holds. */
struct kho_bulk_chunk {
	uint32_t stream;
	uint32_t length;
	uint32_t flags;
	uint64_t offset;
};

struct kho_bulk_reader {
	struct kho_ring *ring;		/* borrowed */
	struct kho_bulk_chunk chunk;	/* valid if there is one */
	bool have_chunk;
	bool checked;			/* its CRC is known to be right */
	uint32_t done;			/* bytes of it that were delivered */
	uint32_t crc;			/* what the header says */
	uint32_t crc_done;		/* of what was delivered */
	int error;			/* sticky */
};

/*
 * Starts a stream. -EINVAL: stream 0, no producer's ring, or one that's smaller
 * than KHO_BULK_LANE_MIN.
 */
int kho_bulk_writer_init(struct kho_bulk_writer *writer, struct kho_ring *ring,
			 uint32_t stream, bool crc, struct kho_err *err);

/* From now on without the CRC of payloads: for data that brings its own. */
void kho_bulk_writer_leave_out_crc(struct kho_bulk_writer *writer);

/*
 * Writes as much of @data as the lane takes now. Returns the number of bytes,
 * 1 to @size; -EAGAIN none fits now; -EPIPE the stream was ended; -EBADMSG the
 * peer wrote garbage into its index. A @size of 0 is 0.
 */
ssize_t kho_bulk_write(struct kho_bulk_writer *writer, const void *data, size_t size);

/*
 * Reads one chunk from @fd straight into the lane, at most @size bytes. Returns
 * the number of bytes, 0 at the file's end (the stream stays open), -EAGAIN no
 * room now, or the negative errno of read(); otherwise as kho_bulk_write().
 */
ssize_t kho_bulk_write_fd(struct kho_bulk_writer *writer, int fd, size_t size);

/* Ends the stream: 0, -EAGAIN no room now, or -EPIPE, -EBADMSG as above. */
int kho_bulk_finish(struct kho_bulk_writer *writer);

/* How much room in the ring lets a writer go on at a good rate (kho_ring_arm()). */
uint64_t kho_bulk_good_room(const struct kho_ring *ring);

/* -EINVAL: not a consumer's ring, or smaller than KHO_BULK_LANE_MIN. */
int kho_bulk_reader_init(struct kho_bulk_reader *reader, struct kho_ring *ring,
			 struct kho_err *err);

/*
 * What comes next: the chunk at the head of the lane, less what was read of it.
 * -EAGAIN: nothing now; -EBADMSG: garbage, sticky: the lane is lost.
 */
int kho_bulk_next(struct kho_bulk_reader *reader, struct kho_bulk_chunk *ret,
		  struct kho_err *err);

/*
 * Copies at most @size bytes of the chunk at the head. Returns the number of
 * bytes; when the last byte of a chunk is out, its room is given back. 0 only for
 * an empty chunk (END) or @size 0. -EAGAIN, -EBADMSG as above; a wrong CRC shows
 * with a chunk's last byte, when others may have been delivered: the stream is
 * void then.
 */
ssize_t kho_bulk_read(struct kho_bulk_reader *reader, void *data, size_t size);

/*
 * Writes the chunk at the head, or what's left of it, to @fd; the CRC is checked
 * first. Returns the number of bytes, which may be fewer (call again); 0 for an
 * empty chunk; the negative errno of write(); else as kho_bulk_read().
 */
ssize_t kho_bulk_read_fd(struct kho_bulk_reader *reader, int fd);

/* Drops the chunk at the head unread. 0, -EAGAIN, -EBADMSG. */
int kho_bulk_skip(struct kho_bulk_reader *reader);

/* Drops all that was published so far: a session has ended. 0 or -EBADMSG. */
int kho_bulk_reader_reset(struct kho_bulk_reader *reader);

#endif
