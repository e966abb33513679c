/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The story of an upgrade: its journal and the step it's at, in the memory that both
 * kernels share, for the other kernel.
 *
 * Theory of operation
 *
 * The journal (journal.h) is a file of the old kernel; if that kernel dies, the file is
 * where nobody reads it. So each side writes what it begins to the arena "owners" as well,
 * before it begins it, and either side reads the latest of all that's there: the old side
 * writes states and the steps of a move, the new side the steps of a move back. Nobody goes
 * on from the story: what is to be undone, and by whom, is in the record of ownership
 * (owner.h) and in each side's own record (record.h). It's what is shown when the other
 * kernel can't be asked any more.
 *
 * Behind the record of ownership stand four slots of KHO_STORY_SLOT bytes, two for each
 * side, which writes the one that doesn't hold its latest: a writer that's killed leaves
 * the other one whole.
 *
 *	arena + 0x1000  slots of the old side
 *	      + 0x6000  slots of the new side
 *
 *	offset  size  field of a slot
 *	0       4     magic "KHOJ"
 *	4       4     version, 1
 *	8       8     seq: one more than the highest that was there when it was written
 *	16      4     size of the text
 *	20      4     CRC32C of head (this field 0) and text
 *	24      8     0
 *	32            text
 *
 *	kho-story 1
 *	written 1764120002000		ms since 1970
 *	step freeze			of a move that's under way; "undo-" in front: its undo
 *	kho-upgrade 1			from here on it's the journal, to its crc
 *	...
 *
 * Lines before the journal whose name isn't known are passed over, so that later agents
 * can say more. Pure: memory only. What stands there was written by another kernel, and
 * is copied before it's looked at.
 */
#ifndef KHO_UPGRADE_STORY_H
#define KHO_UPGRADE_STORY_H

#include "upgrade/journal.h"

#define KHO_STORY_MAGIC		0x4a4f484bu
#define KHO_STORY_VERSION	1u
#define KHO_STORY_OFFSET	0x1000u
#define KHO_STORY_SLOT		0x2800u
#define KHO_STORY_END		(KHO_STORY_OFFSET + 4 * KHO_STORY_SLOT)
#define KHO_STORY_STEP		32u	/* of a step's name, with the terminator */

struct kho_story_head {
	uint32_t magic;
	uint32_t version;
	uint64_t seq;
	uint32_t size;
	uint32_t crc;
	uint64_t reserved;
};

_Static_assert(sizeof(struct kho_story_head) == 32, "head of a story");

struct kho_story {
	uint64_t seq;
	uint64_t ms;			/* since 1970: when it was written */
	char step[KHO_STORY_STEP];	/* "": none is under way */
	struct kho_journal journal;
};

/*
 * Writes @story as the latest of its side; its seq doesn't matter.
 *   -EINVAL   a value has more than one line, or the step's name isn't one word
 *   -ENOSPC   the arena is too small: it was made by an older agent
 *   -ENOMEM
 */
int kho_story_write(volatile void *arena, size_t size, bool is_new,
		    const struct kho_story *story, struct kho_err *err);

/*
 * The latest of both sides.
 *   -ENOENT           there's none, or the arena is too small for one
 *   -EBADMSG          what is there is damaged
 *   -EPROTONOSUPPORT  it's of a later version
 *   -ENOMEM
 */
int kho_story_read(const volatile void *arena, size_t size, struct kho_story *ret,
		   struct kho_err *err);

#endif
