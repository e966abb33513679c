/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parsers of the procfs tables that say which block devices and interfaces are in
 * use. Pure: they work on texts, whatever these hold.
 */
#ifndef KHO_SYSTEM_MOUNTINFO_H
#define KHO_SYSTEM_MOUNTINFO_H

#include <stdbool.h>
#include <stddef.h>

/* A part of a text, not terminated. */
struct kho_word {
	const char *data;
	size_t size;
};

bool kho_word_is(const struct kho_word *word, const char *text);

/*
 * The next line of *@at, and *@at moved behind it; false at the end. Used with
 * *@at = text.
 */
bool kho_next_line(const char **at, struct kho_word *ret);

/* Field @n, from 0, of a line whose fields stand between blanks. False: too few. */
bool kho_word_field(const struct kho_word *line, size_t n, struct kho_word *ret);
bool kho_word_last_field(const struct kho_word *line, struct kho_word *ret);

/* One line of /proc/self/mountinfo. */
struct kho_mount {
	struct kho_word device;		/* "major:minor" */
	struct kho_word point;		/* octal escapes for blanks are left in */
	struct kho_word source;		/* as was given to mount: "/dev/vda1" */
};

/* False for a line that isn't of the documented form. */
bool kho_mount_parse(const struct kho_word *line, struct kho_mount *ret);

#endif
