/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When to stop copying memory of a workload that runs, and freeze it: a pure rule.
 *
 * Theory of operation
 *
 * The first round copies all, each later one what was written to during the one
 * before. While a round is smaller than the one before by a quarter or more, another
 * one pays off. Once it doesn't (or it was next to nothing, or there were enough of
 * them), what's left is what the workload writes to in that time, and the freeze will
 * be as long as it is. That's compared with what the operator has allowed:
 *
 *	AGAIN ---> ... ---> FREEZE	the prediction is within the budget, or the
 *	      \			operator said to go on in any case
 *	       +----------> SLOW	it isn't, and the operator allows to take CPU time from
 *	       |			the workload: half of what it used, then half of that,
 *	       |			with a round after each step
 *	       `----------> ABORT	it isn't
 *
 * Then other things are done that take a while (the system manager is told), and one
 * round or a few more catch up with what was written meanwhile. A last look decides.
 *
 * The prediction: the final dump does what the last round did, and the restore takes
 * about as long again; or it's as in the rehearsal, if that took longer, which has also copied
 * what isn't in rounds: shared memory. It's compared with what was measured in the report
 * of a move.
 */
#ifndef KHO_PAGES_ROUNDS_H
#define KHO_PAGES_ROUNDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define KHO_ROUNDS_MAX		32u
#define KHO_ROUND_SMALL		256u		/* pages; next to nothing */
#define KHO_ROUNDS_SLOW_MAX	5u		/* steps: to a 32nd of the CPU time */
#define KHO_ROUNDS_CATCH_UP	3u		/* at most */

struct kho_round {
	uint64_t pages;				/* that were sent */
	uint64_t began_ns;			/* 0: not known; for reports */
	uint64_t duration_ns;
	uint64_t cpu_ns;			/* that the workload used; 0: not known */
};

/* All zero: none yet. */
struct kho_rounds {
	struct kho_round rounds[KHO_ROUNDS_MAX];
	unsigned int nr;
	unsigned int caught_up;			/* of these: rounds to catch up */
	unsigned int slowed;			/* steps */
	uint32_t usual;				/* 1/1000 CPUs that it used before the first */
	uint64_t rehearsed_ns;			/* dump and restore of its copy; 0: there was none */
};

struct kho_rounds_policy {
	uint32_t max_rounds;			/* at most KHO_ROUNDS_MAX - 2 count */
	uint64_t max_blackout_ns;
	bool go_on;				/* also if the budget doesn't do */
	bool throttle;				/* it may be slowed down */
};

enum kho_rounds_verdict {
	KHO_ROUNDS_AGAIN = 0,
	KHO_ROUNDS_FREEZE,
	KHO_ROUNDS_SLOW,
	KHO_ROUNDS_ABORT,
};

/* One round more; those beyond KHO_ROUNDS_MAX aren't kept. */
void kho_rounds_add(struct kho_rounds *rounds, const struct kho_round *round);

/* How long the freeze would take now; 0: nothing is known. */
uint64_t kho_rounds_predict_ns(const struct kho_rounds *rounds);

/* Pages that it writes to in a second: those of the last round, in the time of the one before. */
uint64_t kho_rounds_dirty_rate(const struct kho_rounds *rounds);

/* After each round. With ABORT *err says why, and what to do about it (-ETIME). */
enum kho_rounds_verdict kho_rounds_next(const struct kho_rounds *rounds,
					const struct kho_rounds_policy *policy,
					struct kho_err *err);

/* After SLOW: one step more. How much of a CPU it may use now, in 1/1000. */
uint32_t kho_rounds_slow(struct kho_rounds *rounds);

/* After each round of catching up, which was added: whether another one pays off. */
bool kho_rounds_catch_up(struct kho_rounds *rounds);

/* Before the freeze, when all rounds are over: 0, or -ETIME and what to do about it. */
int kho_rounds_allow(const struct kho_rounds *rounds, const struct kho_rounds_policy *policy,
		     struct kho_err *err);

#endif
