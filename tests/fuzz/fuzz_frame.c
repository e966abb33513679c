// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes the frame codec, alone and behind a lane. What decodes must encode to
 * the same bytes again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "channel/frame.h"

#define LANE	(KHO_RING_HEADER_SIZE + (512u << 10))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int condition)
{
	if (!condition)
		abort();
}

static void decode(const uint8_t *data, size_t size)
{
	uint8_t header[KHO_FRAME_HEADER_SIZE];
	struct kho_frame frame;

	if (kho_frame_decode(data, size, &frame, NULL) < 0)
		return;
	check(frame.length <= size - KHO_FRAME_HEADER_SIZE);
	check(frame.payload == data + KHO_FRAME_HEADER_SIZE);
	check(kho_frame_encode(&frame, header, NULL) == 0);
	check(memcmp(header, data, sizeof(header)) == 0);
}

/* With length and CRC made right, so that more than one in 2^32 gets past it. */
static void decode_mended(const uint8_t *data, size_t size)
{
	uint32_t crc, length = (uint32_t)(size - KHO_FRAME_HEADER_SIZE);
	uint8_t *copy;

	if (size < KHO_FRAME_HEADER_SIZE)
		return;
	copy = malloc(size);
	check(copy != NULL);
	memcpy(copy, data, size);
	memcpy(copy + offsetof(struct kho_frame_wire, length), &length, sizeof(length));
	memset(copy + offsetof(struct kho_frame_wire, crc), 0, sizeof(crc));
	crc = kho_crc32c(copy, size);
	memcpy(copy + offsetof(struct kho_frame_wire, crc), &crc, sizeof(crc));
	decode(copy, size);
	free(copy);
}

static void receive(const uint8_t *data, size_t size)
{
	static uint8_t arena[LANE] __attribute__((aligned(64))), buf[KHO_FRAME_SIZE_MAX];
	struct kho_frame_order order = { .synced = false };
	struct kho_ring tx, rx;
	struct kho_frame frame;

	check(kho_ring_format(arena, LANE, NULL) == 0);
	check(kho_ring_attach(&tx, arena, LANE, KHO_RING_PRODUCER, NULL) == 0);
	check(kho_ring_attach(&rx, arena, LANE, KHO_RING_CONSUMER, NULL) == 0);
	check(kho_ring_write_some(&tx, data, size) >= 0);
	while (kho_frame_receive(&rx, buf, &frame, NULL) == 0)
		(void)kho_frame_accept(&order, &frame, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	decode(data, size);
	decode_mended(data, size);
	receive(data, size);
	return 0;
}
