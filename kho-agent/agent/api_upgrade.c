// SPDX-License-Identifier: GPL-2.0-only
/* Whole upgrades over the API. The log says whose they were. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "agent/api_calls.h"
#include "agent/api_upgrade.h"
#include "agent/check_machine.h"
#include "agent/history.h"
#include "agent/side.h"
#include "agent/upgrade_kexec.h"
#include "agent/upgrade_story.h"
#include "base/cleanup.h"
#include "migrate/workload/config.h"

struct start_parameters {
	const char *image, *cpus, *blocks, *cmdline, *method;
	uint64_t memory, timeout_sec, soak_sec, max_frozen_ms;
	bool no_rehearsal, hold, keep, force, now;
};

#define TEXT(name, field, flags) \
	{ name, SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string, \
	  offsetof(struct start_parameters, field), flags }
#define NUMBER(name, field) \
	{ name, _SD_JSON_VARIANT_TYPE_INVALID, sd_json_dispatch_uint64, \
	  offsetof(struct start_parameters, field), 0 }
#define FLAG(name, field) \
	{ name, SD_JSON_VARIANT_BOOLEAN, sd_json_dispatch_stdbool, \
	  offsetof(struct start_parameters, field), 0 }

#define SPAWN_FIELDS \
	TEXT("image", image, SD_JSON_MANDATORY), \
	TEXT("cpus", cpus, 0), \
	TEXT("blocks", blocks, 0), \
	TEXT("commandLine", cmdline, 0), \
	NUMBER("memoryBytes", memory), \
	NUMBER("timeoutSec", timeout_sec), \
	FLAG("force", force)

static const sd_json_dispatch_field spawn_fields[] = { SPAWN_FIELDS, {} };

static const sd_json_dispatch_field start_fields[] = {
	SPAWN_FIELDS,
	NUMBER("soakSec", soak_sec),
	NUMBER("maxFrozenMs", max_frozen_ms),
	FLAG("noRehearsal", no_rehearsal),
	FLAG("hold", hold),
	FLAG("keepFailed", keep),
	FLAG("now", now),
	TEXT("method", method, 0),
	{}
};

static int dispatch(sd_varlink *link, sd_json_variant *parameters,
		    const sd_json_dispatch_field fields[], struct kho_upgrade_request *ret)
{
	struct start_parameters p = { .soak_sec = UINT64_MAX };
	int r = sd_varlink_dispatch(link, parameters, fields, &p);

	if (r != 0)
		return r;
	if (p.method && strcmp(p.method, "kexec") != 0 && strcmp(p.method, "spawn") != 0)
		return sd_varlink_error_invalid_parameter_name(link, "method");
	*ret = (struct kho_upgrade_request){
		.spawn = {
			.image = p.image, .cpus = p.cpus, .blocks = p.blocks,
			.cmdline = p.cmdline, .memory = p.memory,
			.timeout_ms = p.timeout_sec * 1000,
			.force = p.force,
		},
		.max_frozen_ms = p.max_frozen_ms,
		.no_rehearsal = p.no_rehearsal,
		.hold = p.hold,
		.keep = p.keep,
		.now = p.now,
		.kexec = p.method && strcmp(p.method, "kexec") == 0,
		.has_soak = p.soak_sec != UINT64_MAX,
		.soak_sec = p.soak_sec != UINT64_MAX ? p.soak_sec : 0,
	};
	return 0;
}

int kho_api_spawn_parameters(sd_varlink *link, sd_json_variant *parameters,
			     struct kho_upgrade_request *ret)
{
	return dispatch(link, parameters, spawn_fields, ret);
}

/* Who calls: "uid 0, khoctl (pid 123)". */
static void caller(sd_varlink *link, char ret[KHO_PEER_TEXT])
{
	_cleanup_(kho_peer_done) struct kho_peer peer = {};

	kho_peer_read(sd_varlink_get_fd(link), &peer, NULL);
	kho_peer_format(&peer, ret);
}

/* ---- what would be done ---- */

struct plan {
	struct kho_build build;
	struct kho_cpus cpus;
	uint64_t memory;
	struct kho_config *config;
	uint64_t blackout_ms;		/* by kexec */
};

static int plan_kexec(struct kho_agent *agent, const struct kho_upgrade_request *request,
		      struct plan *plan, struct kho_err *err)
{
	int r = kho_config_load(&plan->config, err);

	if (r >= 0)
		r = kho_upgrade_kexec_check(agent, request->spawn.image, plan->config,
					    &plan->blackout_ms, err);
	return r < 0 ? r : kho_build_load(&plan->build, err);
}

static int make_plan(struct kho_agent *agent, const struct kho_upgrade_request *request,
		     struct plan *plan, struct kho_err *err)
{
	struct kho_reserve_spec spec = {
		.cpus = request->spawn.cpus,
		.blocks = request->spawn.blocks,
		.memory = request->spawn.memory,
	};
	int r;

	if (agent->phase != KHO_PHASE_IDLE)
		return kho_fail(err, -EBUSY, "an upgrade is under way (%s); see khoctl status",
				kho_agent_phase_name(agent));
	plan->build.request = &request->spawn;
	if (request->kexec)
		return plan_kexec(agent, request, plan, err);
	r = kho_refuse_machine(agent, err);
	if (r >= 0)
		r = kho_build_load(&plan->build, err);
	spec.contiguous = plan->build.contiguous;
	if (r >= 0)
		r = kho_reserve_plan(agent, &spec, &plan->cpus, &plan->memory, err);
	if (r >= 0)
		r = kho_config_load(&plan->config, err);
	if (r >= 0)
		kho_config_limit_frozen(plan->config, request->max_frozen_ms);
	return r;
}

static int name_workloads(const struct kho_config *config, sd_json_variant **ret)
{
	int r = sd_json_variant_new_array(ret, NULL, 0);

	for (unsigned int i = 0; i < config->nr_workloads && r >= 0; i++) {
		_cleanup_variant_ sd_json_variant *name = NULL;

		r = sd_json_variant_new_string(&name, config->workloads[i].name);
		if (r >= 0)
			r = sd_json_variant_append_array(ret, name);
	}
	return r;
}

static int reply_plan(sd_varlink *link, const struct kho_upgrade_request *request,
		      const struct plan *plan)
{
	_cleanup_variant_ sd_json_variant *workloads = NULL;
	char cpus[KHO_CPUS_TEXT];
	struct utsname name;
	struct kho_err err, window = {};
	int r = name_workloads(plan->config, &workloads);

	if (r < 0) {
		kho_fail_errno(&err, r, "the answer");
		return kho_api_reply_error(link, &err);
	}
	uname(&name);
	kho_cpus_format(&plan->cpus, cpus, sizeof(cpus));
	(void)kho_upgrade_is_in_window(plan->config, &window);
	return sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_STRING("image", request->spawn.image),
				  SD_JSON_BUILD_PAIR_STRING("oldRelease", name.release),
				  SD_JSON_BUILD_PAIR_STRING("newRelease", plan->build.release),
				  SD_JSON_BUILD_PAIR_STRING("cpus", cpus),
				  SD_JSON_BUILD_PAIR_UNSIGNED("memoryBytes", plan->memory),
				  SD_JSON_BUILD_PAIR_VARIANT("workloads", workloads),
				  SD_JSON_BUILD_PAIR_UNSIGNED("soakSec",
					kho_upgrade_soak_sec(request, plan->config)),
				  SD_JSON_BUILD_PAIR_UNSIGNED("maxFrozenMs",
							      plan->config->max_frozen_ms),
				  SD_JSON_BUILD_PAIR_CONDITION(window.code < 0, "outsideWindow",
							       SD_JSON_BUILD_STRING(window.msg)),
				  SD_JSON_BUILD_PAIR_CONDITION(request->kexec, "blackoutMs",
					SD_JSON_BUILD_UNSIGNED(plan->blackout_ms)));
}

int kho_method_plan(sd_varlink *link, sd_json_variant *parameters,
		    sd_varlink_method_flags_t flags, void *userdata)
{
	_cleanup_free_ struct plan *plan = calloc(1, sizeof(*plan));
	struct kho_upgrade_request request;
	struct kho_err err;
	int r = dispatch(link, parameters, start_fields, &request);

	(void)flags;
	if (r != 0)
		return r;
	if (!plan) {
		kho_fail(&err, -ENOMEM, "no memory to plan");
		return kho_api_reply_error(link, &err);
	}
	r = make_plan(userdata, &request, plan, &err);
	r = r < 0 ? kho_api_reply_error(link, &err) : reply_plan(link, &request, plan);
	kho_build_done(&plan->build);
	free(plan->config);
	return r;
}

/* ---- what is done ---- */

int kho_method_start(sd_varlink *link, sd_json_variant *parameters,
		     sd_varlink_method_flags_t flags, void *userdata)
{
	struct kho_agent *agent = userdata;
	struct kho_upgrade_request request;
	struct kho_err err;
	char by[KHO_PEER_TEXT];
	int r = dispatch(link, parameters, start_fields, &request);

	if (r != 0)
		return r;
	r = kho_api_begin_wait(agent, link, flags, &err);
	if (r < 0)
		return kho_api_reply_error(link, &err);
	caller(link, by);
	request.by = by;
	r = kho_upgrade_start(agent, &request, &err);
	if (r < 0)
		kho_agent_end_wait(agent, &err);
	else if (!(flags & SD_VARLINK_METHOD_MORE))
		/* it isn't waited for */
		kho_agent_end_wait(agent, &(struct kho_err){});
	return 0;
}

int kho_method_commit(sd_varlink *link, sd_json_variant *parameters,
		      sd_varlink_method_flags_t flags, void *userdata)
{
	struct kho_agent *agent = userdata;
	struct kho_err err;
	char by[KHO_PEER_TEXT];
	int r = kho_upgrade_run_commit(agent, &err);

	(void)parameters;
	(void)flags;
	if (r < 0)
		return kho_api_reply_error(link, &err);
	caller(link, by);
	kho_agent_progress(agent, "committed by %s", by);
	return kho_api_reply_message(link, "the old kernel retires");
}

int kho_method_abort(sd_varlink *link, sd_json_variant *parameters,
		     sd_varlink_method_flags_t flags, void *userdata)
{
	struct kho_agent *agent = userdata;
	struct kho_err err, why;
	char by[KHO_PEER_TEXT];
	int r;

	(void)parameters;
	(void)flags;
	caller(link, by);
	kho_fail(&why, -ECANCELED, "aborted by %s", by);
	r = kho_upgrade_run_abort(agent, &why, &err);
	if (r < 0)
		return kho_api_reply_error(link, &err);
	kho_agent_progress(agent, "%s", why.msg);
	return kho_api_reply_message(link, "the upgrade is being undone; khoctl status says when "
				     "that's over");
}

int kho_method_history(sd_varlink *link, sd_json_variant *parameters,
		       sd_varlink_method_flags_t flags, void *userdata)
{
	_cleanup_variant_ sd_json_variant *list = NULL;
	struct kho_err err;

	(void)parameters;
	(void)flags;
	(void)userdata;
	if (kho_history_list(&list, &err) < 0)
		return kho_api_reply_error(link, &err);
	return sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_VARIANT("upgrades", list));
}

static const sd_json_dispatch_field show_fields[] = {
	{ "id", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string, 0, SD_JSON_MANDATORY },
	{}
};

/* One that isn't over, as it's told in the memory that both kernels share. */
static int show_told(const struct kho_agent *agent, const char *id, sd_json_variant **ret)
{
	_cleanup_free_ struct kho_story *story = calloc(1, sizeof(*story));

	if (!story || kho_upgrade_story_read(agent, story, NULL) < 0 || !*id ||
	    strncmp(story->journal.id, id, strlen(id)) != 0)
		return -ENOENT;
	return kho_history_told(story, ret, NULL);
}

int kho_method_show(sd_varlink *link, sd_json_variant *parameters,
		    sd_varlink_method_flags_t flags, void *userdata)
{
	_cleanup_variant_ sd_json_variant *entry = NULL;
	const char *id = NULL;
	struct kho_err err;
	int r = sd_varlink_dispatch(link, parameters, show_fields, &id);

	(void)flags;
	if (r != 0)
		return r;
	r = kho_history_read(id, &entry, &err);
	if (r == -ENOENT && show_told(userdata, id, &entry) >= 0)
		r = 0;
	if (r < 0)
		return kho_api_reply_error(link, &err);
	return sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_VARIANT("upgrade", entry));
}

/* What the other kernel's agent has told. */
static sd_json_variant *told_json(const struct kho_agent *agent)
{
	_cleanup_free_ struct kho_story *story = calloc(1, sizeof(*story));
	const struct kho_upgrade *upgrade;
	sd_json_variant *v = NULL;
	int r;

	if (!story || kho_upgrade_story_read(agent, story, NULL) < 0)
		return NULL;
	upgrade = &story->journal.upgrade;
	r = sd_json_buildo(
		&v, SD_JSON_BUILD_PAIR_STRING("id", story->journal.id),
		SD_JSON_BUILD_PAIR_STRING("state", kho_upgrade_state_name(upgrade->state)),
		SD_JSON_BUILD_PAIR_STRING("image", story->journal.image),
		SD_JSON_BUILD_PAIR_STRING("by", story->journal.by),
		SD_JSON_BUILD_PAIR_UNSIGNED("beganMs", story->journal.at[0].ms),
		SD_JSON_BUILD_PAIR_BOOLEAN("held", upgrade->hold || upgrade->held),
		SD_JSON_BUILD_PAIR_STRING("message", upgrade->err.code ? upgrade->err.msg : ""),
		SD_JSON_BUILD_PAIR_CONDITION(!!*story->step, "step",
					     SD_JSON_BUILD_STRING(story->step)),
		SD_JSON_BUILD_PAIR_UNSIGNED("toldMs", story->ms));
	return r < 0 ? NULL : v;
}

sd_json_variant *kho_upgrade_json(const struct kho_agent *agent)
{
	const struct kho_journal *journal = kho_upgrade_journal(agent);
	uint64_t left = kho_upgrade_soak_left_ms(agent);
	_cleanup_variant_ sd_json_variant *v = NULL;
	const struct kho_upgrade *upgrade;
	int r;

	if (!journal)
		return kho_side(agent)->is_new ? told_json(agent) : NULL;
	upgrade = &journal->upgrade;
	r = sd_json_buildo(
		&v, SD_JSON_BUILD_PAIR_STRING("id", journal->id),
		SD_JSON_BUILD_PAIR_STRING("state", kho_upgrade_state_name(upgrade->state)),
		SD_JSON_BUILD_PAIR_STRING("image", journal->image),
		SD_JSON_BUILD_PAIR_STRING("by", journal->by),
		SD_JSON_BUILD_PAIR_UNSIGNED("beganMs", journal->at[0].ms),
		SD_JSON_BUILD_PAIR_BOOLEAN("held", upgrade->hold || upgrade->held),
		SD_JSON_BUILD_PAIR_STRING("message", upgrade->err.code ? upgrade->err.msg : ""),
		SD_JSON_BUILD_PAIR_CONDITION(left, "soakLeftMs", SD_JSON_BUILD_UNSIGNED(left)));
	return r < 0 ? NULL : TAKE_PTR(v);
}
