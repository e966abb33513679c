/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Failover: the new kernel is lost while it owns the workloads and this one stands by.
 *
 *	decide ---> note ---> fence ---> volumes ---> addresses ---> services ---> announce
 *	  |                     |
 *	  reclaim, or wait      not all its CPUs stopped: nothing of it is used;
 *	  (upgrade/failover.h)  khoctl failover tries again
 *
 * Old tasks are gone since the commit: services start from their definition. What they had
 * in memory, and connections, are lost; what was synced to a volume is there. The note
 * (/run/kho-agent/failover) lets an agent that is started again go on.
 */
#ifndef KHO_AGENT_FAILOVER_H
#define KHO_AGENT_FAILOVER_H

#include "agent/session.h"

/*
 * Old side: the peer is lost, @why says how. Reclaims, fails over or waits, by who owns the
 * workloads and the policy; agent->last tells, and whoever waits is answered. The session
 * may be gone after.
 */
void kho_failover_on_loss(struct kho_agent *agent, enum kho_link_cause cause,
			  const struct kho_err *why);

/*
 * The operator wants it. The waiting client is answered when services run.
 *   -EALREADY  the workloads are this kernel's
 */
int kho_failover(struct kho_agent *agent, struct kho_err *err);

/* Whether an agent that was killed has left one undone; and going on with it. */
bool kho_failover_is_pending(void);
void kho_failover_resume(struct kho_agent *agent);

#endif
