// SPDX-License-Identifier: GPL-2.0-only
/*
 * Matching with one level of going back: when something after a '*' does not
 * match, that '*' takes one character more. Going back to an earlier '*' can't
 * help, since a later one takes whatever an earlier one would have.
 */
#include <stddef.h>

#include "image/glob.h"

/* The ']' that ends the class at @pattern ("[..."), or NULL. */
static const char *class_end(const char *pattern)
{
	const char *at = pattern + 1;

	if (*at == '!' || *at == '^')
		at++;
	if (*at == ']')
		at++;
	while (*at && *at != ']')
		at++;
	return *at ? at : NULL;
}

static bool in_class(const char *pattern, const char *end, char c)
{
	const char *at = pattern + 1;
	bool negated = *at == '!' || *at == '^';
	bool hit = false;

	for (at += negated; at < end; at++) {
		if (at[1] == '-' && at + 2 < end) {
			hit |= at[0] <= c && c <= at[2];
			at += 2;
		} else {
			hit |= at[0] == c;
		}
	}
	return hit != negated;
}

/* Whether @pattern's first element takes @c; @ret_next is what follows it. */
static bool match_one(const char *pattern, char c, const char **ret_next)
{
	const char *end;

	*ret_next = pattern + 1;
	if (*pattern == '?')
		return true;
	end = *pattern == '[' ? class_end(pattern) : NULL;
	if (!end)
		return *pattern == c;
	*ret_next = end + 1;
	return in_class(pattern, end, c);
}

bool kho_glob_match(const char *pattern, const char *text)
{
	const char *star = NULL, *resume = NULL, *next;

	while (*text) {
		if (*pattern == '*') {
			star = ++pattern;
			resume = text;
		} else if (*pattern && match_one(pattern, *text, &next)) {
			pattern = next;
			text++;
		} else if (star) {
			pattern = star;
			text = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}
