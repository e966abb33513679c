// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time across kernels; clock.h has the contract.
 *
 * Both clocks are read between two readings of the TSC, and the sample's TSC is
 * the middle. A round in which an interrupt (or the emulator) got in between has a
 * wide window and loses against a narrow one.
 */
#include <errno.h>
#include <stdbool.h>
#include <x86intrin.h>

#include "system/clock.h"

#define NSEC_PER_SEC		1000000000LL
#define MAX_ROUNDS		1000
#define SET_SAMPLES		16
#define SET_ATTEMPTS		3
#define SET_GOOD_ENOUGH_NS	20000

static uint64_t host_tsc(void *ctx)
{
	uint64_t tsc;

	(void)ctx;
	/* rdtsc is not ordered with the reads of the clock around it. */
	_mm_lfence();
	tsc = __rdtsc();
	_mm_lfence();
	return tsc;
}

static int host_get(void *ctx, clockid_t clock, struct timespec *ret)
{
	(void)ctx;
	return clock_gettime(clock, ret) < 0 ? -errno : 0;
}

static int host_set(void *ctx, clockid_t clock, const struct timespec *time)
{
	(void)ctx;
	return clock_settime(clock, time) < 0 ? -errno : 0;
}

static const struct kho_clock_ops host_ops = {
	.tsc = host_tsc,
	.get = host_get,
	.set = host_set,
};

struct kho_clock kho_clock_host(void)
{
	return (struct kho_clock) { .ops = &host_ops };
}

static int64_t to_ns(const struct timespec *ts)
{
	return ts->tv_sec * NSEC_PER_SEC + ts->tv_nsec;
}

static int sample_once(const struct kho_clock *clock, struct kho_clock_sample *ret)
{
	struct timespec realtime, monotonic;
	uint64_t before, after;
	int r;

	before = clock->ops->tsc(clock->ctx);
	r = clock->ops->get(clock->ctx, CLOCK_REALTIME, &realtime);
	if (r == 0)
		r = clock->ops->get(clock->ctx, CLOCK_MONOTONIC, &monotonic);
	after = clock->ops->tsc(clock->ctx);
	if (r < 0)
		return r;
	if (after < before)
		return -EIO;
	*ret = (struct kho_clock_sample) {
		.tsc = before + (after - before) / 2,
		.realtime_ns = to_ns(&realtime),
		.monotonic_ns = to_ns(&monotonic),
		.window = after - before,
	};
	return 0;
}

int kho_clock_sample(const struct kho_clock *clock, unsigned int rounds,
		     struct kho_clock_sample *ret, struct kho_err *err)
{
	struct kho_clock_sample sample, best = { .window = UINT64_MAX };
	int r;

	if (!rounds || rounds > MAX_ROUNDS)
		return kho_fail(err, -EINVAL, "clock: can't take %u samples; ask for 1 to %d",
				rounds, MAX_ROUNDS);
	while (rounds--) {
		r = sample_once(clock, &sample);
		if (r == -EIO)
			return kho_fail(err, r, "clock: the TSC ran backwards between two "
					"readings; use a machine whose TSCs are synchronous "
					"(constant_tsc, nonstop_tsc)");
		if (r < 0)
			return kho_fail_errno(err, r, "clock: can't be read");
		if (sample.window < best.window)
			best = sample;
	}
	*ret = best;
	return 0;
}

/* Ticks from the sample to @tsc in nanoseconds; 128 bits hold any of them. */
static __int128 since_sample(const struct kho_clock_sample *sample, uint32_t tsc_khz,
			     uint64_t tsc)
{
	bool forward = tsc >= sample->tsc;
	unsigned __int128 ticks = forward ? tsc - sample->tsc : sample->tsc - tsc;
	__int128 ns = (__int128)(ticks * 1000000u / tsc_khz);

	return forward ? ns : -ns;
}

static int check_khz(uint32_t tsc_khz, struct kho_err *err)
{
	if (!tsc_khz)
		return kho_fail(err, -EINVAL, "clock: the record has no TSC frequency; pass "
				"tsc_khz of the kernel that made it");
	return 0;
}

static int give_ns(__int128 ns, uint64_t tsc, int64_t *ret_ns, struct kho_err *err)
{
	if (ns < 0 || ns > INT64_MAX)
		return kho_fail(err, -ERANGE, "clock: TSC %llu is at no possible time by this "
				"record; it's not of this machine, or corrupt",
				(unsigned long long)tsc);
	*ret_ns = (int64_t)ns;
	return 0;
}

int kho_clock_realtime_at(const struct kho_clock_sample *sample, uint32_t tsc_khz, uint64_t tsc,
			  int64_t *ret_ns, struct kho_err *err)
{
	int r = check_khz(tsc_khz, err);

	if (r < 0)
		return r;
	return give_ns(sample->realtime_ns + since_sample(sample, tsc_khz, tsc), tsc, ret_ns, err);
}

int kho_clock_monotonic_at(const struct kho_clock_sample *sample, uint32_t tsc_khz, uint64_t tsc,
			   int64_t *ret_ns, struct kho_err *err)
{
	int r = check_khz(tsc_khz, err);

	if (r < 0)
		return r;
	return give_ns(sample->monotonic_ns + since_sample(sample, tsc_khz, tsc), tsc, ret_ns, err);
}

int kho_clock_tsc_at(const struct kho_clock_sample *sample, uint32_t tsc_khz, uint64_t ns,
		     uint64_t *ret_tsc, struct kho_err *err)
{
	__int128 since = (__int128)ns - sample->monotonic_ns, tsc;
	int r = check_khz(tsc_khz, err);

	if (r < 0)
		return r;
	tsc = sample->tsc + since * tsc_khz / 1000000;
	if (tsc < 0 || tsc > UINT64_MAX)
		return kho_fail(err, -ERANGE, "clock: %llu ns is at no possible TSC by this record; "
				"it's not of this kernel, or corrupt", (unsigned long long)ns);
	*ret_tsc = (uint64_t)tsc;
	return 0;
}

static int set_once(const struct kho_clock *clock, const struct kho_clock_sample *sample,
		    uint32_t tsc_khz, int64_t ahead_ns, struct kho_err *err)
{
	struct timespec time;
	int64_t ns;
	int r;

	r = kho_clock_realtime_at(sample, tsc_khz, clock->ops->tsc(clock->ctx), &ns, err);
	if (r < 0)
		return r;
	ns -= ahead_ns;
	time = (struct timespec) { .tv_sec = ns / NSEC_PER_SEC, .tv_nsec = ns % NSEC_PER_SEC };
	r = clock->ops->set(clock->ctx, CLOCK_REALTIME, &time);
	if (r == -EPERM)
		return kho_fail(err, r, "clock: no permission to set it; run with CAP_SYS_TIME");
	if (r < 0)
		return kho_fail_errno(err, r, "clock: can't be set to %lld ns since 1970",
				      (long long)ns);
	return 0;
}

/* By how much CLOCK_REALTIME is ahead of what @sample says. */
static int measure(const struct kho_clock *clock, const struct kho_clock_sample *sample,
		   uint32_t tsc_khz, int64_t *ret_ahead_ns, struct kho_err *err)
{
	struct kho_clock_sample now;
	int64_t expected;
	int r;

	r = kho_clock_sample(clock, SET_SAMPLES, &now, err);
	if (r == 0)
		r = kho_clock_realtime_at(sample, tsc_khz, now.tsc, &expected, err);
	if (r < 0)
		return r;
	*ret_ahead_ns = now.realtime_ns - expected;
	return 0;
}

int kho_clock_set_realtime(const struct kho_clock *clock, const struct kho_clock_sample *sample,
			   uint32_t tsc_khz, int64_t *ret_error_ns, struct kho_err *err)
{
	int64_t ahead = 0, correction = 0;
	unsigned int i;
	int r;

	for (i = 0; i < SET_ATTEMPTS; i++) {
		r = set_once(clock, sample, tsc_khz, correction, err);
		if (r == 0)
			r = measure(clock, sample, tsc_khz, &ahead, err);
		if (r < 0)
			return r;
		if (ahead > -SET_GOOD_ENOUGH_NS && ahead < SET_GOOD_ENOUGH_NS)
			break;
		/* What setting itself takes is the same the next time. */
		correction += ahead;
	}
	if (ret_error_ns)
		*ret_error_ns = ahead;
	return 0;
}
