// SPDX-License-Identifier: GPL-2.0-only
/* Windows; window.h has the idea. */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "fleet/window.h"

static const char *const day_names[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };

static int parse_day(const char *text, uint8_t *days, struct kho_err *err)
{
	for (unsigned int i = 0; i < 7; i++)
		if (strcasecmp(text, day_names[i]) == 0) {
			*days |= (uint8_t)(1u << i);
			return 0;
		}
	return kho_fail(err, -EINVAL, "\"%.10s\" is no day; write mon, tue, ...", text);
}

static int parse_days(sd_json_variant *list, uint8_t *ret, struct kho_err *err)
{
	*ret = list ? 0 : 0x7f;
	for (size_t i = 0; list && i < sd_json_variant_elements(list); i++) {
		sd_json_variant *day = sd_json_variant_by_index(list, i);
		int r = sd_json_variant_is_string(day) ?
			parse_day(sd_json_variant_string(day), ret, err) :
			kho_fail(err, -EINVAL, "days are texts: mon, tue, ...");

		if (r < 0)
			return r;
	}
	return *ret ? 0 : kho_fail(err, -EINVAL, "a window without days is never open; leave days out "
				   "for all");
}

static int parse_time(sd_json_variant *object, const char *name, uint16_t *ret, struct kho_err *err)
{
	char t[6] = "";
	unsigned int hour, minute;
	int r = kho_json_text(object, KHO_NEED(name), t, sizeof(t), err);

	if (r < 0)
		return r;
	if (strlen(t) != 5 || t[2] != ':' || !isdigit(t[0]) || !isdigit(t[1]) || !isdigit(t[3]) ||
	    !isdigit(t[4]))
		return kho_fail(err, -EINVAL, "\"%s\": write HH:MM", name);
	hour = (unsigned int)(t[0] - '0') * 10 + (unsigned int)(t[1] - '0');
	minute = (unsigned int)(t[3] - '0') * 10 + (unsigned int)(t[4] - '0');
	if (minute > 59 || hour * 60 + minute > KHO_MINUTES_PER_DAY)
		return kho_fail(err, -EINVAL, "\"%s\": %s is no time of the day", name, t);
	*ret = (uint16_t)(hour * 60 + minute);
	return 0;
}

/* It becomes a part of a path. */
static int check_zone(const char *zone, struct kho_err *err)
{
	for (const char *c = zone; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("_+-/", *c))
			return kho_fail(err, -EINVAL, "\"%.40s\" is no time zone; write Area/City", zone);
	return *zone && *zone != '/' ? 0 : kho_fail(err, -EINVAL, "a time zone is Area/City");
}

int kho_window_parse(sd_json_variant *object, struct kho_window *ret, struct kho_err *err)
{
	static const char *const names[] = { "days", "start", "end", "zone", NULL };
	struct kho_window window = { .zone = "UTC" };
	sd_json_variant *days;
	int r = kho_json_only(object, names, err);

	if (r >= 0)
		r = kho_json_array(object, KHO_MAY("days"), &days, err);
	if (r >= 0)
		r = parse_days(days, &window.days, err);
	if (r >= 0)
		r = parse_time(object, "start", &window.start, err);
	if (r >= 0)
		r = parse_time(object, "end", &window.end, err);
	if (r >= 0)
		r = kho_json_text(object, KHO_MAY("zone"), window.zone,
				  sizeof(window.zone), err);
	if (r >= 0)
		r = check_zone(window.zone, err);
	if (r < 0)
		return r;
	if (window.start == KHO_MINUTES_PER_DAY)
		return kho_fail(err, -EINVAL, "a window begins at 23:59 at the latest");
	*ret = window;
	return 0;
}

bool kho_window_is_open(const struct kho_window *window, unsigned int day, unsigned int minute)
{
	unsigned int yesterday = (day + 6) % 7;

	if (window->end > window->start)
		return window->days & 1u << day && minute >= window->start && minute < window->end;
	return (window->days & 1u << day && minute >= window->start) ||
	       (window->days & 1u << yesterday && minute < window->end);
}
