/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What operators do to a group's rollout, each one transaction with an entry in the audit.
 * There's one rollout in a group at a time, so two never fight: its key is the lock, its
 * owner and age are in it.
 *
 *   -EEXIST   another one has the group; the message says whose, and since when
 *   -EALREADY that's how it is
 *   -ENOENT   there's none
 *   -EINVAL   not from the state that it's in; a reason is missing; the document is refused
 *   -EAGAIN   somebody else changed it at the same time; look, and give the command again
 *   and those of etcd.h
 */
#ifndef KHO_FLEET_CONTROL_H
#define KHO_FLEET_CONTROL_H

#include "fleet/etcd.h"
#include "fleet/rollout.h"

struct kho_control {
	struct kho_etcd etcd;
	const char *group;
	const char *by;			/* who: "root@host" */
	const char *reason;		/* why; NULL or "": not said */
	uint64_t now_ms;		/* since 1970 */
};

/*
 * Begins a rollout, with the operator's document. The same one running already is no error:
 * *@ret_begun is false then. @steal: though another one has the group; that needs a reason, and
 * the other one goes to the history as it was.
 */
int kho_control_start(const struct kho_control *control, const char *document, bool steal,
		      bool *ret_begun, struct kho_err *err);

/* PAUSED, RUNNING (from paused or halted: then the next round), ABORTED. */
int kho_control_set(const struct kho_control *control, enum kho_rollout_state state,
		    struct kho_err *err);

/* A machine that won't come back: its record goes. -EBUSY: it's there, or has a slot. */
int kho_control_forget(const struct kho_control *control, const char *id, struct kho_err *err);

#endif
