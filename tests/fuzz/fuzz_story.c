// SPDX-License-Identifier: GPL-2.0-only
/*
 * The story of an upgrade in an arena that another kernel wrote: slots of arbitrary bytes,
 * and one of arbitrary text whose sum is right. What is read is in its bounds; whatever is
 * there, a new one is written and read.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "upgrade/story.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

/* The first byte's bits: slots that the rest is put into; bit 7: with head and sum. */
static void fill(uint8_t *arena, const uint8_t *data, size_t size)
{
	const size_t most = KHO_STORY_SLOT - sizeof(struct kho_story_head);
	struct kho_story_head head = { .magic = KHO_STORY_MAGIC, .version = KHO_STORY_VERSION };
	uint8_t how = data[0];

	data++;
	size--;
	head.size = (uint32_t)(size < most ? size : most);
	head.seq = how;
	head.crc = kho_crc32c_add(kho_crc32c(&head, sizeof(head)), data, head.size);
	for (unsigned int i = 0; i < 4; i++) {
		uint8_t *slot = arena + KHO_STORY_OFFSET + i * KHO_STORY_SLOT;

		if (!(how & 1u << i))
			continue;
		if (how & 0x80) {
			memcpy(slot, &head, sizeof(head));
			memcpy(slot + sizeof(head), data, head.size);
		} else {
			memcpy(slot, data, size < KHO_STORY_SLOT ? size : KHO_STORY_SLOT);
		}
	}
}

static void check(const struct kho_story *story)
{
	require(memchr(story->step, '\0', sizeof(story->step)) != NULL);
	require(story->journal.nr_at && story->journal.nr_at <= KHO_JOURNAL_STATES);
	require(story->journal.upgrade.state < _KHO_UPGRADE_STATE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kho_story story = {}, again;
	struct kho_err err = {};
	uint8_t *arena;

	if (!size)
		return 0;
	arena = calloc(1, KHO_STORY_END);
	require(arena != NULL);
	fill(arena, data, size);
	if (kho_story_read(arena, KHO_STORY_END, &story, &err) == 0) {
		check(&story);
		require(kho_story_write(arena, KHO_STORY_END, size & 1, &story, &err) == 0);
		require(kho_story_read(arena, KHO_STORY_END, &again, &err) == 0);
		require(again.seq == story.seq + 1);
		require(strcmp(again.step, story.step) == 0);
	} else {
		require(err.code == -EBADMSG || err.code == -ENOENT || err.code == -EPROTONOSUPPORT);
	}
	free(arena);
	return 0;
}
