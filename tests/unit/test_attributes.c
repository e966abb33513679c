// SPDX-License-Identifier: GPL-2.0-only
/* Attributes of tasks: as text and back, CPUs mapped, read and set on a task of our own. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "migrate/workload/attributes.h"
#include "tests/unit/run.h"

#define TEXT								\
	"kho-attributes 1\n"						\
	"online 0-1,7\n"						\
	"task 12 0 0 -5 0 0 0 0 16390 50000 all\n"			\
	"task 13 6 3 0 0 1000 2000 3000 0 0 1,7\n"			\
	"process 12 -1000 51\n"						\
	"congestion 12 7 bbr\n"						\
	"timer 12 9 1 3 4 5000000000 20000000\n"			\
	"end\n"

static struct kho_attributes a;
static struct kho_err err;

static void setup(void)
{
	a = (struct kho_attributes){};
	err = (struct kho_err){};
}

static void teardown(void)
{
	kho_attributes_done(&a);
}

static int parse(const char *from)
{
	char *text = strdup(from);
	int r = kho_attributes_parse(text, &a, &err);

	free(text);
	return r;
}

START_TEST(parsed)
{
	ck_assert_int_eq(parse(TEXT), 0);
	ck_assert_uint_eq(a.nr_tasks, 2);
	ck_assert(a.tasks[0].tid == 12 && a.tasks[0].all_cpus && a.tasks[0].nice == -5);
	ck_assert(a.tasks[0].ioprio == 16390 && a.tasks[0].slack_ns == 50000);
	ck_assert(a.tasks[1].policy == 6 && a.tasks[1].flags == 3 && !a.tasks[1].all_cpus);
	ck_assert(a.tasks[1].runtime_ns == 1000 && a.tasks[1].period_ns == 3000);
	ck_assert(kho_cpus_has(&a.tasks[1].cpus, 7) && kho_cpus_count(&a.tasks[1].cpus) == 2);
	ck_assert(a.nr_processes == 1 && a.processes[0].oom_score_adj == -1000);
	ck_assert_uint_eq(a.processes[0].coredump_filter, 51);
	ck_assert(a.nr_sockets == 1 && a.sockets[0].fd == 7);
	ck_assert_str_eq(a.sockets[0].congestion, "bbr");
	ck_assert(a.nr_timers == 1 && a.timers[0].fd == 9 && a.timers[0].clock == 1);
	ck_assert(a.timers[0].flags == 3 && a.timers[0].ticks == 4);
	ck_assert(a.timers[0].due_ns == 5000000000 && a.timers[0].interval_ns == 20000000);
	ck_assert_uint_eq(kho_cpus_count(&a.online), 3);
}
END_TEST

START_TEST(formatted_as_parsed)
{
	char *text;

	ck_assert_int_eq(parse(TEXT), 0);
	ck_assert_int_eq(kho_attributes_format(&a, &text, &err), 0);
	ck_assert_str_eq(text, TEXT);
	free(text);
}
END_TEST

/* Cut off anywhere, it's refused as a whole. */
START_TEST(truncated)
{
	char text[sizeof(TEXT)];

	for (size_t n = 0; n + 1 < strlen(TEXT); n++) {
		memcpy(text, TEXT, n);
		text[n] = '\0';
		ck_assert_int_eq(parse(text), -EBADMSG);
		ck_assert(!a.tasks && !a.nr_tasks);
	}
}
END_TEST

static const char *const bad[] = {
	"", "\n", "kho-attributes 2\nend\n", "end\n",
	"kho-attributes 1\ntask 0 0 0 0 0 0 0 0 0 0 all\nend\n",
	"kho-attributes 1\ntask -1 0 0 0 0 0 0 0 0 0 all\nend\n",
	"kho-attributes 1\ntask 1 0 0 0 0 0 0 0 0 0\nend\n",
	"kho-attributes 1\ntask 1 0 0 0 0 0 0 0 0 0 3-2\nend\n",
	"kho-attributes 1\ntask 1 0 0 0 0 0 0 0 0 0 512\nend\n",
	"kho-attributes 1\ntask 1 4294967296 0 0 0 0 0 0 0 0 all\nend\n",
	"kho-attributes 1\ntask 1 0 0 -2147483648 0 0 0 0 0 0 all\nend\n",
	"kho-attributes 1\nprocess 1 x 0\nend\n",
	"kho-attributes 1\nprocess 99999999999 0 0\nend\n",
	"kho-attributes 1\ncongestion 1 -1 reno\nend\n",
	"kho-attributes 1\ncongestion 1 1 a_name_too_long_for_it\nend\n",
	"kho-attributes 1\ncongestion 1 1 ../x\nend\n",
	"kho-attributes 1\ntimer 1 1 1 0 0 9223372036854775808 0\nend\n",
	"kho-attributes 1\ntimer 1 1 1 0 0 0\nend\n",
	"kho-attributes 1\nonline x\nend\n",
};

START_TEST(refused)
{
	ck_assert_int_eq(parse(bad[_i]), -EBADMSG);
	ck_assert(*err.msg);
}
END_TEST

START_TEST(later_versions)
{
	ck_assert_int_eq(parse("kho-attributes 1\nonline 0 more\nmood 1 good\n\n"
			       "process 3 4 5 6 7\nend\nwhatever"), 0);
	ck_assert(a.nr_processes == 1 && a.processes[0].coredump_filter == 5);
}
END_TEST

static const char *mapped(const char *cpus, const char *from, const char *to)
{
	static char text[KHO_CPUS_TEXT];
	struct kho_cpus sets[3], ret;
	const char *const lists[3] = { cpus, from, to };

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(kho_parse_cpus(lists[i], &sets[i], &err), 0);
	kho_attributes_map_cpus(&sets[0], &sets[1], &sets[2], &ret);
	ck_assert_int_eq(kho_cpus_format(&ret, text, sizeof(text)), 0);
	return text;
}

START_TEST(cpus)
{
	ck_assert_str_eq(mapped("1", "0-1", "0-1"), "1");
	ck_assert_str_eq(mapped("5", "4-5", "0-1"), "1");
	ck_assert_str_eq(mapped("0,3", "0-3", "8-11"), "8,11");
	ck_assert_str_eq(mapped("2", "0-3", "0-1"), "0");
	ck_assert_str_eq(mapped("2-3", "0-3", "0-1"), "0-1");
	ck_assert_str_eq(mapped("0-1", "0-1", "0-63"), "0-1");
	/* of CPUs that are offline nothing is left */
	ck_assert_str_eq(mapped("2", "0-1", "0-1"), "0-1");
	ck_assert_str_eq(mapped("1-2", "0-1", "0-1"), "1");
	ck_assert_str_eq(mapped("0", "0", ""), "");
	ck_assert_str_eq(mapped("511", "0-511", "3"), "3");
}
END_TEST

/* ---- a child of ours, with a timer that has expired ---- */

static pid_t child;
static int timer_fd;

static void start_child(void)
{
	const struct itimerspec often = { { 0, 1000000 }, { 0, 1000000 } };
	cpu_set_t set;

	setup();
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	timer_fd = timerfd_create(CLOCK_MONOTONIC, 0);
	timerfd_settime(timer_fd, 0, &often, NULL);
	child = fork();
	if (child == 0) {
		sched_setaffinity(0, sizeof(set), &set);
		setpriority(PRIO_PROCESS, 0, 4);
		for (;;)
			pause();
	}
	while (getpriority(PRIO_PROCESS, child) != 4)
		sched_yield();
}

static void end_child(void)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(timer_fd);
	teardown();
}

START_TEST(read_and_set)
{
	const struct kho_pids pids = { .pids = &child, .nr = 1 };
	const struct itimerspec never = {};
	struct itimerspec now;
	uint64_t count = 0;

	ck_assert_int_eq(kho_attributes_read(&pids, &a, &err), 0);
	ck_assert(a.nr_tasks == 1 && a.nr_processes == 1 && a.nr_timers == 1);
	ck_assert(a.tasks[0].tid == child && a.tasks[0].nice == 4);
	ck_assert(kho_cpus_has(&a.tasks[0].cpus, 0) && kho_cpus_count(&a.tasks[0].cpus) == 1);
	ck_assert(a.timers[0].due_ns && a.timers[0].interval_ns == 1000000);
	timerfd_settime(timer_fd, 0, &never, NULL);
	setpriority(PRIO_PROCESS, child, 9);
	ck_assert_int_eq(kho_attributes_set(&a, &err), 0);
	ck_assert_int_eq(timerfd_gettime(timer_fd, &now), 0);
	ck_assert_int_eq(now.it_interval.tv_nsec, 1000000);
	ck_assert_int_eq(read(timer_fd, &count, sizeof(count)), sizeof(count));
	ck_assert_uint_ge(count, a.timers[0].ticks);
}
END_TEST

START_TEST(gone)
{
	const struct kho_pids pids = { .pids = &child, .nr = 1 };

	ck_assert_int_eq(kho_attributes_read(&pids, &a, &err), 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	ck_assert_int_lt(kho_attributes_set(&a, &err), 0);
	ck_assert(*err.msg);
	teardown();
	ck_assert_int_lt(kho_attributes_read(&pids, &a, &err), 0);
}
END_TEST

static Suite *attributes_suite(void)
{
	Suite *suite = suite_create("attributes");
	TCase *text = tcase_create("text"), *live = tcase_create("live");

	tcase_add_checked_fixture(text, setup, teardown);
	tcase_add_test(text, parsed);
	tcase_add_test(text, formatted_as_parsed);
	tcase_add_test(text, truncated);
	tcase_add_loop_test(text, refused, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(text, later_versions);
	tcase_add_test(text, cpus);
	tcase_add_checked_fixture(live, start_child, end_child);
	tcase_add_test(live, read_and_set);
	tcase_add_test(live, gone);
	suite_add_tcase(suite, text);
	suite_add_tcase(suite, live);
	return suite;
}

int main(void)
{
	return run_suite(attributes_suite());
}
