/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Time across kernels.
 *
 * A spawned kernel has no RTC. It learns what time it is from a sample that the
 * old kernel took: the TSC, which both read alike, beside CLOCK_REALTIME and
 * CLOCK_MONOTONIC. The new side counts the ticks since then. What the result is
 * worth: the sample's window (under a microsecond on real hardware), plus the
 * error of tsc_khz, whose last digit is 0.25 ppm at 2 GHz: 25 us in 100 s.
 *
 * CLOCK_MONOTONIC can't be set: each kernel has its own. The sample lets a reader
 * convert what the old kernel stamped.
 *
 * Times are nanoseconds; realtime counts from 1970-01-01 UTC. The clock comes
 * through an ops table so that tests need no privilege and no luck.
 */
#ifndef KHO_SYSTEM_CLOCK_H
#define KHO_SYSTEM_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "base/err.h"

struct kho_clock_ops {
	uint64_t (*tsc)(void *ctx);
	/* 0 or a negative errno */
	int (*get)(void *ctx, clockid_t clock, struct timespec *ret);
	int (*set)(void *ctx, clockid_t clock, const struct timespec *time);
};

struct kho_clock {
	const struct kho_clock_ops *ops;
	void *ctx;
};

struct kho_clock_sample {
	uint64_t tsc;
	int64_t realtime_ns;
	int64_t monotonic_ns;
	uint64_t window;		/* ticks: tsc is right to half of this */
};

/* The machine's clock. */
struct kho_clock kho_clock_host(void);

/*
 * Takes @rounds samples (1 to 1000) and gives the one with the smallest window.
 * -EINVAL for other @rounds; -EIO if the TSC runs backwards.
 */
int kho_clock_sample(const struct kho_clock *clock, unsigned int rounds,
		     struct kho_clock_sample *ret, struct kho_err *err);

/*
 * What CLOCK_REALTIME (CLOCK_MONOTONIC) of the sample's kernel was, or would have
 * been, when the TSC stood at @tsc, which may be earlier than the sample. Pure.
 * -EINVAL: tsc_khz is 0; -ERANGE: the result is before 1970 (before boot) or does
 * not fit.
 */
int kho_clock_realtime_at(const struct kho_clock_sample *sample, uint32_t tsc_khz, uint64_t tsc,
			  int64_t *ret_ns, struct kho_err *err);
int kho_clock_monotonic_at(const struct kho_clock_sample *sample, uint32_t tsc_khz, uint64_t tsc,
			   int64_t *ret_ns, struct kho_err *err);

/*
 * The other way round: where the TSC stood when CLOCK_MONOTONIC of the sample's kernel was
 * @ns. The nearer the sample, the better. Errors of the last; -ERANGE: before the TSC was 0.
 */
int kho_clock_tsc_at(const struct kho_clock_sample *sample, uint32_t tsc_khz, uint64_t ns,
		     uint64_t *ret_tsc, struct kho_err *err);

/*
 * Sets CLOCK_REALTIME to what the sample says it is now, looks at the result and
 * corrects it up to three times. *@ret_error_ns (may be NULL) is by how much the
 * clock is ahead of the sample's at the end.
 *   -EPERM   the caller lacks CAP_SYS_TIME
 *   -EINVAL, -ERANGE  the sample makes no sense: see above
 */
int kho_clock_set_realtime(const struct kho_clock *clock, const struct kho_clock_sample *sample,
			   uint32_t tsc_khz, int64_t *ret_error_ns, struct kho_err *err);

#endif
