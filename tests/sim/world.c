// SPDX-License-Identifier: GPL-2.0-only
/*
 * What steps do to workloads, disks, NICs and voices, and what must never be:
 *
 *	- a workload runs in both kernels, or where it was frozen once the other is the owner
 *	- tasks are thawed with CRIU in them
 *	- a disk or NIC that the other kernel has is used here, before that one is fenced
 *	- both kernels speak for one address
 *	- a step of after the commit is done before it
 *	- at the end a workload runs nowhere, or anything is left of it where it isn't
 */
#include <errno.h>
#include <string.h>

#include "sim/sim.h"

static enum sim_side to_side(const struct sim *s)
{
	return s->config->from == SIM_OLD ? SIM_NEW : SIM_OLD;
}

void sim_bad(struct sim *s, const char *what)
{
	if (!s->bad)
		s->bad = what;
}

const struct kho_owner *sim_owner(const struct sim *s, struct kho_owner *ret)
{
	return kho_owner_read(&s->owner, sizeof(s->owner), ret, NULL) < 0 ? NULL : ret;
}

/* ---- this side ---- */

static void thaw(struct sim *s, uint32_t item)
{
	uint8_t *task = &s->task[s->config->from][item];

	/* one that doesn't end in time, or can't be told to, is killed, and what it left mended */
	if (s->criu[item] && !s->late && !s->undo_failed)
		sim_bad(s, "tasks are thawed with CRIU in them");
	s->criu[item] = 0;
	if (*task == SIM_FROZEN)
		*task = SIM_RUNNING;
}

static void give(struct sim *s, uint8_t *has, bool undo)
{
	if (undo && *has == to_side(s))
		sim_bad(s, "a function is used here that the other kernel has");
	*has = undo ? s->config->from : SIM_NOBODY;
}

static void mute(struct sim *s, bool undo)
{
	for (unsigned int i = 0; i < s->config->nr[KHO_SCOPE_ADDRESS]; i++)
		s->voice[s->config->from][i] = undo ? SIM_SPEAKS : SIM_SILENT;
}

static void after_commit(struct sim *s)
{
	if (!s->committed)
		sim_bad(s, "a step of after the commit is done before it");
}

void sim_local_effect(struct sim *s, const struct sim_message *what)
{
	uint8_t *task = &s->task[s->config->from][what->item];

	switch (what->step) {
	case KHO_STEP_STOP:
		*task = what->undo ? SIM_RUNNING : SIM_STOPPED;
		break;
	case KHO_STEP_FREEZE:
		if (what->undo)
			thaw(s, what->item);
		else
			*task = SIM_FROZEN;
		break;
	case KHO_STEP_MUTE:
		mute(s, what->undo);
		break;
	case KHO_STEP_DUMP:
		s->criu[what->item] = !what->undo;
		s->images[what->item] = !what->undo;
		break;
	case KHO_STEP_RELEASE:
		give(s, &s->has[KHO_SCOPE_VOLUME][what->item], what->undo);
		break;
	case KHO_STEP_DETACH:
		give(s, &s->has[KHO_SCOPE_ADDRESS][what->item], what->undo);
		break;
	case KHO_STEP_DISCARD:
		after_commit(s);
		s->criu[what->item] = 0;
		*task = SIM_GONE;
		break;
	case KHO_STEP_FORWARD:
	case KHO_STEP_FORGET:
		after_commit(s);
		break;
	}
}

/* ---- the other side ---- */

static int change(uint8_t *task, enum sim_task from, enum sim_task to)
{
	if (*task != from)
		return -EPROTO;
	*task = to;
	return 0;
}

static int take(struct sim *s, uint8_t *has, bool undo)
{
	if (undo && *has == to_side(s))
		*has = SIM_NOBODY;
	else if (!undo && *has != SIM_NOBODY)
		return -EBUSY;
	else if (!undo)
		*has = to_side(s);
	return 0;
}

static int change_task(struct sim *s, const struct sim_message *what, uint8_t *task)
{
	if (what->undo) {
		*task = SIM_GONE;
		return 0;
	}
	switch (what->step) {
	case KHO_STEP_PREPARE:
		return change(task, SIM_GONE, SIM_STUB);
	case KHO_STEP_RESTORE:
		return s->images[what->item] ? change(task, SIM_STUB, SIM_FROZEN) : -EPROTO;
	case KHO_STEP_RESUME:
		return change(task, SIM_FROZEN, SIM_RUNNING);
	case KHO_STEP_HEALTH:
		return *task == SIM_RUNNING ? 0 : -EPROTO;
	case KHO_STEP_START:
		*task = SIM_RUNNING;
		return 0;
	default:
		return 0;
	}
}

int sim_remote_effect(struct sim *s, const struct sim_message *what)
{
	uint8_t *voice = &s->voice[to_side(s)][what->item];

	if (what->step > KHO_STEP_COMMIT)
		after_commit(s);
	switch (what->step) {
	case KHO_STEP_REHEARSE:
	case KHO_STEP_SETTLE:
		return 0;
	case KHO_STEP_ADDRESS:
		*voice = what->undo ? SIM_ABSENT : SIM_SILENT;
		return 0;
	case KHO_STEP_ANNOUNCE:
		*voice = SIM_SPEAKS;
		return 0;
	case KHO_STEP_TAKE:
		return take(s, &s->has[KHO_SCOPE_VOLUME][what->item], what->undo);
	case KHO_STEP_ATTACH:
		return take(s, &s->has[KHO_SCOPE_ADDRESS][what->item], what->undo);
	default:
		if (kho_step_info(what->step)->scope != KHO_SCOPE_WORKLOAD)
			return 0;
		return change_task(s, what, &s->task[to_side(s)][what->item]);
	}
}

/* ---- kernels end ---- */

void sim_die(struct sim *s, enum sim_side side)
{
	s->dead[side] = true;
	memset(s->task[side], SIM_GONE, sizeof(s->task[side]));
	memset(s->voice[side], SIM_ABSENT, sizeof(s->voice[side]));
	if (side == to_side(s)) {
		memset(&s->ops, 0, sizeof(s->ops));
		memset(&s->asked, 0, sizeof(s->asked));
		s->agreed = false;
	}
}

void sim_stop_new(struct sim *s)
{
	sim_die(s, SIM_NEW);
	for (unsigned int scope = 0; scope < _KHO_SCOPE_MAX; scope++)
		for (unsigned int i = 0; i < s->config->nr[scope]; i++)
			if (s->has[scope][i] == SIM_NEW)
				s->has[scope][i] = SIM_NOBODY;
	s->lent = false;
	s->fenced = true;
}

void sim_start_anew(struct sim *s)
{
	if (s->lent)
		sim_bad(s, "services start anew with the new kernel not fenced");
	for (unsigned int scope = 0; scope < _KHO_SCOPE_MAX; scope++)
		for (unsigned int i = 0; i < s->config->nr[scope]; i++)
			s->has[scope][i] = SIM_OLD;
	for (unsigned int i = 0; i < s->config->nr[KHO_SCOPE_WORKLOAD]; i++)
		s->task[SIM_OLD][i] = SIM_RUNNING;
	for (unsigned int i = 0; i < s->config->nr[KHO_SCOPE_ADDRESS]; i++)
		s->voice[SIM_OLD][i] = SIM_SPEAKS;
	memset(s->criu, 0, sizeof(s->criu));
}

/* ---- what must never be ---- */

static void check_workload(struct sim *s, unsigned int i)
{
	enum sim_side from = s->config->from;
	bool anew = s->stage == SIM_ANEW;

	if (s->task[SIM_OLD][i] == SIM_RUNNING && s->task[SIM_NEW][i] == SIM_RUNNING)
		sim_bad(s, "a workload runs in both kernels");
	if (s->committed && s->task[from][i] == SIM_RUNNING && !anew)
		sim_bad(s, "a workload runs where it was frozen, after the commit");
	/* one that can't get its disk back is told, and better than not thawed */
	for (unsigned int v = 0; v < s->config->nr[KHO_SCOPE_VOLUME] && !s->undo_failed; v++)
		for (unsigned int side = 0; side < 2; side++)
			if (s->task[side][i] == SIM_RUNNING && !s->dead[side] &&
			    s->has[KHO_SCOPE_VOLUME][v] != side)
				sim_bad(s, "a workload runs without its disk");
}

static void check_errors(struct sim *s)
{
	struct kho_move *move = &s->move;

	if (move->err.code != s->first)
		sim_bad(s, "what is told isn't the first error");
	if (move->undo_err.code != s->first_undo)
		sim_bad(s, "what is told isn't the first error of an undo");
	if ((move->err.code && !*move->err.msg) || (move->undo_err.code && !*move->undo_err.msg))
		sim_bad(s, "an error has no text");
	/* texts of no meaning to the machine would make states differ */
	memset(move->err.msg, move->err.code ? '.' : 0, 1);
	memset(move->err.msg + 1, 0, sizeof(move->err.msg) - 1);
	memset(move->undo_err.msg, move->undo_err.code ? '.' : 0, 1);
	memset(move->undo_err.msg + 1, 0, sizeof(move->undo_err.msg) - 1);
}

void sim_check(struct sim *s)
{
	for (unsigned int i = 0; i < s->config->nr[KHO_SCOPE_WORKLOAD]; i++)
		check_workload(s, i);
	for (unsigned int i = 0; i < s->config->nr[KHO_SCOPE_ADDRESS]; i++)
		if (s->voice[SIM_OLD][i] == SIM_SPEAKS && s->voice[SIM_NEW][i] == SIM_SPEAKS)
			sim_bad(s, "both kernels speak for an address");
	check_errors(s);
	s->told |= s->first_undo || s->undo_failed;
}

/* Everything is with @side, and nothing is left on the other. */
static void check_all_with(struct sim *s, enum sim_side side)
{
	enum sim_side other = side == SIM_OLD ? SIM_NEW : SIM_OLD;

	for (unsigned int i = 0; i < s->config->nr[KHO_SCOPE_WORKLOAD]; i++) {
		if (s->task[side][i] != SIM_RUNNING)
			sim_bad(s, "a workload is lost");
		if (s->task[other][i] != SIM_GONE &&
		    !(s->config->restarted & 1u << i && s->task[other][i] == SIM_STOPPED))
			sim_bad(s, "something is left of a workload");
	}
	for (unsigned int i = 0; i < s->config->nr[KHO_SCOPE_ADDRESS]; i++)
		if (s->has[KHO_SCOPE_ADDRESS][i] != side || s->voice[side][i] != SIM_SPEAKS)
			sim_bad(s, "an address is lost");
	for (unsigned int i = 0; i < s->config->nr[KHO_SCOPE_VOLUME]; i++)
		if (s->has[KHO_SCOPE_VOLUME][i] != side)
			sim_bad(s, "a volume is lost");
}

/*
 * A run can't go on. It's at a good end: everything is with the owner. What an undo or a
 * step after the commit couldn't do is told, and may be missing then.
 */
void sim_check_end(struct sim *s)
{
	/* docs/limits.md: if the old kernel dies, nobody takes over what it has */
	if (s->dead[SIM_OLD] && s->committed)
		return;
	switch (s->stage) {
	case SIM_ANEW:
		check_all_with(s, SIM_OLD);
		break;
	case SIM_RECLAIMED:
		if (s->lent)
			sim_bad(s, "what was lent isn't back");
		if (!s->told)
			check_all_with(s, SIM_OLD);
		break;
	case SIM_SETTLED:
		if (s->dead[SIM_NEW] && s->lent)
			sim_bad(s, "a dead kernel isn't taken back");
		if (!s->told)
			check_all_with(s, s->committed ? to_side(s) : s->config->from);
		break;
	case SIM_MOVING:
		sim_bad(s, "a move hangs");
		break;
	default:
		sim_bad(s, "a run hangs");
	}
}
