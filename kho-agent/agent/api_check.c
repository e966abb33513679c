// SPDX-License-Identifier: GPL-2.0-only
/* The methods that only look: Check (what can't move, and why) and Report. */
#include <errno.h>
#include <stdlib.h>

#include "agent/api_calls.h"
#include "agent/api_check.h"
#include "agent/checkup.h"
#include "agent/move_findings.h"
#include "agent/move_report.h"
#include "agent/preflight.h"
#include "agent/publish.h"
#include "api/api.h"
#include "base/cleanup.h"

struct check {
	struct kho_agent *agent;
	struct kho_config *config;
	sd_varlink *link;
	struct kho_preflight *preflight;
};

static void check_free(struct check *check)
{
	kho_preflight_free(check->preflight);
	sd_varlink_unref(check->link);
	free(check->config);
	free(check);
}

static int add_workload(const struct kho_checkup *checkup, unsigned int item,
			sd_json_variant **list)
{
	_cleanup_variant_ sd_json_variant *v = NULL, *findings = NULL;
	const struct kho_config_workload *config = &checkup->config->workloads[item];
	const struct kho_findings *found = kho_checkup_findings(checkup, item);
	int r = kho_findings_json(found, &findings);

	if (r >= 0)
		r = sd_json_buildo(
			&v, SD_JSON_BUILD_PAIR_STRING("name", config->name),
			SD_JSON_BUILD_PAIR_STRING("unit", config->unit),
			SD_JSON_BUILD_PAIR_STRING("result", kho_checkup_verdict(config, found)),
			SD_JSON_BUILD_PAIR_VARIANT("findings", findings),
			SD_JSON_BUILD_PAIR_UNSIGNED("more", found->more));
	return r < 0 ? r : sd_json_variant_append_array(list, v);
}

/* What the child has found. */
struct seen {
	sd_json_variant *machine, *images, *lend;
};

static void seen_done(struct seen *seen)
{
	sd_json_variant_unref(seen->machine);
	sd_json_variant_unref(seen->images);
	sd_json_variant_unref(seen->lend);
}

static int see(const struct check *check, struct seen *ret)
{
	int r = kho_findings_json(kho_preflight_machine(check->preflight), &ret->machine);

	if (r >= 0)
		r = kho_findings_json(kho_preflight_images(check->preflight), &ret->images);
	return r < 0 ? r : kho_preflight_lend_json(check->preflight, &ret->lend);
}

static int reply(struct check *check, const struct kho_checkup *checkup)
{
	_cleanup_variant_ sd_json_variant *workloads = NULL, *kernels = NULL;
	_cleanup_(seen_done) struct seen seen = {};
	bool blocked = kho_checkup_blocked(checkup) || kho_preflight_blocked(check->preflight);
	struct kho_err err;
	int r = kho_findings_json(kho_checkup_findings(checkup, KHO_CHECKUP_KERNEL), &kernels);

	if (r >= 0)
		r = see(check, &seen);
	if (r >= 0)
		r = sd_json_variant_new_array(&workloads, NULL, 0);
	for (unsigned int i = 0; i < checkup->config->nr_workloads && r >= 0; i++)
		r = add_workload(checkup, i, &workloads);
	if (r < 0) {
		kho_fail_errno(&err, r, "the answer");
		return kho_api_reply_error(check->link, &err);
	}
	return sd_varlink_replybo(check->link,
				  SD_JSON_BUILD_PAIR_BOOLEAN("peer", checkup->peer),
				  SD_JSON_BUILD_PAIR_BOOLEAN("blocked", blocked),
				  SD_JSON_BUILD_PAIR_VARIANT("machine", seen.machine),
				  SD_JSON_BUILD_PAIR_CONDITION(!!seen.lend, "lend",
							       SD_JSON_BUILD_VARIANT(seen.lend)),
				  SD_JSON_BUILD_PAIR_VARIANT("kernels", kernels),
				  SD_JSON_BUILD_PAIR_VARIANT("images", seen.images),
				  SD_JSON_BUILD_PAIR_VARIANT("workloads", workloads));
}

static void on_done(void *ctx, const struct kho_err *err)
{
	struct check *check = ctx;
	struct kho_checkup *checkup = check->agent->checkup;

	if (err->code < 0) {
		kho_api_reply_error(check->link, err);
	} else {
		kho_publish_checkup(check->agent, checkup);
		reply(check, checkup);
	}
	kho_checkup_free(checkup);
	check_free(check);
}

/* ---- the machine and target images come first ---- */

static void on_preflight(void *ctx, const struct kho_err *failed)
{
	struct check *check = ctx;
	struct kho_err err = *failed;
	int r = err.code;

	if (r >= 0)
		kho_publish_preflight(check->agent, check->preflight);
	if (r >= 0)
		r = kho_checkup_begin(check->agent, check->config, on_done, check, &err);
	if (r >= 0)
		return;
	kho_api_reply_error(check->link, &err);
	check_free(check);
}

struct check_parameters {
	const char *image, *cpus, *blocks;
	uint64_t memory;
};

static const sd_json_dispatch_field check_fields[] = {
	{ "image", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
	  offsetof(struct check_parameters, image), 0 },
	{ "cpus", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
	  offsetof(struct check_parameters, cpus), 0 },
	{ "blocks", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
	  offsetof(struct check_parameters, blocks), 0 },
	{ "memoryBytes", _SD_JSON_VARIANT_TYPE_INVALID, sd_json_dispatch_uint64,
	  offsetof(struct check_parameters, memory), 0 },
	{}
};

/* The parameters' texts are gone when this is over; the child has copies of them. */
static int begin(struct check *check, const struct check_parameters *p, struct kho_err *err)
{
	struct kho_preflight_spec spec = {
		.image = p->image,
		.cpus = p->cpus,
		.blocks = p->blocks,
		.memory = p->memory,
		.done = on_preflight,
		.ctx = check,
	};
	int r;

	if (check->agent->mover)
		return kho_fail(err, -EBUSY, "a move is under way; see khoctl status");
	r = kho_config_load(&check->config, err);
	spec.config = check->config;
	return r < 0 ? r : kho_preflight_begin(check->agent, &spec, &check->preflight, err);
}

int kho_method_check(sd_varlink *link, sd_json_variant *parameters,
		     sd_varlink_method_flags_t flags, void *userdata)
{
	struct check_parameters p = {};
	struct check *check;
	struct kho_err err;
	int r = sd_varlink_dispatch(link, parameters, check_fields, &p);

	(void)flags;
	if (r != 0)
		return r;
	check = calloc(1, sizeof(*check));
	if (!check) {
		kho_fail(&err, -ENOMEM, "no memory for a check");
		return kho_api_reply_error(link, &err);
	}
	check->agent = userdata;
	check->link = sd_varlink_ref(link);
	if (begin(check, &p, &err) >= 0)
		return 0;
	r = kho_api_reply_error(link, &err);
	check_free(check);
	return r;
}

int kho_method_report(sd_varlink *link, sd_json_variant *parameters,
		      sd_varlink_method_flags_t flags, void *userdata)
{
	_cleanup_variant_ sd_json_variant *report = NULL;
	struct kho_err err;

	(void)parameters;
	(void)flags;
	(void)userdata;
	if (kho_move_report_read(&report, &err) < 0)
		return kho_api_reply_error(link, &err);
	return sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_VARIANT("report", report));
}
