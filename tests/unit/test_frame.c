// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames: the golden bytes, every truncation and every flipped bit, order of a
 * session's frames, and their way through a lane.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "channel/frame.h"
#include "unit/golden.h"
#include "unit/run.h"

#define LANE	(KHO_RING_HEADER_SIZE + (512u << 10))

static const uint8_t text[] = "state of the upgrade";

static const struct kho_frame sample = {
	.flags = 0,
	.length = sizeof(text),
	.seq = 0x0102030405060708,
	.epoch = 7,
	.payload = text,
};

/* Header and payload of @frame in @buf; its size. */
static size_t encode(const struct kho_frame *frame, uint8_t *buf)
{
	ck_assert_int_eq(kho_frame_encode(frame, buf, NULL), 0);
	if (frame->length)
		memcpy(buf + KHO_FRAME_HEADER_SIZE, frame->payload, frame->length);
	return KHO_FRAME_HEADER_SIZE + frame->length;
}

/* Changes a header field and makes the CRC right again. */
static void forge(uint8_t *buf, size_t size, size_t offset, uint8_t value)
{
	uint32_t crc;

	buf[offset] = value;
	memset(buf + 12, 0, 4);
	crc = kho_crc32c(buf, size);
	memcpy(buf + 12, &crc, sizeof(crc));
}

START_TEST(bytes_are_golden)
{
	uint8_t buf[128];
	size_t size = encode(&sample, buf);

	ck_assert_uint_eq(size, 53);
	ck_assert_mem_eq(buf, "KHOF\1\0\0\0\25\0\0\0", 12);
	ck_assert_mem_eq(buf + 16, "\10\7\6\5\4\3\2\1\7\0\0\0\0\0\0\0", 16);
	golden_compare("frame.bin", buf, size);
}
END_TEST

START_TEST(decodes_what_was_encoded)
{
	struct kho_frame frame;
	uint8_t buf[128];
	size_t size = encode(&sample, buf);

	ck_assert_int_eq(kho_frame_decode(buf, size, &frame, NULL), 0);
	ck_assert_uint_eq(frame.flags, 0);
	ck_assert_uint_eq(frame.length, sizeof(text));
	ck_assert_uint_eq(frame.seq, sample.seq);
	ck_assert_uint_eq(frame.epoch, 7);
	ck_assert_ptr_eq(frame.payload, buf + KHO_FRAME_HEADER_SIZE);
	ck_assert_mem_eq(frame.payload, text, sizeof(text));
	/* what follows doesn't matter */
	ck_assert_int_eq(kho_frame_decode(buf, sizeof(buf), &frame, NULL), 0);
}
END_TEST

START_TEST(empty_and_largest_payload)
{
	uint8_t *payload = calloc(1, KHO_FRAME_PAYLOAD_MAX + 1);
	uint8_t *buf = malloc(KHO_FRAME_SIZE_MAX);
	struct kho_frame frame = { .flags = KHO_FRAME_START }, out;
	struct kho_err err;

	ck_assert_int_eq(kho_frame_decode(buf, encode(&frame, buf), &out, NULL), 0);
	ck_assert_uint_eq(out.length, 0);
	ck_assert_uint_eq(out.flags, KHO_FRAME_START);
	frame.length = KHO_FRAME_PAYLOAD_MAX;
	frame.payload = payload;
	ck_assert_int_eq(kho_frame_decode(buf, encode(&frame, buf), &out, NULL), 0);
	ck_assert_uint_eq(out.length, KHO_FRAME_PAYLOAD_MAX);
	frame.length++;
	ck_assert_int_eq(kho_frame_encode(&frame, buf, &err), -EMSGSIZE);
	ck_assert_ptr_nonnull(strstr(err.msg, "262145 bytes, at most 262144"));
	free(payload);
	free(buf);
}
END_TEST

START_TEST(encode_refuses_bad_flags)
{
	uint8_t header[KHO_FRAME_HEADER_SIZE];
	struct kho_frame frame = { .flags = 2 };

	ck_assert_int_eq(kho_frame_encode(&frame, header, NULL), -EINVAL);
	frame = (struct kho_frame){ .flags = KHO_FRAME_START, .seq = 1 };
	ck_assert_int_eq(kho_frame_encode(&frame, header, NULL), -EINVAL);
}
END_TEST

START_TEST(every_truncation_is_incomplete)
{
	struct kho_frame frame = { .seq = 99 };
	uint8_t buf[128];
	size_t size = encode(&sample, buf);
	uint8_t *part;

	for (size_t n = 0; n < size; n++) {
		part = malloc(n + 1);
		memcpy(part, buf, n);
		ck_assert_int_eq(kho_frame_decode(part, n, &frame, NULL), -EAGAIN);
		free(part);
	}
	ck_assert_uint_eq(frame.seq, 99);
}
END_TEST

START_TEST(every_flipped_bit_is_refused)
{
	struct kho_frame frame = { .seq = 99 };
	uint8_t buf[128];
	size_t size = encode(&sample, buf);
	int r;

	for (size_t bit = 0; bit < size * 8; bit++) {
		buf[bit / 8] ^= 1 << bit % 8;
		r = kho_frame_decode(buf, size, &frame, NULL);
		/* what a flipped length may look like besides; a lane says -EBADMSG to that */
		if (r == -EAGAIN || r == -EMSGSIZE)
			ck_assert(bit / 8 >= 8 && bit / 8 < 12);
		else if (r == -EPROTONOSUPPORT)
			ck_assert(bit / 8 >= 4 && bit / 8 < 6);
		else
			ck_assert_int_eq(r, -EBADMSG);
		buf[bit / 8] ^= 1 << bit % 8;
	}
	ck_assert_uint_eq(frame.seq, 99);
}
END_TEST

START_TEST(refuses_forged_headers)
{
	struct kho_frame frame;
	struct kho_err err;
	uint8_t buf[128];
	size_t size;

	size = encode(&sample, buf);
	forge(buf, size, 0, 'X');
	ck_assert_int_eq(kho_frame_decode(buf, size, &frame, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "magic"));
	size = encode(&sample, buf);
	forge(buf, size, 4, 2);
	ck_assert_int_eq(kho_frame_decode(buf, size, &frame, &err), -EPROTONOSUPPORT);
	ck_assert_ptr_nonnull(strstr(err.msg, "version 2, this agent knows 1"));
	size = encode(&sample, buf);
	forge(buf, size, 6, 4);
	ck_assert_int_eq(kho_frame_decode(buf, size, &frame, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "flags"));
	size = encode(&sample, buf);
	forge(buf, size, 6, KHO_FRAME_START);
	ck_assert_int_eq(kho_frame_decode(buf, size, &frame, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "START"));
	size = encode(&sample, buf);
	forge(buf, size, 11, 0xff);
	ck_assert_int_eq(kho_frame_decode(buf, size, &frame, &err), -EMSGSIZE);
	size = encode(&sample, buf);
	forge(buf, size, 10, 4);
	ck_assert_int_eq(kho_frame_decode(buf, size, &frame, &err), -EMSGSIZE);
}
END_TEST

static int accept_one(struct kho_frame_order *order, uint16_t flags, uint64_t seq, uint64_t epoch)
{
	struct kho_frame frame = { .flags = flags, .seq = seq, .epoch = epoch };

	return kho_frame_accept(order, &frame, NULL);
}

START_TEST(order_of_a_session)
{
	struct kho_frame_order order = { .synced = false };

	ck_assert_int_eq(accept_one(&order, 0, 0, 1), -ESTALE);
	ck_assert_int_eq(accept_one(&order, 0, 17, 1), -ESTALE);
	ck_assert_int_eq(accept_one(&order, KHO_FRAME_START, 0, 5), 0);
	ck_assert_int_eq(accept_one(&order, 0, 0, 5), -EBADMSG);
	ck_assert_int_eq(accept_one(&order, 0, 2, 5), -EBADMSG);
	ck_assert_int_eq(accept_one(&order, 0, 1, 5), 0);
	ck_assert_int_eq(accept_one(&order, 0, 1, 5), -EBADMSG);
	ck_assert_int_eq(accept_one(&order, 0, 2, 4), -EBADMSG);
	ck_assert_int_eq(accept_one(&order, 0, 2, 6), 0);
	ck_assert_int_eq(accept_one(&order, 0, 3, 5), -EBADMSG);
	/* the peer's agent started again: all begins anew, its epoch too */
	ck_assert_int_eq(accept_one(&order, KHO_FRAME_START, 0, 5), 0);
	ck_assert_int_eq(accept_one(&order, 0, 1, 5), 0);
}
END_TEST

/* ---- in a lane ---- */

static uint8_t *arena, *buf;
static struct kho_ring tx, rx;

static void setup(void)
{
	arena = aligned_alloc(64, LANE);
	buf = malloc(KHO_FRAME_SIZE_MAX);
	ck_assert_int_eq(kho_ring_format(arena, LANE, NULL), 0);
	ck_assert_int_eq(kho_ring_attach(&tx, arena, LANE, KHO_RING_PRODUCER, NULL), 0);
	ck_assert_int_eq(kho_ring_attach(&rx, arena, LANE, KHO_RING_CONSUMER, NULL), 0);
}

static void teardown(void)
{
	free(arena);
	free(buf);
}

START_TEST(passes_a_lane_and_wraps)
{
	uint8_t *payload = malloc(KHO_FRAME_PAYLOAD_MAX);
	struct kho_frame frame = { .payload = payload }, out;

	for (uint32_t i = 0; i < 40; i++) {
		frame.length = (i * 65537u) % (KHO_FRAME_PAYLOAD_MAX + 1);
		frame.seq = i;
		memset(payload, (int)i, frame.length);
		ck_assert_int_eq(kho_frame_receive(&rx, buf, &out, NULL), -EAGAIN);
		ck_assert_int_eq(kho_frame_send(&tx, &frame, NULL), 0);
		ck_assert_int_eq(kho_frame_receive(&rx, buf, &out, NULL), 0);
		ck_assert_uint_eq(out.seq, i);
		ck_assert_uint_eq(out.length, frame.length);
		ck_assert_mem_eq(out.payload, payload, frame.length);
	}
	free(payload);
}
END_TEST

START_TEST(full_lane_takes_no_part_of_a_frame)
{
	uint8_t *payload = calloc(1, KHO_FRAME_PAYLOAD_MAX);
	struct kho_frame frame = { .payload = payload, .length = KHO_FRAME_PAYLOAD_MAX }, out;

	ck_assert_int_eq(kho_frame_send(&tx, &frame, NULL), 0);
	ck_assert_int_eq(kho_frame_send(&tx, &frame, NULL), -EAGAIN);
	ck_assert_int_eq(kho_ring_ready(&rx), (ssize_t)KHO_FRAME_SIZE_MAX);
	ck_assert_int_eq(kho_frame_receive(&rx, buf, &out, NULL), 0);
	ck_assert_int_eq(kho_frame_send(&tx, &frame, NULL), 0);
	free(payload);
}
END_TEST

START_TEST(lane_too_small_for_a_frame)
{
	struct kho_frame frame = { .length = 100, .payload = text };

	ck_assert_int_eq(kho_ring_format(arena, KHO_RING_HEADER_SIZE + 64, NULL), 0);
	ck_assert_int_eq(kho_ring_attach(&tx, arena, KHO_RING_HEADER_SIZE + 64,
					 KHO_RING_PRODUCER, NULL), 0);
	frame.length = 33;
	ck_assert_int_eq(kho_frame_encode(&sample, buf, NULL), 0);
	frame.payload = buf;
	ck_assert_int_eq(kho_frame_send(&tx, &frame, NULL), -EMSGSIZE);
}
END_TEST

/* A published frame is whole: any part of one is garbage, for ever. */
START_TEST(every_published_truncation_is_garbage)
{
	uint8_t bytes[128];
	struct kho_frame out;
	size_t size = encode(&sample, bytes);

	for (size_t n = 1; n < size; n++) {
		teardown();
		setup();
		ck_assert_int_eq(kho_ring_write_some(&tx, bytes, n), (ssize_t)n);
		ck_assert_int_eq(kho_frame_receive(&rx, buf, &out, NULL), -EBADMSG);
		ck_assert_int_eq(kho_frame_receive(&rx, buf, &out, NULL), -EBADMSG);
	}
}
END_TEST

START_TEST(every_published_flip_is_refused)
{
	uint8_t bytes[128];
	struct kho_frame out;
	size_t size = encode(&sample, bytes);
	int r;

	for (size_t bit = 0; bit < size * 8; bit++) {
		ck_assert_int_eq(kho_ring_drain(&rx), 0);
		bytes[bit / 8] ^= 1 << bit % 8;
		ck_assert_int_eq(kho_ring_ready(&tx), 512 << 10);
		ck_assert_int_eq(kho_ring_write_some(&tx, bytes, size), (ssize_t)size);
		r = kho_frame_receive(&rx, buf, &out, NULL);
		ck_assert(r == -EBADMSG || r == -EMSGSIZE || r == -EPROTONOSUPPORT);
		bytes[bit / 8] ^= 1 << bit % 8;
	}
}
END_TEST

START_TEST(lying_index_is_named)
{
	struct kho_frame frame = { .length = 4, .payload = text }, out;
	struct kho_err err;
	struct kho_ring_shared *shared = (struct kho_ring_shared *)arena;

	shared->lines[0].index = UINT64_MAX;
	ck_assert_int_eq(kho_frame_receive(&rx, buf, &out, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "index"));
	shared->lines[1].index = 1;
	ck_assert_int_eq(kho_frame_send(&tx, &frame, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "index"));
}
END_TEST

static Suite *frame_suite(void)
{
	Suite *suite = suite_create("frame");
	TCase *codec = tcase_create("codec"), *lane = tcase_create("lane");

	tcase_add_test(codec, bytes_are_golden);
	tcase_add_test(codec, decodes_what_was_encoded);
	tcase_add_test(codec, empty_and_largest_payload);
	tcase_add_test(codec, encode_refuses_bad_flags);
	tcase_add_test(codec, every_truncation_is_incomplete);
	tcase_add_test(codec, every_flipped_bit_is_refused);
	tcase_add_test(codec, refuses_forged_headers);
	tcase_add_test(codec, order_of_a_session);
	suite_add_tcase(suite, codec);
	tcase_add_checked_fixture(lane, setup, teardown);
	tcase_add_test(lane, passes_a_lane_and_wraps);
	tcase_add_test(lane, full_lane_takes_no_part_of_a_frame);
	tcase_add_test(lane, lane_too_small_for_a_frame);
	tcase_add_test(lane, every_published_truncation_is_garbage);
	tcase_add_test(lane, every_published_flip_is_refused);
	tcase_add_test(lane, lying_index_is_named);
	suite_add_tcase(suite, lane);
	return suite;
}

int main(void)
{
	return run_suite(frame_suite());
}
