/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The texts of modules.h taken apart, shared by modules_parse.c, which fills it,
 * and modules.c, which asks it. All strings point into the copies in texts[].
 */
#ifndef KHO_IMAGE_MODULES_INDEX_H
#define KHO_IMAGE_MODULES_INDEX_H

#include "image/modules.h"
#include "image/strset.h"

#define KHO_MODULE_NAME_MAX	64	/* the kernel's limit is 56 */

struct kho_module {
	const char *path;
	const char *deps;	/* paths with blanks between them */
	bool wanted;
};

/* An alias pattern and its module; or a module and its soft dependencies. */
struct kho_module_pair {
	const char *key;
	const char *value;
};

struct kho_module_pairs {
	struct kho_module_pair *list;
	size_t nr;
	size_t capacity;
};

enum { KHO_TEXT_DEP, KHO_TEXT_BUILTIN, KHO_TEXT_BUILTIN_INFO, KHO_TEXT_ALIAS, KHO_TEXT_SOFTDEP,
	KHO_TEXT_NR };

struct kho_modules {
	char *texts[KHO_TEXT_NR];
	struct kho_module *list;
	size_t nr;
	struct kho_strset names;	/* of list, normalised; value: index there */
	struct kho_strset builtin;	/* names, normalised */
	struct kho_module_pairs aliases;	/* of modules and of what's built in */
	struct kho_module_pairs softdeps;
	size_t *queue;			/* indices of wanted ones; nr places */
	size_t nr_wanted;
	size_t nr_expanded;		/* of queue: their needs are in it as well */
};

/* "kernel/drivers/virtio-rng.ko.xz" or "virtio-rng": "virtio_rng". False: no name. */
bool kho_module_name(const char *path, size_t size, char ret[KHO_MODULE_NAME_MAX]);

/* '-' becomes '_' except within []. */
void kho_module_normalise(char *alias);

#endif
