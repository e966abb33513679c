/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Configuration files in systemd's manner: [Section], Key=value, comments that begin
 * with # or ;, a backslash at the end of a line that goes on in the next one (not of a
 * comment). Pure.
 */
#ifndef KHO_BASE_INI_H
#define KHO_BASE_INI_H

#include <stddef.h>

#include "base/err.h"

struct kho_ini_item {
	const char *section;		/* "Workload redis" */
	const char *key;
	const char *value;		/* "" resets, by convention */
	unsigned int line;		/* from 1; where it begins */
};

/* Negative: @err is filled; parsing ends with it. */
typedef int (*kho_ini_fn)(void *ctx, const struct kho_ini_item *item, struct kho_err *err);

/*
 * Calls @fn for every assignment, in order. @text is changed. @name is the file's, for
 * messages: "NAME:LINE: ...".
 *   -EINVAL  a line that's neither section, assignment nor comment
 *   or what @fn returned
 */
int kho_ini_parse(const char *name, char *text, kho_ini_fn fn, void *ctx, struct kho_err *err);

#endif
