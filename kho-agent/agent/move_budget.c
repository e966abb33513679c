// SPDX-License-Identifier: GPL-2.0-only
/* The frozen budget of a move (upgrade/budget.h) as a timer. */
#include <errno.h>

#include "agent/move.h"
#include "base/now.h"

#define NS_PER_MS	1000000ull
#define NS_PER_US	1000ull

static int on_spent(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct kho_mover *mover = userdata;
	struct kho_err err;

	(void)source;
	(void)usec;
	mover->budget_timer = sd_event_source_disable_unref(mover->budget_timer);
	kho_fail(&err, -ETIMEDOUT, "the workloads stood still for longer than %s (%u ms) allows, in %s; "
		 "see the steps' durations in khoctl report",
		 mover->config->max_frozen_ms == mover->limit_ms ? "whoever began it" : "MaxFrozenSec=",
		 mover->config->max_frozen_ms, kho_step_info(mover->move.step)->name);
	kho_mover_abort(mover, &err);
	return 0;
}

void kho_mover_watch_budget(struct kho_mover *mover)
{
	uint64_t end;

	mover->budget.limit_ns = mover->config->max_frozen_ms * NS_PER_MS;
	end = kho_budget_look(&mover->budget, &mover->move, kho_now_ns());
	if (end == KHO_BUDGET_NEVER)
		mover->budget_timer = sd_event_source_disable_unref(mover->budget_timer);
	else if (!mover->budget_timer)
		sd_event_add_time(mover->agent->event, &mover->budget_timer, CLOCK_MONOTONIC,
				  end / NS_PER_US, NS_PER_US, on_spent, mover);
}
