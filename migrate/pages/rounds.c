// SPDX-License-Identifier: GPL-2.0-only
/* When copying has come far enough; rounds.h has the rule. */
#include <errno.h>

#include "migrate/pages/rounds.h"

#define MS	1000000ull

void kho_rounds_add(struct kho_rounds *rounds, const struct kho_round *round)
{
	if (rounds->nr < KHO_ROUNDS_MAX)
		rounds->rounds[rounds->nr++] = *round;
}

uint64_t kho_rounds_predict_ns(const struct kho_rounds *rounds)
{
	return rounds->nr ? 2 * rounds->rounds[rounds->nr - 1].duration_ns : 0;
}

/* Whether the last round was smaller than the one before by a quarter. */
static bool is_shrinking(const struct kho_rounds *rounds)
{
	const struct kho_round *last = &rounds->rounds[rounds->nr - 1];

	return rounds->nr < 2 || last->pages < last[-1].pages / 4 * 3;
}

static bool is_enough(const struct kho_rounds *rounds, const struct kho_rounds_policy *policy)
{
	uint32_t max = policy->max_rounds;

	/* one to catch up, and the final one, are kept as well */
	if (max > KHO_ROUNDS_MAX - 2)
		max = KHO_ROUNDS_MAX - 2;
	return rounds->nr >= max || !is_shrinking(rounds) ||
	       (rounds->nr > 1 && rounds->rounds[rounds->nr - 1].pages <= KHO_ROUND_SMALL);
}

enum kho_rounds_verdict kho_rounds_next(const struct kho_rounds *rounds,
					const struct kho_rounds_policy *policy,
					struct kho_err *err)
{
	uint64_t predicted = kho_rounds_predict_ns(rounds);

	if (!rounds->nr || !is_enough(rounds, policy))
		return KHO_ROUNDS_AGAIN;
	if (policy->go_on || predicted <= policy->max_blackout_ns)
		return KHO_ROUNDS_FREEZE;
	kho_fail(err, -ETIME, "after %u rounds of copying its memory the freeze would take about "
		 "%llu ms, and MaxBlackoutSec= allows %llu ms; allow more, or set "
		 "NoConvergence=go-on", rounds->nr, (unsigned long long)(predicted / MS),
		 (unsigned long long)(policy->max_blackout_ns / MS));
	return KHO_ROUNDS_ABORT;
}
