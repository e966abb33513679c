/* SPDX-License-Identifier: GPL-2.0-only */
/* Setting the new kernel's clock: from the tree at once, then from the live peer. */
#ifndef KHO_AGENT_CLOCK_H
#define KHO_AGENT_CLOCK_H

#include "agent/session.h"

/* New side: sets CLOCK_REALTIME from a sample of the old kernel's. */
int kho_clock_adopt(struct kho_agent *agent, const struct kho_clock_sample *sample,
		    uint32_t tsc_khz, struct kho_err *err);

/* New side: asks for a fresh sample; takes the answer. */
void kho_clock_ask(struct kho_session *session);
void kho_clock_on_reply(struct kho_session *session, const Kho__ClockSyncReply *reply);

/* Old side: answers. */
void kho_clock_on_request(struct kho_session *session, const Kho__Envelope *request);

#endif
