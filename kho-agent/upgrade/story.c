// SPDX-License-Identifier: GPL-2.0-only
/* The story of an upgrade in shared memory; story.h has the layout. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/crc32c.h"
#include "upgrade/story.h"

#define HEAD		"kho-story 1\n"
#define JOURNAL		"kho-upgrade "
#define SLOTS		4u		/* two for each side, the old one's first */
#define TEXT_MAX	(KHO_STORY_SLOT - sizeof(struct kho_story_head))

/* A slot as it was copied. */
struct slot {
	struct kho_story_head head;
	char text[TEXT_MAX + 1];
};

static size_t offset_of(unsigned int slot)
{
	return KHO_STORY_OFFSET + slot * KHO_STORY_SLOT;
}

static void copy_in(void *to, const volatile uint8_t *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)to)[i] = from[i];
}

static void copy_out(volatile uint8_t *to, const void *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		to[i] = ((const uint8_t *)from)[i];
}

static uint32_t crc_of(const struct kho_story_head *head, const char *text)
{
	struct kho_story_head plain = *head;

	plain.crc = 0;
	return kho_crc32c_add(kho_crc32c(&plain, sizeof(plain)), text, head->size);
}

/* ---- reading ---- */

/* -ENOENT: nothing was ever written there. */
static int read_slot(const volatile uint8_t *arena, unsigned int number, struct slot *ret)
{
	const volatile uint8_t *at = arena + offset_of(number);
	struct kho_story_head *head = &ret->head;

	copy_in(head, at, sizeof(*head));
	if (head->magic != KHO_STORY_MAGIC)
		return head->magic ? -EBADMSG : -ENOENT;
	if (head->version != KHO_STORY_VERSION)
		return head->version > KHO_STORY_VERSION ? -EPROTONOSUPPORT : -EBADMSG;
	/* nobody writes that often */
	if (head->size > TEXT_MAX || head->seq > UINT32_MAX)
		return -EBADMSG;
	copy_in(ret->text, at + sizeof(*head), head->size);
	ret->text[head->size] = '\0';
	return crc_of(head, ret->text) == head->crc ? 0 : -EBADMSG;
}

/* What is most worth telling of slots that can't be read. */
static int worse(int one, int other)
{
	if (one == -EPROTONOSUPPORT || other == -EPROTONOSUPPORT)
		return -EPROTONOSUPPORT;
	return one == -EBADMSG || other == -EBADMSG ? -EBADMSG : -ENOENT;
}

/* The slot of the highest seq among @nr from @first on, *@ret; @spare is overwritten. */
static int latest(const volatile uint8_t *arena, unsigned int first, unsigned int nr,
		  struct slot pair[2], unsigned int *ret)
{
	struct slot *best = &pair[0], *spare = &pair[1];
	int found = -ENOENT;

	for (unsigned int i = first; i < first + nr; i++) {
		int r = read_slot(arena, i, spare);

		if (r < 0) {
			found = found < 0 ? worse(found, r) : found;
		} else if (found < 0 || spare->head.seq >= best->head.seq) {
			*best = *spare;
			*ret = i;
			found = 0;
		}
	}
	return found;
}

static bool is_word(const char *text)
{
	for (; *text; text++)
		if (!islower((unsigned char)*text) && *text != '-')
			return false;
	return true;
}

static int read_line(char *line, struct kho_story *story)
{
	char *value = strchr(line, ' ');

	if (!value)
		return 0;
	*value++ = '\0';
	if (strcmp(line, "written") == 0)
		return kho_parse_u64(value, &story->ms, NULL);
	if (strcmp(line, "step") != 0)
		return 0;
	if (!is_word(value) || strlen(value) >= sizeof(story->step))
		return -EBADMSG;
	snprintf(story->step, sizeof(story->step), "%s", value);
	return 0;
}

static int parse(char *text, size_t size, struct kho_story *story)
{
	char *end, *line = text + strlen(HEAD);

	if (strlen(text) != size || strncmp(text, HEAD, strlen(HEAD)) != 0)
		return -EBADMSG;
	while (strncmp(line, JOURNAL, strlen(JOURNAL)) != 0) {
		end = strchr(line, '\n');
		if (!end)
			return -EBADMSG;
		*end = '\0';
		if (read_line(line, story) < 0)
			return -EBADMSG;
		line = end + 1;
	}
	return kho_journal_parse(line, strlen(line), &story->journal, NULL);
}

static int tell(int r, struct kho_err *err)
{
	switch (r) {
	case -ENOENT:
		return kho_fail(err, r, "no upgrade is told of in the shared memory; ask the other "
				"kernel's agent");
	case -EPROTONOSUPPORT:
		return kho_fail(err, r, "the upgrade is told of by a later agent; ask that one");
	default:
		return kho_fail(err, -EBADMSG, "what is told of the upgrade in the shared memory is "
				"damaged; ask the other kernel's agent");
	}
}

int kho_story_read(const volatile void *arena, size_t size, struct kho_story *ret,
		   struct kho_err *err)
{
	_cleanup_free_ struct slot *pair = NULL;
	_cleanup_free_ struct kho_story *story = NULL;
	unsigned int which;
	int r;

	if (size < KHO_STORY_END)
		return tell(-ENOENT, err);
	pair = calloc(2, sizeof(*pair));
	story = calloc(1, sizeof(*story));
	if (!pair || !story)
		return kho_fail(err, -ENOMEM, "no memory for what is told of an upgrade");
	r = latest(arena, 0, SLOTS, pair, &which);
	if (r >= 0)
		r = parse(pair[0].text, pair[0].head.size, story);
	if (r < 0)
		return tell(r, err);
	story->seq = pair[0].head.seq;
	*ret = *story;
	return 0;
}

/* ---- writing ---- */

static int format(const struct kho_story *story, struct slot *ret, struct kho_err *err)
{
	_cleanup_free_ char *journal = NULL;
	int size, r;

	if (!is_word(story->step))
		return kho_fail(err, -EINVAL, "a step's name is one word");
	r = kho_journal_format(&story->journal, &journal, err);
	if (r < 0)
		return r;
	size = snprintf(ret->text, sizeof(ret->text), HEAD "written %" PRIu64 "\n%s%s%s%s", story->ms,
			*story->step ? "step " : "", story->step, *story->step ? "\n" : "", journal);
	if (size < 0 || (size_t)size > TEXT_MAX)
		return kho_fail(err, -EINVAL, "the journal is longer than %u bytes", KHO_JOURNAL_MAX);
	ret->head = (struct kho_story_head){
		.magic = KHO_STORY_MAGIC, .version = KHO_STORY_VERSION, .size = (uint32_t)size,
	};
	return 0;
}

/* Until its head is there again, the slot is damaged. */
static void put(volatile uint8_t *at, const struct slot *slot)
{
	const struct kho_story_head none = {};

	copy_out(at, &none, sizeof(none));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	copy_out(at + sizeof(none), slot->text, slot->head.size);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	copy_out(at, &slot->head, sizeof(slot->head));
}

int kho_story_write(volatile void *arena, size_t size, bool is_new,
		    const struct kho_story *story, struct kho_err *err)
{
	_cleanup_free_ struct slot *slots = NULL;
	unsigned int own = is_new ? 2 : 0, which = own + 1, any;
	uint64_t seq = 0;
	int r;

	if (size < KHO_STORY_END)
		return kho_fail(err, -ENOSPC, "the shared memory has no room to tell of an upgrade; "
				"build the target image anew, with this agent");
	slots = calloc(2, sizeof(*slots));
	if (!slots)
		return kho_fail(err, -ENOMEM, "no memory for what is told of an upgrade");
	if (latest(arena, 0, SLOTS, slots, &any) >= 0)
		seq = slots[0].head.seq;
	latest(arena, own, 2, slots, &which);
	r = format(story, &slots[0], err);
	if (r < 0)
		return r;
	slots[0].head.seq = seq + 1;
	slots[0].head.crc = crc_of(&slots[0].head, slots[0].text);
	put((volatile uint8_t *)arena + offset_of(which == own ? own + 1 : own), &slots[0]);
	return 0;
}
