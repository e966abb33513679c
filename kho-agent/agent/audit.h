/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who asked for what: a line in the journal, with fields of its own, for each call that
 * changes things, before it's done; another one if it's refused; and one for each call
 * that its caller may not make.
 *
 *	journalctl KHO_AUDIT=1
 *
 * Fields: KHO_METHOD, KHO_RESULT (asked, refused, denied), KHO_UID, KHO_GID, KHO_PID,
 * KHO_COMM, KHO_PARAMETERS (JSON, cut), KHO_CAUSE. Without a journal it's a line of the
 * agent's log.
 */
#ifndef KHO_AGENT_AUDIT_H
#define KHO_AGENT_AUDIT_H

#include "api/access.h"

enum kho_audit_result {
	KHO_AUDIT_ASKED = 0,
	KHO_AUDIT_REFUSED,		/* something is in the way */
	KHO_AUDIT_DENIED,		/* they may not */
};

struct kho_audit {
	const char *method;
	enum kho_audit_result result;
	const struct kho_peer *peer;
	const char *parameters;		/* "": none */
	const char *cause;		/* of refusal and denial; "": none */
};

void kho_audit(const struct kho_audit *audit);

#endif
