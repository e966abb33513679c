/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The frozen budget: for how long a move may make its workloads stand still.
 *
 * The clock runs while the move stands between the freeze and their running in the new
 * kernel. When it's over, the move is to be aborted: then they're thawed where they
 * stood. Once they run, or are being thawed, nothing is to be won by that any more.
 *
 * Pure; times are ns of one monotonic clock.
 */
#ifndef KHO_UPGRADE_BUDGET_H
#define KHO_UPGRADE_BUDGET_H

#include "upgrade/move.h"

#define KHO_BUDGET_NEVER	UINT64_MAX

struct kho_budget {
	uint64_t limit_ns;		/* 0: none */
	uint64_t began_ns;		/* 0: they don't stand still */
};

/*
 * To be called after each change of @move. Returns the time at which it's to be aborted;
 * KHO_BUDGET_NEVER: not by this.
 */
uint64_t kho_budget_look(struct kho_budget *budget, const struct kho_move *move, uint64_t now);

#endif
