// SPDX-License-Identifier: GPL-2.0-only
/* The methods that only look: Check (what can't move, and why) and Report. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "agent/api_calls.h"
#include "agent/api_check.h"
#include "agent/check_images.h"
#include "agent/checkup.h"
#include "agent/command.h"
#include "agent/move_findings.h"
#include "agent/move_report.h"
#include "api/api.h"
#include "base/cleanup.h"

#define IMAGES_MS	60000

struct check {
	struct kho_agent *agent;
	struct kho_config *config;
	sd_varlink *link;
	struct kho_findings *images;	/* shared with the child that looks for them */
	struct kho_command *command;
};

static void check_free(struct check *check)
{
	kho_command_free(check->command);
	if (check->images)
		munmap(check->images, sizeof(*check->images));
	sd_varlink_unref(check->link);
	free(check->config);
	free(check);
}

static int add_workload(const struct kho_checkup *checkup, unsigned int item,
			sd_json_variant **list)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL, *findings = NULL;
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

static int reply(struct check *check, const struct kho_checkup *checkup)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *workloads = NULL, *kernels = NULL,
		*images = NULL;
	struct kho_err err;
	int r = kho_findings_json(kho_checkup_findings(checkup, KHO_CHECKUP_KERNEL), &kernels);

	if (r >= 0)
		r = kho_findings_json(check->images, &images);
	for (unsigned int i = 0; i < checkup->config->nr_workloads && r >= 0; i++)
		r = add_workload(checkup, i, &workloads);
	if (r < 0) {
		kho_fail_errno(&err, r, "the answer");
		return kho_api_reply_error(check->link, &err);
	}
	return sd_varlink_replybo(check->link,
				  SD_JSON_BUILD_PAIR_BOOLEAN("peer", checkup->peer),
				  SD_JSON_BUILD_PAIR_BOOLEAN("blocked",
							     kho_checkup_blocked(checkup)),
				  SD_JSON_BUILD_PAIR_VARIANT("kernels", kernels),
				  SD_JSON_BUILD_PAIR_VARIANT("images", images),
				  SD_JSON_BUILD_PAIR_VARIANT("workloads", workloads));
}

static void on_done(void *ctx, const struct kho_err *err)
{
	struct check *check = ctx;
	struct kho_checkup *checkup = check->agent->checkup;

	if (err->code < 0)
		kho_api_reply_error(check->link, err);
	else
		reply(check, checkup);
	kho_checkup_free(checkup);
	check_free(check);
}

/* ---- target images come first ---- */

static int look_at_images(void *arg, struct kho_err *err)
{
	struct check *check = arg;

	(void)err;
	kho_check_images(check->config, check->images);
	return 0;
}

static void on_images(void *ctx, const struct kho_err *failed)
{
	struct check *check = ctx;
	struct kho_err err = *failed;
	int r = err.code;

	check->command = kho_command_free(check->command);
	if (r >= 0)
		r = kho_checkup_begin(check->agent, check->config, on_done, check, &err);
	if (r >= 0)
		return;
	kho_api_reply_error(check->link, &err);
	check_free(check);
}

static int begin_images(struct check *check, struct kho_err *err)
{
	const struct kho_command_work work = {
		.name = "looking at target images",
		.call = look_at_images,
		.arg = check,
		.timeout_ms = IMAGES_MS,
	};
	void *shared = mmap(NULL, sizeof(*check->images), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		return kho_fail(err, -ENOMEM, "no memory to look at target images");
	check->images = shared;
	return kho_command_call(check->agent->event, &work, on_images, check, &check->command, err);
}

static int begin(struct check *check, struct kho_err *err)
{
	int r;

	if (check->agent->mover)
		return kho_fail(err, -EBUSY, "a move is under way; see khoctl status");
	r = kho_config_load(&check->config, err);
	if (r >= 0 && !check->config->nr_workloads)
		r = kho_fail(err, -EINVAL, "no workload is configured; nothing is to be moved");
	return r < 0 ? r : begin_images(check, err);
}

int kho_method_check(sd_varlink *link, sd_json_variant *parameters,
		     sd_varlink_method_flags_t flags, void *userdata)
{
	struct check *check = calloc(1, sizeof(*check));
	struct kho_err err;
	int r;

	(void)parameters;
	(void)flags;
	if (!check) {
		kho_fail(&err, -ENOMEM, "no memory for a check");
		return kho_api_reply_error(link, &err);
	}
	check->agent = userdata;
	check->link = sd_varlink_ref(link);
	if (begin(check, &err) >= 0)
		return 0;
	r = kho_api_reply_error(link, &err);
	check_free(check);
	return r;
}

int kho_method_report(sd_varlink *link, sd_json_variant *parameters,
		      sd_varlink_method_flags_t flags, void *userdata)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *report = NULL;
	struct kho_err err;

	(void)parameters;
	(void)flags;
	(void)userdata;
	if (kho_move_report_read(&report, &err) < 0)
		return kho_api_reply_error(link, &err);
	return sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_VARIANT("report", report));
}
