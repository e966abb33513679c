// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time across kernels, on a fake machine whose TSC and clocks do as told; once on
 * the real one, where only what must hold is asserted.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "system/clock.h"
#include "unit/run.h"

#define NSEC	1000000000LL
#define KHZ	2000000u		/* 2 ticks a nanosecond */

/* Each reading of the TSC takes @step ticks of the next entry of @steps. */
static struct {
	uint64_t tsc;
	uint64_t boot_tsc;		/* monotonic time is 0 there */
	int64_t offset_ns;		/* realtime - time since boot_tsc */
	uint64_t steps[64];
	size_t nr_steps;
	size_t step;
	uint64_t default_step;
	uint64_t set_delay;		/* ticks between the decision and the setting */
	int get_result;
	int set_result;
	unsigned int sets;
} fake;

static struct kho_err err;

static uint64_t fake_tsc(void *ctx)
{
	(void)ctx;
	fake.tsc += fake.step < fake.nr_steps ? fake.steps[fake.step++] : fake.default_step;
	return fake.tsc;
}

static int64_t since_boot(void)
{
	return (int64_t)((fake.tsc - fake.boot_tsc) / 2);
}

static int fake_get(void *ctx, clockid_t clock, struct timespec *ret)
{
	int64_t ns = since_boot();

	(void)ctx;
	if (fake.get_result)
		return fake.get_result;
	if (clock == CLOCK_REALTIME)
		ns += fake.offset_ns;
	else
		ck_assert_int_eq(clock, CLOCK_MONOTONIC);
	*ret = (struct timespec) { .tv_sec = ns / NSEC, .tv_nsec = ns % NSEC };
	return 0;
}

static int fake_set(void *ctx, clockid_t clock, const struct timespec *time)
{
	(void)ctx;
	ck_assert_int_eq(clock, CLOCK_REALTIME);
	ck_assert(time->tv_nsec >= 0 && time->tv_nsec < NSEC);
	fake.sets++;
	if (fake.set_result)
		return fake.set_result;
	fake.tsc += fake.set_delay;
	fake.offset_ns = time->tv_sec * NSEC + time->tv_nsec - since_boot();
	return 0;
}

static const struct kho_clock_ops ops = { .tsc = fake_tsc, .get = fake_get, .set = fake_set };
static const struct kho_clock fake_clock = { .ops = &ops };

static void setup(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.tsc = 1000000;
	fake.boot_tsc = 0;
	fake.offset_ns = 1700000000 * NSEC;
	fake.default_step = 100;
	err = (struct kho_err) { 0 };
}

/* ---- sampling ---- */

START_TEST(smallest_window_wins)
{
	struct kho_clock_sample sample;

	/* pairs of before and after; the second element of each is the window */
	memcpy(fake.steps, (uint64_t[]) { 10, 5000, 10, 40, 10, 90 }, 6 * sizeof(uint64_t));
	fake.nr_steps = 6;
	ck_assert_int_eq(kho_clock_sample(&fake_clock, 3, &sample, &err), 0);
	ck_assert_uint_eq(sample.window, 40);
	/* 1000000 + 10 + 5000 + 10 is before; the middle is 20 later */
	ck_assert_uint_eq(sample.tsc, 1005040);
	ck_assert_int_eq(sample.monotonic_ns, 1005020 / 2);
	ck_assert_int_eq(sample.realtime_ns, 1700000000 * NSEC + 1005020 / 2);
}
END_TEST

START_TEST(sampling_fails)
{
	struct kho_clock_sample sample = { .tsc = 77 };

	ck_assert_int_eq(kho_clock_sample(&fake_clock, 0, &sample, &err), -EINVAL);
	ck_assert_int_eq(kho_clock_sample(&fake_clock, 1001, &sample, &err), -EINVAL);
	fake.get_result = -EINVAL;
	ck_assert_int_eq(kho_clock_sample(&fake_clock, 1, &sample, &err), -EINVAL);
	fake.get_result = 0;
	memcpy(fake.steps, (uint64_t[]) { 10, (uint64_t)-20 }, 2 * sizeof(uint64_t));
	fake.nr_steps = 2;
	ck_assert_int_eq(kho_clock_sample(&fake_clock, 4, &sample, &err), -EIO);
	ck_assert_ptr_nonnull(strstr(err.msg, "ran backwards"));
	ck_assert_uint_eq(sample.tsc, 77);
}
END_TEST

/* ---- converting ---- */

START_TEST(converts)
{
	static const struct {
		uint64_t sample_tsc;
		uint64_t tsc;
		uint32_t khz;
		int64_t expected_ns;	/* from a sample at 10^18 ns */
	} cases[] = {
		{ 500, 500, KHZ, 1000000000000000000 },
		{ 500, 2500, KHZ, 1000000000000001000 },
		{ 2500, 500, KHZ, 999999999999999000 },
		/* a day at a frequency that doesn't divide evenly */
		{ 0, 2419199 * 86400000ull, 2419199, 1000086400000000000 },
		/* a hundred days at 5 GHz: ticks * 10^6 don't fit 64 bits */
		{ 7, 7 + 5000000ull * 8640000000, 5000000, 1008640000000000000 },
		{ UINT64_MAX, UINT64_MAX - 2000, KHZ, 999999999999999000 },
		{ 0, 3, 2, 1000000000001500000 },
	};
	struct kho_clock_sample sample = { .realtime_ns = 1000000000000000000, .monotonic_ns = 5 };
	int64_t ns;
	size_t i;

	for (i = 0; i < KHO_ARRAY_SIZE(cases); i++) {
		sample.tsc = cases[i].sample_tsc;
		ck_assert_int_eq(kho_clock_realtime_at(&sample, cases[i].khz, cases[i].tsc, &ns,
						       &err), 0);
		ck_assert_int_eq(ns, cases[i].expected_ns);
	}
	sample.tsc = 0;
	ck_assert_int_eq(kho_clock_monotonic_at(&sample, KHZ, 2000, &ns, &err), 0);
	ck_assert_int_eq(ns, 1005);
}
END_TEST

START_TEST(converts_nothing_impossible)
{
	struct kho_clock_sample sample = { .tsc = 1000000, .realtime_ns = 10, .monotonic_ns = 10 };
	int64_t ns = 77;

	ck_assert_int_eq(kho_clock_realtime_at(&sample, 0, 5, &ns, &err), -EINVAL);
	ck_assert_int_eq(kho_clock_realtime_at(&sample, KHZ, 0, &ns, &err), -ERANGE);
	ck_assert_int_eq(kho_clock_monotonic_at(&sample, KHZ, 0, &ns, &err), -ERANGE);
	/* 10 ns before the sample is 0, a tick more is before it */
	ck_assert_int_eq(kho_clock_realtime_at(&sample, KHZ, 1000000 - 20, &ns, &err), 0);
	ck_assert_int_eq(ns, 0);
	ns = 77;
	ck_assert_int_eq(kho_clock_realtime_at(&sample, KHZ, 1000000 - 22, &ns, &err), -ERANGE);
	ck_assert_int_eq(kho_clock_realtime_at(&sample, 1, UINT64_MAX, &ns, &err), -ERANGE);
	sample.realtime_ns = INT64_MIN;
	ck_assert_int_eq(kho_clock_realtime_at(&sample, KHZ, 1000000, &ns, &err), -ERANGE);
	sample.realtime_ns = INT64_MAX;
	ck_assert_int_eq(kho_clock_realtime_at(&sample, KHZ, 1000002, &ns, &err), -ERANGE);
	ck_assert_int_eq(ns, 77);
}
END_TEST

/* ---- setting ---- */

static const struct kho_clock_sample old_kernel = {
	.tsc = 500000, .realtime_ns = 1800000000 * NSEC, .monotonic_ns = 42,
};

START_TEST(converts_back)
{
	const struct kho_clock_sample sample = { .tsc = 5000, .monotonic_ns = 1000 };
	uint64_t tsc = 7;

	ck_assert_int_eq(kho_clock_tsc_at(&sample, KHZ, 1000, &tsc, &err), 0);
	ck_assert_uint_eq(tsc, 5000);
	ck_assert_int_eq(kho_clock_tsc_at(&sample, KHZ, 1250, &tsc, &err), 0);
	ck_assert_uint_eq(tsc, 5500);
	ck_assert_int_eq(kho_clock_tsc_at(&sample, KHZ, 0, &tsc, &err), 0);
	ck_assert_uint_eq(tsc, 3000);
	ck_assert_int_eq(kho_clock_tsc_at(&sample, 0, 1000, &tsc, &err), -EINVAL);
	ck_assert_int_eq(kho_clock_tsc_at(&(struct kho_clock_sample){ .tsc = 1, .monotonic_ns = 9 },
					  KHZ, 0, &tsc, &err), -ERANGE);
	ck_assert_int_eq(kho_clock_tsc_at(&sample, UINT32_MAX, UINT64_MAX, &tsc, &err), -ERANGE);
	ck_assert_uint_eq(tsc, 3000);
}
END_TEST

START_TEST(sets)
{
	int64_t error = 77, expected;

	ck_assert_int_eq(kho_clock_set_realtime(&fake_clock, &old_kernel, KHZ, &error, &err), 0);
	ck_assert_uint_eq(fake.sets, 1);
	ck_assert_int_ge(error, -100);
	ck_assert_int_le(error, 100);
	expected = old_kernel.realtime_ns + (int64_t)(fake.tsc - old_kernel.tsc) / 2;
	ck_assert_int_le(llabs(fake.offset_ns + since_boot() - expected), 100);
	ck_assert_int_eq(kho_clock_set_realtime(&fake_clock, &old_kernel, KHZ, NULL, &err), 0);
}
END_TEST

/* A call that takes 1 ms each time makes the clock late by it: it's corrected. */
START_TEST(sets_again_when_late)
{
	int64_t error = 77;

	fake.set_delay = 2000000;
	ck_assert_int_eq(kho_clock_set_realtime(&fake_clock, &old_kernel, KHZ, &error, &err), 0);
	ck_assert_uint_eq(fake.sets, 2);
	ck_assert_int_le(llabs(error), 100);
	/* but not for ever */
	fake.sets = 0;
	fake.default_step = 400000;
	ck_assert_int_eq(kho_clock_set_realtime(&fake_clock, &old_kernel, KHZ, &error, &err), 0);
	ck_assert_uint_le(fake.sets, 3);
}
END_TEST

START_TEST(setting_fails)
{
	struct kho_clock_sample future = old_kernel;
	int64_t error = 77;

	fake.set_result = -EPERM;
	ck_assert_int_eq(kho_clock_set_realtime(&fake_clock, &old_kernel, KHZ, &error, &err),
			 -EPERM);
	ck_assert_ptr_nonnull(strstr(err.msg, "CAP_SYS_TIME"));
	fake.set_result = -EINVAL;
	ck_assert_int_eq(kho_clock_set_realtime(&fake_clock, &old_kernel, KHZ, &error, &err),
			 -EINVAL);
	fake.sets = 0;
	ck_assert_int_eq(kho_clock_set_realtime(&fake_clock, &old_kernel, 0, &error, &err),
			 -EINVAL);
	future.tsc = UINT64_MAX;
	ck_assert_int_eq(kho_clock_set_realtime(&fake_clock, &future, 1, &error, &err), -ERANGE);
	ck_assert_uint_eq(fake.sets, 0);
	ck_assert_int_eq(error, 77);
}
END_TEST

/* ---- the real machine ---- */

START_TEST(real_clock)
{
	struct kho_clock clock = kho_clock_host();
	struct kho_clock_sample first, second;
	struct timespec now;

	ck_assert_msg(kho_clock_sample(&clock, 100, &first, &err) == 0, "%s", err.msg);
	ck_assert_msg(kho_clock_sample(&clock, 100, &second, &err) == 0, "%s", err.msg);
	ck_assert_uint_gt(second.tsc, first.tsc);
	ck_assert_int_ge(second.monotonic_ns, first.monotonic_ns);
	clock_gettime(CLOCK_MONOTONIC, &now);
	ck_assert_int_le(second.monotonic_ns, now.tv_sec * NSEC + now.tv_nsec);
	ck_assert_int_gt(second.realtime_ns, 1700000000 * NSEC);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("clock");
	TCase *clock = tcase_create("clock");

	tcase_add_checked_fixture(clock, setup, NULL);
	tcase_add_test(clock, smallest_window_wins);
	tcase_add_test(clock, sampling_fails);
	tcase_add_test(clock, converts);
	tcase_add_test(clock, converts_nothing_impossible);
	tcase_add_test(clock, converts_back);
	tcase_add_test(clock, sets);
	tcase_add_test(clock, sets_again_when_late);
	tcase_add_test(clock, setting_fails);
	tcase_add_test(clock, real_clock);
	suite_add_tcase(s, clock);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
