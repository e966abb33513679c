// SPDX-License-Identifier: GPL-2.0-only
/* INI files; ini.h says what they look like. */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/ini.h"

static char *strip(char *text)
{
	size_t size;

	while (isspace((unsigned char)*text))
		text++;
	size = strlen(text);
	while (size && isspace((unsigned char)text[size - 1]))
		text[--size] = '\0';
	return text;
}

static bool is_comment(const char *line)
{
	line += strspn(line, " \t");
	return *line == '#' || *line == ';';
}

/*
 * Cuts the next line off *@rest, with those that it goes on in: *@ret_count in all. A
 * comment ends where its line does. NULL: none left.
 */
static char *next_line(char **rest, unsigned int *ret_count)
{
	char *start = *rest, *end;
	bool comment = is_comment(start);

	if (!*start)
		return NULL;
	*ret_count = 1;
	for (end = start; *end; end++) {
		if (*end != '\n')
			continue;
		if (comment || end == start || end[-1] != '\\')
			break;
		end[-1] = end[0] = ' ';
		(*ret_count)++;
	}
	*rest = *end ? end + 1 : end;
	*end = '\0';
	return start;
}

static int parse_line(char *text, const char **section, struct kho_ini_item *ret, struct kho_err *err)
{
	size_t size = strlen(text);
	char *equals = strchr(text, '=');

	if (text[0] == '[') {
		if (size < 3 || text[size - 1] != ']')
			return kho_fail(err, -EINVAL, "a section is [Name]");
		text[size - 1] = '\0';
		text = strip(text + 1);
		if (!*text)
			return kho_fail(err, -EINVAL, "a section is [Name]");
		*section = text;
		return 0;
	}
	if (!equals || equals == text)
		return kho_fail(err, -EINVAL, "\"%.40s\" is neither [Section] nor Key=value", text);
	if (!*section)
		return kho_fail(err, -EINVAL, "there's no [Section] above it");
	*equals = '\0';
	ret->section = *section;
	ret->key = strip(text);
	ret->value = strip(equals + 1);
	return 1;
}

int kho_ini_parse(const char *name, char *text, kho_ini_fn fn, void *ctx, struct kho_err *err)
{
	const char *section = NULL;
	unsigned int line = 1, count;
	char *start;
	int r;

	for (; (start = next_line(&text, &count)); line += count) {
		struct kho_ini_item item = { .line = line };

		start = strip(start);
		if (!*start || is_comment(start))
			continue;
		r = parse_line(start, &section, &item, err);
		if (r > 0)
			r = fn(ctx, &item, err);
		if (r < 0)
			return kho_wrap(err, r, "%s:%u", name, line);
	}
	return 0;
}
