/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Looks for what can't move, on both sides, before anything is touched.
 *
 *	a child for each workload: /proc -> findings ---+
 *	a child: what CRIU can't do on this kernel -----+--> all here? --> done()
 *	Look to the new side, one for each, ... --------+
 *	      LookResult with its findings <--- the new kernel's agent
 *
 * Nothing is changed by it on either side. Without a new kernel only this side is
 * looked at; @peer says which it was.
 */
#ifndef KHO_AGENT_CHECKUP_H
#define KHO_AGENT_CHECKUP_H

#include "agent/command.h"
#include "agent/session.h"
#include "migrate/workload/config.h"
#include "migrate/workload/inspect_proc.h"

#define KHO_CHECKUP_KERNEL	KHO_CONFIG_ITEMS	/* item: what the kernels can do */

struct kho_checkup;

struct kho_checkup_part {
	struct kho_checkup *checkup;
	unsigned int item;
	struct kho_inspection *inspection;	/* shared with the child */
	struct kho_command *command;		/* NULL: it's over */
};

struct kho_checkup {
	struct kho_agent *agent;
	const struct kho_config *config;	/* borrowed */
	struct kho_checkup_part parts[KHO_CONFIG_ITEMS + 1];
	bool peer;				/* the new side is asked, too */
	uint64_t asked;				/* items whose answer isn't here */
	uint64_t id;
	sd_event_source *deadline;
	void (*done)(void *ctx, const struct kho_err *err);
	void *ctx;
};

/*
 * Begins; @done is called once, not from in here. One at a time: -EBUSY.
 * agent->checkup is it until it's freed.
 */
int kho_checkup_begin(struct kho_agent *agent, const struct kho_config *config,
		      void (*done)(void *ctx, const struct kho_err *err), void *ctx,
		      struct kho_err *err);

/* Ends what's under way. Takes NULL; returns NULL. */
struct kho_checkup *kho_checkup_free(struct kho_checkup *checkup);

/* Of a workload, or KHO_CHECKUP_KERNEL. */
const struct kho_findings *kho_checkup_findings(const struct kho_checkup *checkup,
						unsigned int item);

void kho_checkup_on_result(struct kho_session *session, const Kho__LookResult *result);

/* receive_look.c: the new side. */
void kho_receive_on_look(struct kho_session *session, const Kho__Look *look);

#endif
