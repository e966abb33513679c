// SPDX-License-Identifier: GPL-2.0-only
/* The beginning of an upgrade, and taking up one of an agent that was killed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <time.h>

#include "agent/side.h"
#include "agent/upgrade_disk.h"
#include "agent/upgrade_private.h"
#include "system/zone.h"

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

/* Where the next one begins, for the message. */
static void add_next(const struct kho_config *config, const struct kho_wall_ops *ops, int64_t now,
		     struct kho_err *err)
{
	struct kho_wall_time next;
	char text[KHO_WALL_TEXT] = "at no time within nine days";

	if (kho_windows_next(&config->windows, ops, now, &next, NULL) >= 0)
		kho_wall_time_format(&next, text);
	kho_fail(err, -EBUSY, "an upgrade may begin in the time windows only (Windows=%s), the next one "
		 "begins %s; wait, or khoctl upgrade --now", config->windows_text, text);
}

int kho_upgrade_is_in_window(const struct kho_config *config, struct kho_err *err)
{
	struct kho_wall wall = {};
	const struct kho_wall_ops ops = kho_wall_ops(&wall);
	int64_t now = time(NULL);
	int r = kho_windows_are_open(&config->windows, &ops, now, err);

	if (r == 0) {
		add_next(config, &ops, now, err);
		r = -EBUSY;
	}
	kho_wall_done(&wall);
	return r < 0 ? r : 0;
}

static int new_id(char ret[KHO_UUID_TEXT], struct kho_err *err)
{
	uint8_t uuid[KHO_UUID_SIZE];

	if (getrandom(uuid, sizeof(uuid), 0) != sizeof(uuid))
		return kho_fail(err, -EIO, "no random numbers");
	/* version 4, of the usual variant */
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
	kho_uuid_format(uuid, ret);
	return 0;
}

uint64_t kho_upgrade_soak_sec(const struct kho_upgrade_request *request,
			      const struct kho_config *config)
{
	if (request->has_soak)
		return request->soak_sec;
	/* without workloads there's nothing to be watched */
	return config->nr_workloads ? config->soak_ms / 1000 : 0;
}

static int check_windows(struct kho_agent *agent, const struct kho_upgrade_request *request,
			 const struct kho_config *config, struct kho_err *err)
{
	int r = kho_upgrade_is_in_window(config, err);

	if (r >= 0 || !request->now)
		return r;
	/* the call itself is in the audit, with this option */
	kho_agent_progress(agent, "begun all the same, as %s wants it now: %s", request->by, err->msg);
	return 0;
}

static int fill(struct kho_upgrade_run *run, const struct kho_upgrade_request *request,
		struct kho_err *err)
{
	struct kho_journal *journal = &run->journal;
	struct kho_config *config;
	struct utsname name;
	int r = kho_config_load(&config, err);

	if (r < 0)
		return r;
	journal->upgrade.workloads = config->nr_workloads;
	journal->soak_sec = kho_upgrade_soak_sec(request, config);
	r = check_windows(run->agent, request, config, err);
	free(config);
	if (r < 0)
		return r;
	journal->upgrade.hold = request->hold;
	journal->upgrade.keep = request->keep;
	journal->upgrade.kexec = request->kexec;
	uname(&name);
	snprintf(journal->source, sizeof(journal->source), "%s", name.release);
	snprintf(journal->by, sizeof(journal->by), "%s", request->by);
	if (strlen(request->spawn.image) >= sizeof(journal->image))
		return kho_fail(err, -ENAMETOOLONG, "the image's path is longer than %zu bytes; move "
				"it", sizeof(journal->image) - 1);
	snprintf(journal->image, sizeof(journal->image), "%s", request->spawn.image);
	r = new_id(journal->id, err);
	return r < 0 ? r : kho_upgrade_disk_boot(journal->boot, err);
}

static struct kho_upgrade_run *new_run(struct kho_agent *agent,
				       const struct kho_upgrade_request *request,
				       struct kho_err *err)
{
	struct kho_upgrade_run *run = calloc(1, sizeof(*run));

	if (!run) {
		kho_fail(err, -ENOMEM, "no memory for an upgrade");
		return NULL;
	}
	run->agent = agent;
	run->spawn = request->spawn;
	run->spawn.image = copy(request->spawn.image);
	run->spawn.cpus = copy(request->spawn.cpus);
	run->spawn.blocks = copy(request->spawn.blocks);
	run->spawn.cmdline = copy(request->spawn.cmdline);
	run->max_frozen_ms = request->max_frozen_ms;
	run->no_rehearsal = request->no_rehearsal;
	run->client = agent->waiter;
	if (fill(run, request, err) < 0) {
		kho_upgrade_run_free(run);
		return NULL;
	}
	return run;
}

int kho_upgrade_start(struct kho_agent *agent, const struct kho_upgrade_request *request,
		      struct kho_err *err)
{
	struct kho_upgrade_run *run;

	if (agent->upgrade || agent->phase != KHO_PHASE_IDLE)
		return kho_fail(err, -EBUSY, "an upgrade is under way (%s); wait for it, or undo "
				"it with khoctl abort", kho_phase_name(agent->phase));
	run = new_run(agent, request, err);
	if (!run)
		return err->code;
	agent->upgrade = run;
	kho_agent_tell(agent, KHO_MESSAGE_UPGRADE_BEGUN, NULL, "upgrade %s to %s, wanted by %s",
		       run->journal.id, run->journal.image, run->journal.by);
	kho_upgrade_carry(run, kho_upgrade_begin(&run->journal.upgrade));
	return 0;
}

/* ---- after a kill ---- */

static void tell_of_reset(struct kho_agent *agent, struct kho_journal *journal)
{
	if (kho_upgrade_is_active(&journal->upgrade)) {
		kho_fail(&journal->upgrade.err, -EINTR, "the machine was reset in \"%s\"",
			 kho_upgrade_state_name(journal->upgrade.state));
		journal->upgrade.state = KHO_UPGRADE_FAILED;
		kho_journal_add(journal, KHO_UPGRADE_FAILED, kho_upgrade_now_ms());
		kho_upgrade_keep_history(agent, journal);
		kho_upgrade_hooks_tell(agent, journal, KHO_HOOK_FAILED);
		agent->last = journal->upgrade.err;
		kho_agent_tell(agent, KHO_MESSAGE_UPGRADE_FAILED,
			       &(struct kho_about){ .upgrade = journal->id }, "upgrade %s: %s",
			       journal->id, agent->last.msg);
	}
	kho_upgrade_disk_forget();
}

static void resume(struct kho_agent *agent, const struct kho_journal *journal)
{
	struct kho_upgrade_run *run = calloc(1, sizeof(*run));
	const struct kho_upgrade_world world = {
		.spawned = kho_spawn_has_lent(agent),
		.moving = agent->mover,
		.new_owns = kho_side_peer_owns(agent),
	};

	if (!run)
		return;
	run->agent = agent;
	run->journal = *journal;
	agent->upgrade = run;
	kho_agent_tell(agent, KHO_MESSAGE_UPGRADE_RESUMED, NULL, "upgrade %s goes on, which an agent "
		       "before has begun", journal->id);
	kho_upgrade_carry(run, kho_upgrade_resume(&run->journal.upgrade, &world));
}

void kho_upgrade_recover(struct kho_agent *agent)
{
	struct kho_journal *journal = calloc(1, sizeof(*journal));
	char boot[KHO_UUID_TEXT];
	struct kho_err err;
	int r = journal ? kho_upgrade_disk_read(journal, &err) : -ENOMEM;

	if (r >= 0)
		r = kho_upgrade_disk_boot(boot, &err);
	if (r < 0 && r != -ENOENT)
		kho_agent_progress(agent, "what was under way can't be read: %s",
				   journal ? err.msg : "no memory");
	if (r >= 0 && strcmp(boot, journal->boot) != 0)
		tell_of_reset(agent, journal);
	else if (r >= 0 && kho_upgrade_is_active(&journal->upgrade))
		resume(agent, journal);
	free(journal);
}
