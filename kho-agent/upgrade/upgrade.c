// SPDX-License-Identifier: GPL-2.0-only
/* What comes next in an upgrade; upgrade.h has the diagram. */
#include <errno.h>
#include <string.h>

#include "upgrade/upgrade.h"

static const struct {
	const char *name;
	enum kho_upgrade_action begin;
} states[_KHO_UPGRADE_STATE_MAX] = {
	[KHO_UPGRADE_NONE]	= { "none",	KHO_UPGRADE_WAIT },
	[KHO_UPGRADE_CHECK]	= { "check",	KHO_UPGRADE_DO_CHECK },
	[KHO_UPGRADE_SPAWN]	= { "spawn",	KHO_UPGRADE_DO_SPAWN },
	[KHO_UPGRADE_MOVE]	= { "move",	KHO_UPGRADE_DO_MOVE },
	[KHO_UPGRADE_SOAK]	= { "soak",	KHO_UPGRADE_DO_SOAK },
	[KHO_UPGRADE_RETIRE]	= { "retire",	KHO_UPGRADE_DO_RETIRE },
	[KHO_UPGRADE_ROLLBACK]	= { "rollback",	KHO_UPGRADE_DO_ROLLBACK },
	[KHO_UPGRADE_RECLAIM]	= { "reclaim",	KHO_UPGRADE_DO_RECLAIM },
	[KHO_UPGRADE_DONE]	= { "done",	KHO_UPGRADE_DO_END },
	[KHO_UPGRADE_FAILED]	= { "failed",	KHO_UPGRADE_DO_END },
};

const char *kho_upgrade_state_name(enum kho_upgrade_state state)
{
	return states[state].name;
}

enum kho_upgrade_state kho_upgrade_state_of(const char *name)
{
	unsigned int state = 0;

	while (state < _KHO_UPGRADE_STATE_MAX && strcmp(states[state].name, name) != 0)
		state++;
	return state;
}

static enum kho_upgrade_action enter(struct kho_upgrade *upgrade, enum kho_upgrade_state state)
{
	upgrade->state = state;
	return states[state].begin;
}

static void note(struct kho_upgrade *upgrade, const struct kho_err *err)
{
	if (!upgrade->err.code)
		upgrade->err = *err;
}

static enum kho_upgrade_action hold(struct kho_upgrade *upgrade, const struct kho_err *why)
{
	upgrade->held = true;
	upgrade->aborting = false;
	/* what was wrong before was an operator's wish, and didn't come true */
	upgrade->err = *why;
	return enter(upgrade, KHO_UPGRADE_SOAK);
}

/* What has been spawned goes, unless it's to be looked at. */
static enum kho_upgrade_action take_down(struct kho_upgrade *upgrade)
{
	return enter(upgrade, upgrade->keep ? KHO_UPGRADE_FAILED : KHO_UPGRADE_RECLAIM);
}

enum kho_upgrade_action kho_upgrade_begin(struct kho_upgrade *upgrade)
{
	return enter(upgrade, KHO_UPGRADE_CHECK);
}

static enum kho_upgrade_action succeeded(struct kho_upgrade *upgrade)
{
	switch (upgrade->state) {
	case KHO_UPGRADE_CHECK:
		return enter(upgrade, KHO_UPGRADE_SPAWN);
	case KHO_UPGRADE_SPAWN:
		return enter(upgrade, upgrade->workloads ? KHO_UPGRADE_MOVE : KHO_UPGRADE_SOAK);
	case KHO_UPGRADE_MOVE:
		return enter(upgrade, upgrade->aborting ? KHO_UPGRADE_ROLLBACK : KHO_UPGRADE_SOAK);
	case KHO_UPGRADE_RETIRE:
		return enter(upgrade, KHO_UPGRADE_DONE);
	case KHO_UPGRADE_ROLLBACK:
		return enter(upgrade, KHO_UPGRADE_RECLAIM);
	case KHO_UPGRADE_RECLAIM:
		return enter(upgrade, KHO_UPGRADE_FAILED);
	default:
		return KHO_UPGRADE_WAIT;
	}
}

static enum kho_upgrade_action went_wrong(struct kho_upgrade *upgrade, const struct kho_err *err)
{
	switch (upgrade->state) {
	case KHO_UPGRADE_CHECK:
	case KHO_UPGRADE_SPAWN:
	case KHO_UPGRADE_RECLAIM:
		note(upgrade, err);
		/* a spawn that fails has given everything back by itself */
		return enter(upgrade, KHO_UPGRADE_FAILED);
	case KHO_UPGRADE_MOVE:
		note(upgrade, err);
		return take_down(upgrade);
	case KHO_UPGRADE_RETIRE:
	case KHO_UPGRADE_ROLLBACK:
		return hold(upgrade, err);
	default:
		return KHO_UPGRADE_WAIT;
	}
}

enum kho_upgrade_action kho_upgrade_done(struct kho_upgrade *upgrade, const struct kho_err *err)
{
	return err->code < 0 ? went_wrong(upgrade, err) : succeeded(upgrade);
}

enum kho_upgrade_action kho_upgrade_moved(struct kho_upgrade *upgrade, const struct kho_err *trouble)
{
	if (upgrade->state == KHO_UPGRADE_MOVE && trouble->code < 0 && !upgrade->aborting)
		return hold(upgrade, trouble);
	return succeeded(upgrade);
}

enum kho_upgrade_action kho_upgrade_hello(struct kho_upgrade *upgrade)
{
	return upgrade->state == KHO_UPGRADE_SPAWN ? succeeded(upgrade) : KHO_UPGRADE_WAIT;
}

enum kho_upgrade_action kho_upgrade_soaked(struct kho_upgrade *upgrade)
{
	if (upgrade->state != KHO_UPGRADE_SOAK || upgrade->hold || upgrade->held)
		return KHO_UPGRADE_WAIT;
	return enter(upgrade, KHO_UPGRADE_RETIRE);
}

int kho_upgrade_commit(struct kho_upgrade *upgrade, enum kho_upgrade_action *ret,
		       struct kho_err *err)
{
	if (!kho_upgrade_is_active(upgrade) || upgrade->state == KHO_UPGRADE_RETIRE ||
	    upgrade->state == KHO_UPGRADE_RECLAIM || upgrade->state == KHO_UPGRADE_ROLLBACK)
		return kho_fail(err, -EALREADY, "there's no upgrade that waits to be committed; see "
				"khoctl status");
	if (upgrade->state != KHO_UPGRADE_SOAK)
		return kho_fail(err, -EBUSY, "the upgrade is in \"%s\" and can be committed from "
				"\"soak\" on; wait for it", kho_upgrade_state_name(upgrade->state));
	upgrade->err = (struct kho_err){};
	*ret = enter(upgrade, KHO_UPGRADE_RETIRE);
	return 0;
}

int kho_upgrade_abort(struct kho_upgrade *upgrade, const struct kho_err *why,
		      enum kho_upgrade_action *ret, struct kho_err *err)
{
	switch (upgrade->state) {
	case KHO_UPGRADE_CHECK:
		note(upgrade, why);
		*ret = enter(upgrade, KHO_UPGRADE_FAILED);
		return 0;
	case KHO_UPGRADE_SPAWN:
		note(upgrade, why);
		*ret = enter(upgrade, KHO_UPGRADE_RECLAIM);
		return 0;
	case KHO_UPGRADE_MOVE:
		note(upgrade, why);
		*ret = upgrade->aborting ? KHO_UPGRADE_WAIT : KHO_UPGRADE_DO_ABORT_MOVE;
		upgrade->aborting = true;
		return 0;
	case KHO_UPGRADE_SOAK:
		upgrade->err = *why;
		*ret = enter(upgrade, upgrade->workloads ? KHO_UPGRADE_ROLLBACK :
			     KHO_UPGRADE_RECLAIM);
		return 0;
	case KHO_UPGRADE_RETIRE:
		return kho_fail(err, -EBUSY, "the old kernel is on its way out; nothing can be "
				"undone any more");
	default:
		return kho_fail(err, -EALREADY, "there's no upgrade under way that could be "
				"aborted; see khoctl status");
	}
}

enum kho_upgrade_action kho_upgrade_lost(struct kho_upgrade *upgrade, bool back,
					 const struct kho_err *why)
{
	bool retiring = upgrade->state == KHO_UPGRADE_RETIRE;

	if (upgrade->state != KHO_UPGRADE_SOAK && !retiring)
		return KHO_UPGRADE_WAIT;
	upgrade->err = *why;
	if (back)
		return enter(upgrade, KHO_UPGRADE_FAILED);
	if (retiring)
		return hold(upgrade, why);
	upgrade->held = true;
	return KHO_UPGRADE_WAIT;
}

enum kho_upgrade_action kho_upgrade_returned(struct kho_upgrade *upgrade)
{
	struct kho_err why;

	if (upgrade->state != KHO_UPGRADE_SOAK)
		return KHO_UPGRADE_WAIT;
	kho_fail(&why, -ECANCELED, "the workloads were moved back from the new kernel");
	upgrade->err = why;
	return take_down(upgrade);
}

/* Nothing more is known than that this agent wasn't the one that began it. */
static enum kho_upgrade_action undo_killed(struct kho_upgrade *upgrade)
{
	struct kho_err killed;

	kho_fail(&killed, -EINTR, "the agent was killed in \"%s\"; what it had begun was undone",
		 kho_upgrade_state_name(upgrade->state));
	note(upgrade, &killed);
	return enter(upgrade, KHO_UPGRADE_RECLAIM);
}

enum kho_upgrade_action kho_upgrade_resume(struct kho_upgrade *upgrade,
					   const struct kho_upgrade_world *world)
{
	if (!kho_upgrade_is_active(upgrade))
		return KHO_UPGRADE_WAIT;
	/* its own record says what becomes of it, and its end is told */
	if (world->moving) {
		upgrade->state = KHO_UPGRADE_MOVE;
		return KHO_UPGRADE_WAIT;
	}
	if (world->new_owns) {
		if (upgrade->state == KHO_UPGRADE_ROLLBACK || upgrade->aborting)
			return enter(upgrade, KHO_UPGRADE_ROLLBACK);
		if (upgrade->state == KHO_UPGRADE_RETIRE)
			return enter(upgrade, KHO_UPGRADE_RETIRE);
		return enter(upgrade, KHO_UPGRADE_SOAK);
	}
	/* they have come back, and what's after its commit may be under way */
	if (upgrade->state == KHO_UPGRADE_ROLLBACK && world->spawned)
		return enter(upgrade, KHO_UPGRADE_ROLLBACK);
	if (!upgrade->workloads && world->spawned &&
	    (upgrade->state == KHO_UPGRADE_SOAK || upgrade->state == KHO_UPGRADE_RETIRE))
		return enter(upgrade, upgrade->state);
	return undo_killed(upgrade);
}
