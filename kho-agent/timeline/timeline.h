/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An upgrade as a picture, from what was recorded of it.
 *
 * Theory of operation
 *
 *	entry of the history, or report of a move --> struct kho_timeline --> SVG
 *	(docs/report.md)                              spans on one axis, ms
 *
 * An entry's phases are counted from the upgrade's beginning, those of the move in it from
 * the move's: both have the wall clock of their zero, so the latter are shifted. A report
 * alone is drawn on its own axis, which the demo's has from the spawn on.
 *
 * The picture has three parts: the upgrade's phases; the workloads with their rounds and
 * freezes, and what happened to addresses and volumes; and the switch, step by step, with
 * the gap that clients saw if somebody who was outside hands that in. Each part is an
 * <svg> element of its own whose user unit is a millisecond: a bar's x and width are the
 * recorded numbers themselves, so nothing is rounded. data-begin is where its axis begins.
 *
 * Pure. Reports are read as if by a stranger: what isn't as it should be isn't drawn, texts
 * are escaped, lists and numbers have limits.
 */
#ifndef KHO_TIMELINE_TIMELINE_H
#define KHO_TIMELINE_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-json.h>

#include "base/err.h"

#define KHO_TIMELINE_TEXT	160u
#define KHO_TIMELINE_NAME	32u
#define KHO_TIMELINE_SPANS	48u
#define KHO_TIMELINE_ROUNDS	40u
#define KHO_TIMELINE_WORKLOADS	32u

struct kho_period {
	char name[KHO_TIMELINE_NAME];
	uint64_t start_ms, end_ms;
};

struct kho_periods {
	unsigned int nr;
	struct kho_period list[KHO_TIMELINE_SPANS];
};

struct kho_timeline_workload {
	char name[KHO_TIMELINE_NAME];
	char result[KHO_TIMELINE_NAME];
	uint64_t rss_bytes, predicted_ms, down_ms;	/* 0: not known */
	bool has_frozen;
	struct kho_period frozen;
	uint64_t nr_copied;			/* rounds as counted; 0: not known */
	unsigned int nr_rounds;			/* that have both times */
	struct {
		uint64_t start_ms, end_ms, bytes;
	} rounds[KHO_TIMELINE_ROUNDS];
};

/* What clients saw: the longest time without an answer. */
struct kho_timeline_client {
	bool known;
	struct kho_period gap;
	char text[KHO_TIMELINE_TEXT];
};

struct kho_timeline {
	char title[KHO_TIMELINE_TEXT];	/* kernels, result */
	char note[KHO_TIMELINE_TEXT];	/* when, by whom, image; "": a report alone */
	struct kho_periods phases;	/* of the upgrade, or of the report */
	struct kho_periods move;		/* of the move, if those are others */
	struct kho_periods steps;
	unsigned int nr;
	struct kho_timeline_workload workloads[KHO_TIMELINE_WORKLOADS];
	struct kho_timeline_client client;
};

/*
 * @upgrade: an entry or a report. @client: as in docs/report.md, NULL: as in @upgrade, if
 * it has one. -EBADMSG: it's neither, or has no times at all.
 */
int kho_timeline_parse(sd_json_variant *upgrade, sd_json_variant *client,
		       struct kho_timeline *ret, struct kho_err *err);

/* The caller frees *@ret. -ENOMEM. */
int kho_timeline_draw(const struct kho_timeline *timeline, char **ret);

#endif
