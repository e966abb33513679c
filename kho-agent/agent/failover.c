// SPDX-License-Identifier: GPL-2.0-only
/* Failover; failover.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/failover.h"
#include "agent/move.h"
#include "agent/receive.h"
#include "agent/side.h"
#include "agent/spawn.h"
#include "agent/take_back.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/workload/unit.h"
#include "upgrade/failover.h"

#define NOTE		KHO_RUN_DIR "/failover"
#define NOTE_MAX	1024

/* ---- the note: why ---- */

bool kho_failover_is_pending(void)
{
	return access(NOTE, F_OK) == 0;
}

static int write_note(const struct kho_err *why, struct kho_err *err)
{
	const struct kho_file_content content = {
		.data = why->msg, .size = strlen(why->msg), .mode = 0600,
	};

	return kho_file_write_atomic(NOTE, &content, err);
}

/* ---- the end ---- */

static void tell(struct kho_agent *agent, const struct kho_err *err)
{
	agent->last = *err;
	kho_agent_progress(agent, "%s", err->msg);
	kho_agent_answer(agent, err);
}

/* An operator who asked for it has no failure to be told if all went well. */
static void on_taken_back(struct kho_agent *agent, const struct kho_err *trouble)
{
	const struct kho_err none = {};
	struct kho_err lost = agent->last;

	unlink(NOTE);
	kho_wrap(&lost, -EIO, "workloads were started anew here; what they had in memory since the "
		 "move is lost, and so are connections%s%.200s", trouble->code ? "; but " : "",
		 trouble->code ? trouble->msg : "");
	agent->last = lost;
	kho_agent_tell(agent, KHO_MESSAGE_STARTED_ANEW, NULL, "%s", lost.msg);
	kho_agent_answer(agent, trouble->code ? &lost : &none);
}

/* ---- the whole ---- */

static void fail_over(struct kho_agent *agent, const struct kho_err *why)
{
	struct kho_err err;
	int r = write_note(why, &err);

	agent->last = *why;
	if (r < 0)
		kho_agent_progress(agent, "%s", err.msg);
	kho_agent_tell(agent, KHO_MESSAGE_FAILOVER, NULL, "failover: stopping the new kernel for good");
	r = kho_side(agent)->fence(agent, &err);
	if (r >= 0)
		r = kho_take_back(agent, on_taken_back, &err);
	else
		kho_wrap(&err, r, "khoctl failover tries again");
	if (r < 0)
		tell(agent, &err);
}

/* ---- what sets it off ---- */

/*
 * A kernel that went wild may have written over the record. A unit that runs here is ours,
 * unless it's on its way back: then it may have been running there until now.
 */
static bool guess_owner(const struct kho_config *config, struct kho_owner *ret)
{
	struct kho_unit unit;
	struct kho_err err;

	for (unsigned int i = 0; i < config->nr_workloads; i++)
		if (kho_unit_show(config->workloads[i].unit, &unit, &err) >= 0 &&
		    strcmp(unit.active, "active") == 0 &&
		    !kho_unit_is_stub(config->workloads[i].unit)) {
			*ret = (struct kho_owner){};
			return true;
		}
	return false;
}

static enum kho_answer decide(struct kho_agent *agent, enum kho_link_cause cause)
{
	_cleanup_free_ struct kho_config *config = NULL;
	struct kho_owner owner;
	struct kho_err err;
	bool known = kho_side_owner(agent, &owner, &err) >= 0;
	enum kho_loss loss = cause == KHO_LINK_PEER_PANICKED || cause == KHO_LINK_PEER_STOPPED ?
		KHO_LOSS_DEAD : KHO_LOSS_SILENT;

	if (!agent->session)
		loss = KHO_LOSS_GONE;
	/* without a configuration there's nothing that could be started */
	if (kho_config_load(&config, &err) < 0) {
		kho_agent_progress(agent, "%s", err.msg);
		return kho_failover_decide(known ? &owner : NULL, loss, true);
	}
	if (!config->nr_workloads)
		return KHO_ANSWER_RECLAIM;
	known = known || guess_owner(config, &owner);
	return kho_failover_decide(known ? &owner : NULL, loss, config->stay);
}

static void reclaim(struct kho_agent *agent, const struct kho_err *why)
{
	struct kho_err err = *why, undo;

	if (kho_reclaim(agent, &undo) < 0)
		kho_wrap(&err, err.code, "not all could be taken back (%s)", undo.msg);
	agent->last = err;
	kho_agent_answer(agent, &err);
}

static void stay(struct kho_agent *agent, const struct kho_err *why)
{
	struct kho_err err = *why;

	kho_wrap(&err, err.code, "the workloads are there, and all is left as it is "
		 "(NewKernelFailure=stay); khoctl failover starts them anew here");
	tell(agent, &err);
}

static void listen_on(struct kho_agent *agent, const struct kho_err *why)
{
	struct kho_err err;

	if (kho_spawn_reopen(agent, &err) < 0)
		kho_agent_progress(agent, "%s", err.msg);
	stay(agent, why);
}

void kho_failover_on_loss(struct kho_agent *agent, enum kho_link_cause cause,
			  const struct kho_err *why)
{
	switch (decide(agent, cause)) {
	case KHO_ANSWER_RESTART:
		fail_over(agent, why);
		break;
	case KHO_ANSWER_LISTEN:
		listen_on(agent, why);
		break;
	case KHO_ANSWER_STAY:
		stay(agent, why);
		break;
	default:
		reclaim(agent, why);
	}
}

int kho_failover(struct kho_agent *agent, struct kho_err *err)
{
	struct kho_err why;

	if (kho_side(agent)->is_new)
		return kho_fail(err, -EINVAL, "this is the spawned kernel; give it in the other");
	if (agent->mover)
		return kho_fail(err, -EBUSY, "a move is under way; see khoctl status");
	if (!kho_failover_is_pending() &&
	    (!agent->session || decide(agent, KHO_LINK_PEER_STOPPED) == KHO_ANSWER_RECLAIM))
		return kho_fail(err, -EALREADY, "the workloads are this kernel's");
	kho_fail(&why, -EIO, "the operator gave the new kernel up");
	fail_over(agent, &why);
	return 0;
}

void kho_failover_resume(struct kho_agent *agent)
{
	_cleanup_free_ char *text = NULL;
	struct kho_err why, err;

	if (kho_file_read_string(NOTE, NOTE_MAX, &text, &err) < 0)
		kho_fail(&why, -EIO, "the new kernel was lost");
	else
		kho_fail(&why, -EIO, "%s", text);
	fail_over(agent, &why);
}
