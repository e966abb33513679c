/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Metrics, to whoever wants them: docs/metrics.md has the ways.
 *
 * Theory of operation
 *
 *	method Metrics ----+
 *	/run/.../metrics.sock --+--> gather --> render --> text
 *	GET /metrics -----------+                 |
 *	                                          v
 *	after a turn of the loop: what's watched has changed? --> file, for node-exporter
 *
 * Nothing is rendered unless somebody asks, or a file is configured and a state isn't what
 * it was when the file was written. The file isn't synced: after a crash it's of no use.
 * Nor is it written while workloads stand still, or are on their way: a disk may be on its
 * way as well, and a write to it would wait for that.
 *
 * What's configured is read when the agent starts, and when it's told to reload. What
 * can't be served is told, and the agent goes on without.
 */
#ifndef KHO_AGENT_PUBLISH_H
#define KHO_AGENT_PUBLISH_H

#include "agent/agent.h"
#include "metrics/exposition.h"

#define KHO_METRICS_SOCKET	KHO_RUN_DIR "/metrics.sock"

struct kho_checkup;
struct kho_preflight;

/* agent->publisher; after the API, whose access rules count here, too. */
int kho_publish_new(struct kho_agent *agent, struct kho_err *err);
void kho_publish_free(struct kho_agent *agent);

/* What's configured is read anew, and the API's access rules count; all clients are gone. */
void kho_publish_reload(struct kho_agent *agent);

/* A check is over. Without agent->publisher they're ignored. */
void kho_publish_preflight(struct kho_agent *agent, const struct kho_preflight *preflight);
void kho_publish_checkup(struct kho_agent *agent, const struct kho_checkup *checkup);

/* As of now; the caller frees *@ret. */
int kho_publish_text(struct kho_agent *agent, enum kho_metrics_format format, char **ret,
		     struct kho_err *err);

/* The method Metrics. */
int kho_method_metrics(sd_varlink *link, sd_json_variant *parameters,
		       sd_varlink_method_flags_t flags, void *userdata);

#endif
