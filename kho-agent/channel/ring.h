/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Byte ring in memory that two kernels share: one producer, one consumer.
 *
 * Theory of operation
 *
 * Two indices count bytes for ever, so full and empty are different and no slot
 * is wasted. The producer writes head and the consumer tail, each on a cache
 * line of its own (two, since processors fetch lines in pairs):
 *
 *	offset  size  what                          written by
 *	0x000   8     magic "KHO RNG1"              who formats, then nobody
 *	0x008   4     version
 *	0x00c   4     reserved, 0
 *	0x010   8     size of the data, a power of two
 *	0x018   104   reserved, 0
 *	0x080   8     head: bytes ever written      producer
 *	0x088   4     waiting: bit 0 the producer sleeps until there's room,
 *	              bits 1-31 a generation
 *	0x08c   116   reserved, 0
 *	0x100   8     tail: bytes ever read         consumer
 *	0x108   4     waiting: bit 0 the consumer sleeps until there's data
 *	0x10c   244   reserved, 0 (the header is 512 bytes)
 *	0x200   size  data; byte n of the stream is at n mod size
 *
 * The peer may be dead, hung, of another version or hostile. So each side keeps
 * its own index and the ring's size in private memory and takes from the shared
 * header nothing but the peer's index, which it accepts only if that moved
 * forward and no further than the data or the room there was. Anything else is
 * -EBADMSG from then on: the ring is lost, memory outside it never was at stake.
 * The bytes themselves can change at any time; copy first, check the copy.
 *
 * What is written becomes visible when the producer advances, with a release
 * store that pairs with the acquire load in kho_ring_ready() of the other side.
 *
 * Sleeping. Who finds nothing to do announces it with kho_ring_arm(), which
 * looks once more afterwards; who advances looks at that announcement with
 * kho_ring_must_wake(). There's a full barrier on both sides between the store
 * and the load, so at least one of them sees the other: no wakeup is lost. A
 * doorbell is asked for once a generation; one that gets lost under way costs
 * the sleeper's own deadline, no more.
 *
 * Not thread-safe: one struct kho_ring belongs to one thread.
 */
#ifndef KHO_CHANNEL_RING_H
#define KHO_CHANNEL_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define KHO_RING_MAGIC		0x31474e52204f484bULL	/* "KHO RNG1" */
#define KHO_RING_VERSION	1
#define KHO_RING_HEADER_SIZE	512
#define KHO_RING_SIZE_MIN	64ULL
#define KHO_RING_SIZE_MAX	(1ULL << 32)
#define KHO_RING_ALIGN		64		/* of the arena */

enum kho_ring_side {
	KHO_RING_PRODUCER = 0,
	KHO_RING_CONSUMER = 1,
};

/* What one side writes. */
struct kho_ring_line {
	uint64_t index;
	uint32_t waiting;
	uint8_t reserved[116];
};

struct kho_ring_shared {
	uint64_t magic;
	uint32_t version;
	uint32_t reserved0;
	uint64_t size;
	uint8_t reserved1[104];
	struct kho_ring_line lines[2];	/* by enum kho_ring_side */
	uint8_t reserved2[128];
};

_Static_assert(sizeof(struct kho_ring_line) == 128, "ring line");
_Static_assert(offsetof(struct kho_ring_shared, lines) == 0x80, "ring lines");
_Static_assert(sizeof(struct kho_ring_shared) == KHO_RING_HEADER_SIZE, "ring header");

/* One side's view. Private memory; the fields are not for callers. */
struct kho_ring {
	struct kho_ring_shared *shared;
	uint8_t *data;
	uint64_t size;
	uint64_t own;			/* this side's index */
	uint64_t peer;			/* the peer's, as last accepted */
	uint32_t announced;		/* what our waiting word holds */
	uint32_t answered;		/* peer's generation that was rung for */
	enum kho_ring_side side;
	int error;			/* sticky */
};

struct kho_span {
	uint8_t *base;
	size_t size;
};

/* Bytes of data that an arena of @arena_size bytes has room for; 0: too small. */
uint64_t kho_ring_capacity(size_t arena_size);

/*
 * Formats @arena as an empty ring. To be done once, before the peer may look.
 * -EINVAL: the arena is not aligned to KHO_RING_ALIGN or too small.
 */
int kho_ring_format(void *arena, size_t arena_size, struct kho_err *err);

/*
 * Attaches one side to a formatted ring, where an earlier owner of that side
 * left off. The arena must outlive @ring; there is nothing to undo.
 * -EINVAL as above; -EBADMSG no ring is there, its size is not that of the
 * arena, or its indices contradict each other; -EPROTONOSUPPORT its version.
 */
int kho_ring_attach(struct kho_ring *ring, void *arena, size_t arena_size,
		    enum kho_ring_side side, struct kho_err *err);

/*
 * Bytes that this side can read (consumer) or write (producer) now.
 * -EBADMSG: the peer wrote garbage into its index.
 */
ssize_t kho_ring_ready(struct kho_ring *ring);

/*
 * Memory of @size bytes from @offset bytes after this side's index on; the
 * second span is empty unless the data wraps around. -EINVAL: more than the last
 * kho_ring_ready() promised. Valid until kho_ring_advance().
 */
int kho_ring_spans(const struct kho_ring *ring, uint64_t offset, size_t size,
		   struct kho_span spans[2]);

/* Copies into (producer) or out of (consumer) the ring; errors as above. */
int kho_ring_put(struct kho_ring *ring, uint64_t offset, const void *data, size_t size);
int kho_ring_peek(const struct kho_ring *ring, uint64_t offset, void *data, size_t size);

/*
 * Publishes @size bytes that were put, or gives back @size bytes that were read.
 * -EINVAL: more than the last kho_ring_ready() promised; -EBADMSG as before.
 */
int kho_ring_advance(struct kho_ring *ring, uint64_t size);

/*
 * As much as possible now: bytes done, 0 included, or -EBADMSG. They advance.
 */
ssize_t kho_ring_write_some(struct kho_ring *ring, const void *data, size_t size);
ssize_t kho_ring_read_some(struct kho_ring *ring, void *data, size_t size);

/* Consumer: gives back unread all that was published so far. 0 or -EBADMSG. */
int kho_ring_drain(struct kho_ring *ring);

/*
 * Before sleeping: asks the peer to wake this side. 1: sleep; 0: don't, @need
 * bytes or more are ready (nothing is asked then); -EBADMSG as before.
 */
int kho_ring_arm(struct kho_ring *ring, uint64_t need);

/* After sleeping. */
void kho_ring_disarm(struct kho_ring *ring);

/*
 * After advancing: whether the peer sleeps and wants to be woken. True once for
 * each time it armed. A producer is not woken before half of the ring is free.
 */
bool kho_ring_must_wake(struct kho_ring *ring);

#endif
