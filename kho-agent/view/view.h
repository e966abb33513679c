/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What khoctl watch shows, as data: taken from the messages of Status (docs/abi.md), put
 * on a screen by layout.h, or told as lines. Pure, but for the time zone.
 */
#ifndef KHO_VIEW_VIEW_H
#define KHO_VIEW_VIEW_H

#include <stdbool.h>
#include <stdio.h>

#include "api/progress.h"

#define KHO_VIEW_LINES	128u		/* of the log; the last ones */
#define KHO_VIEW_TEXT	256u
#define KHO_VIEW_WORD	16u
#define KHO_VIEW_UNIT	16u		/* "5.2 MiB/s" */

struct kho_view_line {
	uint64_t ms;			/* since 1970 */
	char text[KHO_VIEW_TEXT];
};

/* All zero: nothing is known yet. */
struct kho_view {
	bool known;
	char release[64], peer[64];	/* kernels; the other one, if they're connected */
	char phase[KHO_VIEW_WORD];	/* of the agent */
	char message[KHO_VIEW_TEXT];	/* how the last command ended; "": well */
	bool connected, over;
	bool upgrade;			/* one is under way */
	char id[40], image[KHO_VIEW_TEXT], by[64];
	char state[KHO_VIEW_WORD];	/* of the upgrade */
	char trouble[KHO_VIEW_TEXT];	/* why it fails, or is held */
	bool held;
	uint64_t soak_left_ms;		/* when the message came; 0: no end of its own */
	struct kho_progress move;
	struct kho_view_line log[KHO_VIEW_LINES];	/* line n is in log[n % KHO_VIEW_LINES] */
	unsigned int nr_log;		/* all there were */
};

/* A message. Its lines are added to the log, all else replaces what was known. */
void kho_view_update(struct kho_view *view, sd_json_variant *message);

/*
 * Writes what @now has and @before hadn't, a line each: "16:40:02 hello from 7.3",
 * "phase: sync", "redis: copying, 3 rounds, ...".
 */
void kho_view_describe(const struct kho_view *before, const struct kho_view *now, FILE *out);

/* "-" for 0. */
void kho_view_bytes(uint64_t bytes, const char *suffix, char ret[KHO_VIEW_UNIT]);
void kho_view_ms(uint64_t ms, char ret[KHO_VIEW_UNIT]);
/* "16:40:02", in local time. */
void kho_view_time(uint64_t ms, char ret[KHO_VIEW_UNIT]);

#endif
