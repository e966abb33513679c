// SPDX-License-Identifier: GPL-2.0-only
/*
 * The new side of a check: looks whether all is here that a workload needs, or what
 * this kernel can't do. In a child, since programs are asked; nothing is changed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/checkup.h"
#include "agent/command.h"
#include "migrate/criu/canary.h"
#include "migrate/workload/inspect_files.h"
#include "migrate/workload/unit.h"

#define LOOK_MS	60000

struct look {
	struct kho_agent *agent;
	uint32_t item;
	uint64_t id;
	const Kho__Look *message;	/* for the child, which has a copy of its own */
	struct kho_findings *findings;	/* shared with the child */
	struct kho_command *command;
};

/* ---- in the child ---- */

static void look_for_pids(const struct look *look)
{
	char path[32];

	for (size_t i = 0; i < look->message->n_pids; i++) {
		snprintf(path, sizeof(path), "/proc/%u", look->message->pids[i]);
		if (access(path, F_OK) == 0)
			kho_found(look->findings, KHO_FINDING_PID_TAKEN, 0, "",
				  "PID %u is taken in the new kernel", look->message->pids[i]);
	}
}

static void look_for_files(const struct look *look)
{
	for (size_t i = 0; i < look->message->n_files; i++) {
		const Kho__LookFile *file = look->message->files[i];

		if (file->path && file->path[0] == '/' && file->has_mode && file->has_size_bytes)
			kho_inspect_file_check(file->path, file->mode, file->size_bytes,
					       look->findings);
	}
}

static void look_for_unit(const struct look *look)
{
	const char *name = look->message->unit;
	struct kho_unit unit;
	struct kho_err err;
	int r = kho_unit_check_name(name, &err);

	/* a scope is made when it comes */
	if (r >= 0 && !kho_unit_is_scope(name))
		r = kho_unit_show(name, &unit, &err);
	if (r < 0)
		kho_found(look->findings, KHO_FINDING_UNIT, 0, "", "in the new kernel: %.150s",
			  err.msg);
}

static void look_at_kernel(const struct look *look)
{
	/* memory follows later, by userfaultfd; the next upgrade copies from here */
	static const char *const features[] = { "uffd-noncoop", "mem_dirty_track", NULL };
	const Kho__Look *message = look->message;
	static struct kho_cpu_sight old, own;
	struct kho_err err;

	kho_cpu_sight(&own);
	snprintf(old.flags, sizeof(old.flags), "%s", message->cpu_flags ?: "");
	old.xcr0 = message->has_xcr0 ? message->xcr0 : 0;
	old.xsave_bytes = message->has_xsave_bytes ? message->xsave_bytes : 0;
	kho_inspect_cpu(look->findings, &old, &own);
	if (kho_canary(KHO_RUN_DIR "/canary", &err) < 0)
		kho_found(look->findings, KHO_FINDING_CANARY, 0, "", "the new kernel can't dump and "
			  "restore a small program: %.150s", err.msg);
	kho_inspect_criu(features, look->findings);
}

static int do_look(void *arg, struct kho_err *err)
{
	const struct look *look = arg;

	(void)err;
	if (!look->message->unit) {
		look_at_kernel(look);
		return 0;
	}
	look_for_pids(look);
	look_for_files(look);
	look_for_unit(look);
	return 0;
}

/* ---- the answer ---- */

struct answer {
	Kho__LookResult result;
	Kho__Finding findings[KHO_FINDINGS];
	Kho__Finding *list[KHO_FINDINGS];
};

static void fill(const struct kho_findings *findings, struct answer *answer)
{
	for (unsigned int i = 0; i < findings->nr && i < KHO_FINDINGS; i++) {
		const struct kho_finding *finding = &findings->list[i];
		Kho__Finding *to = &answer->findings[i];

		kho__finding__init(to);
		to->kind = (char *)kho_finding_name(finding->kind);
		to->has_pid = finding->pid > 0;
		to->pid = (uint32_t)finding->pid;
		to->where = (char *)finding->where;
		to->cause = (char *)finding->cause;
		to->remedy = (char *)finding->remedy;
		answer->list[answer->result.n_findings++] = to;
	}
	answer->result.findings = answer->list;
	answer->result.has_more = true;
	answer->result.more = findings->more;
}

static void send_answer(const struct look *look)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	struct answer *answer = calloc(1, sizeof(*answer));
	struct kho_err err;

	if (!answer)
		return;		/* unheard, the other side's deadline passes */
	kho__look_result__init(&answer->result);
	answer->result.has_item = answer->result.has_look = true;
	answer->result.item = look->item;
	answer->result.look = look->id;
	fill(look->findings, answer);
	envelope.body_case = KHO__ENVELOPE__BODY_LOOK_RESULT;
	envelope.look_result = &answer->result;
	if (look->agent->session && kho_session_send(look->agent->session, &envelope, &err) < 0)
		kho_agent_progress(look->agent, "an answer can't be sent: %s", err.msg);
	free(answer);
}

static void look_free(struct look *look)
{
	kho_command_free(look->command);
	munmap(look->findings, sizeof(*look->findings));
	free(look);
}

static void on_looked(void *ctx, const struct kho_err *err)
{
	struct look *look = ctx;

	if (err->code < 0)
		kho_found(look->findings, KHO_FINDING_UNIT, 0, "",
			  "the new kernel's agent could not look: %.150s", err->msg);
	send_answer(look);
	look_free(look);
}

static void begin(struct look *look)
{
	const struct kho_command_work work = {
		.name = "looking for what is missing",
		.call = do_look,
		.arg = look,
		.timeout_ms = LOOK_MS,
	};
	struct kho_err err;

	if (kho_command_call(look->agent->event, &work, on_looked, look, &look->command, &err) < 0)
		on_looked(look, &err);
}

void kho_receive_on_look(struct kho_session *session, const Kho__Look *message)
{
	struct look *look;
	void *shared;

	if (!message->has_item || !message->has_look)
		return;
	look = calloc(1, sizeof(*look));
	shared = mmap(NULL, sizeof(struct kho_findings), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!look || shared == MAP_FAILED) {
		free(look);
		return;
	}
	look->agent = session->agent;
	look->item = message->item;
	look->id = message->look;
	look->message = message;
	look->findings = shared;
	begin(look);
	/* not ours any more; it may be gone, too, if it could not begin */
}
