// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bulk streams: the golden chunk, memory and files in and out, several streams in
 * one lane, and chunks that can't be.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "channel/bulk.h"
#include "channel/bulk_crc.h"
#include "unit/golden.h"
#include "unit/run.h"

#define DATA	8192u		/* of the lane: chunks of 1024, 992 of them payload */
#define LANE	(KHO_RING_HEADER_SIZE + DATA)
#define PAYLOAD	992

static uint8_t arena[LANE] __attribute__((aligned(64)));
static struct kho_ring tx, rx;
static struct kho_bulk_writer writer;
static struct kho_bulk_reader reader;
static uint8_t pattern[20000], out[20000];

static void setup(void)
{
	ck_assert_int_eq(kho_ring_format(arena, LANE, NULL), 0);
	ck_assert_int_eq(kho_ring_attach(&tx, arena, LANE, KHO_RING_PRODUCER, NULL), 0);
	ck_assert_int_eq(kho_ring_attach(&rx, arena, LANE, KHO_RING_CONSUMER, NULL), 0);
	ck_assert_int_eq(kho_bulk_writer_init(&writer, &tx, 1, true, NULL), 0);
	ck_assert_int_eq(kho_bulk_reader_init(&reader, &rx, NULL), 0);
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 31 + i / 251);
	memset(out, 0, sizeof(out));
}

static int memory_file(const void *data, size_t size)
{
	int fd = memfd_create("bulk", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

START_TEST(init_checks_lane_and_stream)
{
	struct kho_bulk_writer w = { .stream = 9 };
	struct kho_bulk_reader r;
	struct kho_ring small = { .size = 2048, .side = KHO_RING_PRODUCER };

	ck_assert_int_eq(kho_bulk_writer_init(&w, &tx, 0, false, NULL), -EINVAL);
	ck_assert_int_eq(kho_bulk_writer_init(&w, &rx, 1, false, NULL), -EINVAL);
	ck_assert_int_eq(kho_bulk_writer_init(&w, &small, 1, false, NULL), -EINVAL);
	ck_assert_uint_eq(w.stream, 9);
	ck_assert_int_eq(kho_bulk_reader_init(&r, &tx, NULL), -EINVAL);
	small.side = KHO_RING_CONSUMER;
	ck_assert_int_eq(kho_bulk_reader_init(&r, &small, NULL), -EINVAL);
	ck_assert_uint_eq(kho_bulk_good_room(&tx), DATA / 2);
}
END_TEST

START_TEST(bytes_are_golden)
{
	uint8_t lane[192] = { 0 };

	writer.stream = 0x01020304;
	ck_assert_int_eq(kho_bulk_write(&writer, "some pages of a workload", 24), 24);
	ck_assert_int_eq(kho_bulk_finish(&writer), 0);
	ck_assert_int_eq(kho_ring_ready(&rx), 128);
	ck_assert_int_eq(kho_ring_peek(&rx, 0, lane, 128), 0);
	ck_assert_mem_eq(lane, "KHOB\4\3\2\1\30\0\0\0\1\0\0\0", 16);
	golden_compare("bulk.bin", lane, 128);
}
END_TEST

START_TEST(stream_from_memory_to_memory)
{
	static const bool crc[] = { true, false };
	struct kho_bulk_chunk chunk;
	size_t sent, got;
	ssize_t some;

	for (int i = 0; i < 2; i++) {
		setup();
		ck_assert_int_eq(kho_bulk_writer_init(&writer, &tx, 7, crc[i], NULL), 0);
		for (sent = 0, got = 0; got < sizeof(pattern); ) {
			some = kho_bulk_write(&writer, pattern + sent, sizeof(pattern) - sent);
			ck_assert(some >= 0 || some == -EAGAIN);
			sent += some > 0 ? (size_t)some : 0;
			ck_assert_int_eq(kho_bulk_next(&reader, &chunk, NULL), 0);
			ck_assert_uint_eq(chunk.stream, 7);
			ck_assert_uint_eq(chunk.offset, got);
			/* in odd pieces, across chunks' ends */
			some = kho_bulk_read(&reader, out + got, 333);
			ck_assert_int_gt(some, 0);
			got += (size_t)some;
		}
		ck_assert_mem_eq(out, pattern, sizeof(pattern));
		ck_assert_int_eq(kho_bulk_next(&reader, &chunk, NULL), -EAGAIN);
		ck_assert_int_eq(kho_bulk_read(&reader, out, 1), -EAGAIN);
	}
}
END_TEST

START_TEST(lane_takes_what_fits)
{
	ck_assert_int_eq(kho_bulk_write(&writer, pattern, 0), 0);
	ck_assert_int_eq(kho_ring_ready(&rx), 0);
	ck_assert_int_eq(kho_bulk_write(&writer, pattern, sizeof(pattern)), 8 * PAYLOAD);
	ck_assert_int_eq(kho_bulk_write(&writer, pattern, 1), -EAGAIN);
	ck_assert_int_eq(kho_bulk_finish(&writer), -EAGAIN);
	ck_assert_int_eq(kho_bulk_read(&reader, out, sizeof(out)), PAYLOAD);
	ck_assert_int_eq(kho_bulk_write(&writer, pattern, sizeof(pattern)), PAYLOAD);
}
END_TEST

START_TEST(end_of_a_stream)
{
	struct kho_bulk_chunk chunk;

	ck_assert_int_eq(kho_bulk_write(&writer, pattern, 5), 5);
	ck_assert_int_eq(kho_bulk_finish(&writer), 0);
	ck_assert_int_eq(kho_bulk_write(&writer, pattern, 5), -EPIPE);
	ck_assert_int_eq(kho_bulk_finish(&writer), -EPIPE);
	ck_assert_int_eq(kho_bulk_next(&reader, &chunk, NULL), 0);
	ck_assert_uint_eq(chunk.flags, KHO_BULK_CRC);
	ck_assert_int_eq(kho_bulk_read(&reader, out, 5), 5);
	ck_assert_int_eq(kho_bulk_next(&reader, &chunk, NULL), 0);
	ck_assert_uint_eq(chunk.flags, KHO_BULK_END);
	ck_assert_uint_eq(chunk.length, 0);
	ck_assert_uint_eq(chunk.offset, 5);
	ck_assert_int_eq(kho_bulk_read(&reader, out, 5), 0);
	ck_assert_int_eq(kho_bulk_next(&reader, &chunk, NULL), -EAGAIN);
}
END_TEST

START_TEST(streams_share_a_lane)
{
	struct kho_bulk_writer other;
	struct kho_bulk_chunk chunk;

	ck_assert_int_eq(kho_bulk_writer_init(&other, &tx, 2, false, NULL), 0);
	ck_assert_int_eq(kho_bulk_write(&writer, "one", 3), 3);
	ck_assert_int_eq(kho_bulk_write(&other, "two", 3), 3);
	ck_assert_int_eq(kho_bulk_write(&writer, "ONE", 3), 3);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_int_eq(kho_bulk_next(&reader, &chunk, NULL), 0);
		ck_assert_uint_eq(chunk.stream, i == 1 ? 2 : 1);
		ck_assert_uint_eq(chunk.offset, i == 2 ? 3 : 0);
		if (i == 1)
			ck_assert_int_eq(kho_bulk_skip(&reader), 0);
		else
			ck_assert_int_eq(kho_bulk_read(&reader, out + i, 3), 3);
	}
	ck_assert_mem_eq(out, "on\117NE", 5);
	ck_assert_int_eq(kho_bulk_skip(&reader), -EAGAIN);
}
END_TEST

START_TEST(stream_from_file_to_file)
{
	int from = memory_file(pattern, sizeof(pattern)), to = memory_file("", 0);
	bool eof = false;
	ssize_t some;

	for (size_t got = 0; got < sizeof(pattern); ) {
		some = eof ? -EAGAIN : kho_bulk_write_fd(&writer, from, SIZE_MAX / 2);
		ck_assert(some >= 0 || some == -EAGAIN);
		eof |= some == 0;
		some = kho_bulk_read_fd(&reader, to);
		ck_assert(some > 0 || some == -EAGAIN);
		got += some > 0 ? (size_t)some : 0;
	}
	ck_assert_int_eq(pread(to, out, sizeof(out), 0), (ssize_t)sizeof(out));
	ck_assert_mem_eq(out, pattern, sizeof(pattern));
	ck_assert_int_eq(kho_bulk_write_fd(&writer, from, 100), 0);
	ck_assert_int_eq(kho_bulk_write_fd(&writer, -1, 100), -EBADF);
	ck_assert_int_eq(kho_ring_ready(&rx), 0);
	ck_assert_int_eq(kho_bulk_finish(&writer), 0);
	ck_assert_int_eq(kho_bulk_read_fd(&reader, to), 0);
	ck_assert_int_eq(kho_bulk_read_fd(&reader, to), -EAGAIN);
	close(from);
	close(to);
}
END_TEST

/* A part read to memory, a failed write, and the rest written to a file. */
START_TEST(one_chunk_in_several_ways)
{
	int to = memory_file("", 0);

	ck_assert_int_eq(kho_bulk_write(&writer, pattern, 900), 900);
	ck_assert_int_eq(kho_bulk_read(&reader, out, 100), 100);
	ck_assert_int_eq(kho_bulk_read_fd(&reader, -1), -EBADF);
	ck_assert_int_eq(kho_bulk_read(&reader, out + 100, 100), 100);
	ck_assert_int_eq(kho_bulk_read_fd(&reader, to), 700);
	ck_assert_int_eq(pread(to, out + 200, 1000, 0), 700);
	ck_assert_mem_eq(out, pattern, 900);
	ck_assert_int_eq(kho_ring_ready(&tx), DATA);
	close(to);
}
END_TEST

START_TEST(reset_drops_a_half_read_chunk)
{
	struct kho_bulk_chunk chunk;

	ck_assert_int_eq(kho_bulk_write(&writer, pattern, 3000), 3000);
	ck_assert_int_eq(kho_bulk_read(&reader, out, 10), 10);
	ck_assert_int_eq(kho_bulk_reader_reset(&reader), 0);
	ck_assert_int_eq(kho_bulk_next(&reader, &chunk, NULL), -EAGAIN);
	ck_assert_int_eq(kho_ring_ready(&tx), DATA);
	ck_assert_int_eq(kho_bulk_write(&writer, pattern, 10), 10);
	ck_assert_int_eq(kho_bulk_next(&reader, &chunk, NULL), 0);
	ck_assert_uint_eq(chunk.offset, 3000);
}
END_TEST

START_TEST(sum_in_strands_is_the_same_sum)
{
	static const size_t sizes[] = { 0, 1, 3071, 3072, 3073, 6143, 6144, 9999, 19000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (size_t start = 0; start < 9; start++) {
			ck_assert_uint_eq(kho_bulk_crc_add(0, pattern + start, sizes[i]),
					  kho_crc32c(pattern + start, sizes[i]));
			ck_assert_uint_eq(kho_bulk_crc_add(0x12345678, pattern + start, sizes[i]),
					  kho_crc32c_add(0x12345678, pattern + start, sizes[i]));
		}
}
END_TEST

/* ---- garbage ---- */

static void put_wire(struct kho_bulk_wire wire, bool right_check)
{
	if (right_check)
		wire.check = kho_crc32c(&wire, offsetof(struct kho_bulk_wire, check));
	ck_assert_int_eq(kho_ring_ready(&tx), DATA);
	ck_assert_int_eq(kho_ring_put(&tx, 0, &wire, sizeof(wire)), 0);
	ck_assert_int_eq(kho_ring_advance(&tx, 1024), 0);
}

static void expect_garbage(struct kho_bulk_wire wire, const char *what)
{
	struct kho_bulk_chunk chunk = { .stream = 42 };
	struct kho_err err;

	setup();
	put_wire(wire, true);
	ck_assert_int_eq(kho_bulk_next(&reader, &chunk, &err), -EBADMSG);
	ck_assert_msg(strstr(err.msg, what), "got: %s", err.msg);
	ck_assert_uint_eq(chunk.stream, 42);
	/* for good */
	ck_assert_int_eq(kho_bulk_read(&reader, out, 1), -EBADMSG);
	ck_assert_int_eq(kho_bulk_read_fd(&reader, -1), -EBADMSG);
	ck_assert_int_eq(kho_bulk_skip(&reader), -EBADMSG);
	ck_assert_int_eq(kho_bulk_reader_reset(&reader), -EBADMSG);
}

START_TEST(impossible_headers)
{
	const struct kho_bulk_wire good = {
		.magic = KHO_BULK_MAGIC, .stream = 1, .length = 100,
	};
	struct kho_bulk_wire wire = good;
	struct kho_bulk_chunk chunk;

	put_wire(good, true);
	ck_assert_int_eq(kho_bulk_next(&reader, &chunk, NULL), 0);
	wire.magic ^= 1;
	expect_garbage(wire, "no chunk where one should start");
	wire = good;
	wire.stream = 0;
	expect_garbage(wire, "stream 0");
	wire = good;
	wire.flags = 4;
	expect_garbage(wire, "unknown flags");
	wire = good;
	wire.crc = 1;
	expect_garbage(wire, "unknown flags");
	wire = good;
	wire.length = 0;
	expect_garbage(wire, "no possible length");
	wire.length = KHO_BULK_CHUNK_MAX + 1;
	expect_garbage(wire, "no possible length");
	wire.length = UINT32_MAX;
	expect_garbage(wire, "no possible length");
	wire.length = 993;
	expect_garbage(wire, "half a chunk");
	wire = good;
	wire.offset = INT64_MAX;
	expect_garbage(wire, "beyond the end");
	wire.offset = UINT64_MAX;
	expect_garbage(wire, "beyond the end");
}
END_TEST

START_TEST(every_flipped_bit_of_a_header_is_refused)
{
	const struct kho_bulk_wire good = {
		.magic = KHO_BULK_MAGIC, .stream = 1, .length = 100, .offset = 4096,
	};
	struct kho_bulk_wire wire;

	for (size_t bit = 0; bit < sizeof(wire) * 8; bit++) {
		setup();
		wire = good;
		wire.check = kho_crc32c(&wire, offsetof(struct kho_bulk_wire, check));
		((uint8_t *)&wire)[bit / 8] ^= 1 << bit % 8;
		put_wire(wire, false);
		ck_assert_int_eq(kho_bulk_read(&reader, out, 1), -EBADMSG);
	}
}
END_TEST

START_TEST(every_truncated_chunk_is_garbage)
{
	uint8_t lane[1024];

	ck_assert_int_eq(kho_bulk_write(&writer, pattern, 100), 100);
	ck_assert_int_eq(kho_ring_ready(&rx), 192);
	ck_assert_int_eq(kho_ring_peek(&rx, 0, lane, 192), 0);
	for (size_t n = 1; n < 192; n++) {
		setup();
		ck_assert_int_eq(kho_ring_write_some(&tx, lane, n), (ssize_t)n);
		ck_assert_int_eq(kho_bulk_read(&reader, out, sizeof(out)), -EBADMSG);
	}
}
END_TEST

START_TEST(every_flipped_bit_of_a_payload_is_found)
{
	int to = memory_file("", 0);

	for (size_t bit = 0; bit < 40 * 8; bit++) {
		setup();
		ck_assert_int_eq(kho_bulk_write(&writer, pattern, 40), 40);
		arena[KHO_RING_HEADER_SIZE + KHO_BULK_HEADER_SIZE + bit / 8] ^= 1 << bit % 8;
		/* the last byte tells */
		ck_assert_int_eq(kho_bulk_read(&reader, out, 39), 39);
		ck_assert_int_eq(kho_bulk_read(&reader, out, 39), -EBADMSG);

		setup();
		ck_assert_int_eq(kho_bulk_write(&writer, pattern, 40), 40);
		arena[KHO_RING_HEADER_SIZE + KHO_BULK_HEADER_SIZE + bit / 8] ^= 1 << bit % 8;
		/* nothing reaches a file */
		ck_assert_int_eq(kho_bulk_read_fd(&reader, to), -EBADMSG);
		ck_assert_int_eq(lseek(to, 0, SEEK_END), 0);
	}
	close(to);
}
END_TEST

START_TEST(lying_index_is_garbage)
{
	struct kho_ring_shared *shared = (struct kho_ring_shared *)arena;

	shared->lines[KHO_RING_CONSUMER].index = 1;
	ck_assert_int_eq(kho_bulk_write(&writer, pattern, 1), -EBADMSG);
	ck_assert_int_eq(kho_bulk_write_fd(&writer, -1, 1), -EBADMSG);
	ck_assert_int_eq(kho_bulk_finish(&writer), -EBADMSG);
	shared->lines[KHO_RING_PRODUCER].index = DATA + 1;
	ck_assert_int_eq(kho_bulk_read(&reader, out, 1), -EBADMSG);
}
END_TEST

static Suite *bulk_suite(void)
{
	Suite *suite = suite_create("bulk");
	TCase *streams = tcase_create("streams"), *garbage = tcase_create("garbage");

	tcase_add_checked_fixture(streams, setup, NULL);
	tcase_add_test(streams, init_checks_lane_and_stream);
	tcase_add_test(streams, bytes_are_golden);
	tcase_add_test(streams, stream_from_memory_to_memory);
	tcase_add_test(streams, lane_takes_what_fits);
	tcase_add_test(streams, end_of_a_stream);
	tcase_add_test(streams, streams_share_a_lane);
	tcase_add_test(streams, stream_from_file_to_file);
	tcase_add_test(streams, one_chunk_in_several_ways);
	tcase_add_test(streams, reset_drops_a_half_read_chunk);
	tcase_add_test(streams, sum_in_strands_is_the_same_sum);
	suite_add_tcase(suite, streams);
	tcase_add_checked_fixture(garbage, setup, NULL);
	tcase_add_test(garbage, impossible_headers);
	tcase_add_test(garbage, every_flipped_bit_of_a_header_is_refused);
	tcase_add_test(garbage, every_truncated_chunk_is_garbage);
	tcase_add_test(garbage, every_flipped_bit_of_a_payload_is_found);
	tcase_add_test(garbage, lying_index_is_garbage);
	suite_add_tcase(suite, garbage);
	return suite;
}

int main(void)
{
	return run_suite(bulk_suite());
}
