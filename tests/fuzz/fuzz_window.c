// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time windows of arbitrary text, looked at on a wall whose clock does as it likes; and the
 * file of a kernel that's about to retire. What is accepted is in its bounds, and what opens
 * next is open then.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/window.h"
#include "upgrade/retiring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

/* Every day as long as the other, but for an hour that each tenth one lacks. */
static int read_wall(void *ctx, const char *zone, int64_t when, struct kho_wall_time *ret,
		     struct kho_err *err)
{
	int64_t minutes = when / 60 + (int64_t)strlen(zone) * 60;

	(void)ctx;
	(void)err;
	minutes += minutes / (10 * 1440) * 60;
	*ret = (struct kho_wall_time){
		.year = 2026, .month = 1, .day = 1,
		.weekday = (int)(minutes / 1440 % 7), .minute = (int)(minutes % 1440),
	};
	return 0;
}

static void look(const struct kho_windows *windows)
{
	const struct kho_wall_ops ops = { .read = read_wall };
	struct kho_wall_time next;
	char text[KHO_WALL_TEXT];

	require(windows->nr <= KHO_WINDOWS_MAX);
	for (unsigned int i = 0; i < windows->nr; i++) {
		const struct kho_window *w = &windows->list[i];

		require(w->days && w->days < 0x80 && w->begin < 1440 && w->end <= 1440);
		require(memchr(w->zone, '\0', sizeof(w->zone)) != NULL);
		require(!strstr(w->zone, "..") && w->zone[0] != '/');
	}
	if (!windows->nr) {
		require(kho_windows_are_open(windows, &ops, 0, NULL) == 1);
		return;
	}
	if (kho_windows_next(windows, &ops, 1000, &next, NULL) == 0) {
		kho_wall_time_format(&next, text);
		require(strlen(text) >= 20);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kho_windows windows;
	struct kho_retiring retiring;
	char *text = malloc(size + 1);

	require(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	if (kho_windows_parse(text, &windows, NULL) == 0)
		look(&windows);
	if (kho_retiring_parse(text, &retiring, NULL) == 0) {
		char again[KHO_RETIRING_MAX];

		require(kho_retiring_format(&retiring, again, sizeof(again)) == 0);
	}
	free(text);
	return 0;
}
