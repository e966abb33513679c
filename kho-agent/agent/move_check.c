// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first step of a move: what can't move is found before anything is touched, and
 * either refused, all of it at once, or taken for a restart.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/move.h"
#include "agent/move_findings.h"
#include "agent/move_trial.h"

#define LINE	(KHO_FINDING_CAUSE + KHO_FINDING_REMEDY + 128)

static void tell_findings(struct kho_mover *mover, const char *name,
			  const struct kho_findings *findings)
{
	char line[LINE];

	for (unsigned int i = 0; i < findings->nr; i++) {
		kho_finding_format(&findings->list[i], line, sizeof(line));
		kho_agent_tell(mover->agent, KHO_MESSAGE_CANNOT_MOVE,
			       &(struct kho_about){ .workload = name }, "%s: %s: %s", name,
			       kho_finding_name(findings->list[i].kind), line);
	}
	if (findings->more)
		kho_agent_progress(mover->agent, "%s: and %u more", name, findings->more);
}

/* Says why nothing moves: the first finding in full, all of them were told. */
static void refuse(const char *name, const struct kho_findings *findings, struct kho_err *err)
{
	char line[LINE] = "see the others";

	if (findings->nr)
		kho_finding_format(&findings->list[0], line, sizeof(line));
	if (!err->code)
		kho_fail(err, -EOPNOTSUPP, "%s can't move: %.380s (%u found; khoctl check "
			 "shows all)", name, line, findings->nr + findings->more);
}

static void restart(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	const char *name = mover->config->workloads[item].name;

	kho_agent_tell(mover->agent, KHO_MESSAGE_RESTARTED, &(struct kho_about){ .workload = name },
		       "%s will be stopped here and started in the new kernel: its connections end, "
		       "and what it has in memory is lost", name);
	kho_move_restart(&mover->move, item, err);
}

/* Without pre-copy a sample would stop it for as long as all of its memory takes. */
static void plan_rehearsal(struct kho_mover *mover, uint32_t item)
{
	const struct kho_config_workload *config = &mover->config->workloads[item];
	bool wanted = !mover->unrehearsed && !config->unrehearsed;

	if (wanted && config->max_rounds)
		return;
	kho_move_leave_out(&mover->move, KHO_STEP_SAMPLE, item);
	kho_move_leave_out(&mover->move, KHO_STEP_REHEARSE, item);
	kho_agent_progress(mover->agent, "%s isn't rehearsed: %s", config->name,
			   wanted ? "that needs MaxRounds= above 0" : "that isn't wanted");
}

void kho_mover_no_rehearsal(struct kho_mover *mover)
{
	mover->unrehearsed = true;
}

void kho_mover_limit_frozen(struct kho_mover *mover, uint64_t ms)
{
	mover->limit_ms = ms;
	kho_config_limit_frozen(mover->config, ms);
}

/* ---- what a rehearsal has shown ---- */

void kho_mover_doom(struct kho_mover *mover, uint32_t item, const char *why)
{
	if (!mover->config->workloads[item].restart || mover->trial)
		return;
	if (!mover->doomed)
		mover->doomed = calloc(KHO_MOVE_ITEMS, sizeof(*mover->doomed));
	if (mover->doomed)
		kho_text_clean(mover->doomed[item], sizeof(*mover->doomed), why);
}

static bool is_doomed(const struct kho_mover *mover, uint32_t item)
{
	return mover->doomed && *mover->doomed[item];
}

/* By name: the configuration is read anew, and may be another one. */
static void pass_on(const struct kho_mover *from, struct kho_mover *to)
{
	for (uint32_t i = 0; i < from->config->nr_workloads; i++)
		for (uint32_t n = 0; n < to->config->nr_workloads && is_doomed(from, i); n++)
			if (strcmp(from->config->workloads[i].name,
				   to->config->workloads[n].name) == 0)
				kho_mover_doom(to, n, from->doomed[i]);
	to->unrehearsed = from->unrehearsed;
	to->move.tried = from->move.tried;
	kho_mover_limit_frozen(to, from->limit_ms);
}

bool kho_mover_try_again(struct kho_mover *mover)
{
	struct kho_agent *agent = mover->agent;
	bool another = false;
	struct kho_err err;

	for (uint32_t i = 0; i < mover->config->nr_workloads; i++)
		another = another || (is_doomed(mover, i) && !(mover->move.restarted & 1u << i));
	if (!another || kho_move_committed(&mover->move) || mover->move.undo_err.code)
		return false;
	kho_agent_progress(agent, "%s", mover->move.err.msg);
	if (kho_mover_begin(agent, mover->over, &err) < 0)
		return false;
	pass_on(mover, agent->mover);
	return true;
}

static void decide(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	const struct kho_config_workload *config = &mover->config->workloads[item];
	const struct kho_findings *findings = kho_checkup_findings(mover->agent->checkup, item);
	const char *verdict = kho_checkup_verdict(config, findings);

	tell_findings(mover, config->name, findings);
	/* in a trial it's to be known, not to be restarted; a kexec would start it anew unasked */
	if (*verdict == 'b' || (*verdict == 'r' && (mover->trial || mover->bequeathal)))
		refuse(config->name, findings, err);
	else if (*verdict == 'r' || is_doomed(mover, item))
		restart(mover, item, err);
	else if (!err->code && kho_mover_take_in(mover, item, err) >= 0)
		plan_rehearsal(mover, item);
}

/* Others don't keep a workload from being tried. */
static bool is_blocked(const struct kho_mover *mover)
{
	const struct kho_checkup *checkup = mover->agent->checkup;
	const struct kho_findings *kernels = kho_checkup_findings(checkup, KHO_CHECKUP_KERNEL);

	return mover->trial ? kernels->nr || kernels->more : kho_checkup_blocked(checkup);
}

static void on_checked(void *ctx, const struct kho_err *failed)
{
	struct kho_mover *mover = ctx;
	struct kho_checkup *checkup = mover->agent->checkup;
	const struct kho_findings *kernels = kho_checkup_findings(checkup, KHO_CHECKUP_KERNEL);
	struct kho_err err = *failed;

	if (!err.code) {
		tell_findings(mover, "kernels", kernels);
		kho_trial_narrow(mover);
		for (uint32_t i = 0; i < mover->config->nr_workloads; i++)
			if (!kho_trial_passes_over(mover, i))
				decide(mover, i, &err);
		if (!err.code && is_blocked(mover))
			refuse("any workload", kernels, &err);
	}
	kho_mover_end_check(mover);
	kho_mover_done(mover, KHO_STEP_INSPECT, 0, &err);
}

static int inspect(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	int r = kho_checkup_begin(mover->agent, mover->config, on_checked, mover, err);

	(void)item;
	mover->checking = r >= 0;
	return r < 0 ? r : 1;
}

void kho_mover_end_check(struct kho_mover *mover)
{
	if (mover->checking)
		kho_checkup_free(mover->agent->checkup);
	mover->checking = false;
}

const struct kho_step_ops kho_step_inspect = { .begin = inspect };
