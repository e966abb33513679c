// SPDX-License-Identifier: GPL-2.0-only
/* Time windows; window.h has their form. */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/window.h"

#define DAY		1440
#define TEXT_MAX	1024
#define ALL_DAYS	0x7f
#define LOOK_AHEAD	(9 * DAY)	/* minutes: a week, and a day that lacks the time */

static const char *const days[7] = {
	"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
};

/* ---- reading ---- */

/* -1: it's no day of the week. */
static int day_of(const char *name, size_t length)
{
	for (int i = 0; i < 7; i++)
		if ((length == 3 || length == strlen(days[i])) &&
		    strncasecmp(days[i], name, length) == 0)
			return i;
	return -1;
}

/* One of a list: "Sat", or "Mon..Fri", which may go around the week's end. */
static int read_range(const char *text, size_t length, uint8_t *ret)
{
	const char *dots = memmem(text, length, "..", 2);
	int first = day_of(text, dots ? (size_t)(dots - text) : length), last = first;

	if (dots)
		last = day_of(dots + 2, length - (size_t)(dots + 2 - text));
	if (first < 0 || last < 0)
		return -EINVAL;
	for (int day = first; ; day = (day + 1) % 7) {
		*ret |= (uint8_t)(1u << day);
		if (day == last)
			return 0;
	}
}

static int read_days(const char *word, uint8_t *ret, struct kho_err *err)
{
	const char *at = word;

	*ret = 0;
	for (;;) {
		size_t length = strcspn(at, ",");

		if (read_range(at, length, ret) < 0)
			return kho_fail(err, -EINVAL, "\"%.40s\" are no days of the week; write "
					"them as in Sat,Sun or Mon..Fri", word);
		if (!at[length])
			return 0;
		at += length + 1;
	}
}

/* "02:00", of exactly five characters; 24:00 if @may_end the day. */
static int read_minute(const char *text, bool may_end, uint16_t *ret)
{
	int hour, minute;

	for (int i = 0; i < 5; i++)
		if (i == 2 ? text[i] != ':' : !isdigit((unsigned char)text[i]))
			return -EINVAL;
	hour = (text[0] - '0') * 10 + text[1] - '0';
	minute = (text[3] - '0') * 10 + text[4] - '0';
	if (minute > 59 || hour > 24 || (hour == 24 && (minute || !may_end)))
		return -EINVAL;
	*ret = (uint16_t)(hour * 60 + minute);
	return 0;
}

static int read_times(const char *word, struct kho_window *window, struct kho_err *err)
{
	if (strlen(word) != 11 || word[5] != '-' ||
	    read_minute(word, false, &window->begin) < 0 ||
	    read_minute(word + 6, true, &window->end) < 0)
		return kho_fail(err, -EINVAL, "\"%.40s\" is no time from and until; write it as in "
				"02:00-05:00", word);
	if (window->begin == window->end)
		return kho_fail(err, -EINVAL, "\"%.40s\" is never open; a whole day is 00:00-24:00",
				word);
	return 0;
}

/* A file's name below the zones' folder, later on. */
static int read_zone(const char *word, struct kho_window *window, struct kho_err *err)
{
	size_t length = strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				     "_+-/");

	if (word[length] || length >= sizeof(window->zone) || !isalpha((unsigned char)*word))
		return kho_fail(err, -EINVAL, "\"%.40s\" is no time zone; write it as in "
				"Europe/Berlin", word);
	memcpy(window->zone, word, length + 1);
	return 0;
}

/* [DAYS] TIMES [ZONE] */
static int read_window(char *text, struct kho_window *window, struct kho_err *err)
{
	char *rest, *word = strtok_r(text, " \t", &rest);
	int r = 0;

	*window = (struct kho_window){ .days = ALL_DAYS };
	if (word && !isdigit((unsigned char)*word)) {
		r = read_days(word, &window->days, err);
		word = strtok_r(NULL, " \t", &rest);
	}
	if (r >= 0 && !word)
		r = kho_fail(err, -EINVAL, "a time window lacks its times; write it as in Sat,Sun "
			     "02:00-05:00");
	if (r >= 0)
		r = read_times(word, window, err);
	word = r >= 0 ? strtok_r(NULL, " \t", &rest) : NULL;
	if (word)
		r = read_zone(word, window, err);
	if (r >= 0 && word && strtok_r(NULL, " \t", &rest))
		r = kho_fail(err, -EINVAL, "more words than days, times and time zone; put ';' "
			     "between windows");
	return r;
}

int kho_windows_parse(const char *text, struct kho_windows *ret, struct kho_err *err)
{
	struct kho_windows windows = {};
	char copy[TEXT_MAX], *one, *rest;
	int r = 0;

	if (strlen(text) >= sizeof(copy))
		return kho_fail(err, -EINVAL, "time windows of more than %d characters",
				TEXT_MAX - 1);
	memcpy(copy, text, strlen(text) + 1);
	for (one = strtok_r(copy, ";", &rest); one && r >= 0; one = strtok_r(NULL, ";", &rest)) {
		if (!one[strspn(one, " \t")])
			continue;
		if (windows.nr == KHO_WINDOWS_MAX)
			return kho_fail(err, -EINVAL, "more than %d time windows", KHO_WINDOWS_MAX);
		r = read_window(one, &windows.list[windows.nr++], err);
	}
	if (r < 0)
		return r;
	if (*text && !windows.nr)
		return kho_fail(err, -EINVAL, "no time window is named; leave it empty, or write "
				"one as in Sat,Sun 02:00-05:00");
	*ret = windows;
	return 0;
}

/* ---- what's open ---- */

static bool is_open(const struct kho_window *window, const struct kho_wall_time *now)
{
	bool today = window->days & 1u << now->weekday;
	bool yesterday = window->days & 1u << (now->weekday + 6) % 7;

	if (window->end > window->begin)
		return today && now->minute >= window->begin && now->minute < window->end;
	return (today && now->minute >= window->begin) || (yesterday && now->minute < window->end);
}

int kho_windows_are_open(const struct kho_windows *windows, const struct kho_wall_ops *ops,
			 int64_t now, struct kho_err *err)
{
	struct kho_wall_time wall;

	for (unsigned int i = 0; i < windows->nr; i++) {
		int r = ops->read(ops->ctx, windows->list[i].zone, now, &wall, err);

		if (r < 0)
			return r;
		if (is_open(&windows->list[i], &wall))
			return 1;
	}
	return windows->nr == 0;
}

/* The first minute at which one is open, looked for up to @until; *@ret_when is when. */
static int find_open(const struct kho_window *window, const struct kho_wall_ops *ops, int64_t from,
		     int64_t until, struct kho_wall_time *ret)
{
	struct kho_wall_time wall;

	for (int64_t when = from; when < until; when += 60) {
		int r = ops->read(ops->ctx, window->zone, when, &wall, NULL);

		if (r < 0)
			return r;
		if (is_open(window, &wall)) {
			*ret = wall;
			return (int)((when - from) / 60);
		}
	}
	return -ENOENT;
}

int kho_windows_next(const struct kho_windows *windows, const struct kho_wall_ops *ops,
		     int64_t now, struct kho_wall_time *ret, struct kho_err *err)
{
	/* the next full minute */
	int64_t from = now - now % 60 + 60, until = from + LOOK_AHEAD * 60;
	bool found = false;

	for (unsigned int i = 0; i < windows->nr; i++) {
		int r = find_open(&windows->list[i], ops, from, until, ret);

		if (r < 0)
			continue;
		found = true;
		until = from + r * 60;
	}
	return found ? 0 : kho_fail(err, -ENOENT, "no time window opens within nine days; widen "
				    "Windows=");
}

void kho_wall_time_format(const struct kho_wall_time *when, char ret[KHO_WALL_TEXT])
{
	snprintf(ret, KHO_WALL_TEXT, "%.3s %04d-%02d-%02d %02d:%02d %s", days[when->weekday % 7],
		 when->year, when->month, when->day, when->minute / 60, when->minute % 60, when->zone);
}
