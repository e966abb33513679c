// SPDX-License-Identifier: GPL-2.0-only
/* Who asked for what; audit.h has the fields. */
#include <stdio.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "agent/audit.h"

#define JOURNAL	"/run/systemd/journal/socket"

void kho_audit(const struct kho_audit *audit)
{
	static const struct {
		const char *name, *said;
		int priority;
	} results[] = {
		[KHO_AUDIT_ASKED] = { "asked", "asked for by", LOG_NOTICE },
		[KHO_AUDIT_REFUSED] = { "refused", "refused to", LOG_NOTICE },
		[KHO_AUDIT_DENIED] = { "denied", "denied to", LOG_WARNING },
	};
	const struct kho_peer *peer = audit->peer;
	char who[KHO_PEER_TEXT], text[1024];
	int r = -1;

	kho_peer_format(peer, who);
	snprintf(text, sizeof(text), "%s %s %s%s%s", audit->method, results[audit->result].said, who,
		 *audit->cause ? ": " : "", audit->cause);
	if (access(JOURNAL, W_OK) == 0)
		r = sd_journal_send("MESSAGE=%s", text, "PRIORITY=%d",
				    results[audit->result].priority, "KHO_AUDIT=1",
				    "KHO_METHOD=%s", audit->method,
				    "KHO_RESULT=%s", results[audit->result].name,
				    "KHO_UID=%u", peer->uid, "KHO_GID=%u", peer->gid,
				    "KHO_PID=%d", peer->pid, "KHO_COMM=%s", peer->comm,
				    "KHO_PARAMETERS=%s", audit->parameters,
				    "KHO_CAUSE=%s", audit->cause, NULL);
	if (r < 0)
		fprintf(stderr, SD_NOTICE "audit: %s\n", text);
}
