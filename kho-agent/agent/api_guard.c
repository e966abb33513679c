// SPDX-License-Identifier: GPL-2.0-only
/* The gate before every method; api_guard.h has the contract. */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/api_calls.h"
#include "agent/api_guard.h"
#include "agent/audit.h"
#include "api/api.h"
#include "base/cleanup.h"
#include "migrate/workload/config.h"

#define PARAMETERS_MAX	512

/* As JSON, cut. */
static char *format_parameters(const struct kho_api_method *method, sd_json_variant *parameters)
{
	char *text = NULL;

	if (method->secret || !parameters || sd_json_variant_format(parameters, 0, &text) < 0)
		return NULL;
	for (size_t i = 0; text[i]; i++)
		if (i == PARAMETERS_MAX)
			text[i--] = '\0';
	return text;
}

static int refuse(const struct kho_api_call *call, struct kho_audit *audit,
		  const struct kho_err *err)
{
	audit->result = KHO_AUDIT_DENIED;
	audit->cause = err->msg;
	kho_audit(audit);
	return kho_api_reply_error(call->link, err);
}

static int run_audited(struct kho_agent *agent, const struct kho_api_method *method,
		       const struct kho_api_call *call, struct kho_audit *audit)
{
	int r;

	kho_audit(audit);
	agent->refused = (struct kho_err){};
	agent->calling = call->link;
	r = method->run(call->link, call->parameters, call->flags, agent);
	agent->calling = NULL;
	if (agent->refused.code < 0) {
		audit->result = KHO_AUDIT_REFUSED;
		audit->cause = agent->refused.msg;
		kho_audit(audit);
	}
	return r;
}

int kho_api_guard(struct kho_agent *agent, const struct kho_api_method *method,
		  const struct kho_api_call *call)
{
	_cleanup_(kho_peer_done) struct kho_peer peer = {};
	_cleanup_free_ char *parameters = format_parameters(method, call->parameters);
	struct kho_audit audit = {
		.method = method->name, .peer = &peer, .parameters = parameters ?: "", .cause = "",
	};
	struct kho_err err;
	int r = kho_peer_read(sd_varlink_get_fd(call->link), &peer, &err);

	if (r >= 0)
		r = kho_access_check(&agent->access, &peer, method->access, &err);
	if (r < 0)
		return refuse(call, &audit, &err);
	if (method->access != KHO_ACCESS_CHANGE)
		return method->run(call->link, call->parameters, call->flags, agent);
	return run_audited(agent, method, call, &audit);
}

/* ---- who may connect ---- */

void kho_api_read_access(struct kho_agent *agent)
{
	_cleanup_free_ struct kho_config *config = NULL;
	const struct group *group;
	struct kho_err err;

	agent->access = (struct kho_access_policy){};
	if (kho_config_load(&config, &err) < 0) {
		kho_agent_progress(agent, "the API is root's alone: %s", err.msg);
		return;
	}
	if (!*config->read_group)
		return;
	group = getgrnam(config->read_group);
	if (!group) {
		kho_agent_progress(agent, "the API is root's alone: there's no group %s; make it, or "
				   "change ReadGroup=, and systemctl reload kho-agent",
				   config->read_group);
		return;
	}
	agent->access.has_group = true;
	agent->access.group = group->gr_gid;
	snprintf(agent->access.name, sizeof(agent->access.name), "%s", config->read_group);
}

int kho_api_protect_socket(const struct kho_agent *agent, struct kho_err *err)
{
	if (chown(KHO_API_SOCKET, 0, agent->access.has_group ? agent->access.group : 0) >= 0)
		return 0;
	return kho_fail_errno(err, -errno, "the group of the API's socket %s", KHO_API_SOCKET);
}
