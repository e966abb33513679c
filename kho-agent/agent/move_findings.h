/* SPDX-License-Identifier: GPL-2.0-only */
/* What follows from a check: for a move, and for people. */
#ifndef KHO_AGENT_MOVE_FINDINGS_H
#define KHO_AGENT_MOVE_FINDINGS_H

#include <systemd/sd-json.h>

#include "agent/checkup.h"

/* "moves", "restarts" or "blocked". */
const char *kho_checkup_verdict(const struct kho_config_workload *config,
				const struct kho_findings *findings);

/* Whether a move would be refused. */
bool kho_checkup_blocked(const struct kho_checkup *checkup);

/* [{kind, pid?, where, cause, remedy}] */
int kho_findings_json(const struct kho_findings *findings, sd_json_variant **ret);

#endif
