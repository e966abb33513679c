/* SPDX-License-Identifier: GPL-2.0-only */
/* The gate before every method of the API: who may call it (api/access.h), and the audit. */
#ifndef KHO_AGENT_API_GUARD_H
#define KHO_AGENT_API_GUARD_H

#include "agent/agent.h"

struct kho_api_method {
	const char *name;
	enum kho_access access;
	bool secret;			/* its parameters are nobody's but the caller's */
	sd_varlink_method_t run;
};

struct kho_api_call {
	sd_varlink *link;
	sd_json_variant *parameters;
	sd_varlink_method_flags_t flags;
};

/* Runs it, or answers with the refusal. What the method returns. */
int kho_api_guard(struct kho_agent *agent, const struct kho_api_method *method,
		  const struct kho_api_call *call);

/*
 * agent->access, by the configuration; and the socket's group. What's wrong with the
 * configuration is told, and then it's root's alone.
 */
void kho_api_read_access(struct kho_agent *agent);
int kho_api_protect_socket(const struct kho_agent *agent, struct kho_err *err);

#endif
