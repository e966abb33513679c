/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A rehearsal without a move: one workload is looked at, copied and sampled while it runs,
 * a copy of it is restored in the new kernel in isolation, and then all is undone.
 *
 * It's a move of which all is left out that isn't of this workload, and which is aborted
 * when its rehearsal is over: so there's nothing that a move hasn't done, or that isn't
 * undone as a move would, by whichever agent. What's after the rehearsal is never begun.
 */
#ifndef KHO_AGENT_MOVE_TRIAL_H
#define KHO_AGENT_MOVE_TRIAL_H

#include "agent/move.h"

/*
 * It's told to the waiting client as it goes. Errors of kho_mover_begin();
 *   -ENOENT  no such workload is configured
 *   -EINVAL  it's configured not to be rehearsed; this is the spawned kernel
 */
int kho_trial_begin(struct kho_agent *agent, const char *name, struct kho_err *err);

/* The three are of every mover, and do nothing if it's no trial. */

/* When it's known what can't move: leaves all out that isn't the workload's. */
void kho_trial_narrow(struct kho_mover *mover);

/* Whether workload @item has no part in it. */
bool kho_trial_passes_over(const struct kho_mover *mover, uint32_t item);

/* @step of @item is done: whether that was all; then @mover is to be aborted with *@why. */
bool kho_trial_is_done(struct kho_mover *mover, enum kho_step step, uint32_t item,
		       struct kho_err *why);

/* How it has ended; what a move that fails is otherwise told with. */
void kho_trial_result(const struct kho_mover *mover, struct kho_err *ret);

#endif
