// SPDX-License-Identifier: GPL-2.0-only
/* Hooks of an upgrade; upgrade_hooks.h has the events. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/session.h"
#include "agent/spawn.h"
#include "agent/upgrade_hooks.h"
#include "agent/upgrade_private.h"
#include "base/cleanup.h"
#include "migrate/workload/config.h"

#define TIMEOUT_MS	30000		/* if the configuration can't be read */
#define VARIABLES	7
#define VALUE		640

static const char *const names[_KHO_HOOK_MAX] = {
	[KHO_HOOK_PRE_SWITCH] = "pre-switch",
	[KHO_HOOK_COMMITTED] = "committed",
	[KHO_HOOK_FAILED] = "failed",
};

struct environment {
	char values[VARIABLES][VALUE];
	const char *list[VARIABLES + 1];
};

static void fill(struct environment *to, const struct kho_journal *journal, const char *event)
{
	const struct {
		const char *name, *value;
	} all[VARIABLES] = {
		{ "KHO_EVENT", event },
		{ "KHO_UPGRADE", journal->id },
		{ "KHO_IMAGE", journal->image },
		{ "KHO_OLD_RELEASE", journal->source },
		{ "KHO_NEW_RELEASE", journal->target },
		{ "KHO_BY", journal->by },
		{ "KHO_MESSAGE", journal->upgrade.err.code ? journal->upgrade.err.msg : "" },
	};

	for (int i = 0; i < VARIABLES; i++) {
		snprintf(to->values[i], VALUE, "%s=%s", all[i].name, all[i].value);
		to->list[i] = to->values[i];
	}
}

static uint32_t timeout_ms(void)
{
	_cleanup_free_ struct kho_config *config = NULL;

	return kho_config_load(&config, NULL) < 0 ? TIMEOUT_MS : config->hook_timeout_ms;
}

int kho_upgrade_hooks_run(struct kho_agent *agent, const struct kho_journal *journal,
			  enum kho_hook_event event, struct kho_hooks_spec *spec,
			  struct kho_hooks **ret, struct kho_err *err)
{
	_cleanup_free_ struct environment *environment = calloc(1, sizeof(*environment));
	int r;

	if (!environment)
		return kho_fail(err, -ENOMEM, "no memory for hooks");
	fill(environment, journal, names[event]);
	spec->folder = KHO_HOOKS_FOLDER;
	spec->event = names[event];
	spec->environment = environment->list;
	spec->timeout_ms = timeout_ms();
	r = kho_hooks_run(agent->event, spec, ret, err);
	if (r > 0)
		kho_agent_progress(agent, "running the hooks of \"%s\"", names[event]);
	return r < 0 ? kho_wrap(err, r, "hooks of \"%s\"", names[event]) : r;
}

/* ---- left to themselves ---- */

struct told {
	struct kho_agent *agent;
	struct kho_hooks *hooks;
	enum kho_hook_event event;
};

static void on_told(void *ctx, const struct kho_err *err)
{
	struct told *told = ctx;

	if (err->code < 0)
		kho_agent_progress(told->agent, "hooks of \"%s\": %s", names[told->event], err->msg);
	kho_hooks_free(told->hooks);
	free(told);
}

void kho_upgrade_hooks_tell(struct kho_agent *agent, const struct kho_journal *journal,
			    enum kho_hook_event event)
{
	struct told *told = calloc(1, sizeof(*told));
	struct kho_hooks_spec spec = { .all = true, .done = on_told, .ctx = told };
	struct kho_err err;
	int r;

	if (!told)
		return;
	told->agent = agent;
	told->event = event;
	r = kho_upgrade_hooks_run(agent, journal, event, &spec, &told->hooks, &err);
	if (r < 0)
		kho_agent_progress(agent, "%s", err.msg);
	if (r <= 0)
		free(told);
}

/* ---- before the switch ---- */

static void note_target(struct kho_upgrade_run *run)
{
	const struct kho_session *session = run->agent->session;

	if (session && kho_link_is_up(kho_channel_link(session->channel)))
		snprintf(run->journal.target, sizeof(run->journal.target), "%s",
			 kho_channel_link(session->channel)->peer.kernel_release);
}

static void on_may_switch(void *ctx, const struct kho_err *failed)
{
	struct kho_upgrade_run *run = ctx;
	enum kho_upgrade_action action;
	struct kho_err why = *failed, err;

	run->hooks = kho_hooks_free(run->hooks);
	if (why.code >= 0) {
		kho_upgrade_carry(run, kho_upgrade_hello(&run->journal.upgrade));
		return;
	}
	kho_wrap(&why, why.code, "stopped before the switch by a hook");
	if (kho_upgrade_abort(&run->journal.upgrade, &why, &action, &err) >= 0)
		kho_upgrade_carry(run, action);
}

bool kho_upgrade_said_hello(struct kho_agent *agent)
{
	struct kho_upgrade_run *run = agent->upgrade;
	struct kho_hooks_spec spec = { .done = on_may_switch, .ctx = run };
	struct kho_err err = {};
	int r;

	if (!run)
		return false;
	if (run->journal.upgrade.state != KHO_UPGRADE_SPAWN || run->hooks)
		return true;
	note_target(run);
	r = kho_upgrade_hooks_run(agent, &run->journal, KHO_HOOK_PRE_SWITCH, &spec, &run->hooks, &err);
	if (r <= 0)
		on_may_switch(run, &err);
	return true;
}

/* ---- before retirement ---- */

/* They had their say; what came of it is in the log. */
static void on_committed(void *ctx, const struct kho_err *failed)
{
	struct kho_upgrade_run *run = ctx;
	struct kho_err err;

	if (failed->code < 0)
		kho_agent_progress(run->agent, "%s", failed->msg);
	run->hooks = kho_hooks_free(run->hooks);
	if (kho_retire(run->agent, &err) < 0)
		kho_upgrade_carry(run, kho_upgrade_done(&run->journal.upgrade, &err));
}

int kho_upgrade_retire(struct kho_upgrade_run *run, struct kho_err *err)
{
	struct kho_hooks_spec spec = { .all = true, .done = on_committed, .ctx = run };
	int r = 0;

	if (!run->journal.upgrade.workloads)
		r = kho_upgrade_hooks_run(run->agent, &run->journal, KHO_HOOK_COMMITTED, &spec,
					  &run->hooks, err);
	if (r < 0)
		kho_agent_progress(run->agent, "%s", err->msg);
	return r > 0 ? 0 : kho_retire(run->agent, err);
}
