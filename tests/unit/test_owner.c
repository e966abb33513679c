// SPDX-License-Identifier: GPL-2.0-only
/* The record of who owns the workloads: its bytes, its one exchange, damage of any kind. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "upgrade/owner.h"
#include "unit/run.h"

static _Alignas(8) uint8_t arena[64];
static struct kho_owner owner;
static struct kho_err err;

static void setup(void)
{
	memset(arena, 0, sizeof(arena));
	owner = (struct kho_owner){ .epoch = 99 };
	err = (struct kho_err){};
}

/* What both kernels' agents read, whatever their versions. */
START_TEST(layout)
{
	kho_owner_format(arena, 0x0102030405060708);
	ck_assert_mem_eq(arena, "KHOW\1\0\0\0\x10\x0e\x0c\x0a\x08\x06\x04\x02\0\0\0\0\0\0\0\0", 24);
	ck_assert_int_eq(kho_owner_commit(arena, sizeof(arena), 0x1122334455667788, &owner, &err),
			 0);
	ck_assert_mem_eq(arena, "KHOW\1\0\0\0\x13\x0e\x0c\x0a\x08\x06\x04\x02"
			 "\x88\x77\x66\x55\x44\x33\x22\x11\0", 25);
}
END_TEST

START_TEST(committed_once)
{
	kho_owner_format(arena, 7);
	ck_assert_int_eq(kho_owner_read(arena, sizeof(arena), &owner, &err), 0);
	ck_assert_uint_eq(owner.epoch, 7);
	ck_assert(!owner.is_new);
	ck_assert_int_eq(kho_owner_commit(arena, sizeof(arena), 1, &owner, &err), 0);
	ck_assert_uint_eq(owner.epoch, 8);
	ck_assert(owner.is_new);
	owner.epoch = 99;
	ck_assert_int_eq(kho_owner_commit(arena, sizeof(arena), 2, &owner, &err), -EALREADY);
	ck_assert_uint_eq(owner.epoch, 99);
	ck_assert_int_eq(arena[16], 1);
	ck_assert_int_eq(kho_owner_read(arena, sizeof(arena), &owner, &err), 0);
	ck_assert_uint_eq(owner.epoch, 8);
	ck_assert(owner.is_new);
}
END_TEST

/* There, back, and there again: the epoch grows each time, whoever asks twice is told. */
START_TEST(returned)
{
	kho_owner_format(arena, 7);
	ck_assert_int_eq(kho_owner_return(arena, sizeof(arena), 1, &owner, &err), -EALREADY);
	ck_assert_int_eq(kho_owner_commit(arena, sizeof(arena), 1, &owner, &err), 0);
	ck_assert_int_eq(kho_owner_return(arena, sizeof(arena), 2, &owner, &err), 0);
	ck_assert(owner.epoch == 9 && !owner.is_new);
	ck_assert_int_eq(arena[16], 2);
	ck_assert_int_eq(kho_owner_return(arena, sizeof(arena), 3, &owner, &err), -EALREADY);
	ck_assert_int_eq(arena[16], 2);
	ck_assert_int_eq(kho_owner_commit(arena, sizeof(arena), 3, &owner, &err), 0);
	ck_assert(owner.epoch == 10 && owner.is_new);
	ck_assert_int_eq(kho_owner_read(arena, sizeof(arena), &owner, &err), 0);
	ck_assert(owner.epoch == 10 && owner.is_new);
}
END_TEST

static void expect_damage(size_t size)
{
	uint8_t before[sizeof(arena)];

	memcpy(before, arena, sizeof(arena));
	ck_assert_int_eq(kho_owner_read(arena, size, &owner, &err), -EBADMSG);
	ck_assert_int_eq(kho_owner_commit(arena, size, 1, &owner, &err), -EBADMSG);
	ck_assert_int_eq(kho_owner_return(arena, size, 1, &owner, &err), -EBADMSG);
	ck_assert_int_eq(err.code, -EBADMSG);
	ck_assert_uint_eq(owner.epoch, 99);
	ck_assert_mem_eq(arena, before, sizeof(arena));
}

START_TEST(damage)
{
	expect_damage(sizeof(arena));		/* zeroes: none was ever made */
	kho_owner_format(arena, 7);
	for (size_t size = 0; size < sizeof(struct kho_owner_record); size++)
		expect_damage(size);
	for (unsigned int bit = 0; bit < 64; bit++) {
		arena[bit / 8] ^= (uint8_t)(1u << bit % 8);
		expect_damage(sizeof(arena));
		arena[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	ck_assert_int_eq(kho_owner_read(arena, 24, &owner, &err), 0);
}
END_TEST

static pthread_barrier_t both;

static void *commit(void *ret)
{
	struct kho_owner own;

	pthread_barrier_wait(&both);
	*(int *)ret = kho_owner_commit(arena, sizeof(arena), 1, &own, NULL);
	return NULL;
}

/* However two exchanges meet, one of them is refused. */
START_TEST(one_wins)
{
	for (int i = 0; i < 200; i++) {
		int results[2];
		pthread_t threads[2];

		kho_owner_format(arena, 7);
		pthread_barrier_init(&both, NULL, 2);
		for (int n = 0; n < 2; n++)
			ck_assert_int_eq(pthread_create(&threads[n], NULL, commit, &results[n]), 0);
		for (int n = 0; n < 2; n++)
			pthread_join(threads[n], NULL);
		pthread_barrier_destroy(&both);
		ck_assert_int_eq((results[0] == 0) + (results[1] == 0), 1);
		ck_assert_int_eq(kho_owner_read(arena, sizeof(arena), &owner, &err), 0);
		ck_assert(owner.epoch == 8 && owner.is_new);
	}
}
END_TEST

static Suite *owner_suite(void)
{
	Suite *suite = suite_create("owner");
	TCase *tc = tcase_create("owner");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, layout);
	tcase_add_test(tc, committed_once);
	tcase_add_test(tc, returned);
	tcase_add_test(tc, damage);
	tcase_add_test(tc, one_wins);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(owner_suite());
}
