/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What's told of an upgrade in the memory that both kernels share: upgrade/story.h.
 *
 * It's for whoever asks in the other kernel; nothing depends on it. So what can't be
 * written is said in the log, and the upgrade goes on. Without a session there's nothing
 * to write to, and nothing to read.
 */
#ifndef KHO_AGENT_UPGRADE_STORY_H
#define KHO_AGENT_UPGRADE_STORY_H

#include "agent/agent.h"
#include "upgrade/move.h"
#include "upgrade/story.h"

/* A state of the upgrade that this agent runs. */
void kho_upgrade_story_state(struct kho_agent *agent, const struct kho_journal *journal);

/*
 * A step of a move that this agent runs, before it's begun or undone; KHO_STEP_NONE: it's
 * over. Of a move that no upgrade is about nothing is told.
 */
void kho_upgrade_story_step(struct kho_agent *agent, enum kho_step step, bool undo);

/* Errors of kho_story_read(); -ENOENT: there's no session, or the upgrade it tells of is over. */
int kho_upgrade_story_read(const struct kho_agent *agent, struct kho_story *ret,
			   struct kho_err *err);

#endif
