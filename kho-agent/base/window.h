/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Time windows: when an upgrade may begin.
 *
 *	Sat,Sun 02:00-05:00; Mon..Fri 03:00-04:00 Europe/Berlin; 23:30-00:30 UTC
 *
 * Windows stand between ';'. One has days of the week as in systemd.time(7) (names or
 * their first three letters, lists, ranges by ".."; none: every day), a time from and a
 * time until by the clock on the wall, and an IANA time zone (none: the machine's own).
 * It's open from the first minute on and closed from the second one on. One whose end isn't
 * later than its begin ends on the day after, and its days are those that it begins on;
 * 24:00 is the end of the day.
 *
 * Daylight saving: the wall's clock counts, nothing else. A time that a day doesn't have,
 * since clocks are put forward over it, isn't open then; one that it has twice is open
 * twice.
 *
 * Pure: what the clock says somewhere comes by an ops table.
 */
#ifndef KHO_BASE_WINDOW_H
#define KHO_BASE_WINDOW_H

#include <stdint.h>

#include "base/err.h"

#define KHO_WINDOWS_MAX		16
#define KHO_WINDOW_ZONE		64	/* bytes of a zone's name, with the terminator */

struct kho_window {
	uint8_t days;			/* bit 0: Monday */
	uint16_t begin, end;		/* minutes of the day, below 1440; end also 1440 */
	char zone[KHO_WINDOW_ZONE];	/* "": the machine's own */
};

struct kho_windows {
	unsigned int nr;		/* 0: it's always open */
	struct kho_window list[KHO_WINDOWS_MAX];
};

/* What the clock on a wall says. */
struct kho_wall_time {
	int year, month, day;		/* 2026, 1 to 12, 1 to 31 */
	int weekday;			/* 0: Monday */
	int minute;			/* of the day */
	char zone[16];			/* "CET" */
};

struct kho_wall_ops {
	/* @when: seconds since 1970. -ENOENT: there's no such zone. */
	int (*read)(void *ctx, const char *zone, int64_t when, struct kho_wall_time *ret,
		    struct kho_err *err);
	void *ctx;
};

/* -EINVAL: with cause and remedy. An empty text is no window at all. */
int kho_windows_parse(const char *text, struct kho_windows *ret, struct kho_err *err);

/* 1: one is open at @now, or there's none; 0; errors of @ops. */
int kho_windows_are_open(const struct kho_windows *windows, const struct kho_wall_ops *ops,
			 int64_t now, struct kho_err *err);

/*
 * When the next one opens, in its own zone: the first minute after @now at which it's open.
 * -ENOENT: none does within nine days; or errors of @ops.
 */
int kho_windows_next(const struct kho_windows *windows, const struct kho_wall_ops *ops,
		     int64_t now, struct kho_wall_time *ret, struct kho_err *err);

/* "Sat 2026-11-28 02:00 CET" */
#define KHO_WALL_TEXT	64
void kho_wall_time_format(const struct kho_wall_time *when, char ret[KHO_WALL_TEXT]);

#endif
