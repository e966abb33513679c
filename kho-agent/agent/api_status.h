/* SPDX-License-Identifier: GPL-2.0-only */
/* What the agent says of itself. */
#ifndef KHO_AGENT_API_STATUS_H
#define KHO_AGENT_API_STATUS_H

#include "agent/agent.h"
#include "api/progress.h"

/* The answer of Status; *@ret is a reference. */
int kho_status_json(struct kho_agent *agent, sd_json_variant **ret, struct kho_err *err);

/* The other kernel's, by its status page: none, running, stopped, panicked, retired, unknown. */
const char *kho_peer_state_name(const struct kho_session *session);

/* How far a move is. */
void kho_status_progress(const struct kho_mover *mover, struct kho_progress *ret);

#endif
