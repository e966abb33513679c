// SPDX-License-Identifier: GPL-2.0-only
/* Answers, and the client that waits; api_calls.h has the contract. */
#include <errno.h>

#include "agent/api_calls.h"
#include "agent/session.h"
#include "agent/upgrade_run.h"
#include "api/api.h"
#include "api/feed.h"

static int reply_error(sd_varlink *link, const struct kho_err *err, bool tried)
{
	struct kho_agent *agent = sd_varlink_get_userdata(link);

	/* for the audit */
	if (agent && agent->calling == link)
		agent->refused = *err;
	return sd_varlink_errorbo(link, KHO_API_ERROR,
				  SD_JSON_BUILD_PAIR_INTEGER("code", -err->code),
				  SD_JSON_BUILD_PAIR_STRING("message", err->msg),
				  SD_JSON_BUILD_PAIR_CONDITION(tried, "tried",
							       SD_JSON_BUILD_BOOLEAN(true)));
}

int kho_api_reply_error(sd_varlink *link, const struct kho_err *err)
{
	return reply_error(link, err, false);
}

int kho_api_reply_message(sd_varlink *link, const char *message)
{
	return sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_STRING("message", message));
}

/* ---- the client that waits ---- */

int kho_api_begin_wait(struct kho_agent *agent, sd_varlink *link,
		       sd_varlink_method_flags_t flags, struct kho_err *err)
{
	if (kho_upgrade_is_busy(agent))
		return kho_fail(err, -EBUSY, "an upgrade is under way; wait for it, or undo it "
				"with khoctl abort");
	if (agent->heir)
		return kho_fail(err, -EBUSY, "workloads are being restored after a kexec; wait until "
				"khoctl report has what came of it");
	if (agent->taking_back)
		return kho_fail(err, -EBUSY, "a failover is starting the workloads here; wait until "
				"khoctl status tells how it went");
	if (agent->waiter)
		return kho_fail(err, -EBUSY, "another command is under way; wait for it");
	agent->waiter = sd_varlink_ref(link);
	agent->waiter_more = flags & SD_VARLINK_METHOD_MORE;
	agent->waiter_tried = false;
	return 0;
}

void kho_agent_answer(struct kho_agent *agent, const struct kho_err *err)
{
	if (!kho_upgrade_heard(agent, err))
		kho_agent_end_wait(agent, err);
}

void kho_agent_end_wait(struct kho_agent *agent, const struct kho_err *err)
{
	sd_varlink *link = agent->waiter;

	agent->waiter = NULL;
	if (!link)
		return;
	if (err->code < 0)
		reply_error(link, err, agent->waiter_tried);
	else if (agent->session && agent->session->hello_ns)
		sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_STRING("message", "done"),
				   SD_JSON_BUILD_PAIR_UNSIGNED("helloMs",
					agent->session->hello_ns / 1000000));
	else
		kho_api_reply_message(link, "done");
	/* a machine that's about to end its life must not keep the answer */
	if (kho_feed_is_writable(link))
		sd_varlink_flush(link);
	sd_varlink_unref(link);
}
