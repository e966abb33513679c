// SPDX-License-Identifier: GPL-2.0-only
/* How a machine waits for an etcd that isn't there: not all at once, and not for ever longer. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fleet/member.h"
#include "tests/unit/run.h"

#define MACHINES	200u
#define SHORTEST_MS	1000u
#define LONGEST_MS	12000u

static bool is_there;

static int grant(void *ctx, uint64_t ttl_sec, uint64_t *ret, struct kho_err *e)
{
	(void)ctx;
	(void)ttl_sec;
	if (!is_there)
		return kho_fail(e, -EHOSTUNREACH, "no etcd");
	*ret = 1;
	return 0;
}

static int range(void *ctx, const char *key, bool prefix, struct kho_etcd_kvs *ret, struct kho_err *e)
{
	(void)ctx;
	(void)key;
	(void)prefix;
	(void)ret;
	return kho_fail(e, -EHOSTUNREACH, "no etcd any more");
}

static uint64_t mono_ms(void *ctx)
{
	return *(uint64_t *)ctx;
}

static const struct kho_etcd_ops etcd = { .range = range, .grant = grant };
static const struct kho_machine_ops machine = { .mono_ms = mono_ms };

/* How long the machine waits after a step that fails at this time. */
static uint32_t pause_of(struct kho_member *member, unsigned int number, uint64_t now)
{
	struct kho_err err;
	uint32_t wait_ms = 0;

	snprintf(member->spec.id, sizeof(member->spec.id), "node-%u", number);
	member->ctx = &now;
	ck_assert_int_eq(kho_member_step(member, &wait_ms, &err), -EHOSTUNREACH);
	ck_assert_uint_ge(wait_ms, SHORTEST_MS);
	ck_assert_uint_lt(wait_ms, LONGEST_MS);
	return wait_ms;
}

/* That came at once: no tenth of a second has more than a few of them. */
START_TEST(test_spread)
{
	unsigned int slots[LONGEST_MS / 100] = {};

	is_there = false;
	for (unsigned int i = 0; i < MACHINES; i++) {
		struct kho_member member = { .etcd = { .ops = &etcd }, .machine = &machine };

		slots[pause_of(&member, i, 5000000) / 100]++;
	}
	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++)
		ck_assert_uint_le(slots[i], MACHINES / 8);
}
END_TEST

static uint64_t sum_of_pauses(struct kho_member *member, unsigned int nr)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < nr; i++)
		sum += pause_of(member, i, 5000000 + i);
	return sum;
}

START_TEST(test_longer)
{
	uint64_t first = 0, later;
	struct kho_member member;

	is_there = false;
	for (unsigned int i = 0; i < MACHINES; i++) {
		member = (struct kho_member){ .etcd = { .ops = &etcd }, .machine = &machine };
		first += pause_of(&member, i, 5000000 + i);
	}
	later = sum_of_pauses(&member, MACHINES);
	ck_assert_uint_gt(later, 3 * first);
	/* and no longer than that, however long it lasts */
	ck_assert_uint_lt(sum_of_pauses(&member, MACHINES), later + later / 2);
	ck_assert_uint_le(member.failures, 3);
	/* it was there for a moment, but not for all that a step needs */
	is_there = true;
	pause_of(&member, 1, 6000000);
	ck_assert_uint_eq(member.lease, 1);
	ck_assert_uint_eq(member.failures, 3);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("a machine without etcd");
	TCase *tc = tcase_create("pauses");

	tcase_add_test(tc, test_spread);
	tcase_add_test(tc, test_longer);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
