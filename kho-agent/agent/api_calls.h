/* SPDX-License-Identifier: GPL-2.0-only */
/* What the methods of the API share. */
#ifndef KHO_AGENT_API_CALLS_H
#define KHO_AGENT_API_CALLS_H

#include "agent/agent.h"

/* Both end the call. */
int kho_api_reply_error(sd_varlink *link, const struct kho_err *err);
int kho_api_reply_message(sd_varlink *link, const char *message);

/* The client is answered by kho_agent_answer(). -EBUSY: another one waits. */
int kho_api_begin_wait(struct kho_agent *agent, sd_varlink *link,
		       sd_varlink_method_flags_t flags, struct kho_err *err);

#endif
