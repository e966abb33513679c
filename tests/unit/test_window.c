// SPDX-License-Identifier: GPL-2.0-only
/* Time windows: what can be written, when they're open, daylight saving, zones. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/window.h"
#include "system/zone.h"
#include "unit/run.h"

static struct kho_windows windows;
static struct kho_err err;
static struct kho_wall wall;
static struct kho_wall_ops ops;

static void setup(void)
{
	memset(&windows, 0xee, sizeof(windows));
	err = (struct kho_err){};
	setenv("TZ", "UTC", 1);
	ops = kho_wall_ops(&wall);
}

static void teardown(void)
{
	kho_wall_done(&wall);
}

static void parse(const char *text)
{
	ck_assert_msg(kho_windows_parse(text, &windows, &err) == 0, "%s: %s", text, err.msg);
}

/* "2026-11-28 02:00" in UTC */
static int64_t at(const char *text)
{
	struct tm tm = {};

	ck_assert_ptr_nonnull(strptime(text, "%Y-%m-%d %H:%M:%S", &tm));
	return timegm(&tm);
}

static void expect(const char *when, int open)
{
	ck_assert_msg(kho_windows_are_open(&windows, &ops, at(when), &err) == open, "%s: not %d",
		      when, open);
}

static void expect_next(const char *now, const char *next)
{
	struct kho_wall_time found;
	char text[KHO_WALL_TEXT];

	ck_assert_int_eq(kho_windows_next(&windows, &ops, at(now), &found, &err), 0);
	kho_wall_time_format(&found, text);
	ck_assert_str_eq(text, next);
}

START_TEST(written)
{
	parse("Sat,Sun 02:00-05:00; mon..FRI 03:05-04:00 Europe/Berlin;23:30-24:00\tEtc/GMT+5 ;");
	ck_assert_uint_eq(windows.nr, 3);
	ck_assert_int_eq(windows.list[0].days, 0x60);
	ck_assert_int_eq(windows.list[0].begin, 120);
	ck_assert_int_eq(windows.list[0].end, 300);
	ck_assert_str_eq(windows.list[0].zone, "");
	ck_assert_int_eq(windows.list[1].days, 0x1f);
	ck_assert_int_eq(windows.list[1].begin, 185);
	ck_assert_str_eq(windows.list[1].zone, "Europe/Berlin");
	ck_assert_int_eq(windows.list[2].days, 0x7f);
	ck_assert_int_eq(windows.list[2].end, 1440);
	ck_assert_str_eq(windows.list[2].zone, "Etc/GMT+5");
	parse("Saturday..Monday,Wednesday 00:00-00:01");
	ck_assert_int_eq(windows.list[0].days, 0x65);
	parse("");
	ck_assert_uint_eq(windows.nr, 0);
	expect("2026-11-26 12:00:00", 1);
}
END_TEST

START_TEST(not_windows)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ " ", "no time window" }, { ";;", "no time window" },
		{ "Sat", "lacks its times" }, { "Sa 02:00-05:00", "no days" },
		{ "Sat, 02:00-05:00", "no days" }, { "Sat,,Sun 02:00-05:00", "no days" },
		{ "Sat.. 02:00-05:00", "no days" }, { "..Sat 02:00-05:00", "no days" },
		{ "Sat..Sun..Mon 02:00-05:00", "no days" }, { "Sat Sun 02:00-05:00", "no time from" },
		{ "2:00-05:00", "no time from" }, { "02:00-5:00", "no time from" },
		{ "02:60-05:00", "no time from" }, { "24:00-05:00", "no time from" },
		{ "02:00-24:01", "no time from" }, { "25:00-26:00", "no time from" },
		{ "02:00 05:00", "no time from" }, { "02:00--5:00", "no time from" },
		{ "02:00-05:00:00", "no time from" }, { "02:00-02:00", "never open" },
		{ "02:00-05:00 ../../etc/passwd", "no time zone" },
		{ "02:00-05:00 /etc/localtime", "no time zone" },
		{ "02:00-05:00 Europe/..", "no time zone" }, { "02:00-05:00 :UTC", "no time zone" },
		{ "02:00-05:00 UTC Sat", "more words" },
		{ "02:00-05:00 Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		  "no time zone" },
		{ "1:0;1:0;1:0;1:0;1:0;1:0;1:0;1:0;1:0;1:0;1:0;1:0;1:0;1:0;1:0;1:0;1:0", "no time from" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		windows.nr = 99;
		ck_assert_msg(kho_windows_parse(cases[i].text, &windows, &err) == -EINVAL, "%s",
			      cases[i].text);
		ck_assert_msg(strstr(err.msg, cases[i].says), "%s: %s", cases[i].text, err.msg);
		ck_assert_uint_eq(windows.nr, 99);
	}
}
END_TEST

START_TEST(too_many)
{
	char text[2048] = "";

	for (int i = 0; i < KHO_WINDOWS_MAX; i++)
		strncat(text, "02:00-05:00;", 13);
	parse(text);
	ck_assert_uint_eq(windows.nr, KHO_WINDOWS_MAX);
	strncat(text, "02:00-05:00", 12);
	ck_assert_int_eq(kho_windows_parse(text, &windows, &err), -EINVAL);
	memset(text, ' ', 1100);
	ck_assert_int_eq(kho_windows_parse(text, &windows, &err), -EINVAL);
}
END_TEST

/* 2026-11-28 is a Saturday. */
START_TEST(opens_and_closes)
{
	parse("Sat,Sun 02:00-05:00");
	expect("2026-11-28 01:59:59", 0);
	expect("2026-11-28 02:00:00", 1);
	expect("2026-11-28 04:59:59", 1);
	expect("2026-11-28 05:00:00", 0);
	expect("2026-11-29 03:00:00", 1);
	expect("2026-11-30 03:00:00", 0);
	expect_next("2026-11-26 12:34:56", "Sat 2026-11-28 02:00 UTC");
	expect_next("2026-11-28 05:00:00", "Sun 2026-11-29 02:00 UTC");
	expect_next("2026-11-29 05:00:00", "Sat 2026-12-05 02:00 UTC");
}
END_TEST

/* Its days are those that it begins on. */
START_TEST(past_midnight)
{
	parse("Sun 23:00-01:30");
	expect("2026-11-29 22:59:00", 0);
	expect("2026-11-29 23:00:00", 1);
	expect("2026-11-30 00:00:00", 1);
	expect("2026-11-30 01:29:59", 1);
	expect("2026-11-30 01:30:00", 0);
	expect("2026-11-30 23:30:00", 0);
	expect("2026-11-29 00:30:00", 0);
	parse("22:00-00:00");
	expect("2026-11-29 23:59:59", 1);
	expect("2026-11-30 00:00:00", 0);
	parse("Mon 00:00-24:00");
	expect("2026-11-29 23:59:59", 0);
	expect("2026-11-30 00:00:00", 1);
	expect("2026-11-30 23:59:59", 1);
	expect("2026-12-01 00:00:00", 0);
}
END_TEST

/* The same instant is another time, and another day, elsewhere. */
START_TEST(zones)
{
	parse("Sat 02:00-05:00 Asia/Tokyo");
	expect("2026-11-27 16:59:59", 0);
	expect("2026-11-27 17:00:00", 1);
	expect("2026-11-28 02:00:00", 0);
	expect_next("2026-11-26 00:00:00", "Sat 2026-11-28 02:00 JST");
	parse("Sat 02:00-05:00 America/New_York; Sat 02:00-05:00 Europe/Berlin");
	expect("2026-11-28 07:00:00", 1);
	expect("2026-11-28 01:00:00", 1);
	expect("2026-11-28 05:00:00", 0);
	expect_next("2026-11-26 00:00:00", "Sat 2026-11-28 02:00 CET");
	expect_next("2026-11-28 04:30:00", "Sat 2026-11-28 02:00 EST");
}
END_TEST

/* The machine's own zone, which is what it was afterwards. */
START_TEST(own_zone)
{
	setenv("TZ", "Asia/Tokyo", 1);
	parse("Sat 02:00-05:00; Sat 02:00-05:00 Europe/Berlin");
	expect("2026-11-27 17:00:00", 1);
	expect("2026-11-28 01:00:00", 1);
	kho_wall_done(&wall);
	ck_assert_str_eq(getenv("TZ"), "Asia/Tokyo");
	unsetenv("TZ");
	expect("2026-11-28 01:00:00", 1);
	kho_wall_done(&wall);
	ck_assert_ptr_null(getenv("TZ"));
}
END_TEST

/* In Berlin clocks go from 02:00 to 03:00 on 2026-03-29, at 01:00 UTC. */
START_TEST(clocks_go_forward)
{
	parse("02:15-02:45 Europe/Berlin");
	expect("2026-03-28 01:30:00", 1);
	expect("2026-03-29 00:30:00", 0);	/* 01:30 */
	expect("2026-03-29 01:30:00", 0);	/* 03:30: there's no 02:30 */
	expect("2026-03-30 00:30:00", 1);
	expect_next("2026-03-28 12:00:00", "Mon 2026-03-30 02:15 CEST");
	parse("Sun 01:30-04:00 Europe/Berlin");
	expect("2026-03-29 00:59:59", 1);
	expect("2026-03-29 01:00:00", 1);	/* 03:00 */
	expect("2026-03-29 02:00:00", 0);	/* 04:00 */
	/* one that begins in what isn't there opens when that's over */
	parse("Sun 02:30-04:00 Europe/Berlin");
	expect_next("2026-03-28 12:00:00", "Sun 2026-03-29 03:00 CEST");
	/* and one that is of no other day isn't found within nine */
	parse("Sun 02:15-02:45 Europe/Berlin");
	expect_next("2026-03-28 12:00:00", "Sun 2026-04-05 02:15 CEST");
}
END_TEST

/* And from 03:00 back to 02:00 on 2026-10-25, at 01:00 UTC. */
START_TEST(clocks_go_back)
{
	parse("Sun 02:15-02:45 Europe/Berlin");
	expect("2026-10-25 00:14:59", 0);
	expect("2026-10-25 00:15:00", 1);	/* 02:15 CEST */
	expect("2026-10-25 00:45:00", 0);
	expect("2026-10-25 01:15:00", 1);	/* 02:15 CET */
	expect("2026-10-25 01:45:00", 0);
	expect_next("2026-10-25 00:45:00", "Sun 2026-10-25 02:15 CET");
}
END_TEST

START_TEST(no_such_zone)
{
	parse("02:00-05:00 Europe/Atlantis");
	ck_assert_int_eq(kho_windows_are_open(&windows, &ops, 0, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "Europe/Atlantis"));
	ck_assert_int_eq(kho_windows_next(&windows, &ops, 0, &(struct kho_wall_time){}, &err),
			 -ENOENT);
	parse("02:00-05:00 Europe");
	ck_assert_int_eq(kho_windows_are_open(&windows, &ops, 0, &err), -ENOENT);
	parse("02:00-05:00 UTC");
	ck_assert_int_eq(kho_windows_are_open(&windows, &ops, 3 * 3600, &err), 1);
}
END_TEST

static Suite *window_suite(void)
{
	Suite *suite = suite_create("window");
	TCase *tc = tcase_create("window");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, written);
	tcase_add_test(tc, not_windows);
	tcase_add_test(tc, too_many);
	tcase_add_test(tc, opens_and_closes);
	tcase_add_test(tc, past_midnight);
	tcase_add_test(tc, zones);
	tcase_add_test(tc, own_zone);
	tcase_add_test(tc, clocks_go_forward);
	tcase_add_test(tc, clocks_go_back);
	tcase_add_test(tc, no_such_zone);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(window_suite());
}
