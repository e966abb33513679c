// SPDX-License-Identifier: GPL-2.0-only
/*
 * The early log buffer of a kernel that has said nothing about itself.
 *
 * It is found by its first record: an id a little below 2^62 (2^32 in older kernels),
 * which is where printk starts, then "Linux version ". From there on each block's
 * end is where the next id stands, which is one or a few more: ids are given out
 * in order, and no text has bytes like an id's. The last text ends at a NUL.
 *
 * How long a text is stands in its info, which isn't found this way. printk
 * writes a text with its level in front ("\0016text\n"), then moves it over the
 * level and forgets the newline: what is left behind the text is its own last two
 * characters once more and the newline, or the level of a continuation.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "spawn/prb.h"

#define BANNER		"Linux version "
#define BANNER_SIZE	(sizeof(BANNER) - 1)
#define WIDE_IDS_END	(1ULL << 62)	/* first ids are a little below */
#define NARROW_IDS_END	(1ULL << 32)	/* or below this */
#define ID_RANGE	(1ULL << KHO_PRB_MAX_COUNT_BITS)
#define LEVEL_MARK	'\001'		/* starts a level */
#define LEVEL_SIZE	2u
#define ID_GAP		8u		/* ids that may be missing between two blocks */
#define CHUNK		(64u << 10)	/* bytes looked at, at a time */
#define OVERLAP		32u		/* an id and a banner across chunks */
#define WINDOW		4096u		/* longer than any text: printk cuts at 2 KiB */
#define MAX_EARLY	(32ULL << 20)	/* bytes followed */

/* ---- finding it ---- */

static bool is_first_id(uint64_t id)
{
	return (id < WIDE_IDS_END && id >= WIDE_IDS_END - ID_RANGE) ||
	       (id < NARROW_IDS_END && id >= NARROW_IDS_END - ID_RANGE);
}

/* Offset of the first block in @size bytes, or @size. */
static size_t find_banner(const char *data, size_t size)
{
	uint64_t id;
	size_t at;

	for (at = 0; at + sizeof(id) + BANNER_SIZE <= size; at += sizeof(id)) {
		memcpy(&id, data + at, sizeof(id));
		if (is_first_id(id) && !memcmp(data + at + sizeof(id), BANNER, BANNER_SIZE))
			return at;
	}
	return size;
}

static int search_range(const struct kho_phys_reader *reader, const struct mk_range *range,
			char *chunk, uint64_t *ret)
{
	uint64_t offset;
	size_t size, at;

	for (offset = 0; offset < range->size; offset += CHUNK) {
		size = CHUNK + OVERLAP;
		if (size > range->size - offset)
			size = range->size - offset;
		if (reader->read(reader->ctx, range->start + offset, chunk, size) < 0)
			continue;
		at = find_banner(chunk, size);
		if (at == size)
			continue;
		*ret = range->start + offset + at;
		return 0;
	}
	return -ENOENT;
}

static int search(const struct kho_dmesg_source *source, uint64_t *ret)
{
	_cleanup_free_ char *chunk = malloc(CHUNK + OVERLAP);
	size_t i;
	int r = -ENOENT;

	if (!chunk)
		return -ENOMEM;
	for (i = 0; r < 0 && i < source->nr_ranges; i++)
		r = search_range(&source->reader, &source->ranges[i], chunk, ret);
	return r;
}

/* ---- reading it ---- */

/* As much of a window as can be read: memory may end at the end of any page. */
static size_t read_window(const struct kho_phys_reader *reader, uint64_t phys, char *window)
{
	size_t first = KHO_PAGE_SIZE - phys % KHO_PAGE_SIZE;

	if (first > WINDOW)
		first = WINDOW;
	if (reader->read(reader->ctx, phys, window, first) < 0)
		return 0;
	if (first < WINDOW &&
	    reader->read(reader->ctx, phys + first, window + first, WINDOW - first) < 0)
		return first;
	return WINDOW;
}

/* Offset of the next block behind that of @id, or 0. */
static size_t find_next(const char *window, size_t size, uint64_t id)
{
	uint64_t word;
	size_t at;

	for (at = 8; at + sizeof(word) <= size; at += sizeof(word)) {
		memcpy(&word, window + at, sizeof(word));
		if (word > id && word - id <= ID_GAP && word < WIDE_IDS_END)
			return at;
	}
	return 0;
}

/* The text's length without what printk left behind it; @size includes padding. */
static size_t text_length(const char *text, size_t size)
{
	size_t length = strnlen(text, size);
	const char *mark = memchr(text, LEVEL_MARK, length);

	if (mark)
		return (size_t)(mark - text);
	if (length && text[length - 1] == '\n')
		length--;
	if (length >= 2 * LEVEL_SIZE &&
	    !memcmp(text + length - LEVEL_SIZE, text + length - 2 * LEVEL_SIZE, LEVEL_SIZE))
		length -= LEVEL_SIZE;
	return length;
}

/* Whether it could be a log text: no control characters but tab, newline, escape. */
static bool looks_like_text(const char *text, size_t size)
{
	unsigned char c;
	size_t i;

	for (i = 0; i < size; i++) {
		c = (unsigned char)text[i];
		if (c == 0x7f || (c < ' ' && c != '\t' && c != '\n' && c != '\033'))
			return false;
	}
	return true;
}

/* The banner's third word. */
static void take_release(const struct kho_dmesg_record *record, struct kho_dmesg_result *result)
{
	size_t i;

	for (i = 0; i + 1 < sizeof(result->release) && BANNER_SIZE + i < record->text_len; i++) {
		if (record->text[BANNER_SIZE + i] <= ' ' || record->text[BANNER_SIZE + i] > '~')
			break;
		result->release[i] = record->text[BANNER_SIZE + i];
	}
	result->release[i] = '\0';
}

static int give(const struct kho_dmesg_sink *sink, const char *text, size_t size,
		struct kho_dmesg_result *result)
{
	struct kho_dmesg_record record = { .text = text, .text_len = size };

	if (!result->records++)
		take_release(&record, result);
	return sink->record(sink->ctx, &record);
}

/*
 * Gives one block to the sink. *@ret_next is the next one's offset; 0: this was
 * the last, or it's no text and the log ended before it. The result is the sink's.
 */
static int read_block(const char *window, size_t size, const struct kho_dmesg_sink *sink,
		      struct kho_dmesg_result *result, size_t *ret_next)
{
	const char *text = window + 8;
	size_t next, text_len;
	uint64_t id;

	memcpy(&id, window, sizeof(id));
	next = find_next(window, size, id);
	text_len = text_length(text, (next ? next : size) - 8);
	*ret_next = 0;
	if (!looks_like_text(text, text_len))
		return 0;
	*ret_next = next;
	return give(sink, text, text_len, result);
}

int kho_prb_early(const struct kho_dmesg_source *source, const struct kho_dmesg_sink *sink,
		  struct kho_dmesg_result *result)
{
	_cleanup_free_ char *window = malloc(WINDOW);
	uint64_t start = 0, offset;
	size_t size, next = 0;
	int r;

	if (!window)
		return -ENOMEM;
	r = search(source, &start);
	if (r < 0)
		return r;
	result->early = true;
	for (offset = 0; offset < MAX_EARLY; offset += next) {
		size = read_window(&source->reader, start + offset, window);
		if (size < 16)
			break;
		r = read_block(window, size, sink, result, &next);
		if (r || !next)
			return r;
	}
	return 0;
}
