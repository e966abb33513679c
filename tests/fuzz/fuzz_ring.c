// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes the ring against a hostile peer: the input is the whole shared header,
 * then what this side does and what the peer writes into its index meanwhile. The
 * sanitizers watch the memory around the arena; the rest is asserted.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "channel/bulk.h"
#include "channel/ring.h"

#define DATA	4096u
#define ARENA	(KHO_RING_HEADER_SIZE + DATA)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int condition)
{
	if (!condition)
		abort();
}

static void check_spans(struct kho_ring *ring, uint64_t offset, size_t size)
{
	struct kho_span spans[2];

	if (kho_ring_spans(ring, offset, size, spans) < 0)
		return;
	check(spans[0].size + spans[1].size == size);
	for (int i = 0; i < 2; i++)
		check(spans[i].base >= ring->data &&
		      spans[i].base + spans[i].size <= ring->data + DATA);
}

/* One thing that this side does, with arguments from the input. */
static void act(struct kho_ring *ring, uint8_t what, uint64_t arg, uint8_t *buf)
{
	ssize_t r = 0;

	switch (what % 7) {
	case 0:
		r = kho_ring_read_some(ring, buf, arg % (2 * DATA));
		break;
	case 1:
		r = kho_ring_write_some(ring, buf, arg % (2 * DATA));
		break;
	case 2:
		check_spans(ring, arg, arg >> 7);
		check_spans(ring, arg % DATA, (arg >> 13) % DATA);
		break;
	case 3:
		r = kho_ring_advance(ring, arg % 3 ? arg % DATA : arg);
		break;
	case 4:
		r = kho_ring_arm(ring, arg);
		break;
	case 5:
		kho_ring_must_wake(ring);
		kho_ring_disarm(ring);
		break;
	default:
		r = kho_ring_drain(ring);
		break;
	}
	check(r <= 2 * (ssize_t)DATA);
	check(kho_ring_ready(ring) <= (ssize_t)DATA);
}

static void act_all(void *arena, enum kho_ring_side side, const uint8_t *data, size_t size)
{
	struct kho_ring_shared *shared = arena;
	static uint8_t buf[2 * DATA];
	struct kho_ring ring;
	uint64_t arg;

	if (kho_ring_attach(&ring, arena, ARENA, side, NULL) < 0)
		return;
	for (; size >= 10; size -= 10, data += 10) {
		memcpy(&arg, data + 2, sizeof(arg));
		if (data[0] & 1)
			shared->lines[!side].index =
				data[0] & 2 ? arg : ring.peer + arg % (DATA + 2);
		else
			act(&ring, data[1], arg, buf);
	}
}

/* What a bulk reader makes of the ring as it is. */
static void read_bulk(void *arena)
{
	struct kho_bulk_reader reader;
	struct kho_ring ring;
	uint8_t buf[100];

	if (kho_ring_attach(&ring, arena, ARENA, KHO_RING_CONSUMER, NULL) < 0)
		return;
	check(kho_bulk_reader_init(&reader, &ring, NULL) == 0);
	while (kho_bulk_read(&reader, buf, sizeof(buf)) >= 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *arena = aligned_alloc(64, ARENA);
	struct kho_ring_shared *shared = (struct kho_ring_shared *)arena;
	size_t header = size < KHO_RING_HEADER_SIZE ? size : KHO_RING_HEADER_SIZE;

	check(arena != NULL);
	for (int side = 0; side < 2; side++) {
		memset(arena, 0, ARENA);
		memcpy(arena, data, header);
		act_all(arena, (enum kho_ring_side)side, data + header, size - header);
		/* a good header, so that what follows gets somewhere */
		check(kho_ring_format(arena, ARENA, NULL) == 0);
		act_all(arena, (enum kho_ring_side)side, data, size);
	}
	check(kho_ring_format(arena, ARENA, NULL) == 0);
	memcpy(arena + KHO_RING_HEADER_SIZE, data, size < DATA ? size : DATA);
	shared->lines[KHO_RING_PRODUCER].index = size < DATA ? size : DATA;
	read_bulk(arena);
	free(arena);
	return 0;
}
