// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring: geometry, wrap-around, a peer that lies about its index, the sleep
 * protocol, and two processes that hammer it.
 */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "channel/ring.h"
#include "unit/run.h"

#define SMALL	(KHO_RING_HEADER_SIZE + 64)

static uint8_t arena[KHO_RING_HEADER_SIZE + 4096] __attribute__((aligned(64)));
static struct kho_ring_shared *const shared = (struct kho_ring_shared *)arena;
static struct kho_ring tx, rx;

static void attach_both(size_t size)
{
	ck_assert_int_eq(kho_ring_attach(&tx, arena, size, KHO_RING_PRODUCER, NULL), 0);
	ck_assert_int_eq(kho_ring_attach(&rx, arena, size, KHO_RING_CONSUMER, NULL), 0);
}

static void fresh(size_t size)
{
	ck_assert_int_eq(kho_ring_format(arena, size, NULL), 0);
	attach_both(size);
}

/* Lets both indices start at @index. */
static void fresh_at(size_t size, uint64_t index)
{
	ck_assert_int_eq(kho_ring_format(arena, size, NULL), 0);
	shared->lines[0].index = index;
	shared->lines[1].index = index;
	attach_both(size);
}

START_TEST(capacity_is_the_largest_power_of_two)
{
	ck_assert_uint_eq(kho_ring_capacity(0), 0);
	ck_assert_uint_eq(kho_ring_capacity(SMALL - 1), 0);
	ck_assert_uint_eq(kho_ring_capacity(SMALL), 64);
	ck_assert_uint_eq(kho_ring_capacity(KHO_RING_HEADER_SIZE + 127), 64);
	ck_assert_uint_eq(kho_ring_capacity(KHO_RING_HEADER_SIZE + 128), 128);
	ck_assert_uint_eq(kho_ring_capacity(1 << 20), 1 << 19);
	ck_assert_uint_eq(kho_ring_capacity(6 << 20), 4 << 20);
	ck_assert_uint_eq(kho_ring_capacity(SIZE_MAX), KHO_RING_SIZE_MAX);
}
END_TEST

START_TEST(format_refuses_bad_arenas)
{
	struct kho_err err;

	ck_assert_int_eq(kho_ring_format(NULL, 4096, &err), -EINVAL);
	ck_assert_int_eq(kho_ring_format(arena + 8, 4096, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "aligned"));
	ck_assert_int_eq(kho_ring_format(arena, SMALL - 1, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "too small"));
}
END_TEST

START_TEST(attach_checks_the_header)
{
	struct kho_ring ring = { .size = 77 };
	struct kho_err err;

	fresh(SMALL);
	ck_assert_int_eq(kho_ring_attach(&ring, NULL, SMALL, KHO_RING_PRODUCER, &err), -EINVAL);
	ck_assert_int_eq(kho_ring_attach(&ring, arena, 8, KHO_RING_PRODUCER, &err), -EINVAL);
	shared->magic ^= 1;
	ck_assert_int_eq(kho_ring_attach(&ring, arena, SMALL, KHO_RING_PRODUCER, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "magic"));
	shared->magic ^= 1;
	shared->version = 2;
	ck_assert_int_eq(kho_ring_attach(&ring, arena, SMALL, KHO_RING_PRODUCER, &err),
			 -EPROTONOSUPPORT);
	ck_assert_ptr_nonnull(strstr(err.msg, "version 2, this agent knows 1"));
	shared->version = 1;
	ck_assert_uint_eq(ring.size, 77);
}
END_TEST

START_TEST(attach_believes_no_size_but_the_arenas)
{
	static const uint64_t sizes[] = { 0, 1, 32, 63, 65, 128, 4096, 1ULL << 63, UINT64_MAX };
	struct kho_ring ring;

	fresh(SMALL);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		shared->size = sizes[i];
		ck_assert_int_eq(kho_ring_attach(&ring, arena, SMALL, KHO_RING_CONSUMER, NULL),
				 -EBADMSG);
	}
}
END_TEST

START_TEST(attach_refuses_indices_that_contradict)
{
	static const struct { uint64_t head, tail; int want; } cases[] = {
		{ 0, 0, 0 }, { 64, 0, 0 }, { 65, 0, -EBADMSG }, { 0, 1, -EBADMSG },
		{ 100, 100, 0 }, { 100, 101, -EBADMSG }, { 164, 100, 0 }, { 165, 100, -EBADMSG },
		{ UINT64_MAX, 0, -EBADMSG }, { 0, UINT64_MAX, 0 }, { 63, UINT64_MAX, 0 },
		{ 64, UINT64_MAX, -EBADMSG }, { 1ULL << 63, 0, -EBADMSG },
	};
	struct kho_ring ring;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int side = 0; side < 2; side++) {
			fresh(SMALL);
			shared->lines[KHO_RING_PRODUCER].index = cases[i].head;
			shared->lines[KHO_RING_CONSUMER].index = cases[i].tail;
			ck_assert_int_eq(kho_ring_attach(&ring, arena, SMALL,
							 (enum kho_ring_side)side, NULL),
					 cases[i].want);
		}
}
END_TEST

/* Every length at every offset, and across the index's own overflow. */
START_TEST(wraps_around_at_every_offset)
{
	uint8_t in[64], out[64];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 3 + 1);
	for (uint64_t at = UINT64_MAX - 100; at != 130; at++)
		for (size_t size = 0; size <= sizeof(in); size++) {
			fresh_at(SMALL, at);
			memset(out, 0, sizeof(out));
			ck_assert_int_eq(kho_ring_write_some(&tx, in, size), (ssize_t)size);
			ck_assert_int_eq(kho_ring_ready(&rx), (ssize_t)size);
			ck_assert_int_eq(kho_ring_read_some(&rx, out, sizeof(out)), (ssize_t)size);
			ck_assert_mem_eq(in, out, size);
			ck_assert_int_eq(kho_ring_ready(&tx), 64);
		}
}
END_TEST

START_TEST(takes_what_fits)
{
	uint8_t data[100] = { 0 };

	fresh(SMALL);
	ck_assert_int_eq(kho_ring_write_some(&tx, data, sizeof(data)), 64);
	ck_assert_int_eq(kho_ring_write_some(&tx, data, 1), 0);
	ck_assert_int_eq(kho_ring_read_some(&rx, data, 10), 10);
	ck_assert_int_eq(kho_ring_write_some(&tx, data, sizeof(data)), 10);
	ck_assert_int_eq(kho_ring_read_some(&rx, data, sizeof(data)), 64);
	ck_assert_int_eq(kho_ring_read_some(&rx, data, sizeof(data)), 0);
}
END_TEST

START_TEST(nothing_is_visible_before_advance)
{
	struct kho_span spans[2];
	char text[6] = "";

	fresh_at(SMALL, 60);
	ck_assert_int_eq(kho_ring_ready(&tx), 64);
	ck_assert_int_eq(kho_ring_put(&tx, 0, "hel", 3), 0);
	ck_assert_int_eq(kho_ring_put(&tx, 3, "lo", 3), 0);
	ck_assert_int_eq(kho_ring_ready(&rx), 0);
	ck_assert_int_eq(kho_ring_advance(&tx, 6), 0);
	ck_assert_int_eq(kho_ring_ready(&rx), 6);
	ck_assert_int_eq(kho_ring_spans(&rx, 0, 6, spans), 0);
	ck_assert_uint_eq(spans[0].size, 4);
	ck_assert_uint_eq(spans[1].size, 2);
	ck_assert_ptr_eq(spans[1].base, arena + KHO_RING_HEADER_SIZE);
	ck_assert_int_eq(kho_ring_peek(&rx, 1, text, 5), 0);
	ck_assert_str_eq(text, "ello");
	ck_assert_int_eq(kho_ring_ready(&rx), 6);
}
END_TEST

START_TEST(refuses_more_than_is_ready)
{
	uint8_t data[65] = { 0 };
	struct kho_span spans[2];

	fresh(SMALL);
	ck_assert_int_eq(kho_ring_put(&tx, 0, data, 65), -EINVAL);
	ck_assert_int_eq(kho_ring_put(&tx, 64, data, 1), -EINVAL);
	ck_assert_int_eq(kho_ring_put(&tx, UINT64_MAX, data, 2), -EINVAL);
	ck_assert_int_eq(kho_ring_advance(&tx, 65), -EINVAL);
	ck_assert_int_eq(kho_ring_advance(&tx, UINT64_MAX), -EINVAL);
	ck_assert_int_eq(kho_ring_spans(&tx, 1, SIZE_MAX, spans), -EINVAL);
	ck_assert_int_eq(kho_ring_peek(&rx, 0, data, 1), -EINVAL);
	ck_assert_int_eq(kho_ring_advance(&rx, 1), -EINVAL);
	/* wrong side */
	ck_assert_int_eq(kho_ring_peek(&tx, 0, data, 1), -EINVAL);
	ck_assert_int_eq(kho_ring_put(&rx, 0, data, 0), -EINVAL);
	ck_assert_int_eq(kho_ring_drain(&tx), -EINVAL);
	ck_assert_int_eq(kho_ring_ready(&tx), 64);
}
END_TEST

/* 40 bytes written, 10 of them read: what the peer's index may become, and what not. */
START_TEST(consumer_refuses_a_hostile_head)
{
	static const struct { uint64_t head; ssize_t want; } cases[] = {
		{ 40, 30 }, { 41, 31 }, { 74, 64 }, { 75, -EBADMSG }, { 39, -EBADMSG },
		{ 10, -EBADMSG }, { 9, -EBADMSG }, { 0, -EBADMSG }, { UINT64_MAX, -EBADMSG },
		{ 40 + (1ULL << 32), -EBADMSG }, { 40 + (1ULL << 63), -EBADMSG },
	};
	uint8_t data[40] = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fresh(SMALL);
		ck_assert_int_eq(kho_ring_write_some(&tx, data, 40), 40);
		ck_assert_int_eq(kho_ring_read_some(&rx, data, 10), 10);
		ck_assert_int_eq(kho_ring_ready(&rx), 30);
		shared->lines[KHO_RING_PRODUCER].index = cases[i].head;
		ck_assert_int_eq(kho_ring_ready(&rx), cases[i].want);
	}
}
END_TEST

START_TEST(producer_refuses_a_hostile_tail)
{
	static const struct { uint64_t tail; ssize_t want; } cases[] = {
		{ 10, 34 }, { 11, 35 }, { 40, 64 }, { 41, -EBADMSG }, { 9, -EBADMSG },
		{ 0, -EBADMSG }, { UINT64_MAX, -EBADMSG }, { 10 + (1ULL << 32), -EBADMSG },
		{ 1ULL << 63, -EBADMSG },
	};
	uint8_t data[40] = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fresh(SMALL);
		ck_assert_int_eq(kho_ring_write_some(&tx, data, 40), 40);
		ck_assert_int_eq(kho_ring_read_some(&rx, data, 10), 10);
		ck_assert_int_eq(kho_ring_ready(&tx), 34);
		shared->lines[KHO_RING_CONSUMER].index = cases[i].tail;
		ck_assert_int_eq(kho_ring_ready(&tx), cases[i].want);
	}
}
END_TEST

START_TEST(garbage_is_sticky)
{
	uint8_t byte = 0;

	fresh(SMALL);
	shared->lines[KHO_RING_PRODUCER].index = 65;
	ck_assert_int_eq(kho_ring_read_some(&rx, &byte, 1), -EBADMSG);
	shared->lines[KHO_RING_PRODUCER].index = 1;
	ck_assert_int_eq(kho_ring_read_some(&rx, &byte, 1), -EBADMSG);
	ck_assert_int_eq(kho_ring_advance(&rx, 0), -EBADMSG);
	ck_assert_int_eq(kho_ring_drain(&rx), -EBADMSG);
	ck_assert_int_eq(kho_ring_arm(&rx, 1), -EBADMSG);
	ck_assert_uint_eq(shared->lines[KHO_RING_CONSUMER].waiting & 1, 0);
	shared->lines[KHO_RING_CONSUMER].index = 5;
	ck_assert_int_eq(kho_ring_write_some(&tx, &byte, 1), -EBADMSG);
}
END_TEST

/* Its header is anyone's to scribble on; neither side looks at it again. */
START_TEST(header_and_own_index_are_not_read_again)
{
	uint8_t data[64] = { 1, 2, 3 }, out[64];

	fresh(SMALL);
	ck_assert_int_eq(kho_ring_write_some(&tx, data, 3), 3);
	shared->size = 1ULL << 40;
	shared->magic = 0;
	shared->lines[KHO_RING_CONSUMER].index = 0;
	ck_assert_int_eq(kho_ring_read_some(&rx, out, 64), 3);
	ck_assert_uint_eq(shared->lines[KHO_RING_CONSUMER].index, 3);
	shared->lines[KHO_RING_CONSUMER].index = 3;
	ck_assert_int_eq(kho_ring_write_some(&tx, data, 64), 64);
	ck_assert_uint_eq(shared->lines[KHO_RING_PRODUCER].index, 67);
}
END_TEST

START_TEST(goes_on_after_a_side_was_started_again)
{
	char out[8] = "";

	fresh_at(SMALL, 61);
	ck_assert_int_eq(kho_ring_write_some(&tx, "abcdef", 6), 6);
	ck_assert_int_eq(kho_ring_read_some(&rx, out, 2), 2);
	attach_both(SMALL);
	ck_assert_int_eq(kho_ring_write_some(&tx, "g", 1), 1);
	ck_assert_int_eq(kho_ring_read_some(&rx, out, 8), 5);
	ck_assert_mem_eq(out, "cdefg", 5);
}
END_TEST

START_TEST(drain_drops_all)
{
	char data[20] = { 0 };

	fresh(SMALL);
	ck_assert_int_eq(kho_ring_write_some(&tx, data, 20), 20);
	ck_assert_int_eq(kho_ring_drain(&rx), 0);
	ck_assert_int_eq(kho_ring_ready(&rx), 0);
	ck_assert_int_eq(kho_ring_ready(&tx), 64);
}
END_TEST

START_TEST(consumer_is_woken_once_for_each_sleep)
{
	char byte = 0;

	fresh(SMALL);
	ck_assert_int_eq(kho_ring_write_some(&tx, &byte, 1), 1);
	ck_assert(!kho_ring_must_wake(&tx));
	ck_assert_int_eq(kho_ring_arm(&rx, 1), 0);
	ck_assert(!kho_ring_must_wake(&tx));
	ck_assert_int_eq(kho_ring_arm(&rx, 2), 1);
	ck_assert(kho_ring_must_wake(&tx));
	ck_assert(!kho_ring_must_wake(&tx));
	kho_ring_disarm(&rx);
	ck_assert(!kho_ring_must_wake(&tx));
	ck_assert_int_eq(kho_ring_arm(&rx, 2), 1);
	ck_assert(kho_ring_must_wake(&tx));
	/* one that died asleep has not asked for anything */
	attach_both(SMALL);
	ck_assert(!kho_ring_must_wake(&tx));
	ck_assert_int_eq(kho_ring_arm(&rx, 2), 1);
	ck_assert(kho_ring_must_wake(&tx));
}
END_TEST

/* The side that wakes lives on while the sleeper starts again. */
START_TEST(generation_goes_on_over_a_restart)
{
	fresh(SMALL);
	ck_assert_int_eq(kho_ring_arm(&rx, 1), 1);
	ck_assert(kho_ring_must_wake(&tx));
	ck_assert_int_eq(kho_ring_attach(&rx, arena, SMALL, KHO_RING_CONSUMER, NULL), 0);
	ck_assert_int_eq(kho_ring_arm(&rx, 1), 1);
	ck_assert(kho_ring_must_wake(&tx));
}
END_TEST

START_TEST(producer_is_woken_at_half)
{
	char data[64] = { 0 };

	fresh(SMALL);
	ck_assert_int_eq(kho_ring_write_some(&tx, data, 64), 64);
	ck_assert_int_eq(kho_ring_arm(&tx, 10), 1);
	ck_assert_int_eq(kho_ring_read_some(&rx, data, 31), 31);
	ck_assert(!kho_ring_must_wake(&rx));
	ck_assert_int_eq(kho_ring_read_some(&rx, data, 1), 1);
	ck_assert(kho_ring_must_wake(&rx));
	ck_assert(!kho_ring_must_wake(&rx));
	ck_assert_int_eq(kho_ring_arm(&tx, 10), 0);
}
END_TEST

/* ---- two processes ---- */

#define WRITES		100000u
#define STRESS_SIZE	(KHO_RING_HEADER_SIZE + 4096)

struct stress {
	uint8_t arena[STRESS_SIZE] __attribute__((aligned(64)));
};

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* Sleeps without a time limit: a lost wakeup hangs the test. */
static void sleep_on(struct kho_ring *ring, uint64_t need, int bell)
{
	uint64_t count;

	if (kho_ring_arm(ring, need) == 1 && read(bell, &count, sizeof(count)) < 0)
		_exit(2);
	kho_ring_disarm(ring);
}

static void wake(struct kho_ring *ring, int bell)
{
	uint64_t one = 1;

	if (kho_ring_must_wake(ring) && write(bell, &one, sizeof(one)) < 0)
		_exit(3);
}

static void stress_producer(struct stress *stress, int own_bell, int peer_bell)
{
	uint32_t state = 12345, size, crc = 0;
	struct kho_ring ring;
	uint8_t data[700];
	size_t done;

	if (kho_ring_attach(&ring, stress->arena, STRESS_SIZE, KHO_RING_PRODUCER, NULL) < 0)
		_exit(4);
	for (uint32_t i = 0; i < WRITES; i++) {
		size = next_random(&state) % sizeof(data) + 1;
		for (uint32_t k = 0; k < size; k++)
			data[k] = (uint8_t)(i + k * 7);
		crc = kho_crc32c_add(crc, data, size);
		for (done = 0; done < size; ) {
			ssize_t some = kho_ring_write_some(&ring, data + done, size - done);

			if (some < 0)
				_exit(5);
			done += (size_t)some;
			wake(&ring, peer_bell);
			if (some == 0)
				sleep_on(&ring, 1, own_bell);
		}
	}
	/* the checksum goes last, through the ring */
	kho_ring_ready(&ring);
	while (kho_ring_ready(&ring) < 4)
		sleep_on(&ring, 4, own_bell);
	kho_ring_write_some(&ring, &crc, sizeof(crc));
	wake(&ring, peer_bell);
	_exit(0);
}

static uint64_t total_of_writes(void)
{
	uint32_t state = 12345;
	uint64_t total = 0;

	for (uint32_t i = 0; i < WRITES; i++)
		total += next_random(&state) % 700 + 1;
	return total;
}

START_TEST(two_processes_hammer_it)
{
	struct stress *stress = mmap(NULL, sizeof(*stress), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int own_bell = eventfd(0, EFD_CLOEXEC), peer_bell = eventfd(0, EFD_CLOEXEC);
	uint64_t left = total_of_writes();
	uint32_t crc = 0, want = 0, state = 99;
	struct kho_ring ring;
	uint8_t data[1000];
	int status;
	pid_t pid;

	ck_assert_ptr_ne(stress, MAP_FAILED);
	ck_assert_int_eq(kho_ring_format(stress->arena, STRESS_SIZE, NULL), 0);
	ck_assert_int_eq(kho_ring_attach(&ring, stress->arena, STRESS_SIZE, KHO_RING_CONSUMER,
					 NULL), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		stress_producer(stress, peer_bell, own_bell);
	while (left) {
		size_t most = next_random(&state) % sizeof(data) + 1;
		ssize_t some = kho_ring_read_some(&ring, data, most < left ? most : left);

		ck_assert_int_ge(some, 0);
		crc = kho_crc32c_add(crc, data, (size_t)some);
		left -= (uint64_t)some;
		wake(&ring, peer_bell);
		if (some == 0)
			sleep_on(&ring, 1, own_bell);
	}
	while (kho_ring_ready(&ring) < 4)
		sleep_on(&ring, 4, own_bell);
	ck_assert_int_eq(kho_ring_read_some(&ring, &want, 4), 4);
	ck_assert_uint_eq(crc, want);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	close(own_bell);
	close(peer_bell);
	munmap(stress, sizeof(*stress));
}
END_TEST

static Suite *ring_suite(void)
{
	Suite *suite = suite_create("ring");
	TCase *basic = tcase_create("basic"), *hostile = tcase_create("hostile");
	TCase *sleeping = tcase_create("sleep"), *stress = tcase_create("stress");

	tcase_add_test(basic, capacity_is_the_largest_power_of_two);
	tcase_add_test(basic, format_refuses_bad_arenas);
	tcase_add_test(basic, attach_checks_the_header);
	tcase_add_test(basic, attach_believes_no_size_but_the_arenas);
	tcase_add_test(basic, attach_refuses_indices_that_contradict);
	tcase_add_test(basic, wraps_around_at_every_offset);
	tcase_add_test(basic, takes_what_fits);
	tcase_add_test(basic, nothing_is_visible_before_advance);
	tcase_add_test(basic, refuses_more_than_is_ready);
	tcase_add_test(basic, goes_on_after_a_side_was_started_again);
	tcase_add_test(basic, drain_drops_all);
	suite_add_tcase(suite, basic);
	tcase_add_test(hostile, consumer_refuses_a_hostile_head);
	tcase_add_test(hostile, producer_refuses_a_hostile_tail);
	tcase_add_test(hostile, garbage_is_sticky);
	tcase_add_test(hostile, header_and_own_index_are_not_read_again);
	suite_add_tcase(suite, hostile);
	tcase_add_test(sleeping, consumer_is_woken_once_for_each_sleep);
	tcase_add_test(sleeping, generation_goes_on_over_a_restart);
	tcase_add_test(sleeping, producer_is_woken_at_half);
	suite_add_tcase(suite, sleeping);
	tcase_set_timeout(stress, 60);
	tcase_add_test(stress, two_processes_hammer_it);
	suite_add_tcase(suite, stress);
	return suite;
}

int main(void)
{
	return run_suite(ring_suite());
}
