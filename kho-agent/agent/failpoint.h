/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Failpoints: places in a move where a test makes something go wrong. In a test build
 * only (-DKHO_FAILPOINTS); otherwise all of this is nothing.
 *
 * What is to happen stands in /run/kho-agent/failpoints, a line each, of either kernel:
 *
 *	STEP WHEN ACTION [MS]		dump after kill-criu 50
 *
 *	STEP	a step's name (upgrade/move.c); "undo-" in front: its undo
 *	WHEN	before	it is begun
 *		after	it was begun: it's over, or under way
 *		answer	new side: it's over, and the answer isn't out
 *	ACTION	kill		this agent, by SIGKILL
 *		kill-criu	each CRIU of this kernel, as anybody would: while it's at
 *				the tasks it's shielded from that
 *		end-criu	the same, by the agent, which it isn't shielded from
 *		kill-restore	each kho-restore of this kernel
 *		kill-redis	each redis-server of this kernel
 *		error		the step fails
 *		late		the step isn't done, and nothing is said about it
 *		panic		of this kernel
 *		hang		of this kernel, interrupts off
 *		garbage		in the lane to the other kernel
 *		spoil		new side: the images that came are damaged
 *		criu-fault	old side: CRIUs that are started in this step run into their own
 *				fault MS
 *	MS	milliseconds later; default 0: at once
 *
 * And if /run/kho-agent/any-machine is there, a machine that must not be used is.
 *
 * A line is taken out before it's carried out, so that it happens once. Whoever wants
 * the list of steps: khoctl report shows them as they went.
 */
#ifndef KHO_AGENT_FAILPOINT_H
#define KHO_AGENT_FAILPOINT_H

#include "agent/agent.h"
#include "upgrade/move.h"

enum kho_failpoint_when {
	KHO_FAIL_BEFORE = 0,
	KHO_FAIL_AFTER,
	KHO_FAIL_ANSWER,
	_KHO_FAIL_WHEN_MAX,
};

#define KHO_FAIL_LATE	1

struct kho_failpoint {
	enum kho_step step;
	bool undo;
	enum kho_failpoint_when when;
};

#ifdef KHO_FAILPOINTS
/* 0: go on; KHO_FAIL_LATE: don't, and say nothing; negative: fail with it. */
int kho_failpoint(struct kho_agent *agent, const struct kho_failpoint *point,
		  struct kho_err *err);
/* What's known to be wrong with this machine is for the test to put up with. */
bool kho_failpoint_any_machine(void);
#else
static inline bool kho_failpoint_any_machine(void)
{
	return false;
}

static inline int kho_failpoint(struct kho_agent *agent, const struct kho_failpoint *point,
				struct kho_err *err)
{
	(void)agent;
	(void)point;
	(void)err;
	return 0;
}
#endif

#endif
