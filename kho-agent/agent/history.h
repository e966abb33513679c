/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What upgrades did, one JSON file each: /var/lib/kho-agent/history/ID.json.
 *
 *	{ "schema": 1, "id": ..., "result": "committed" or why it failed, "by": ...,
 *	  "image": ..., "old_release": ..., "new_release": ..., "began_ms": ..., "ended_ms": ...,
 *	  "phases": [ { "name": ..., "start_ms": ..., "duration_ms": ... } ],
 *	  "move": { the report of the move, docs/report.md } }
 *
 * Times are ms since 1970; those of phases since the upgrade began. The old kernel hands
 * its last entries to the new one before it retires: so the machine's history goes on.
 */
#ifndef KHO_AGENT_HISTORY_H
#define KHO_AGENT_HISTORY_H

#include <systemd/sd-json.h>

#include "agent/agent.h"
#include "metrics/past.h"
#include "upgrade/story.h"

#define KHO_STATE_DIR		"/var/lib/kho-agent"
#define KHO_HISTORY_DIR		KHO_STATE_DIR "/history"
#define KHO_HISTORY_SCHEMA	1u
#define KHO_HISTORY_KEPT	64u	/* entries; the oldest go */
#define KHO_HISTORY_HANDED	8u	/* to the next kernel */
#define KHO_HISTORY_TEXTS	(KHO_HISTORY_HANDED + 1)	/* with the tally */

/* Of an upgrade that is over (its last state says how), or is to be when this kernel ends. */
int kho_history_entry(const struct kho_journal *journal, bool move, sd_json_variant **ret,
		      struct kho_err *err);

/* Of one that's under way, as far as the other kernel has told: its last state has no end. */
int kho_history_told(const struct kho_story *story, sd_json_variant **ret, struct kho_err *err);

/* -EBADMSG: it's no entry. */
int kho_history_keep(sd_json_variant *entry, struct kho_err *err);

/* From the other kernel, an entry or its tally; errors of the last. */
int kho_history_keep_text(const char *text, struct kho_err *err);

/*
 * For the next kernel, as texts: that of the upgrade that is to end with this kernel, if
 * there's one (or else NULL), the last ones before, and the tally of all others. How many
 * there are; they're the caller's to free.
 */
size_t kho_history_hand_over(const struct kho_journal *journal, char *ret[KHO_HISTORY_TEXTS]);

/* All, the newest first, without their moves. *@ret is a reference to an array. */
int kho_history_list(sd_json_variant **ret, struct kho_err *err);

/* One as a whole; the beginning of its id will do. -ENOENT; -EINVAL: it's of several. */
int kho_history_read(const char *id, sd_json_variant **ret, struct kho_err *err);

/* All that's known as numbers. If it fails *@ret has what could be read. */
int kho_history_past(struct kho_past *ret, struct kho_err *err);

#endif
