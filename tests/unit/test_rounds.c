// SPDX-License-Identifier: GPL-2.0-only
/* When copying memory ends, and which mappings have huge pages. */
#include <errno.h>
#include <string.h>

#include "migrate/pages/rounds.h"
#include "migrate/pages/split.h"
#include "tests/unit/run.h"

#define MS	1000000ull

static const struct kho_rounds_policy plain = { .max_rounds = 8, .max_blackout_ns = 500 * MS };

static enum kho_rounds_verdict after(const uint64_t *pages, unsigned int nr,
				     const struct kho_rounds_policy *policy, struct kho_err *err)
{
	struct kho_rounds rounds = {};

	for (unsigned int i = 0; i < nr; i++)
		kho_rounds_add(&rounds, &(struct kho_round){ .pages = pages[i], .duration_ns = 100 * MS });
	return kho_rounds_next(&rounds, policy, err);
}

START_TEST(shrinking_goes_on)
{
	static const uint64_t pages[] = { 100000, 50000, 25000, 12000 };
	struct kho_err err = {};

	ck_assert_int_eq(after(pages, 0, &plain, &err), KHO_ROUNDS_AGAIN);
	for (unsigned int nr = 1; nr <= 4; nr++)
		ck_assert_int_eq(after(pages, nr, &plain, &err), KHO_ROUNDS_AGAIN);
}
END_TEST

START_TEST(steady_freezes)
{
	static const uint64_t pages[] = { 100000, 4000, 3500 };
	struct kho_err err = {};

	ck_assert_int_eq(after(pages, 3, &plain, &err), KHO_ROUNDS_FREEZE);
}
END_TEST

START_TEST(next_to_nothing_freezes)
{
	static const uint64_t pages[] = { 100000, KHO_ROUND_SMALL };
	struct kho_err err = {};

	ck_assert_int_eq(after(pages, 2, &plain, &err), KHO_ROUNDS_FREEZE);
}
END_TEST

/* The prediction is twice the last round: 200 ms. */
START_TEST(budget)
{
	static const uint64_t pages[] = { 100000, 99000 };
	struct kho_rounds_policy policy = plain;
	struct kho_err err = {};

	policy.max_blackout_ns = 200 * MS;
	ck_assert_int_eq(after(pages, 2, &policy, &err), KHO_ROUNDS_FREEZE);
	policy.max_blackout_ns = 200 * MS - 1;
	ck_assert_int_eq(after(pages, 2, &policy, &err), KHO_ROUNDS_ABORT);
	ck_assert_int_eq(err.code, -ETIME);
	ck_assert_ptr_nonnull(strstr(err.msg, "MaxBlackoutSec="));
	policy.go_on = true;
	ck_assert_int_eq(after(pages, 2, &policy, &err), KHO_ROUNDS_FREEZE);
}
END_TEST

START_TEST(most_rounds)
{
	static const uint64_t pages[] = { 1000000, 500000, 250000 };
	struct kho_rounds_policy policy = plain;
	struct kho_rounds rounds = {};
	struct kho_err err = {};

	policy.max_rounds = 3;
	ck_assert_int_eq(after(pages, 3, &policy, &err), KHO_ROUNDS_FREEZE);
	policy.max_rounds = 1000;
	for (unsigned int i = 0; i < KHO_ROUNDS_MAX - KHO_ROUNDS_CATCH_UP - 1; i++) {
		ck_assert_int_eq(kho_rounds_next(&rounds, &policy, &err), KHO_ROUNDS_AGAIN);
		kho_rounds_add(&rounds, &(struct kho_round){ .pages = 1ull << (60 - i) });
	}
	ck_assert_int_eq(kho_rounds_next(&rounds, &policy, &err), KHO_ROUNDS_FREEZE);
	for (unsigned int i = 0; i < 10; i++)
		kho_rounds_add(&rounds, &(struct kho_round){ .pages = 1 });
	ck_assert_uint_eq(rounds.nr, KHO_ROUNDS_MAX);
}
END_TEST

/* Half of what it used, and again, and in the end it's given up. */
START_TEST(slower_and_slower)
{
	struct kho_rounds_policy policy = plain;
	struct kho_round round = { .pages = 90000, .duration_ns = 1000 * MS,
				   .cpu_ns = 1600 * MS };
	struct kho_rounds rounds = {};
	struct kho_err err = {};

	policy.throttle = true;
	kho_rounds_add(&rounds, &round);
	kho_rounds_add(&rounds, &round);
	for (unsigned int i = 1; i <= KHO_ROUNDS_SLOW_MAX; i++) {
		ck_assert_int_eq(kho_rounds_next(&rounds, &policy, &err), KHO_ROUNDS_SLOW);
		ck_assert_uint_eq(kho_rounds_slow(&rounds), 1600 >> i);
		/* it's really slower, and still writes as much */
		round.cpu_ns /= 2;
		kho_rounds_add(&rounds, &round);
	}
	ck_assert_int_eq(kho_rounds_next(&rounds, &policy, &err), KHO_ROUNDS_ABORT);
	ck_assert_ptr_nonnull(strstr(err.msg, "1/32 of its CPU time"));
	ck_assert_ptr_null(strstr(err.msg, "throttle"));
	policy.go_on = true;
	ck_assert_int_eq(kho_rounds_next(&rounds, &policy, &err), KHO_ROUNDS_FREEZE);
}
END_TEST

START_TEST(slow_enough)
{
	struct kho_rounds_policy policy = plain;
	struct kho_rounds rounds = {};
	struct kho_err err = {};

	policy.throttle = true;
	for (int i = 0; i < 2; i++)
		kho_rounds_add(&rounds, &(struct kho_round){ .pages = 9000,
							     .duration_ns = 300 * MS });
	ck_assert_int_eq(kho_rounds_next(&rounds, &policy, &err), KHO_ROUNDS_SLOW);
	/* what it used isn't known: one CPU, then */
	ck_assert_uint_eq(kho_rounds_slow(&rounds), 500);
	kho_rounds_add(&rounds, &(struct kho_round){ .pages = 5000, .duration_ns = 260 * MS });
	/* it shrinks, though it's still too much */
	ck_assert_int_eq(kho_rounds_next(&rounds, &policy, &err), KHO_ROUNDS_AGAIN);
	kho_rounds_add(&rounds, &(struct kho_round){ .pages = 4500, .duration_ns = 240 * MS });
	ck_assert_int_eq(kho_rounds_next(&rounds, &policy, &err), KHO_ROUNDS_FREEZE);
	/* never none at all */
	rounds.usual = 3;
	ck_assert_uint_eq(kho_rounds_slow(&rounds), 1);
}
END_TEST

START_TEST(catching_up)
{
	static const struct {
		uint64_t pages[4];
		unsigned int rounds;
	} cases[] = {
		{ { 9000, 4000, 3500 }, 3 }, { { 9000, 8000 }, 2 },
		{ { 9000, 4000, 2000, 500 }, 3 }, { { 256 }, 1 },
		{ { 9000, 200 }, 2 }, { { 5000, 5000 }, 2 },
	};

	for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
		struct kho_rounds rounds = { .rounds = { { .pages = 3000 } }, .nr = 1 };
		unsigned int done = 0;

		do
			kho_rounds_add(&rounds, &(struct kho_round){
				       .pages = cases[n].pages[done++] });
		while (kho_rounds_catch_up(&rounds));
		ck_assert_msg(done == cases[n].rounds, "case %zu: %u rounds", n, done);
	}
}
END_TEST

/* ---- split.h ---- */

/* What a rehearsal took counts if it's more than the last round promises. */
START_TEST(rehearsal)
{
	struct kho_rounds_policy policy = plain;
	struct kho_rounds rounds = {};
	struct kho_err err = {};

	ck_assert_uint_eq(kho_rounds_predict_ns(&rounds), 0);
	kho_rounds_add(&rounds, &(struct kho_round){ .pages = 10, .duration_ns = 100 * MS });
	ck_assert_uint_eq(kho_rounds_predict_ns(&rounds), 200 * MS);
	rounds.rehearsed_ns = 150 * MS;
	ck_assert_uint_eq(kho_rounds_predict_ns(&rounds), 200 * MS);
	ck_assert_int_eq(kho_rounds_allow(&rounds, &policy, &err), 0);
	rounds.rehearsed_ns = 501 * MS;
	ck_assert_uint_eq(kho_rounds_predict_ns(&rounds), 501 * MS);
	ck_assert_int_eq(kho_rounds_allow(&rounds, &policy, &err), -ETIME);
	ck_assert_ptr_nonnull(strstr(err.msg, "about 501 ms, as its rehearsal did"));
	policy.go_on = true;
	ck_assert_int_eq(kho_rounds_allow(&rounds, &policy, &err), 0);
}
END_TEST

/* The last round tells more than those by which copying was ended. */
START_TEST(last_look)
{
	struct kho_rounds rounds = {};
	struct kho_err err = {};

	kho_rounds_add(&rounds, &(struct kho_round){ .pages = 10, .duration_ns = 250 * MS });
	ck_assert_int_eq(kho_rounds_allow(&rounds, &plain, &err), 0);
	kho_rounds_add(&rounds, &(struct kho_round){ .pages = 10, .duration_ns = 251 * MS });
	ck_assert_int_eq(kho_rounds_allow(&rounds, &plain, &err), -ETIME);
	ck_assert_ptr_nonnull(strstr(err.msg, "after 2 rounds"));
}
END_TEST

START_TEST(huge_mappings)
{
	static const char smaps[] =
		"7f0000000000-7f0000400000 rw-p 00000000 00:00 0\n"
		"Size:               4096 kB\n"
		"AnonHugePages:      2048 kB\n"
		"VmFlags: rd wr mr mw me ac\n"
		"7f0000400000-7f0000401000 r--p 00000000 fe:00 12   /usr/lib/a\n"
		"AnonHugePages:         0 kB\n"
		"7f0000600000-7f0000800000 rw-p 00000000 00:00 0    [heap]\n"
		"AnonHugePages:      2048 kB\n";
	struct kho_pages_range range;
	const char *at = smaps;

	ck_assert(kho_pages_next_huge(&at, &range));
	ck_assert_uint_eq(range.start, 0x7f0000000000);
	ck_assert_uint_eq(range.end, 0x7f0000400000);
	ck_assert(kho_pages_next_huge(&at, &range));
	ck_assert_uint_eq(range.start, 0x7f0000600000);
	ck_assert(!kho_pages_next_huge(&at, &range));
	ck_assert(!kho_pages_next_huge(&at, &range));
}
END_TEST

START_TEST(not_smaps)
{
	static const char *const texts[] = {
		"", "\n", "AnonHugePages: 2048 kB\n", "7f00- rw-p\nAnonHugePages: 1 kB",
		"7f01-7f00 rw-p\nAnonHugePages: 1 kB\n",
	};
	struct kho_pages_range range;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *at = texts[i];

		ck_assert_msg(!kho_pages_next_huge(&at, &range), "%zu", i);
	}
}
END_TEST

/* What the last round sent was written to while the one before went over. */
START_TEST(dirty_rate)
{
	struct kho_rounds rounds = {};

	ck_assert_uint_eq(kho_rounds_dirty_rate(&rounds), 0);
	kho_rounds_add(&rounds, &(struct kho_round){ .pages = 9000, .duration_ns = 500 * MS });
	ck_assert_uint_eq(kho_rounds_dirty_rate(&rounds), 0);
	kho_rounds_add(&rounds, &(struct kho_round){ .pages = 100, .duration_ns = 7 * MS });
	ck_assert_uint_eq(kho_rounds_dirty_rate(&rounds), 200);
}
END_TEST

static Suite *rounds_suite(void)
{
	Suite *suite = suite_create("rounds");
	TCase *tc = tcase_create("rounds");

	tcase_add_test(tc, shrinking_goes_on);
	tcase_add_test(tc, steady_freezes);
	tcase_add_test(tc, next_to_nothing_freezes);
	tcase_add_test(tc, budget);
	tcase_add_test(tc, most_rounds);
	tcase_add_test(tc, dirty_rate);
	tcase_add_test(tc, slower_and_slower);
	tcase_add_test(tc, slow_enough);
	tcase_add_test(tc, catching_up);
	tcase_add_test(tc, rehearsal);
	tcase_add_test(tc, last_look);
	tcase_add_test(tc, huge_mappings);
	tcase_add_test(tc, not_smaps);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(rounds_suite());
}
