/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When upgrades may begin: times of the week in a time zone. Pure: what time it is in a
 * zone is asked of the caller. An upgrade that began within a window may end after it.
 */
#ifndef KHO_FLEET_WINDOW_H
#define KHO_FLEET_WINDOW_H

#include "fleet/json.h"

#define KHO_WINDOWS_MAX		8u
#define KHO_ZONE		48u
#define KHO_MINUTES_PER_DAY	1440u

/*
 * From start to end on each of the days; if the end isn't after the start it's of the next
 * day. Days are bits, Sunday is bit 0, as tm_wday.
 */
struct kho_window {
	uint8_t days;
	uint16_t start, end;		/* minutes of the day; end up to 1440 */
	char zone[KHO_ZONE];		/* "Europe/Berlin", "UTC" */
};

/* Day of the week and minute of the day at @now_ms (since 1970) in @zone. */
typedef int (*kho_zone_fn)(void *ctx, const char *zone, uint64_t now_ms, unsigned int *ret_day,
			   unsigned int *ret_minute, struct kho_err *err);

/* {days?: ["mon", ...], start: "22:00", end: "04:00", zone?: "UTC"}. -EINVAL */
int kho_window_parse(sd_json_variant *object, struct kho_window *ret, struct kho_err *err);

bool kho_window_is_open(const struct kho_window *window, unsigned int day, unsigned int minute);

#endif
