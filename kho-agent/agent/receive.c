// SPDX-License-Identifier: GPL-2.0-only
/* Steps of a move on the side that workloads go to; receive.h has the idea. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/failpoint.h"
#include "agent/arrival.h"
#include "agent/gauge.h"
#include "agent/receive.h"
#include "agent/side.h"
#include "upgrade/record.h"

const struct kho_sink_ops *const kho_receive_sinks[] = {
	&kho_sink_pages, &kho_sink_images, &kho_sink_sample, &kho_sink_files, NULL
};

#define NS_PER_MS	1000000ull

static const struct kho_receive_ops *ops_of(enum kho_step step)
{
	static const struct kho_receive_ops *const ops[_KHO_STEP_MAX] = {
		[KHO_STEP_PREPARE] = &kho_receive_prepare,
		[KHO_STEP_ADMIT] = &kho_receive_admit,
		[KHO_STEP_ADDRESS] = &kho_receive_address,
		[KHO_STEP_REHEARSE] = &kho_receive_rehearse,
		[KHO_STEP_EXPECT] = &kho_receive_expect,
		[KHO_STEP_TAKE] = &kho_receive_take,
		[KHO_STEP_KEEP] = &kho_receive_keep,
		[KHO_STEP_ANNOUNCE] = &kho_receive_announce,
		[KHO_STEP_ATTACH] = &kho_receive_attach,
		[KHO_STEP_RESTORE] = &kho_receive_restore,
		[KHO_STEP_RESUME] = &kho_receive_resume,
		[KHO_STEP_HEALTH] = &kho_receive_health,
		[KHO_STEP_START] = &kho_receive_start,
		[KHO_STEP_SETTLE] = &kho_receive_settle,
	};

	return step < _KHO_STEP_MAX ? ops[step] : NULL;
}

static void answer(struct kho_receiver *receiver, const Kho__MoveResult *result)
{
	struct kho_session *session = receiver->agent->session;
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	const struct kho_failpoint point = {
		.step = result->step, .undo = result->undo, .when = KHO_FAIL_ANSWER,
	};
	struct kho_err err;

	if (kho_failpoint(receiver->agent, &point, &err) != 0)
		return;
	if (receiver->answered) {
		receiver->answered(receiver->ctx, result);
		return;
	}
	envelope.body_case = KHO__ENVELOPE__BODY_MOVE_RESULT;
	envelope.move_result = (Kho__MoveResult *)result;
	/* unheard, the other side's deadline passes */
	if (session && kho_session_send(session, &envelope, &err) < 0)
		kho_agent_progress(session->agent, "an answer can't be sent: %s", err.msg);
}

static void fill(struct kho_receiver *receiver, enum kho_step step, uint32_t item,
		 const struct kho_err *err, Kho__MoveResult *result)
{
	kho__move_result__init(result);
	result->has_step = result->has_undo = result->has_item = result->has_move = true;
	result->step = step;
	result->item = item;
	result->move = receiver->id;
	result->has_code = true;
	result->code = err->code;
	result->text = err->code ? (char *)err->msg : NULL;
	if (err->code < 0)
		kho_agent_progress(receiver->agent, "%s: %s", kho_step_info(step)->name, err->msg);
}

void kho_receive_answer_mac(struct kho_receiver *receiver, enum kho_step step, uint32_t item,
			    const uint8_t mac[6], const struct kho_err *err)
{
	Kho__MoveResult result;

	fill(receiver, step, item, err, &result);
	result.has_mac = true;
	result.mac.data = (uint8_t *)mac;
	result.mac.len = 6;
	answer(receiver, &result);
}

void kho_receive_answer_took(struct kho_receiver *receiver, enum kho_step step, uint32_t item,
			     uint64_t ns, const struct kho_err *err)
{
	Kho__MoveResult result;

	fill(receiver, step, item, err, &result);
	result.has_duration_ns = true;
	result.duration_ns = ns;
	answer(receiver, &result);
}

void kho_receive_answer_settled(struct kho_arrival *a, const struct kho_err *err)
{
	Kho__MoveResult result;

	fill(a->receiver, KHO_STEP_SETTLE, a->item, err, &result);
	result.has_lazy_bytes = result.has_lazy_ns = true;
	result.lazy_bytes = a->lazy_bytes;
	result.lazy_ns = a->lazy_ms * NS_PER_MS;
	result.seen = kho_gauge_seen(a);
	answer(a->receiver, &result);
}

void kho_receive_answer(struct kho_receiver *receiver, enum kho_step step, bool undo,
			uint32_t item, const struct kho_err *err)
{
	Kho__MoveResult result;

	fill(receiver, step, item, err, &result);
	result.undo = undo;
	answer(receiver, &result);
}

static void drop_all(struct kho_receiver *receiver)
{
	receiver->gauge = kho_gauge_free(receiver->gauge);
	for (unsigned int i = 0; i < KHO_MOVE_ITEMS; i++) {
		kho_arrival_free(receiver->arrivals[i]);
		kho_anchor_free(receiver->anchors[i]);
		kho_taken_free(receiver->volumes[i]);
		kho_newcomer_free(receiver->newcomers[i]);
		receiver->arrivals[i] = NULL;
		receiver->anchors[i] = NULL;
		receiver->volumes[i] = NULL;
		receiver->newcomers[i] = NULL;
	}
}

void kho_receive_drop(struct kho_agent *agent)
{
	if (agent->receiver)
		drop_all(agent->receiver);
}

int kho_receive_let_go(struct kho_agent *agent, struct kho_err *err)
{
	struct kho_receiver *receiver = agent->receiver;

	for (unsigned int i = 0; receiver && i < KHO_MOVE_ITEMS; i++)
		if (receiver->arrivals[i] && kho_arrival_is_busy(receiver->arrivals[i]))
			return kho_fail(err, -EBUSY, "memory of the last move is still on its way; "
					"try again when that is over");
	kho_receive_drop(agent);
	return 0;
}

struct kho_receiver *kho_receive_open(struct kho_agent *agent, uint64_t id)
{
	struct kho_receiver *receiver = agent->receiver;

	if (receiver && receiver->id == id)
		return receiver;
	if (!receiver)
		receiver = calloc(1, sizeof(*receiver));
	if (!receiver)
		return NULL;
	drop_all(receiver);
	memset(receiver->undone, 0, sizeof(receiver->undone));
	receiver->agent = agent;
	receiver->id = id;
	receiver->answered = NULL;
	agent->receiver = receiver;
	return receiver;
}

/* Two kernels that run one workload are the worst there is: only its owner gives it. */
static int check_owner(struct kho_agent *agent, const Kho__MoveStep *step, struct kho_err *err)
{
	struct kho_owner owner;
	bool known = kho_side_owner(agent, &owner, NULL) >= 0;

	if (agent->mover)
		return kho_fail(err, -EBUSY, "a move the other way is under way");
	if (!kho_move_may_receive(known ? &owner : NULL, kho_side(agent)->is_new, step->step,
				  step->undo))
		return kho_fail(err, -EPERM, "the workloads are this side's; nothing of them is "
				"taken in, or down");
	return 0;
}

static int do_step(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	const struct kho_receive_ops *ops = ops_of(step->step);
	uint32_t bit = 1u << step->item;

	if (step->undo)
		receiver->undone[step->step] |= bit;
	else if (receiver->undone[step->step] & bit)
		return kho_fail(err, -ECANCELED, "the step was undone before it was asked for");
	if (!ops)
		return kho_fail(err, -EPROTONOSUPPORT, "this agent doesn't know the step; update "
				"it");
	return step->undo ? ops->undo(receiver, step, err) : ops->begin(receiver, step, err);
}

int kho_receive_do(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	struct kho_failpoint point = {
		.step = step->step, .undo = step->undo, .when = KHO_FAIL_BEFORE,
	};
	int r = kho_failpoint(receiver->agent, &point, err), failed;

	if (r != 0)
		return r;
	r = do_step(receiver, step, err);
	point.when = KHO_FAIL_AFTER;
	failed = kho_failpoint(receiver->agent, &point, err);
	return failed ? failed : r;
}

void kho_receive_on_step(struct kho_session *session, const Kho__MoveStep *step)
{
	struct kho_receiver *receiver;
	struct kho_err err = {};
	int r;

	if (!step->has_move || !step->has_item || step->item >= KHO_MOVE_ITEMS || !step->has_step ||
	    step->step >= _KHO_STEP_MAX)
		return;
	receiver = kho_receive_open(session->agent, step->move);
	if (!receiver)
		return;
	kho_agent_progress(session->agent, "%s%s of %.64s", step->undo ? "undoing " : "",
			   kho_step_info(step->step)->name, step->name ?: "?");
	r = check_owner(session->agent, step, &err);
	if (r >= 0)
		r = kho_receive_do(receiver, step, &err);
	if (r <= 0)
		kho_receive_answer(receiver, step->step, step->undo, step->item, &err);
}
