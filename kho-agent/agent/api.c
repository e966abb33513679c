// SPDX-License-Identifier: GPL-2.0-only
/*
 * The methods of the local API. Each takes its parameters apart, calls what does
 * the work, and answers; Spawn, Retire, Grant and Revoke answer later, when the
 * other kernel has (agent->waiter). Who may call which one is in the table at the end.
 */
#include <errno.h>
#include <stdlib.h>

#include "agent/api_calls.h"
#include "agent/api_check.h"
#include "agent/api_guard.h"
#include "agent/api_upgrade.h"
#include "agent/bench.h"
#include "agent/dmesg.h"
#include "agent/failover.h"
#include "agent/move.h"
#include "agent/move_report.h"
#include "agent/move_trial.h"
#include "agent/pci.h"
#include "agent/publish.h"
#include "agent/rollback.h"
#include "agent/side.h"
#include "agent/spawn.h"
#include "agent/upgrade_run.h"
#include "agent/watch.h"
#include "api/api.h"
#include "base/file.h"

#define CONSOLE_MAX	(16u << 20)

void kho_agent_console(struct kho_agent *agent, char *text)
{
	kho_text_printable(text);
	for (int i = 0; i < KHO_FOLLOWERS; i++)
		if (agent->followers[i])
			sd_varlink_notifybo(agent->followers[i],
					    SD_JSON_BUILD_PAIR_STRING("text", text));
}

static int add_follower(struct kho_agent *agent, sd_varlink *link, struct kho_err *err)
{
	for (int i = 0; i < KHO_FOLLOWERS; i++)
		if (!agent->followers[i]) {
			agent->followers[i] = sd_varlink_ref(link);
			return 0;
		}
	return kho_fail(err, -EBUSY, "%d clients follow the console already; end one",
			KHO_FOLLOWERS);
}

static void on_disconnect(sd_varlink_server *server, sd_varlink *link, void *userdata)
{
	struct kho_agent *agent = userdata;

	(void)server;
	for (int i = 0; i < KHO_FOLLOWERS; i++)
		if (agent->followers[i] == link)
			agent->followers[i] = sd_varlink_unref(link);
	kho_watch_gone(agent, link);
	if (agent->waiter != link)
		return;
	kho_upgrade_client_gone(agent);
	/* what was asked for goes on */
	agent->waiter = sd_varlink_unref(link);
}

/* ---- methods ---- */

static int method_spawn(sd_varlink *link, sd_json_variant *parameters,
			sd_varlink_method_flags_t flags, void *userdata)
{
	struct kho_agent *agent = userdata;
	struct kho_upgrade_request request = {};
	struct kho_err err;
	int r = kho_api_spawn_parameters(link, parameters, &request);

	if (r != 0)
		return r;
	r = kho_api_begin_wait(agent, link, flags, &err);
	if (r < 0)
		return kho_api_reply_error(link, &err);
	r = kho_spawn(agent, &request.spawn, &err);
	agent->last = r < 0 ? err : (struct kho_err){};
	if (r < 0)
		kho_agent_answer(agent, &err);
	return 0;
}

static int method_reclaim(sd_varlink *link, sd_json_variant *parameters,
			  sd_varlink_method_flags_t flags, void *userdata)
{
	struct kho_agent *agent = userdata;
	struct kho_err err, gone;
	int r = 0;

	(void)parameters;
	(void)flags;
	if (agent->phase == KHO_PHASE_RETIRE)
		r = kho_fail(&err, -EBUSY, "this kernel is on its way out; nothing can be undone");
	if (r >= 0 && agent->session && agent->session->role != &kho_old_role)
		r = kho_fail(&err, -EINVAL, "this is the spawned kernel; reclaim from the other");
	if (r >= 0 && kho_side_peer_owns(agent))
		r = kho_fail(&err, -EBUSY, "the workloads run in the new kernel; khoctl rollback "
			     "moves them back, khoctl failover gives them up");
	if (r >= 0)
		r = agent->mover ? kho_mover_fence(agent->mover, &err) : kho_reclaim(agent, &err);
	if (r < 0)
		return kho_api_reply_error(link, &err);
	kho_fail(&gone, -ECANCELED, "the new kernel was taken down by khoctl reclaim");
	kho_agent_answer(agent, &gone);
	return kho_api_reply_message(link, "everything is this kernel's again");
}

/* Begins what takes longer: the client is answered when it's over. */
static int begin(sd_varlink *link, sd_varlink_method_flags_t flags, struct kho_agent *agent,
		 int (*what)(struct kho_agent *, struct kho_err *))
{
	struct kho_err err;
	int r = kho_api_begin_wait(agent, link, flags, &err);

	if (r < 0)
		return kho_api_reply_error(link, &err);
	r = what(agent, &err);
	if (r < 0)
		kho_agent_answer(agent, &err);
	return 0;
}

/* An upgrade's soak is what it ends. */
static int method_retire(sd_varlink *link, sd_json_variant *parameters,
			 sd_varlink_method_flags_t flags, void *userdata)
{
	const struct kho_agent *agent = userdata;

	if (agent->upgrade)
		return kho_method_commit(link, parameters, flags, userdata);
	return begin(link, flags, userdata, kho_retire);
}

static const sd_json_dispatch_field move_fields[] = {
	{ "rehearse", SD_JSON_VARIANT_BOOLEAN, sd_json_dispatch_stdbool, 0, 0 },
	{}
};

static int method_move(sd_varlink *link, sd_json_variant *parameters,
		       sd_varlink_method_flags_t flags, void *userdata)
{
	struct kho_agent *agent = userdata;
	bool rehearse = true;
	int r = sd_varlink_dispatch(link, parameters, move_fields, &rehearse);

	if (r != 0)
		return r;
	r = begin(link, flags, agent, kho_move_there);
	if (agent->mover && !rehearse)
		kho_mover_no_rehearsal(agent->mover);
	return r;
}

static const sd_json_dispatch_field rehearse_fields[] = {
	{ "workload", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string, 0, SD_JSON_MANDATORY },
	{}
};

static int method_rehearse(sd_varlink *link, sd_json_variant *parameters,
			   sd_varlink_method_flags_t flags, void *userdata)
{
	struct kho_agent *agent = userdata;
	const char *name = NULL;
	struct kho_err err;
	int r = sd_varlink_dispatch(link, parameters, rehearse_fields, &name);

	if (r != 0)
		return r;
	r = kho_api_begin_wait(agent, link, flags, &err);
	if (r < 0)
		return kho_api_reply_error(link, &err);
	if (kho_trial_begin(agent, name, &err) < 0)
		kho_agent_answer(agent, &err);
	return 0;
}

static int method_rollback(sd_varlink *link, sd_json_variant *parameters,
			   sd_varlink_method_flags_t flags, void *userdata)
{
	const struct kho_agent *agent = userdata;

	if (agent->upgrade)
		return kho_method_abort(link, parameters, flags, userdata);
	return begin(link, flags, userdata, kho_rollback);
}

static int method_failover(sd_varlink *link, sd_json_variant *parameters,
			   sd_varlink_method_flags_t flags, void *userdata)
{
	(void)parameters;
	return begin(link, flags, userdata, kho_failover);
}

static const sd_json_dispatch_field function_fields[] = {
	{ "function", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string, 0, SD_JSON_MANDATORY },
	{}
};

static int move_function(struct kho_agent *agent, sd_varlink *link, sd_json_variant *parameters,
			 sd_varlink_method_flags_t flags,
			 int (*move)(struct kho_agent *, const struct kho_pci_addr *,
				     struct kho_err *))
{
	struct kho_pci_addr addr;
	const char *text = NULL;
	struct kho_err err;
	int r = sd_varlink_dispatch(link, parameters, function_fields, &text);

	if (r != 0)
		return r;
	r = kho_parse_pci(text, &addr, &err);
	if (r >= 0)
		r = kho_api_begin_wait(agent, link, flags, &err);
	if (r < 0)
		return kho_api_reply_error(link, &err);
	r = move(agent, &addr, &err);
	if (r < 0)
		kho_agent_answer(agent, &err);
	return 0;
}

static int method_grant(sd_varlink *link, sd_json_variant *parameters,
			sd_varlink_method_flags_t flags, void *userdata)
{
	return move_function(userdata, link, parameters, flags, kho_pci_grant);
}

static int method_revoke(sd_varlink *link, sd_json_variant *parameters,
			 sd_varlink_method_flags_t flags, void *userdata)
{
	return move_function(userdata, link, parameters, flags, kho_pci_revoke);
}

static const sd_json_dispatch_field console_fields[] = {
	{ "follow", SD_JSON_VARIANT_BOOLEAN, sd_json_dispatch_stdbool, 0, 0 },
	{}
};

static int method_console(sd_varlink *link, sd_json_variant *parameters,
			  sd_varlink_method_flags_t flags, void *userdata)
{
	struct kho_agent *agent = userdata;
	char *text = NULL;
	bool follow = false;
	struct kho_err err;
	int r = sd_varlink_dispatch(link, parameters, console_fields, &follow);

	if (r != 0)
		return r;
	follow = follow && flags & SD_VARLINK_METHOD_MORE;
	if (agent->session && agent->session->role == &kho_old_role)
		kho_console_drain(agent->session);
	r = kho_file_read_string(KHO_CONSOLE_LOG, CONSOLE_MAX, &text, &err);
	if (r >= 0 && follow)
		r = add_follower(agent, link, &err);
	if (r < 0) {
		free(text);
		return kho_api_reply_error(link, &err);
	}
	kho_text_printable(text);
	r = follow ? sd_varlink_notifybo(link, SD_JSON_BUILD_PAIR_STRING("text", text)) :
		     sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_STRING("text", text));
	free(text);
	return r;
}

static const sd_json_dispatch_field input_fields[] = {
	{ "text", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string, 0, SD_JSON_MANDATORY },
	{}
};

static int method_input(sd_varlink *link, sd_json_variant *parameters,
			sd_varlink_method_flags_t flags, void *userdata)
{
	struct kho_agent *agent = userdata;
	const char *text = NULL;
	struct kho_err err;
	int r = sd_varlink_dispatch(link, parameters, input_fields, &text);

	(void)flags;
	if (r != 0)
		return r;
	if (!agent->session || agent->session->role != &kho_old_role)
		r = kho_fail(&err, -ENOTCONN, "there's no spawned kernel to type to");
	if (r >= 0)
		r = kho_console_type(agent->session, text, &err);
	return r < 0 ? kho_api_reply_error(link, &err) : kho_api_reply_message(link, "typed");
}

static int method_dmesg(sd_varlink *link, sd_json_variant *parameters,
			sd_varlink_method_flags_t flags, void *userdata)
{
	struct kho_err err;
	char *text = NULL;
	int r = kho_dmesg_of_peer(userdata, &text, &err);

	(void)parameters;
	(void)flags;
	if (r < 0)
		return kho_api_reply_error(link, &err);
	r = sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_STRING("text", text));
	free(text);
	return r;
}

/* Everything else waits meanwhile. */
static int method_bench(sd_varlink *link, sd_json_variant *parameters,
			sd_varlink_method_flags_t flags, void *userdata)
{
	struct kho_agent *agent = userdata;
	struct kho_bench_result result;
	struct kho_err err;
	int r = 0;

	(void)parameters;
	(void)flags;
	if (agent->waiter)
		r = kho_fail(&err, -EBUSY, "another command is under way; wait for it");
	if (r >= 0)
		r = kho_bench_run(agent->session, &result, &err);
	if (r < 0)
		r = kho_api_reply_error(link, &err);
	else
		r = sd_varlink_replybo(
			link,
			SD_JSON_BUILD_PAIR_UNSIGNED("roundTripNs", result.round_trip_ns),
			SD_JSON_BUILD_PAIR_UNSIGNED("bulkBytesPerSec", result.bulk_bytes_per_sec),
			SD_JSON_BUILD_PAIR_UNSIGNED("bulkCrcBytesPerSec",
						    result.bulk_crc_bytes_per_sec),
			SD_JSON_BUILD_PAIR_UNSIGNED("memcpyBytesPerSec",
						    result.memcpy_bytes_per_sec));
	if (agent->session)
		kho_session_pump(agent->session);
	return r;
}

/*
 * All methods, with who may call them (api/access.h) and whether their parameters stay
 * out of the audit: what's typed on a console may be a password. Plan and Check open what
 * they are named, and all tasks, with root's eyes. Bench holds everything else up.
 */
#define METHODS(X) \
	X(Status, READ, false, kho_method_status) \
	X(History, READ, false, kho_method_history) \
	X(Show, READ, false, kho_method_show) \
	X(Report, READ, false, kho_method_report) \
	X(Metrics, READ, false, kho_method_metrics) \
	X(Plan, ROOT, false, kho_method_plan) \
	X(Check, ROOT, false, kho_method_check) \
	X(Console, ROOT, false, method_console) \
	X(Dmesg, ROOT, false, method_dmesg) \
	X(Start, CHANGE, false, kho_method_start) \
	X(Commit, CHANGE, false, kho_method_commit) \
	X(Abort, CHANGE, false, kho_method_abort) \
	X(Spawn, CHANGE, false, method_spawn) \
	X(Reclaim, CHANGE, false, method_reclaim) \
	X(Move, CHANGE, false, method_move) \
	X(Rehearse, CHANGE, false, method_rehearse) \
	X(Rollback, CHANGE, false, method_rollback) \
	X(Failover, CHANGE, false, method_failover) \
	X(Retire, CHANGE, false, method_retire) \
	X(Grant, CHANGE, false, method_grant) \
	X(Revoke, CHANGE, false, method_revoke) \
	X(Input, CHANGE, true, method_input) \
	X(Bench, CHANGE, false, method_bench)

/* A function for each: the library doesn't tell a method which one it is. */
#define GATE(method, kind, is_secret, fn) \
static int gate_##method(sd_varlink *link, sd_json_variant *parameters, \
			 sd_varlink_method_flags_t flags, void *userdata) \
{ \
	static const struct kho_api_method m = { \
		.name = #method, .access = KHO_ACCESS_##kind, .secret = is_secret, .run = fn, \
	}; \
	const struct kho_api_call call = { link, parameters, flags }; \
\
	return kho_api_guard(userdata, &m, &call); \
}

METHODS(GATE)

#define ROW(method, kind, is_secret, fn)	{ KHO_API_METHOD(#method), gate_##method },

static const struct {
	const char *name;
	sd_varlink_method_t method;
} methods[] = { METHODS(ROW) };

int kho_agent_api_init(struct kho_agent *agent, struct kho_err *err)
{
	int r = sd_varlink_server_new(&agent->server, SD_VARLINK_SERVER_INHERIT_USERDATA);

	if (r < 0)
		return kho_fail_errno(err, r, "the API can't be set up");
	sd_varlink_server_set_userdata(agent->server, agent);
	kho_api_read_access(agent);
	r = sd_varlink_server_add_interface(agent->server, kho_api_interface());
	for (size_t i = 0; r >= 0 && i < sizeof(methods) / sizeof(methods[0]); i++)
		r = sd_varlink_server_bind_method(agent->server, methods[i].name,
						  methods[i].method);
	if (r >= 0)
		r = sd_varlink_server_bind_disconnect(agent->server, on_disconnect);
	if (r >= 0)
		r = sd_varlink_server_listen_address(agent->server, KHO_API_SOCKET, 0660);
	if (r >= 0)
		r = sd_varlink_server_attach_event(agent->server, agent->event,
						   SD_EVENT_PRIORITY_NORMAL);
	if (r < 0)
		return kho_fail_errno(err, r, "the API's socket %s", KHO_API_SOCKET);
	return kho_api_protect_socket(agent, err);
}
