// SPDX-License-Identifier: GPL-2.0-only
/* The new kernel's clock; clock.h says how. */
#include <errno.h>

#include "agent/clock.h"

#define ROUNDS 64

int kho_clock_adopt(struct kho_agent *agent, const struct kho_clock_sample *sample,
		    uint32_t tsc_khz, struct kho_err *err)
{
	int64_t error_ns;
	int r = kho_clock_set_realtime(&agent->clock, sample, tsc_khz, &error_ns, err);

	if (r >= 0)
		kho_agent_progress(agent, "clock set, %lld ns off", (long long)error_ns);
	return r;
}

void kho_clock_ask(struct kho_session *session)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__ClockSyncRequest request = KHO__CLOCK_SYNC_REQUEST__INIT;

	envelope.body_case = KHO__ENVELOPE__BODY_CLOCK_SYNC_REQUEST;
	envelope.clock_sync_request = &request;
	/* the clock runs already, by the tree's older sample */
	(void)kho_session_send(session, &envelope, NULL);
}

void kho_clock_on_request(struct kho_session *session, const Kho__Envelope *request)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__ClockSyncReply reply = KHO__CLOCK_SYNC_REPLY__INIT;
	struct kho_clock_sample sample;

	if (kho_clock_sample(&session->agent->clock, ROUNDS, &sample, NULL) < 0)
		return;
	reply.has_tsc = reply.has_realtime_ns = reply.has_monotonic_ns = true;
	reply.has_tsc_khz = true;
	reply.tsc = sample.tsc;
	reply.realtime_ns = sample.realtime_ns;
	reply.monotonic_ns = sample.monotonic_ns;
	reply.tsc_khz = session->agent->info.tsc_khz;
	envelope.has_in_reply_to = request->has_id;
	envelope.in_reply_to = request->id;
	envelope.body_case = KHO__ENVELOPE__BODY_CLOCK_SYNC_REPLY;
	envelope.clock_sync_reply = &reply;
	(void)kho_session_send(session, &envelope, NULL);
}

void kho_clock_on_reply(struct kho_session *session, const Kho__ClockSyncReply *reply)
{
	const struct kho_clock_sample sample = {
		.tsc = reply->tsc,
		.realtime_ns = reply->realtime_ns,
		.monotonic_ns = reply->monotonic_ns,
	};
	struct kho_err err;

	if (!reply->has_tsc || !reply->has_realtime_ns || !reply->has_tsc_khz)
		return;
	if (kho_clock_adopt(session->agent, &sample, reply->tsc_khz, &err) < 0)
		kho_agent_progress(session->agent, "the clock was not set: %s", err.msg);
}
