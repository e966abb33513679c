// SPDX-License-Identifier: GPL-2.0-only
/* Units: times as systemctl shows them, and what starts a scope. */
#include <errno.h>
#include <string.h>

#include "migrate/workload/unit.h"
#include "migrate/workload/watchdog.h"
#include "tests/unit/run.h"

static const struct {
	const char *text;
	uint64_t usec;
} times[] = {
	{ "0", 0 }, { "infinity", 0 }, { "4s", 4000000 }, { "500ms", 500000 }, { "7us", 7 },
	{ "1min 30s", 90000000 }, { "2h 1ms", 7200001000 }, { "4.500s", 4500000 },
	{ "1.000001s", 1000001 }, { "1y 1month 1w 1d", 31557600000000 + 2629800000000 +
		604800000000 + 86400000000 },
};

START_TEST(time_parsed)
{
	uint64_t usec = 99;

	ck_assert_int_eq(kho_watchdog_parse(times[_i].text, &usec, NULL), 0);
	ck_assert_uint_eq(usec, times[_i].usec);
}
END_TEST

static const char *const bad_times[] = {
	"", " ", "4", "s", "4 s", "4s ", " 4s", "4s  5s", "-4s", "4x", "4s5ms,", ".5s", "4.s.",
	"9999999999999999s", "999999999999999y",
};

START_TEST(time_refused)
{
	struct kho_err err;
	uint64_t usec = 99;
	int r = kho_watchdog_parse(bad_times[_i], &usec, &err);

	ck_assert(r == -EINVAL || r == -ERANGE);
	ck_assert_uint_eq(usec, 99);
}
END_TEST

static const char *line(const char *name, const char *cgroup)
{
	static char ret[KHO_UNIT_LINE];

	kho_unit_start_line(name, cgroup, "/run/s", ret);
	return ret;
}

START_TEST(service)
{
	ck_assert_str_eq(line("a.service", "/x.slice/a.service"),
			 "/usr/bin/systemctl start -- a.service");
}
END_TEST

START_TEST(scope)
{
	const char *text = line("a.scope", "/lab.slice/lab-wood.slice/a.scope");

	ck_assert(strstr(text, "/usr/bin/systemd-run ") == text);
	ck_assert(strstr(text, " --scope ") && strstr(text, " --unit=a.scope "));
	ck_assert(strstr(text, " --slice=lab-wood.slice "));
	ck_assert(strstr(text, "=/run/s ") && strstr(text, "/kho-restore"));
	ck_assert(strstr(line("a.scope", ""), " --slice=system.slice "));
	ck_assert(strstr(line("a.scope", "/a.scope"), " --slice=system.slice "));
	/* what's no path of systemd's doesn't become words */
	ck_assert(strstr(line("a.scope", "/x --y.slice/a.scope"), " --slice=system.slice "));
}
END_TEST

static Suite *unit_suite(void)
{
	Suite *suite = suite_create("unit");
	TCase *tc = tcase_create("unit");

	tcase_add_loop_test(tc, time_parsed, 0, sizeof(times) / sizeof(times[0]));
	tcase_add_loop_test(tc, time_refused, 0, sizeof(bad_times) / sizeof(bad_times[0]));
	tcase_add_test(tc, service);
	tcase_add_test(tc, scope);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(unit_suite());
}
