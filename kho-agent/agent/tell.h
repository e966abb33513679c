/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the agent says, and to whom: the journal, systemd (systemctl status), the client
 * that waits, and, of a move back, the other side.
 *
 * Ordinary progress goes to standard error, which the journal reads. What has an id
 * (messages.h) goes to the journal with fields of its own:
 *
 *	MESSAGE_ID=	messages.h
 *	KHO_PHASE=	preflight, reserve, spawn, sync, switch, verify, commit, soak, retire,
 *			undo, idle: as in the README
 *	KHO_UPGRADE=	the upgrade's id, if one is under way
 *	KHO_WORKLOAD=	its name in the configuration, if it's about one
 *
 * Where there's no journal, as in a target image without systemd, that's a line, too.
 */
#ifndef KHO_AGENT_TELL_H
#define KHO_AGENT_TELL_H

#include "agent/messages.h"

struct kho_agent;

#define KHO_PHASE_NAME	16

/* What a message is about, besides what the agent is at. */
struct kho_about {
	const char *upgrade;		/* NULL: the one that's under way */
	const char *workload;		/* NULL: none alone */
};

/* As kho_agent_progress(). @about: may be NULL. */
void kho_agent_tell(struct kho_agent *agent, enum kho_message message,
		    const struct kho_about *about, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * The phase may be another one: then the journal and systemd are told. After each event,
 * and before anything else is said.
 */
void kho_tell_phase(struct kho_agent *agent);

/* The phase of a move under way, or else the agent's. */
const char *kho_tell_phase_name(struct kho_agent *agent);

#endif
