/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A set of strings that remembers the order in which they came, each with a
 * small number of the caller's. Used for the paths of an archive, libraries that
 * were found, names of modules.
 *
 * Zero-initialised it's empty. Strings are copied and are never removed, so an
 * index and a string stay valid until kho_strset_done().
 */
#ifndef KHO_IMAGE_STRSET_H
#define KHO_IMAGE_STRSET_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct kho_strset_item {
	char *text;
	size_t value;
};

struct kho_strset {
	struct kho_strset_item *items;	/* in the order of arrival */
	size_t nr;
	size_t capacity;
	uint32_t *slots;		/* index + 1; 0: free */
	size_t nr_slots;		/* 0 or a power of two, more than nr */
};

#define KHO_STRSET_NONE ((size_t)-1)

/* 1: added. 0: it was there already and keeps its value. -ENOMEM, -E2BIG. */
int kho_strset_add(struct kho_strset *set, const char *text, size_t value);

/* Its index, or KHO_STRSET_NONE. */
size_t kho_strset_find(const struct kho_strset *set, const char *text);

void kho_strset_done(struct kho_strset *set);

#define _cleanup_strset_ _cleanup_(kho_strset_done)

#endif
