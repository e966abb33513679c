// SPDX-License-Identifier: GPL-2.0-only
/* The old side's look; checkup.h has the idea. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "agent/checkup.h"
#include "agent/spawn.h"
#include "base/cleanup.h"
#include "base/now.h"

#define CHILD_MS	60000
#define PEER_MS		90000

static size_t room(void)
{
	return sizeof(struct kho_inspection);
}

/* ---- the end ---- */

static void finish(struct kho_checkup *checkup, const struct kho_err *err)
{
	void (*done)(void *, const struct kho_err *) = checkup->done;

	checkup->done = NULL;
	checkup->deadline = sd_event_source_disable_unref(checkup->deadline);
	if (done)
		done(checkup->ctx, err);
}

static void finish_if_all(struct kho_checkup *checkup)
{
	const struct kho_err none = {};

	for (unsigned int i = 0; i <= KHO_CHECKUP_KERNEL; i++)
		if (checkup->parts[i].command)
			return;
	if (!checkup->asked)
		finish(checkup, &none);
}

static int on_late(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct kho_err err;

	(void)source;
	(void)usec;
	kho_fail(&err, -ETIMEDOUT, "the new kernel's agent hasn't said within %d s what it lacks; "
		 "see its log", PEER_MS / 1000);
	finish(userdata, &err);
	return 0;
}

/* ---- asking the new side ---- */

struct question {
	Kho__Look look;
	Kho__LookFile files[KHO_INSPECT_FILES];
	Kho__LookFile *list[KHO_INSPECT_FILES];
	struct kho_cpu_sight sight;
};

static void fill_files(struct question *question, const struct kho_inspection *inspection)
{
	for (unsigned int i = 0; i < inspection->nr_files; i++) {
		const struct kho_inspect_file *file = &inspection->files[i];

		kho__look_file__init(&question->files[i]);
		question->files[i].path = (char *)inspection->paths + file->path;
		question->files[i].has_mode = question->files[i].has_size_bytes = true;
		question->files[i].mode = file->mode;
		question->files[i].size_bytes = file->size;
		question->list[i] = &question->files[i];
	}
	question->look.n_files = inspection->nr_files;
	question->look.files = question->list;
}

static void fill_kernel(struct question *question)
{
	kho_cpu_sight(&question->sight);
	question->look.cpu_flags = question->sight.flags;
	question->look.has_xcr0 = question->look.has_xsave_bytes = true;
	question->look.xcr0 = question->sight.xcr0;
	question->look.xsave_bytes = question->sight.xsave_bytes;
}

static int ask(struct kho_checkup *checkup, unsigned int item, struct kho_err *err)
{
	struct kho_inspection *inspection = checkup->parts[item].inspection;
	_cleanup_free_ struct question *question = calloc(1, sizeof(*question));
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;

	/* looking took its time */
	if (!checkup->agent->session)
		return kho_fail(err, -ENOTCONN, "the new kernel was lost while it was checked; "
				"try again");
	if (!question)
		return kho_fail(err, -ENOMEM, "no memory for a question");
	kho__look__init(&question->look);
	question->look.has_item = question->look.has_look = true;
	question->look.item = item;
	question->look.look = checkup->id;
	if (item == KHO_CHECKUP_KERNEL) {
		fill_kernel(question);
	} else {
		question->look.unit = (char *)checkup->config->workloads[item].unit;
		question->look.pids = inspection->pids;
		question->look.n_pids = inspection->nr_pids;
		fill_files(question, inspection);
	}
	envelope.body_case = KHO__ENVELOPE__BODY_LOOK;
	envelope.look = &question->look;
	return kho_session_send(checkup->agent->session, &envelope, err);
}

static void add_finding(struct kho_findings *findings, const Kho__Finding *found)
{
	struct kho_finding *finding = &findings->list[findings->nr];
	enum kho_finding_kind kind = kho_finding_kind(found->kind ?: "");

	if (findings->nr == KHO_FINDINGS || kind == _KHO_FINDING_MAX) {
		findings->more++;
		return;
	}
	findings->nr++;
	finding->kind = kind;
	finding->pid = found->has_pid && found->pid <= INT32_MAX ? (pid_t)found->pid : 0;
	kho_text_clean(finding->where, sizeof(finding->where), found->where ?: "");
	kho_text_clean(finding->cause, sizeof(finding->cause), found->cause ?: "");
	kho_text_clean(finding->remedy, sizeof(finding->remedy), found->remedy ?: "");
}

void kho_checkup_on_result(struct kho_session *session, const Kho__LookResult *result)
{
	struct kho_checkup *checkup = session->agent->checkup;
	struct kho_findings *findings;

	if (!checkup || !result->has_item || !result->has_look || result->look != checkup->id ||
	    result->item > KHO_CHECKUP_KERNEL || !(checkup->asked & 1ull << result->item))
		return;
	findings = &checkup->parts[result->item].inspection->findings;
	for (size_t i = 0; i < result->n_findings; i++)
		add_finding(findings, result->findings[i]);
	findings->more += result->has_more ? result->more : 0;
	checkup->asked &= ~(1ull << result->item);
	finish_if_all(checkup);
}

/* ---- this side ---- */

static int inspect(void *arg, struct kho_err *err)
{
	static const char *const features[] = { "mem_dirty_track", NULL };
	struct kho_checkup_part *part = arg;

	(void)err;
	if (part->item == KHO_CHECKUP_KERNEL)
		kho_inspect_criu(features, &part->inspection->findings);
	else
		kho_inspect_workload(part->checkup->config, part->item, part->inspection);
	return 0;
}

static void on_inspected(void *ctx, const struct kho_err *failed)
{
	struct kho_checkup_part *part = ctx;
	struct kho_checkup *checkup = part->checkup;
	struct kho_err err = *failed;

	part->command = kho_command_free(part->command);
	if (err.code >= 0 && checkup->peer)
		ask(checkup, part->item, &err);
	else
		checkup->asked &= ~(1ull << part->item);
	if (err.code < 0)
		finish(checkup, &err);
	else
		finish_if_all(checkup);
}

static int begin_part(struct kho_checkup *checkup, unsigned int item, struct kho_err *err)
{
	struct kho_checkup_part *part = &checkup->parts[item];
	const struct kho_command_work work = {
		.name = "looking for what can't move",
		.call = inspect,
		.arg = part,
		.timeout_ms = CHILD_MS,
	};
	void *shared = mmap(NULL, room(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		return kho_fail(err, -ENOMEM, "no memory to look at a workload");
	part->checkup = checkup;
	part->item = item;
	part->inspection = shared;
	if (checkup->peer)
		checkup->asked |= 1ull << item;
	return kho_command_call(checkup->agent->event, &work, on_inspected, part, &part->command,
				err);
}

static int begin_all(struct kho_checkup *checkup, struct kho_err *err)
{
	int r = begin_part(checkup, KHO_CHECKUP_KERNEL, err);

	for (unsigned int i = 0; i < checkup->config->nr_workloads && r >= 0; i++)
		r = begin_part(checkup, i, err);
	if (r < 0)
		return r;
	r = sd_event_add_time_relative(checkup->agent->event, &checkup->deadline, CLOCK_MONOTONIC,
				       PEER_MS * 1000ull, 0, on_late, checkup);
	return r < 0 ? kho_fail_errno(err, r, "event loop") : 0;
}

static bool has_peer(const struct kho_agent *agent)
{
	const struct kho_link *link = agent->session ?
		kho_channel_link(agent->session->channel) : NULL;

	return agent->phase == KHO_PHASE_SYNC && link && kho_link_is_up(link) &&
	       kho_features_has(&link->agreement.features, KHO_FEATURE_LOOK);
}

int kho_checkup_begin(struct kho_agent *agent, const struct kho_config *config,
		      void (*done)(void *ctx, const struct kho_err *err), void *ctx,
		      struct kho_err *err)
{
	struct kho_checkup *checkup;
	int r;

	if (agent->checkup)
		return kho_fail(err, -EBUSY, "a check is under way; wait for it");
	checkup = calloc(1, sizeof(*checkup));
	if (!checkup)
		return kho_fail(err, -ENOMEM, "no memory for a check");
	agent->checkup = checkup;
	checkup->agent = agent;
	checkup->config = config;
	checkup->peer = has_peer(agent);
	checkup->ctx = ctx;
	if (getrandom(&checkup->id, sizeof(checkup->id), 0) != sizeof(checkup->id))
		checkup->id = kho_now_ns();
	r = begin_all(checkup, err);
	if (r < 0)
		kho_checkup_free(checkup);
	else
		checkup->done = done;
	return r;
}

struct kho_checkup *kho_checkup_free(struct kho_checkup *checkup)
{
	if (!checkup)
		return NULL;
	checkup->agent->checkup = NULL;
	sd_event_source_disable_unref(checkup->deadline);
	for (unsigned int i = 0; i <= KHO_CHECKUP_KERNEL; i++) {
		kho_command_free(checkup->parts[i].command);
		if (checkup->parts[i].inspection)
			munmap(checkup->parts[i].inspection, room());
	}
	free(checkup);
	return NULL;
}

const struct kho_findings *kho_checkup_findings(const struct kho_checkup *checkup,
						unsigned int item)
{
	return &checkup->parts[item].inspection->findings;
}
