/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shell patterns, as module aliases and ld.so.conf use them: '*' (any run, also
 * of slashes), '?', '[a-z]', '[!a-z]'. Takes time in the order of the product
 * of both lengths whatever the pattern, which fnmatch() doesn't promise.
 */
#ifndef KHO_IMAGE_GLOB_H
#define KHO_IMAGE_GLOB_H

#include <stdbool.h>

/*
 * Whether all of @text matches. A '[' without its ']' stands for itself. There's
 * no escape character.
 */
bool kho_glob_match(const char *pattern, const char *text);

#endif
