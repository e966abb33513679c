// SPDX-License-Identifier: GPL-2.0-only
/* Tables of procfs as lines and words; mountinfo.h has the contract. */
#include <string.h>

#include "system/mountinfo.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool kho_word_is(const struct kho_word *word, const char *text)
{
	return word->size == strlen(text) && memcmp(word->data, text, word->size) == 0;
}

bool kho_next_line(const char **at, struct kho_word *ret)
{
	size_t size;

	if (!**at)
		return false;
	size = strcspn(*at, "\n");
	*ret = (struct kho_word) { .data = *at, .size = size };
	*at += size + ((*at)[size] == '\n');
	return true;
}

/* Takes the next word off *@rest. */
static bool next_word(struct kho_word *rest, struct kho_word *ret)
{
	while (rest->size && is_blank(*rest->data)) {
		rest->data++;
		rest->size--;
	}
	*ret = (struct kho_word) { .data = rest->data };
	while (rest->size && !is_blank(*rest->data)) {
		rest->data++;
		rest->size--;
		ret->size++;
	}
	return ret->size > 0;
}

bool kho_word_field(const struct kho_word *line, size_t n, struct kho_word *ret)
{
	struct kho_word rest = *line, word;

	do {
		if (!next_word(&rest, &word))
			return false;
	} while (n--);
	*ret = word;
	return true;
}

bool kho_word_last_field(const struct kho_word *line, struct kho_word *ret)
{
	struct kho_word rest = *line, word;
	bool found = false;

	while (next_word(&rest, &word)) {
		*ret = word;
		found = true;
	}
	return found;
}

/*
 * "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw": any number of
 * optional fields stand between the options and the lone dash.
 */
bool kho_mount_parse(const struct kho_word *line, struct kho_mount *ret)
{
	struct kho_word rest = *line, word;
	struct kho_mount mount;
	size_t i;

	for (i = 0; i < 6; i++) {
		if (!next_word(&rest, &word))
			return false;
		if (i == 2)
			mount.device = word;
		if (i == 4)
			mount.point = word;
	}
	do {
		if (!next_word(&rest, &word))
			return false;
	} while (!kho_word_is(&word, "-"));
	if (!next_word(&rest, &word) || !next_word(&rest, &mount.source))
		return false;
	*ret = mount;
	return true;
}
