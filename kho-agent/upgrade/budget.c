// SPDX-License-Identifier: GPL-2.0-only
/* The frozen budget; budget.h has the idea. */
#include "upgrade/budget.h"

uint64_t kho_budget_look(struct kho_budget *budget, const struct kho_move *move, uint64_t now)
{
	bool frozen = move->state == KHO_MOVE_RUNNING && move->step >= KHO_STEP_FREEZE &&
		      move->step <= KHO_STEP_RESUME;

	if (!frozen) {
		budget->began_ns = 0;
		return KHO_BUDGET_NEVER;
	}
	if (!budget->began_ns)
		budget->began_ns = now;
	return budget->limit_ns ? budget->began_ns + budget->limit_ns : KHO_BUDGET_NEVER;
}
