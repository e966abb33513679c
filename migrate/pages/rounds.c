// SPDX-License-Identifier: GPL-2.0-only
/* When copying has come far enough; rounds.h has the rule. */
#include <errno.h>
#include <stdio.h>

#include "migrate/pages/rounds.h"

#define MS	1000000ull

void kho_rounds_add(struct kho_rounds *rounds, const struct kho_round *round)
{
	if (rounds->nr < KHO_ROUNDS_MAX)
		rounds->rounds[rounds->nr++] = *round;
}

uint64_t kho_rounds_dirty_rate(const struct kho_rounds *rounds)
{
	const struct kho_round *last = rounds->rounds + rounds->nr - 1;

	if (rounds->nr < 2 || !last[-1].duration_ns)
		return 0;
	return (uint64_t)((double)last->pages * 1e9 / (double)last[-1].duration_ns);
}

uint64_t kho_rounds_predict_ns(const struct kho_rounds *rounds)
{
	uint64_t ns = rounds->nr ? 2 * rounds->rounds[rounds->nr - 1].duration_ns : 0;

	return ns > rounds->rehearsed_ns ? ns : rounds->rehearsed_ns;
}

/* Whether the last round was smaller than the one before by a quarter. */
static bool is_shrinking(const struct kho_rounds *rounds)
{
	const struct kho_round *last = &rounds->rounds[rounds->nr - 1];

	return rounds->nr < 2 || last->pages < last[-1].pages / 4 * 3;
}

static bool is_small(const struct kho_rounds *rounds)
{
	return rounds->nr > 1 && rounds->rounds[rounds->nr - 1].pages <= KHO_ROUND_SMALL;
}

/* Those to catch up, and the final one, are kept as well. */
static uint32_t most_rounds(uint32_t wanted)
{
	uint32_t most = KHO_ROUNDS_MAX - KHO_ROUNDS_CATCH_UP - 1;

	return wanted < most ? wanted : most;
}

static bool is_enough(const struct kho_rounds *rounds, const struct kho_rounds_policy *policy)
{
	return rounds->nr >= most_rounds(policy->max_rounds) || !is_shrinking(rounds) ||
	       is_small(rounds);
}

static enum kho_rounds_verdict give_up(const struct kho_rounds *rounds, uint64_t max_ns,
				       struct kho_err *err)
{
	const char *remedy = "set NoConvergence=throttle or go-on";
	char slowed[64] = "";

	if (rounds->slowed) {
		snprintf(slowed, sizeof(slowed), ", in the end with 1/%u of its CPU time,",
			 1u << rounds->slowed);
		remedy = "set NoConvergence=go-on";
	}
	kho_fail(err, -ETIME, "after %u rounds of copying its memory%s the freeze would take about "
		 "%llu ms, and MaxBlackoutSec= allows %llu ms; allow more, or %s", rounds->nr,
		 slowed, (unsigned long long)(kho_rounds_predict_ns(rounds) / MS),
		 (unsigned long long)(max_ns / MS), remedy);
	return KHO_ROUNDS_ABORT;
}

enum kho_rounds_verdict kho_rounds_next(const struct kho_rounds *rounds,
					const struct kho_rounds_policy *policy,
					struct kho_err *err)
{
	if (!rounds->nr || !is_enough(rounds, policy))
		return KHO_ROUNDS_AGAIN;
	if (policy->go_on || kho_rounds_predict_ns(rounds) <= policy->max_blackout_ns)
		return KHO_ROUNDS_FREEZE;
	if (policy->throttle && rounds->slowed < KHO_ROUNDS_SLOW_MAX &&
	    rounds->nr < most_rounds(UINT32_MAX))
		return KHO_ROUNDS_SLOW;
	return give_up(rounds, policy->max_blackout_ns, err);
}

uint32_t kho_rounds_slow(struct kho_rounds *rounds)
{
	const struct kho_round *last = &rounds->rounds[rounds->nr - 1];

	if (!rounds->slowed)
		rounds->usual = last->cpu_ns && last->duration_ns ?
			(uint32_t)(last->cpu_ns * 1000 / last->duration_ns) : 1000;
	rounds->slowed++;
	return rounds->usual >> rounds->slowed ?: 1;
}

bool kho_rounds_catch_up(struct kho_rounds *rounds)
{
	rounds->caught_up++;
	if (is_small(rounds) || rounds->caught_up >= KHO_ROUNDS_CATCH_UP)
		return false;
	/* the first one has nothing to be compared with */
	return rounds->caught_up == 1 || is_shrinking(rounds);
}

int kho_rounds_allow(const struct kho_rounds *rounds, const struct kho_rounds_policy *policy,
		     struct kho_err *err)
{
	uint64_t ns = kho_rounds_predict_ns(rounds);

	if (policy->go_on || ns <= policy->max_blackout_ns)
		return 0;
	if (ns > rounds->rehearsed_ns) {
		give_up(rounds, policy->max_blackout_ns, err);
		return err->code;
	}
	return kho_fail(err, -ETIME, "the freeze would take about %llu ms, as its rehearsal did "
			"with all that is shared memory, and MaxBlackoutSec= allows %llu ms; allow "
			"more, or set NoConvergence=go-on", (unsigned long long)(ns / MS),
			(unsigned long long)(policy->max_blackout_ns / MS));
}
