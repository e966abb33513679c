// SPDX-License-Identifier: GPL-2.0-only
/* Byte ring between two kernels; ring.h has the theory of operation. */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "channel/ring.h"

#define WAITING		1u		/* bit 0 of the waiting word */
#define GENERATION	2u		/* adds one to the bits above it */

static struct kho_ring_line *own_line(const struct kho_ring *ring)
{
	return &ring->shared->lines[ring->side];
}

static struct kho_ring_line *peer_line(const struct kho_ring *ring)
{
	return &ring->shared->lines[!ring->side];
}

/* What is ready by the index that was last accepted. */
static uint64_t room(const struct kho_ring *ring)
{
	if (ring->side == KHO_RING_CONSUMER)
		return ring->peer - ring->own;
	return ring->size - (ring->own - ring->peer);
}

uint64_t kho_ring_capacity(size_t arena_size)
{
	uint64_t size = KHO_RING_SIZE_MIN;

	if (arena_size < KHO_RING_HEADER_SIZE + KHO_RING_SIZE_MIN)
		return 0;
	while (size < KHO_RING_SIZE_MAX && size * 2 <= arena_size - KHO_RING_HEADER_SIZE)
		size *= 2;
	return size;
}

static int check_arena(const void *arena, size_t arena_size, struct kho_err *err)
{
	if (!arena || !kho_is_aligned((uintptr_t)arena, KHO_RING_ALIGN))
		return kho_fail(err, -EINVAL,
				"ring: the arena isn't aligned to %d bytes; "
				"check the region layout",
				KHO_RING_ALIGN);
	if (kho_ring_capacity(arena_size) == 0)
		return kho_fail(err, -EINVAL,
				"ring: an arena of %zu bytes is too small; it takes %llu or more",
				arena_size, KHO_RING_HEADER_SIZE + KHO_RING_SIZE_MIN);
	return 0;
}

int kho_ring_format(void *arena, size_t arena_size, struct kho_err *err)
{
	struct kho_ring_shared *shared = arena;
	int r;

	r = check_arena(arena, arena_size, err);
	if (r < 0)
		return r;
	memset(shared, 0, sizeof(*shared));
	shared->version = KHO_RING_VERSION;
	shared->size = kho_ring_capacity(arena_size);
	/* last, so that who looks too early sees no ring instead of half of one */
	__atomic_store_n(&shared->magic, KHO_RING_MAGIC, __ATOMIC_RELEASE);
	return 0;
}

/* Everything is read once: what was checked is what is used. */
static int check_header(struct kho_ring_shared *shared, uint64_t capacity, struct kho_err *err)
{
	uint64_t magic = __atomic_load_n(&shared->magic, __ATOMIC_ACQUIRE);
	uint32_t version = __atomic_load_n(&shared->version, __ATOMIC_RELAXED);
	uint64_t size = __atomic_load_n(&shared->size, __ATOMIC_RELAXED);

	if (magic != KHO_RING_MAGIC)
		return kho_fail(err, -EBADMSG,
				"ring: magic is %#llx: not formatted or overwritten; spawn again",
				(unsigned long long)magic);
	if (version != KHO_RING_VERSION)
		return kho_fail(err, -EPROTONOSUPPORT,
				"ring: version %u, this agent knows %u; "
				"use agents of matching versions",
				version, KHO_RING_VERSION);
	if (size != capacity)
		return kho_fail(err, -EBADMSG,
				"ring: says %llu bytes of data where the arena has %llu; "
				"spawn again",
				(unsigned long long)size, (unsigned long long)capacity);
	return 0;
}

int kho_ring_attach(struct kho_ring *ring, void *arena, size_t arena_size,
		    enum kho_ring_side side, struct kho_err *err)
{
	struct kho_ring new = {
		.shared = arena,
		.size = kho_ring_capacity(arena_size),
		.side = side,
	};
	int r;

	r = check_arena(arena, arena_size, err);
	if (r < 0)
		return r;
	new.data = (uint8_t *)arena + KHO_RING_HEADER_SIZE;
	r = check_header(new.shared, new.size, err);
	if (r < 0)
		return r;
	new.own = __atomic_load_n(&own_line(&new)->index, __ATOMIC_ACQUIRE);
	new.peer = __atomic_load_n(&peer_line(&new)->index, __ATOMIC_ACQUIRE);
	if (room(&new) > new.size)
		return kho_fail(err, -EBADMSG,
				"ring: indices %#llx and %#llx contradict each other; spawn again",
				(unsigned long long)new.own, (unsigned long long)new.peer);
	/* an earlier owner may have died asleep */
	new.announced = __atomic_load_n(&own_line(&new)->waiting, __ATOMIC_RELAXED);
	kho_ring_disarm(&new);
	*ring = new;
	return 0;
}

ssize_t kho_ring_ready(struct kho_ring *ring)
{
	uint64_t seen, limit;

	if (ring->error)
		return ring->error;
	seen = __atomic_load_n(&peer_line(ring)->index, __ATOMIC_ACQUIRE);
	/* how far the peer may have come: the room or the data that it had */
	limit = ring->size - room(ring);
	if (seen - ring->peer > limit) {
		ring->error = -EBADMSG;
		return ring->error;
	}
	ring->peer = seen;
	return (ssize_t)room(ring);
}

int kho_ring_spans(const struct kho_ring *ring, uint64_t offset, size_t size,
		   struct kho_span spans[2])
{
	uint64_t start, first;

	if (!kho_within(offset, size, room(ring)))
		return -EINVAL;
	start = (ring->own + offset) & (ring->size - 1);
	first = ring->size - start;
	if (first > size)
		first = size;
	spans[0] = (struct kho_span){ .base = ring->data + start, .size = first };
	spans[1] = (struct kho_span){ .base = ring->data, .size = size - first };
	return 0;
}

int kho_ring_put(struct kho_ring *ring, uint64_t offset, const void *data, size_t size)
{
	struct kho_span spans[2];

	if (ring->side != KHO_RING_PRODUCER || kho_ring_spans(ring, offset, size, spans) < 0)
		return -EINVAL;
	if (size == 0)
		return 0;
	memcpy(spans[0].base, data, spans[0].size);
	memcpy(spans[1].base, (const uint8_t *)data + spans[0].size, spans[1].size);
	return 0;
}

int kho_ring_peek(const struct kho_ring *ring, uint64_t offset, void *data, size_t size)
{
	struct kho_span spans[2];

	if (ring->side != KHO_RING_CONSUMER || kho_ring_spans(ring, offset, size, spans) < 0)
		return -EINVAL;
	if (size == 0)
		return 0;
	memcpy(data, spans[0].base, spans[0].size);
	memcpy((uint8_t *)data + spans[0].size, spans[1].base, spans[1].size);
	return 0;
}

int kho_ring_advance(struct kho_ring *ring, uint64_t size)
{
	if (ring->error)
		return ring->error;
	if (size > room(ring))
		return -EINVAL;
	ring->own += size;
	__atomic_store_n(&own_line(ring)->index, ring->own, __ATOMIC_RELEASE);
	return 0;
}

/* What @ready allows of @size. */
static size_t at_most(ssize_t ready, size_t size)
{
	return (size_t)ready < size ? (size_t)ready : size;
}

ssize_t kho_ring_write_some(struct kho_ring *ring, const void *data, size_t size)
{
	ssize_t ready = kho_ring_ready(ring);
	size_t some;
	int r;

	if (ready < 0)
		return ready;
	some = at_most(ready, size);
	r = kho_ring_put(ring, 0, data, some);
	if (r < 0)
		return r;
	r = kho_ring_advance(ring, some);
	return r < 0 ? r : (ssize_t)some;
}

ssize_t kho_ring_read_some(struct kho_ring *ring, void *data, size_t size)
{
	ssize_t ready = kho_ring_ready(ring);
	size_t some;
	int r;

	if (ready < 0)
		return ready;
	some = at_most(ready, size);
	r = kho_ring_peek(ring, 0, data, some);
	if (r < 0)
		return r;
	r = kho_ring_advance(ring, some);
	return r < 0 ? r : (ssize_t)some;
}

int kho_ring_drain(struct kho_ring *ring)
{
	ssize_t ready = kho_ring_ready(ring);

	if (ready < 0)
		return (int)ready;
	if (ring->side != KHO_RING_CONSUMER)
		return -EINVAL;
	return kho_ring_advance(ring, (uint64_t)ready);
}

static void announce(struct kho_ring *ring, uint32_t word)
{
	ring->announced = word;
	__atomic_store_n(&own_line(ring)->waiting, word, __ATOMIC_RELAXED);
}

int kho_ring_arm(struct kho_ring *ring, uint64_t need)
{
	ssize_t ready;

	announce(ring, ((ring->announced & ~WAITING) + GENERATION) | WAITING);
	/* pairs with the fence in kho_ring_must_wake() */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	ready = kho_ring_ready(ring);
	if (ready >= 0 && (uint64_t)ready < need)
		return 1;
	kho_ring_disarm(ring);
	return ready < 0 ? (int)ready : 0;
}

void kho_ring_disarm(struct kho_ring *ring)
{
	if (ring->announced & WAITING)
		announce(ring, ring->announced & ~WAITING);
}

bool kho_ring_must_wake(struct kho_ring *ring)
{
	uint32_t word;

	/* pairs with the fence in kho_ring_arm() */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	word = __atomic_load_n(&peer_line(ring)->waiting, __ATOMIC_RELAXED);
	if (!(word & WAITING) || word == ring->answered)
		return false;
	/* else a full ring would ring for every frame that is taken out of it */
	if (ring->side == KHO_RING_CONSUMER && room(ring) > ring->size / 2)
		return false;
	ring->answered = word;
	return true;
}
