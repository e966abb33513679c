/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the agent shows to Prometheus: values, and the table of families made of them.
 *
 * Theory of operation
 *
 *	agent, history, checks --> struct kho_metrics --> table --> text
 *	       (agent/gather.c)        plain data       (table.c)  (exposition.c)
 *
 * The table is the only place where a family's name, type, unit, labels and help stand.
 * docs/metrics.md has the same rows, which a test compares; the alerts and the dashboard
 * are tried on what's rendered here. Names stay: a family is added, never changed.
 *
 * Pure: no I/O and no clock; times are given as ages, or since 1970. What isn't known has no sample.
 */
#ifndef KHO_METRICS_METRICS_H
#define KHO_METRICS_METRICS_H

#include <stddef.h>

#include "api/progress.h"
#include "channel/channel.h"
#include "image/refused.h"
#include "metrics/exposition.h"
#include "metrics/past.h"
#include "migrate/workload/inspect.h"
#include "upgrade/owner.h"

#define KHO_METRICS_TEXT_TYPE	"text/plain; version=0.0.4; charset=utf-8"
#define KHO_METRICS_OPEN_TYPE	"application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Findings of the last check, by kind. */
struct kho_metrics_check {
	bool known;			/* there was one since the agent's start */
	uint64_t at_ms;			/* since 1970 */
	uint64_t blockers[_KHO_FINDING_MAX];
	uint64_t warnings[_KHO_FINDING_MAX];
};

/* The upgrade that's under way. */
struct kho_metrics_upgrade {
	const char *state;		/* NULL: there's none */
	uint64_t began_ms;		/* since 1970 */
	bool held;
};

/* What's between this kernel and the other one. */
struct kho_metrics_session {
	bool known;			/* there is one */
	enum kho_link_state link;
	struct kho_channel_stats stats;
	struct kho_known silent_ms;	/* since the peer was heard */
	const char *peer_state;		/* none, running, stopped, panicked, retired */
	bool owner_known;		/* the record of ownership could be read */
	struct kho_owner owner;
	bool owned_here;
	uint64_t region_bytes;
};

struct kho_metrics {
	/* all texts are borrowed */
	const char *version;
	const char *role, *release;	/* "first" or "spawned"; of the kernel */
	const char *phase;
	bool failed;			/* the last command or upgrade did */
	uint64_t instance;		/* of this kernel in the chain */
	uint64_t online_cpus, lent_cpus;
	uint64_t held_functions, granted_functions;
	struct kho_metrics_upgrade upgrade;
	struct kho_metrics_session session;
	struct kho_progress progress;	/* of the move that's under way; state "": none */
	struct kho_metrics_check check;
	bool refused_known;		/* the folder could be read */
	uint64_t refused[_KHO_REFUSED_MAX];	/* images, by cause */
	const struct kho_past *past;	/* NULL: not known */
};

/* The table. */
extern const struct kho_metric kho_metrics_table[];
extern const size_t kho_metrics_table_size;

/* The text is to be freed by free(). -ENOMEM. */
int kho_metrics_render(const struct kho_metrics *metrics, enum kho_metrics_format format,
		       char **ret);

/* By an HTTP request's Accept: header (NULL: there's none), as Prometheus means it. */
enum kho_metrics_format kho_metrics_negotiate(const char *accept);

const char *kho_metrics_content_type(enum kho_metrics_format format);

#endif
