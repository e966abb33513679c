// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every run of a small upgrade, and of its rollback: all orders of messages and answers,
 * with a fault, or two, or three, at every point. And the other way round: shells that are
 * broken on purpose are found out.
 */
#include <check.h>
#include <stdio.h>

#include "sim/sim.h"
#include "unit/run.h"

#ifdef __SANITIZE_ADDRESS__
#define FEWER	1	/* runs take ten times as long */
#else
#define FEWER	0
#endif

#define TIME_LIMIT	250

#define ONE	.nr = { 1, 1, 1, 1 }
#define TWO	.nr = { 1, 2, 1, 1 }
#define ALONE	.nr = { 1, 2, 0, 0 }

static const struct sim_config small[] = {
	{ ONE, .from = SIM_OLD, .faults = 3 },
	{ ONE, .from = SIM_OLD, .faults = 2, .overtakes = true },
	{ ONE, .from = SIM_OLD, .faults = 3, .at_once = true },
	{ ONE, .from = SIM_OLD, .faults = 2, .stay = true },
	{ ONE, .from = SIM_OLD, .faults = 3, .restarted = 1 },
	{ TWO, .from = SIM_OLD, .faults = 1, .overtakes = true },
	{ TWO, .from = SIM_OLD, .faults = 2, .restarted = 2, .overtakes = true },
	{ ALONE, .from = SIM_OLD, .faults = 2, .at_once = true },
	{ ONE, .from = SIM_NEW, .faults = 2, .overtakes = true },
	{ ONE, .from = SIM_NEW, .faults = 3, .at_once = true },
	{ ONE, .from = SIM_NEW, .faults = 2, .restarted = 1, .overtakes = true },
	{ TWO, .from = SIM_NEW, .faults = 1, .overtakes = true },
	{ ALONE, .from = SIM_NEW, .faults = 2, .at_once = true },
};

static struct sim_count count;

START_TEST(all_well)
{
	struct sim_config config = small[_i];

	config.faults = 0;
	ck_assert_msg(sim_explore(&config, &count), "%s: %s", count.bad, count.trace);
	ck_assert_uint_eq(count.ends, count.stages[SIM_SETTLED]);
}
END_TEST

START_TEST(every_fault)
{
	struct sim_config config = small[_i];

	config.faults -= FEWER;
	ck_assert_msg(sim_explore(&config, &count), "%s: %s", count.bad, count.trace);
	printf("%d: %llu states, %llu events, %llu ends (%llu reclaimed, %llu started anew), "
	       "longest %u\n", _i, (unsigned long long)count.states,
	       (unsigned long long)count.events, (unsigned long long)count.ends,
	       (unsigned long long)count.stages[SIM_RECLAIMED],
	       (unsigned long long)count.stages[SIM_ANEW], count.longest);
	/* ways out of it that have to be among the runs; the second takes two faults */
	ck_assert_uint_gt(count.stages[SIM_SETTLED], 0);
	ck_assert(count.stages[SIM_RECLAIMED] > 0 || config.faults < 2);
	ck_assert(count.stages[SIM_ANEW] > 0 || config.faults < 1);
}
END_TEST

/* What has to be found, by the first fault. */
static const struct {
	enum sim_broken broken;
	const char *bad;
} broken[] = {
	{ SIM_FENCE_LIES, "services start anew with the new kernel not fenced" },
	{ SIM_NO_NOTES, "something is left of a workload" },
	{ SIM_FORGETS_COMMIT, "an agent that's started again takes the move for what it isn't" },
	{ SIM_THAWS_LATE, "something is undone after the commit" },
	{ SIM_UNDOES_AT_ONCE, "a workload is lost" },
};

START_TEST(broken_shells)
{
	struct sim_config config = {
		.nr = { 1, 1, 1, 1 }, .faults = 1, .broken = broken[_i].broken,
	};

	ck_assert(!sim_explore(&config, &count));
	ck_assert_str_eq(count.bad, broken[_i].bad);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("every run");
	TCase *tc = tcase_create("every");

	tcase_set_timeout(tc, TIME_LIMIT);
	tcase_add_loop_test(tc, all_well, 0, sizeof(small) / sizeof(small[0]));
	tcase_add_loop_test(tc, every_fault, 0, sizeof(small) / sizeof(small[0]));
	tcase_add_loop_test(tc, broken_shells, 0, sizeof(broken) / sizeof(broken[0]));
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
