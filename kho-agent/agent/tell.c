// SPDX-License-Identifier: GPL-2.0-only
/* What the agent says; tell.h has the idea. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include "agent/agent.h"
#include "agent/inhibit.h"
#include "agent/move.h"
#include "agent/rollback.h"
#include "agent/upgrade_run.h"
#include "agent/watch.h"
#include "api/feed.h"

#define TEXT_MAX	1024
#define FIELDS		8

static const struct {
	const char *id;
	int priority;
} messages[_KHO_MESSAGE_MAX] = {
	[KHO_MESSAGE_NONE] = { NULL, LOG_INFO },
#define X(name, id, priority) [KHO_MESSAGE_##name] = { id, priority },
	KHO_MESSAGES(X)
#undef X
};

/* ---- the phase ---- */

const char *kho_tell_phase_name(struct kho_agent *agent)
{
	const struct kho_journal *upgrade = kho_upgrade_journal(agent);
	const struct kho_move *move = agent->mover ? &agent->mover->move : NULL;

	if (move && move->state == KHO_MOVE_UNDOING)
		return "undo";
	if (move && move->step && (move->state == KHO_MOVE_RUNNING || move->state == KHO_MOVE_FORWARD))
		return kho_step_info(move->step)->phase;
	if (upgrade && upgrade->upgrade.state == KHO_UPGRADE_CHECK)
		return "preflight";
	return kho_agent_phase_name(agent);
}

/* ---- the journal ---- */

struct entry {
	struct iovec fields[FIELDS];
	int nr;
	char text[TEXT_MAX + 512];
	size_t used;
};

/* NULL: the field is left out; so is one that there's no room for. */
static void add(struct entry *entry, const char *name, const char *value)
{
	size_t room = sizeof(entry->text) - entry->used;
	int size = value ? snprintf(entry->text + entry->used, room, "%s=%s", name, value) : 0;

	if (size <= 0 || (size_t)size >= room || entry->nr == FIELDS)
		return;
	entry->fields[entry->nr++] = (struct iovec){ entry->text + entry->used, (size_t)size };
	entry->used += (size_t)size;
}

static bool to_journal(struct kho_agent *agent, enum kho_message message,
		       const struct kho_about *about, const char *text)
{
	const struct kho_journal *upgrade = kho_upgrade_journal(agent);
	const char priority[] = { (char)('0' + messages[message].priority), '\0' };
	struct entry entry = {};

	/* without a journal the call would succeed all the same */
	if (!getenv("JOURNAL_STREAM"))
		return false;
	add(&entry, "MESSAGE", text);
	add(&entry, "PRIORITY", priority);
	add(&entry, "MESSAGE_ID", messages[message].id);
	add(&entry, "KHO_PHASE", kho_tell_phase_name(agent));
	add(&entry, "KHO_UPGRADE", about && about->upgrade ? about->upgrade :
	    upgrade ? upgrade->id : NULL);
	add(&entry, "KHO_WORKLOAD", about ? about->workload : NULL);
	return sd_journal_sendv(entry.fields, entry.nr) >= 0;
}

static void log_text(struct kho_agent *agent, enum kho_message message,
		     const struct kho_about *about, const char *text)
{
	if (message == KHO_MESSAGE_NONE || !to_journal(agent, message, about, text))
		fprintf(stderr, "<%d>%s\n", messages[message].priority, text);
}

/* ---- everybody ---- */

void kho_tell_phase(struct kho_agent *agent)
{
	const char *phase = kho_tell_phase_name(agent);
	char text[2 * KHO_PHASE_NAME + 16];

	if (strcmp(agent->phase_told, phase) == 0)
		return;
	snprintf(text, sizeof(text), "%s, after %s", phase, agent->phase_told);
	if (*agent->phase_told)
		log_text(agent, KHO_MESSAGE_PHASE, NULL, text);
	snprintf(agent->phase_told, sizeof(agent->phase_told), "%s", phase);
	if (agent->phase == KHO_PHASE_IDLE && agent->last.code)
		sd_notifyf(0, "STATUS=idle; what was last has failed: %s", agent->last.msg);
	else
		sd_notifyf(0, "STATUS=%s", phase);
}

static void say(struct kho_agent *agent, enum kho_message message, const struct kho_about *about,
		const char *text)
{
	kho_tell_phase(agent);
	kho_inhibit_follow(agent);
	log_text(agent, message, about, text);
	sd_notifyf(0, "STATUS=%s: %s", agent->phase_told, text);
	kho_rollback_progress(agent, text);
	kho_watch_log(agent, text);
	/* to a client that didn't ask for more it would be the answer, and a wrong one */
	if (!agent->waiter || !agent->waiter_more)
		return;
	/* one that doesn't read misses lines, and holds nothing up */
	if (!kho_feed_is_writable(agent->waiter))
		return;
	sd_varlink_notifybo(agent->waiter, SD_JSON_BUILD_PAIR_STRING("message", text));
	sd_varlink_flush(agent->waiter);
}

void kho_agent_progress(struct kho_agent *agent, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	say(agent, KHO_MESSAGE_NONE, NULL, text);
}

void kho_agent_tell(struct kho_agent *agent, enum kho_message message,
		    const struct kho_about *about, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	say(agent, message, about, text);
}
