// SPDX-License-Identifier: GPL-2.0-only
/* Telling the other kernel of an upgrade; upgrade_story.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/session.h"
#include "agent/side.h"
#include "agent/upgrade_run.h"
#include "agent/upgrade_story.h"
#include "base/cleanup.h"

static void *arena_of(const struct kho_agent *agent, uint64_t *ret_size)
{
	return agent->session ? kho_session_arena(agent->session, "owners", ret_size) : NULL;
}

static void write_story(struct kho_agent *agent, struct kho_story *story)
{
	uint64_t size;
	void *arena = arena_of(agent, &size);
	struct kho_err err;
	int r;

	if (!arena)
		return;
	story->ms = kho_upgrade_now_ms();
	r = kho_story_write(arena, size, kho_side(agent)->is_new, story, &err);
	/* an arena that's too small is an older agent's, which asks for nothing */
	if (r < 0 && r != -ENOSPC)
		kho_agent_progress(agent, "the other kernel isn't told of the upgrade: %s", err.msg);
}

void kho_upgrade_story_state(struct kho_agent *agent, const struct kho_journal *journal)
{
	_cleanup_free_ struct kho_story *story = calloc(1, sizeof(*story));

	if (!story)
		return;
	story->journal = *journal;
	write_story(agent, story);
}

void kho_upgrade_story_step(struct kho_agent *agent, enum kho_step step, bool undo)
{
	_cleanup_free_ struct kho_story *story = calloc(1, sizeof(*story));
	const struct kho_journal *journal = kho_upgrade_journal(agent);

	if (!story)
		return;
	/* a move back is run by the side that doesn't run the upgrade */
	if (!journal && (!kho_side(agent)->is_new || kho_upgrade_story_read(agent, story, NULL) < 0))
		return;
	if (journal)
		story->journal = *journal;
	*story->step = '\0';
	if (step != KHO_STEP_NONE)
		snprintf(story->step, sizeof(story->step), "%s%s", undo ? "undo-" : "",
			 kho_step_info(step)->name);
	write_story(agent, story);
}

int kho_upgrade_story_read(const struct kho_agent *agent, struct kho_story *ret,
			   struct kho_err *err)
{
	_cleanup_free_ struct kho_story *story = calloc(1, sizeof(*story));
	uint64_t size;
	const void *arena = arena_of(agent, &size);
	int r;

	if (!story)
		return kho_fail(err, -ENOMEM, "no memory for what is told of an upgrade");
	if (!arena)
		return kho_fail(err, -ENOENT, "no other kernel is there; see khoctl history");
	r = kho_story_read(arena, size, story, err);
	if (r < 0)
		return r;
	if (!kho_upgrade_is_active(&story->journal.upgrade))
		return kho_fail(err, -ENOENT, "the upgrade that was told of is over; see khoctl "
				"history");
	*ret = *story;
	return 0;
}
