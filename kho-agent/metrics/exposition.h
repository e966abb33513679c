/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes samples in the text formats that Prometheus reads.
 *
 * Theory of operation
 *
 * Two formats of one content: Prometheus text 0.0.4, and OpenMetrics 1.0. They differ in
 * what the head of a family says (in the former a counter's name ends in _total, there's
 * no unit, and info and stateset are gauges), and in the end, "# EOF".
 *
 * A family's head is written with its first sample: a family without samples isn't there
 * at all. So what isn't known or wasn't measured is left out, and never a 0.
 *
 * Pure; memory grows as needed. After a failure (-ENOMEM) nothing more is written, and
 * the end says so.
 */
#ifndef KHO_METRICS_EXPOSITION_H
#define KHO_METRICS_EXPOSITION_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "metrics/past.h"

enum kho_metrics_format {
	KHO_METRICS_TEXT = 0,		/* Prometheus text 0.0.4 */
	KHO_METRICS_OPENMETRICS,	/* OpenMetrics 1.0 */
};

enum kho_metric_type {
	KHO_METRIC_GAUGE = 0,
	KHO_METRIC_COUNTER,
	KHO_METRIC_HISTOGRAM,
	KHO_METRIC_INFO,		/* 1, with what's said in labels */
	KHO_METRIC_STATESET,		/* a sample a state, 1 or 0; the label's name is the family's */
	_KHO_METRIC_TYPE_MAX,
};

struct kho_exposition;
struct kho_metrics;

/* A family. */
struct kho_metric {
	const char *name;		/* without _total or _info, which samples have */
	enum kho_metric_type type;
	const char *unit;		/* the name's end, or "" */
	const char *labels;		/* names, in their order, with blanks between; "": none */
	const char *help;		/* one line, of letters that need no escaping */
	/* Writes its samples, if there are any. */
	void (*fill)(struct kho_exposition *x, const struct kho_metrics *metrics);
};

struct kho_exposition {
	enum kho_metrics_format format;
	FILE *out;			/* to @text */
	char *text;
	size_t size;
	const struct kho_metric *metric;	/* whose samples come */
	bool headed;
};

const char *kho_metric_type_name(enum kho_metric_type type);

int kho_exposition_begin(struct kho_exposition *x, enum kho_metrics_format format);

/* Whose samples follow. */
void kho_exposition_family(struct kho_exposition *x, const struct kho_metric *metric);

/* The text is *@ret's, to be freed by free(). -ENOMEM. Either way @x is done with. */
int kho_exposition_end(struct kho_exposition *x, char **ret);

/* A sample; @values of the family's labels, in their order, escaped here. */
void kho_expose(struct kho_exposition *x, uint64_t value, const char *const values[]);

/* The same of a time: @ms are shown in seconds. */
void kho_expose_ms(struct kho_exposition *x, uint64_t ms, const char *const values[]);

/* The same for families without labels: nothing, if it isn't known. */
void kho_expose_known_ms(struct kho_exposition *x, struct kho_known ms);

/* All of @names, of which @state is the one (NULL or another: none). */
void kho_expose_states(struct kho_exposition *x, const char *const names[], size_t nr,
		       const char *state);

/* @bounds, and the sum, in ms that are shown as seconds if the family's unit is seconds. */
void kho_expose_histogram(struct kho_exposition *x, const struct kho_histogram *histogram,
			  const uint64_t bounds[KHO_HISTOGRAM_BUCKETS - 1]);

#endif
