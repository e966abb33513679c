// SPDX-License-Identifier: GPL-2.0-only
/*
 * Upgrades and rollbacks of more things than can be gone through one by one, with up to
 * twelve faults each, by lot. The same seeds each time: SIM_SEED= is the first of others.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/sim.h"
#include "unit/run.h"

#ifdef __SANITIZE_ADDRESS__
#define RUNS	4000u
#else
#define RUNS	100000u
#endif

#define TIME_LIMIT	250
#define SPREAD		0x9e3779b97f4a7c15ull

static struct sim_config draw_config(uint64_t seed)
{
	struct sim_config config = {
		.nr = { 1, 1 + seed % 3, seed / 3 % 3, seed / 9 % 3 },
		.from = seed / 27 % 2 ? SIM_NEW : SIM_OLD,
		.at_once = seed / 54 % 2,
		.overtakes = seed / 32768 % 2,
		.stay = seed / 108 % 2,
		.faults = seed / 216 % 13,
	};

	config.restarted = seed / 4096 % 8 & ((1u << config.nr[KHO_SCOPE_WORKLOAD]) - 1);
	return config;
}

START_TEST(walks)
{
	const char *text = getenv("SIM_SEED");
	uint64_t first = text ? strtoull(text, NULL, 0) : 1;
	struct sim_count *count = calloc(1, sizeof(*count));

	ck_assert_ptr_nonnull(count);
	for (uint64_t i = 0; i < RUNS; i++) {
		uint64_t seed = (first + i) * SPREAD, lot = seed | 1;
		struct sim_config config = draw_config(seed >> 20);

		ck_assert_msg(sim_walk(&config, &lot, count), "SIM_SEED=%llu: %s: %s",
			      (unsigned long long)(first + i), count->bad, count->trace);
	}
	printf("%u runs, %llu with faults, %llu events; %llu reclaimed, %llu started anew\n", RUNS,
	       (unsigned long long)count->faulty_ends, (unsigned long long)count->events,
	       (unsigned long long)count->stages[SIM_RECLAIMED],
	       (unsigned long long)count->stages[SIM_ANEW]);
	ck_assert_uint_gt(count->stages[SIM_RECLAIMED], 0);
	ck_assert_uint_gt(count->stages[SIM_ANEW], 0);
	free(count);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("runs by lot");
	TCase *tc = tcase_create("walks");

	tcase_set_timeout(tc, TIME_LIMIT);
	tcase_add_test(tc, walks);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
