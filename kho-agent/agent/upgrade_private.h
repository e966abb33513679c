/* SPDX-License-Identifier: GPL-2.0-only */
/* An upgrade that's under way, as the files that run it share it. */
#ifndef KHO_AGENT_UPGRADE_PRIVATE_H
#define KHO_AGENT_UPGRADE_PRIVATE_H

#include "agent/upgrade_hooks.h"
#include "agent/upgrade_run.h"
#include "migrate/workload/config.h"

struct kho_upgrade_run {
	struct kho_agent *agent;
	struct kho_journal journal;
	struct kho_spawn_request spawn;	/* its texts are this one's */
	uint64_t max_frozen_ms;
	bool no_rehearsal;
	uint64_t predicted_ms;		/* of a kexec: how long workloads stand still */
	struct kho_config *config;	/* while it's checked */
	struct kho_preflight *preflight;	/* likewise */
	struct kho_hooks *hooks;	/* that are waited for */
	struct kho_err trouble;		/* behind the move's commit; code 0: none */
	bool committed;			/* which is yet to be told to hooks */
	const sd_varlink *client;	/* agent->waiter, if that's whoever began it */
	enum kho_upgrade_action pending;
	bool waits_for_link;		/* before the pending action */
	sd_event_source *soon, *timer;
	uint64_t soak_ends_ns;		/* 0: no end of its own */
};

/* What's to be done next is noted and done. May end the upgrade, and free @run. */
void kho_upgrade_carry(struct kho_upgrade_run *run, enum kho_upgrade_action action);

/* upgrade_hooks.c: kho_retire(), which commits where there are no workloads: told before. */
int kho_upgrade_retire(struct kho_upgrade_run *run, struct kho_err *err);

/* upgrade_end.c: into the history; and all that belongs to the end of an upgrade. */
void kho_upgrade_keep_history(struct kho_agent *agent, const struct kho_journal *journal);
void kho_upgrade_end(struct kho_upgrade_run *run);
void kho_upgrade_run_free(struct kho_upgrade_run *run);

#endif
