// SPDX-License-Identifier: GPL-2.0-only
/* The end of an upgrade. */
#include <stdlib.h>

#include "agent/history.h"
#include "agent/preflight.h"
#include "agent/upgrade_disk.h"
#include "agent/upgrade_private.h"
#include "agent/upgrade_story.h"
#include "base/now.h"

uint64_t kho_upgrade_now_ms(void)
{
	return kho_now_ms(CLOCK_REALTIME);
}

void kho_upgrade_run_free(struct kho_upgrade_run *run)
{
	if (!run)
		return;
	sd_event_source_disable_unref(run->soon);
	sd_event_source_disable_unref(run->timer);
	kho_preflight_free(run->preflight);
	kho_hooks_free(run->hooks);
	free(run->config);
	free((char *)run->spawn.image);
	free((char *)run->spawn.cpus);
	free((char *)run->spawn.blocks);
	free((char *)run->spawn.cmdline);
	free(run);
}

static bool has_been_in(const struct kho_journal *journal, enum kho_upgrade_state state)
{
	for (unsigned int i = 0; i < journal->nr_at; i++)
		if (journal->at[i].state == state)
			return true;
	return false;
}

void kho_upgrade_keep_history(struct kho_agent *agent, const struct kho_journal *journal)
{
	sd_json_variant *entry = NULL;
	struct kho_err err;
	int r = kho_history_entry(journal, has_been_in(journal, KHO_UPGRADE_MOVE), &entry, &err);

	if (r >= 0)
		r = kho_history_keep(entry, &err);
	if (r < 0)
		kho_agent_progress(agent, "the history lacks this upgrade: %s", err.msg);
	sd_json_variant_unref(entry);
}

void kho_upgrade_end(struct kho_upgrade_run *run)
{
	struct kho_agent *agent = run->agent;
	struct kho_err err = run->journal.upgrade.err;
	bool tried = has_been_in(&run->journal, KHO_UPGRADE_SPAWN);
	bool answer = agent->waiter && agent->waiter == run->client;

	if (run->journal.upgrade.state == KHO_UPGRADE_DONE)
		err = (struct kho_err){};
	else if (!err.code)
		kho_fail(&err, -ECANCELED, "the upgrade was given up");
	kho_upgrade_keep_history(agent, &run->journal);
	kho_upgrade_disk_forget();
	if (run->journal.upgrade.state == KHO_UPGRADE_FAILED)
		kho_upgrade_hooks_tell(agent, &run->journal, KHO_HOOK_FAILED);
	/* to a new kernel that was kept */
	kho_upgrade_story_state(agent, &run->journal);
	agent->last = err;
	kho_agent_tell(agent, err.code ? KHO_MESSAGE_UPGRADE_FAILED : KHO_MESSAGE_UPGRADE_DONE, NULL,
		       "upgrade %s: %s", run->journal.id, err.code ? err.msg : "committed");
	agent->upgrade = NULL;
	kho_upgrade_run_free(run);
	if (!answer)
		return;
	agent->waiter_tried = tried;
	kho_agent_end_wait(agent, &err);
}
