/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the agent knows, as the values of metrics/metrics.h.
 *
 * Files are read only if they may have changed: the history and the refused images are
 * folders in which whole files come and go, so a folder's time of change tells.
 */
#ifndef KHO_AGENT_GATHER_H
#define KHO_AGENT_GATHER_H

#include <time.h>

#include "agent/agent.h"
#include "metrics/metrics.h"

struct kho_checkup;
struct kho_preflight;

struct kho_gathered {
	struct kho_metrics metrics;
	struct kho_past past;
	struct timespec history_at, tally_at, refused_at;	/* of what was read */
	char release[65];
};

/* All zero before the first time. What can't be read is left out. -ENODEV and so on: the module. */
int kho_gather(struct kho_agent *agent, struct kho_gathered *gathered, struct kho_err *err);

/*
 * What a check has found: of the machine, which begins a record anew; and of workloads and
 * kernels, which is added.
 */
void kho_gather_preflight(struct kho_metrics_check *check, const struct kho_preflight *preflight);
void kho_gather_checkup(struct kho_metrics_check *check, const struct kho_checkup *checkup);

#endif
