/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Staying after all: what retiring changes in this kernel before its restart (CPUs, the
 * watchdog, the module's arming), undone.
 *
 * systemd doesn't start an agent again once its restart is queued, and neither does a target
 * image's init. So an agent that finds its predecessor's file was killed before that: this
 * kernel stays, and all is undone. An upgrade that was in "retire" then begins it anew.
 */
#ifndef KHO_AGENT_RETIRE_UNDO_H
#define KHO_AGENT_RETIRE_UNDO_H

#include "agent/agent.h"
#include "upgrade/retiring.h"

/* Before the first change: what is now, also to the file. */
int kho_retire_note(struct kho_agent *agent, struct kho_retiring *ret, struct kho_err *err);

/* What can't be undone is in the log. */
void kho_retire_undo(struct kho_agent *agent, const struct kho_retiring *retiring);

/* At the agent's start, before anything else is taken up. */
void kho_retire_recover(struct kho_agent *agent);

/* Whether systemd runs this kernel. */
bool kho_retire_has_systemd(void);

#endif
