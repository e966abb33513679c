/* SPDX-License-Identifier: GPL-2.0-only */
/* Texts in SVG and HTML, as content or between quotes. */
#ifndef KHO_BASE_MARKUP_H
#define KHO_BASE_MARKUP_H

#include <stdio.h>

/* &, <, > and both quotes by number; control characters are '?'. */
void kho_markup_escape(FILE *out, const char *text);

#endif
