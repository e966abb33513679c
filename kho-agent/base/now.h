/* SPDX-License-Identifier: GPL-2.0-only */
/* What a clock of this kernel says, for code that does I/O anyway: deadlines, and times to be told. */
#ifndef KHO_BASE_NOW_H
#define KHO_BASE_NOW_H

#include <stdint.h>
#include <time.h>

/* In milliseconds. CLOCK_MONOTONIC for deadlines; CLOCK_REALTIME: since 1970. */
static inline uint64_t kho_now_ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* CLOCK_MONOTONIC in nanoseconds. */
static inline uint64_t kho_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

#endif
