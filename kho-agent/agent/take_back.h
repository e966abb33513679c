/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was configured to move is this kernel's again, from its definition: volumes are
 * mounted, addresses set, units started. For when the kernel that had it all is gone.
 */
#ifndef KHO_AGENT_TAKE_BACK_H
#define KHO_AGENT_TAKE_BACK_H

#include "agent/agent.h"

/* How it ended: the first thing that failed; the others were done all the same. */
typedef void (*kho_taken_back_fn)(struct kho_agent *agent, const struct kho_err *trouble);

/*
 * @fn is called when the units run, or don't; at once if nothing is to be started. Until then
 * agent->taking_back is set, and no command may begin: a second one would kill what this one starts.
 *   -ENOMEM, or errors of kho_config_load(): nothing was done, @fn isn't called
 */
int kho_take_back(struct kho_agent *agent, kho_taken_back_fn fn, struct kho_err *err);

#endif
