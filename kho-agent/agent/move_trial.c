// SPDX-License-Identifier: GPL-2.0-only
/* A rehearsal without a move; move_trial.h has the idea. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/move_trial.h"
#include "agent/rollback.h"
#include "agent/side.h"
#include "base/cleanup.h"

/* -ENOENT. */
static int find(const struct kho_config *config, const char *name, uint32_t *ret,
		struct kho_err *err)
{
	for (uint32_t i = 0; i < config->nr_workloads; i++)
		if (strcmp(config->workloads[i].name, name) == 0) {
			*ret = i;
			return 0;
		}
	return kho_fail(err, -ENOENT, "no [Workload %.32s] is configured; see khoctl workload list",
			name);
}

static int check(const char *name, struct kho_err *err)
{
	_cleanup_free_ struct kho_config *config = NULL;
	uint32_t item = 0;
	int r = kho_config_load(&config, err);

	if (r >= 0)
		r = find(config, name, &item, err);
	if (r < 0)
		return r;
	if (config->workloads[item].unrehearsed)
		return kho_fail(err, -EINVAL, "%s has Rehearsal=no; set it to yes to try it", name);
	if (!config->workloads[item].max_rounds)
		return kho_fail(err, -EINVAL, "%s has MaxRounds=0: a rehearsal would stop it for as "
				"long as all of its memory takes; allow some rounds", name);
	return 0;
}

int kho_trial_begin(struct kho_agent *agent, const char *name, struct kho_err *err)
{
	struct kho_mover *mover;
	int r = check(name, err);

	if (r >= 0)
		r = kho_move_there(agent, err);
	if (r < 0)
		return r;
	/* nothing but looking has begun by now */
	mover = agent->mover;
	mover->trial = true;
	if (find(mover->config, name, &mover->tried, err) >= 0)
		return 0;
	/* the file has changed in between; the client is told when the move is over */
	kho_mover_abort(mover, err);
	return 0;
}

bool kho_trial_passes_over(const struct kho_mover *mover, uint32_t item)
{
	return mover->trial && item != mover->tried;
}

/* Things of a kind that are the workload's, bit for bit. */
static uint32_t kept(const struct kho_mover *mover, enum kho_scope scope)
{
	const struct kho_config_workload *workload = &mover->config->workloads[mover->tried];

	switch (scope) {
	case KHO_SCOPE_WORKLOAD:
		return 1u << mover->tried;
	case KHO_SCOPE_ADDRESS:
		return workload->addresses;
	case KHO_SCOPE_VOLUME:
		return workload->volumes;
	default:
		return UINT32_MAX;
	}
}

void kho_trial_narrow(struct kho_mover *mover)
{
	if (!mover->trial)
		return;
	for (unsigned int step = KHO_STEP_INSPECT + 1; step < _KHO_STEP_MAX; step++)
		for (uint32_t item = 0; item < KHO_MOVE_ITEMS; item++)
			if (!(kept(mover, kho_step_info(step)->scope) & 1u << item))
				kho_move_leave_out(&mover->move, step, item);
}

bool kho_trial_is_done(struct kho_mover *mover, enum kho_step step, uint32_t item,
		       struct kho_err *why)
{
	const struct kho_move *move = &mover->move;

	if (!mover->trial || step != KHO_STEP_REHEARSE || move->state != KHO_MOVE_RUNNING ||
	    move->step != step || move->pending != 1u << item)
		return false;
	mover->rehearsed = true;
	kho_fail(why, -ECANCELED, "only a rehearsal was wanted");
	return true;
}

void kho_trial_result(const struct kho_mover *mover, struct kho_err *ret)
{
	const struct kho_err *trouble = &mover->move.undo_err;

	if (!mover->rehearsed || mover->move.peer_lost)
		return;
	*ret = (struct kho_err){};
	if (trouble->code)
		kho_fail(ret, trouble->code, "the rehearsal went well, but not all that was done "
			 "for it is undone: %s", trouble->msg);
}
