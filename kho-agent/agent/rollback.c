// SPDX-License-Identifier: GPL-2.0-only
/* Moves back, and what both sides tell of a move; rollback.h has the idea. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "agent/checkup.h"
#include "agent/failover.h"
#include "agent/move.h"
#include "agent/move_report.h"
#include "agent/move_trial.h"
#include "agent/receive.h"
#include "agent/rollback.h"
#include "agent/side.h"
#include "agent/upgrade_run.h"
#include "base/cleanup.h"

#define TEXT_MAX	400

/* ---- the end of a move ---- */

static void send_over(struct kho_agent *agent, const struct kho_err *how, bool tried)
{
	_cleanup_free_ char *report = NULL;
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__MoveOver over = KHO__MOVE_OVER__INIT;
	struct kho_err err;

	if (!agent->session)
		return;
	if (kho_move_report_text(&report, &err) >= 0)
		over.report = report;
	over.has_code = true;
	over.code = how->code;
	over.text = how->code ? (char *)how->msg : NULL;
	over.has_tried = true;
	over.tried = tried;
	envelope.body_case = KHO__ENVELOPE__BODY_MOVE_OVER;
	envelope.move_over = &over;
	/* unheard, whoever waits there sees in the status who has the workloads */
	if (kho_session_send(agent->session, &envelope, &err) < 0)
		kho_agent_progress(agent, "the end of the move can't be told: %s", err.msg);
}

/*
 * The new kernel was lost meanwhile. After commit it's not known what became of the workloads
 * there, and old tasks are gone; before it what was lent may not be back. Without a session
 * all of that is this kernel's already.
 */
static void loss(struct kho_mover *mover, const struct kho_err *why)
{
	struct kho_agent *agent = mover->agent;

	if (!mover->move.peer_lost || kho_side(agent)->is_new)
		return;
	if (agent->session)
		kho_failover_on_loss(agent, kho_channel_link(agent->session->channel)->cause, why);
	else if (kho_move_committed(&mover->move))
		kho_failover_on_loss(agent, KHO_LINK_PEER_STOPPED, why);
}

static void tell_result(struct kho_agent *agent, const struct kho_mover *mover)
{
	/* a trial that went well ends by being undone, which is no failure */
	if (mover->rehearsed)
		return;
	if (kho_move_committed(&mover->move))
		kho_agent_tell(agent, KHO_MESSAGE_MOVE_COMMITTED, NULL, "the workloads are the %s's",
			       kho_side(agent)->peer);
	else
		kho_agent_tell(agent, KHO_MESSAGE_MOVE_UNDONE, NULL, "the move was undone: %s",
			       mover->move.err.msg);
}

/* A move back that was undone, and was asked for once more meanwhile. */
static bool again(const struct kho_mover *mover)
{
	struct kho_session *session = mover->agent->session;
	bool wanted = session && session->asked_again;
	struct kho_err err;

	if (!wanted)
		return false;
	session->asked_again = false;
	if (kho_move_committed(&mover->move))
		return false;
	if (kho_rollback(mover->agent, &err) < 0)
		send_over(mover->agent, &err, true);
	return true;
}

/* Tells the waiting client and the other side, keeps the report. */
void kho_move_is_over(struct kho_mover *mover)
{
	struct kho_agent *agent = mover->agent;
	const struct kho_err *trouble = &mover->move.undo_err;
	struct kho_err err = mover->move.err, unwritten;

	tell_result(agent, mover);
	if (trouble->code)
		kho_agent_progress(agent, "not all went well: %s", trouble->msg);
	if (err.code && trouble->code)
		kho_fail(&err, err.code, "%s; and besides, %s", mover->move.err.msg, trouble->msg);
	kho_trial_result(mover, &err);
	agent->last = err;
	/* that of the last move stays */
	if (!mover->trial && kho_move_report_write(mover, &unwritten) < 0)
		kho_agent_progress(agent, "no report was written: %s", unwritten.msg);
	if (!again(mover))
		send_over(agent, &err, mover->move.tried);
	agent->waiter_tried = mover->move.tried;
	if (trouble->code && kho_move_committed(&mover->move))
		kho_upgrade_move_trouble(agent, trouble);
	kho_agent_answer(agent, &err);
	loss(mover, trouble->code ? trouble : &err);
}

static void on_over(struct kho_session *session, const Kho__MoveOver *over)
{
	struct kho_agent *agent = session->agent;
	struct kho_err err = {}, unwritten;
	char text[TEXT_MAX];

	if (over->report && kho_move_report_keep(over->report, &unwritten) < 0)
		kho_agent_progress(agent, "the report of the other side is lost: %s",
				   unwritten.msg);
	/* of a move that was begun there by somebody else, too; but nobody waits here then */
	if (!session->rolling_back) {
		if (!kho_side(agent)->is_new && kho_side_owns(agent))
			kho_upgrade_run_returned(agent);
		return;
	}
	session->rolling_back = false;
	/* only its end was asked for, and it's over */
	if (over->has_code && over->code < 0 &&
	    !(over->code == -EALREADY && !kho_side(agent)->is_new && kho_side_owns(agent))) {
		kho_text_clean(text, sizeof(text), over->text ?: "no reason given");
		kho_fail(&err, over->code, "%s: %s", kho_side(agent)->peer, text);
	}
	agent->last = err;
	agent->waiter_tried = over->has_tried && over->tried;
	kho_agent_answer(agent, &err);
}

int kho_move_there(struct kho_agent *agent, struct kho_err *err)
{
	if (kho_side(agent)->is_new)
		return kho_fail(err, -EINVAL, "this is the spawned kernel; khoctl rollback moves "
				"workloads back from it");
	return kho_mover_begin(agent, kho_move_is_over, err);
}

/* ---- asking for it, old side ---- */

static int ask(struct kho_agent *agent, struct kho_err *err)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__MoveBack back = KHO__MOVE_BACK__INIT;
	const struct kho_link *link = kho_channel_link(agent->session->channel);
	int r;

	if (!kho_features_has(&link->agreement.features, KHO_FEATURE_MOVE_BACK))
		return kho_fail(err, -EOPNOTSUPP, "the new kernel's agent is older and can't move "
				"anything back; khoctl retire, or start the services here anew");
	envelope.body_case = KHO__ENVELOPE__BODY_MOVE_BACK;
	envelope.move_back = &back;
	r = kho_session_send(agent->session, &envelope, err);
	agent->session->rolling_back = r >= 0;
	return r;
}

static int check_free(struct kho_agent *agent, struct kho_err *err)
{
	if (agent->phase != KHO_PHASE_SYNC || !agent->session ||
	    !kho_link_is_up(kho_channel_link(agent->session->channel)))
		return kho_fail(err, -ENOTCONN, "the other kernel isn't connected; see khoctl "
				"status");
	if (agent->mover || agent->session->rolling_back)
		return kho_fail(err, -EBUSY, "a move is under way; see khoctl status");
	return 0;
}

static int check(struct kho_agent *agent, struct kho_err *err)
{
	int r = check_free(agent, err);

	if (r < 0)
		return r;
	if (kho_side(agent)->is_new ? !kho_side_owns(agent) : !kho_side_peer_owns(agent))
		return kho_fail(err, -EALREADY, "the workloads are in the old kernel; there's "
				"nothing to move back");
	return 0;
}

int kho_rollback(struct kho_agent *agent, struct kho_err *err)
{
	int r = check(agent, err);

	if (r < 0)
		return r;
	return kho_side(agent)->is_new ? kho_mover_begin(agent, kho_move_is_over, err) : ask(agent, err);
}

int kho_rollback_finish(struct kho_agent *agent, struct kho_err *err)
{
	int r = check_free(agent, err);

	return r < 0 ? r : ask(agent, err);
}

void kho_rollback_drop(struct kho_session *session)
{
	struct kho_err err;

	if (!session->rolling_back)
		return;
	session->rolling_back = false;
	kho_fail(&err, -EIO, "rollback: the new kernel's agent was started again meanwhile; see "
		 "khoctl status for where the workloads are, and try again");
	kho_agent_answer(session->agent, &err);
}

/* ---- being asked, new side ---- */

static int on_go(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct kho_session *session = userdata;
	struct kho_agent *agent = session->agent;
	struct kho_err err = {};

	(void)source;
	(void)usec;
	kho_session_set_deadline(session, 0, NULL, NULL);
	/* by an agent that was started again: what the one before asked for is being undone */
	session->asked_again = agent->mover;
	if (!agent->mover && kho_rollback(agent, &err) < 0)
		send_over(agent, &err, false);
	return 0;
}

static void on_asked(struct kho_session *session)
{
	/* this is inside of the channel, and to begin takes a while */
	if (kho_side(session->agent)->is_new)
		kho_session_set_deadline(session, 1, on_go, NULL);
}

/* ---- how it goes ---- */

void kho_rollback_progress(struct kho_agent *agent, const char *text)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__Log log = KHO__LOG__INIT;

	if (!agent->mover || !agent->session || !kho_side(agent)->is_new)
		return;
	log.has_level = true;
	log.level = LOG_INFO;
	log.text = (char *)text;
	envelope.body_case = KHO__ENVELOPE__BODY_LOG;
	envelope.log = &log;
	/* it's in this kernel's log in any case */
	(void)kho_session_send(agent->session, &envelope, NULL);
}

static void on_log(struct kho_session *session, const Kho__Log *log)
{
	char text[TEXT_MAX];

	if (!session->rolling_back || !log->text)
		return;
	kho_text_clean(text, sizeof(text), log->text);
	kho_agent_progress(session->agent, "%s: %s", kho_side(session->agent)->peer, text);
}

/* ---- messages ---- */

bool kho_move_on_message(struct kho_session *session, const Kho__Envelope *envelope)
{
	switch (envelope->body_case) {
	case KHO__ENVELOPE__BODY_MOVE_STEP:
		kho_receive_on_step(session, envelope->move_step);
		return true;
	case KHO__ENVELOPE__BODY_MOVE_RESULT:
		kho_mover_on_result(session, envelope->move_result);
		return true;
	case KHO__ENVELOPE__BODY_LOOK:
		kho_receive_on_look(session, envelope->look);
		return true;
	case KHO__ENVELOPE__BODY_LOOK_RESULT:
		kho_checkup_on_result(session, envelope->look_result);
		return true;
	case KHO__ENVELOPE__BODY_MOVE_BACK:
		on_asked(session);
		return true;
	case KHO__ENVELOPE__BODY_LOG:
		on_log(session, envelope->log);
		return true;
	case KHO__ENVELOPE__BODY_MOVE_OVER:
		on_over(session, envelope->move_over);
		return true;
	default:
		return false;
	}
}
