/* SPDX-License-Identifier: GPL-2.0-only */
/* What is being restored after a kexec, as the files that do it share it. */
#ifndef KHO_AGENT_INHERIT_PRIVATE_H
#define KHO_AGENT_INHERIT_PRIVATE_H

#include "agent/command.h"
#include "agent/receive.h"
#include "agent/volume_disk.h"
#include "channel/bequest.h"
#include "migrate/workload/config.h"
#include "upgrade/journal.h"

struct kho_heir;

/* Those of the configuration, one after the other. */
struct kho_heir_volumes {
	struct kho_config *config;
	unsigned int at;
	struct kho_command *command;
	struct kho_disk_wait disk;
	void (*over)(struct kho_heir *heir);
};

struct kho_heir {
	struct kho_agent *agent;
	int session;			/* LUO's */
	Kho__Bequest *bequest;
	struct kho_journal journal;	/* of the upgrade that this is a part of */
	struct kho_receiver *receiver;
	unsigned int at;		/* row of the steps */
	uint32_t pending;		/* things that it isn't done for, bit for bit */
	uint32_t workloads, addresses;	/* that are well so far, likewise */
	struct kho_err why[KHO_BEQUEST_ITEMS];	/* a workload isn't */
	struct kho_err trouble;		/* what else went wrong, first */
	struct kho_heir_volumes volumes;
	uint64_t blackout_ms;		/* until the last one ran; 0: not known */
	sd_event_source *soon, *deadline;
};

/*
 * inherit_volume.c: mounts them; over() is called when all were tried, maybe at once. What can't be
 * mounted is in heir->trouble.
 */
void kho_inherit_volumes(struct kho_heir *heir, void (*over)(struct kho_heir *heir));
void kho_inherit_free_volumes(struct kho_heir *heir);

/* inherit_report.c: what came of it, into the report and the history. */
void kho_inherit_tell(struct kho_heir *heir);

#endif
