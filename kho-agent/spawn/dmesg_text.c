// SPDX-License-Identifier: GPL-2.0-only
/*
 * Log records as lines of text; dmesg.h has the contract.
 *
 * Lines are gathered in a buffer of twice the size wanted. When it's full, the
 * older half goes, at the end of a line: what a dying kernel said last is what
 * matters. So each byte is moved once at most, whatever there is.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "spawn/dmesg.h"

#define MIN_TEXT	64u
#define MAX_TEXT	(16u << 20)
#define PREFIX_MAX	32u		/* "[" and 14 digits, "." and 6, "] " */
#define MAX_EXPANSION	4u		/* \xNN */

struct writer {
	char *text;
	size_t used;
	size_t max;			/* the buffer has twice that */
	bool skip;			/* up to the next newline: its line was cut */
};

/* Forgets the oldest lines, so that at most max bytes are left. */
static void drop_old(struct writer *w)
{
	char *from, *newline;

	if (w->used <= w->max)
		return;
	from = w->text + w->used - w->max;
	newline = from[-1] == '\n' ? from - 1 : memchr(from, '\n', w->max);
	from = newline ? newline + 1 : w->text + w->used;
	w->skip = !newline;
	w->used = (size_t)(w->text + w->used - from);
	memmove(w->text, from, w->used);
}

/* @size is less than MIN_TEXT; a newline comes alone. */
static void put(struct writer *w, const char *bytes, size_t size)
{
	if (w->used + size > 2 * w->max)
		drop_old(w);
	if (w->skip) {
		w->skip = *bytes != '\n';
		return;
	}
	memcpy(w->text + w->used, bytes, size);
	w->used += size;
}

static void put_byte(struct writer *w, unsigned char byte)
{
	static const char hex[] = "0123456789abcdef";
	char text[MAX_EXPANSION] = { '\\', 'x', hex[byte >> 4], hex[byte & 15] };

	if ((byte >= ' ' && byte <= '~') || byte == '\t')
		put(w, (const char *)&byte, 1);
	else
		put(w, text, sizeof(text));
}

static void put_prefix(struct writer *w, const struct kho_dmesg_record *record)
{
	char prefix[PREFIX_MAX];
	uint64_t us = record->ts_nsec / 1000;
	int size;

	if (!record->has_meta)
		return;
	size = snprintf(prefix, sizeof(prefix), "[%5llu.%06llu] ",
			(unsigned long long)(us / 1000000), (unsigned long long)(us % 1000000));
	put(w, prefix, (size_t)size);
}

/* A record of several lines becomes as many, each with the time in front. */
static int write_record(void *ctx, const struct kho_dmesg_record *record)
{
	struct writer *w = ctx;
	size_t i;

	put_prefix(w, record);
	for (i = 0; i < record->text_len; i++) {
		if (record->text[i] != '\n') {
			put_byte(w, (unsigned char)record->text[i]);
			continue;
		}
		put(w, "\n", 1);
		if (i + 1 < record->text_len)
			put_prefix(w, record);
	}
	if (!record->text_len || record->text[record->text_len - 1] != '\n')
		put(w, "\n", 1);
	return 0;
}

int kho_dmesg_text(const struct kho_dmesg_source *source, size_t max, struct kho_dmesg_text *ret,
		   struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	struct kho_dmesg_result result;
	struct kho_dmesg_sink sink = { .record = write_record };
	struct writer w = { .max = max };
	int r;

	if (max < MIN_TEXT || max > MAX_TEXT)
		return kho_fail(err, -EINVAL, "can't keep %zu bytes of a log; ask for %u to %u",
				max, MIN_TEXT, MAX_TEXT);
	text = malloc(2 * max + 1);
	if (!text)
		return kho_fail(err, -ENOMEM, "no memory for a kernel log; free some");
	w.text = text;
	sink.ctx = &w;
	r = kho_dmesg_read(source, &sink, &result, err);
	if (r < 0)
		return r;
	drop_old(&w);
	text[w.used] = '\0';
	*ret = (struct kho_dmesg_text) { TAKE_PTR(text), w.used, result };
	return 0;
}
