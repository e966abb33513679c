// SPDX-License-Identifier: GPL-2.0-only
/* Wall clocks; zone.h has the contract. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "system/zone.h"

#define ZONES	"/usr/share/zoneinfo"

/* The library takes a name that it doesn't know for UTC, without a word. */
static int check_zone(const char *zone, struct kho_err *err)
{
	char path[sizeof(ZONES) + 1 + KHO_WINDOW_ZONE];
	struct stat st;

	snprintf(path, sizeof(path), ZONES "/%s", zone);
	if (strcmp(zone, "UTC") != 0 && (stat(path, &st) < 0 || !S_ISREG(st.st_mode)))
		return kho_fail(err, -ENOENT, "there's no time zone %s here; write another one, or "
				"install tzdata", zone);
	return 0;
}

static int set_zone(struct kho_wall *wall, const char *zone, struct kho_err *err)
{
	const char *now = getenv("TZ");
	int r;

	if (wall->changed && strcmp(wall->zone, zone) == 0)
		return 0;
	r = *zone ? check_zone(zone, err) : 0;
	if (r < 0)
		return r;
	if (!wall->changed && now) {
		wall->before = strdup(now);
		if (!wall->before)
			return kho_fail(err, -ENOMEM, "no memory for a time zone");
	}
	wall->changed = true;
	snprintf(wall->zone, sizeof(wall->zone), "%s", zone);
	if (*zone)
		setenv("TZ", zone, 1);
	else if (wall->before)
		setenv("TZ", wall->before, 1);
	else
		unsetenv("TZ");
	tzset();
	return 0;
}

static int read_wall(void *ctx, const char *zone, int64_t when, struct kho_wall_time *ret,
		     struct kho_err *err)
{
	time_t seconds = (time_t)when;
	struct tm tm;
	int r = set_zone(ctx, zone, err);

	if (r < 0)
		return r;
	if (!localtime_r(&seconds, &tm))
		return kho_fail_errno(err, -errno, "the time");
	*ret = (struct kho_wall_time){
		.year = tm.tm_year + 1900, .month = tm.tm_mon + 1, .day = tm.tm_mday,
		.weekday = (tm.tm_wday + 6) % 7, .minute = tm.tm_hour * 60 + tm.tm_min,
	};
	snprintf(ret->zone, sizeof(ret->zone), "%s", tm.tm_zone ?: "");
	return 0;
}

struct kho_wall_ops kho_wall_ops(struct kho_wall *wall)
{
	return (struct kho_wall_ops){ .read = read_wall, .ctx = wall };
}

void kho_wall_done(struct kho_wall *wall)
{
	if (!wall->changed)
		return;
	if (wall->before)
		setenv("TZ", wall->before, 1);
	else
		unsetenv("TZ");
	tzset();
	free(wall->before);
	*wall = (struct kho_wall){};
}
