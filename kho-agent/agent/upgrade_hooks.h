/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operator's programs at events of an upgrade: /etc/kho-agent/hooks.d (hooks.h).
 *
 *	pre-switch   the new kernel is up, nothing of a workload has been touched. The first
 *	             one that fails ends the upgrade, which is undone
 *	committed    the workloads are the new kernel's; without workloads: the old kernel is
 *	             about to retire, and waits for them
 *	failed       the upgrade is over, and all is as before; or the machine was reset in it
 *
 * A failure of the last two is in the log. In the environment: KHO_EVENT, KHO_UPGRADE (its
 * id), KHO_IMAGE, KHO_OLD_RELEASE, KHO_NEW_RELEASE ("" if it isn't known yet), KHO_BY, and
 * KHO_MESSAGE, why it failed. They run where the upgrade was begun. An agent that's killed
 * while they run leaves the one that runs to itself, and starts none again.
 */
#ifndef KHO_AGENT_UPGRADE_HOOKS_H
#define KHO_AGENT_UPGRADE_HOOKS_H

#include "agent/agent.h"
#include "agent/hooks.h"
#include "upgrade/journal.h"

#define KHO_HOOKS_FOLDER	"/etc/kho-agent/hooks.d"

enum kho_hook_event {
	KHO_HOOK_PRE_SWITCH = 0,
	KHO_HOOK_COMMITTED,
	KHO_HOOK_FAILED,
	_KHO_HOOK_MAX,
};

/* As kho_hooks_run(); @done is called with @ctx. */
int kho_upgrade_hooks_run(struct kho_agent *agent, const struct kho_journal *journal,
			  enum kho_hook_event event, struct kho_hooks_spec *spec,
			  struct kho_hooks **ret, struct kho_err *err);

/* Begun, and left to themselves. */
void kho_upgrade_hooks_tell(struct kho_agent *agent, const struct kho_journal *journal,
			    enum kho_hook_event event);

#endif
