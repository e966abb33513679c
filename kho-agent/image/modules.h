/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which modules of a kernel release have to be in an image: those that are asked
 * for by name or by a device's modalias, what they depend on (modules.dep), and
 * what they'd like to have (modules.softdep).
 *
 * Pure: works on the texts that depmod and the kernel's build left in
 * /usr/lib/modules/RELEASE, which the caller reads. As for modprobe, '-' and '_'
 * are the same in names and aliases, and a name that's no module may be an alias
 * ("fs-ext4"). What's built into the kernel needs no file.
 */
#ifndef KHO_IMAGE_MODULES_H
#define KHO_IMAGE_MODULES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "image/sink.h"

struct kho_text {
	const char *data;	/* not owned, not NUL-terminated; NULL: none */
	size_t size;
};

struct kho_modules_text {
	struct kho_text dep;		/* modules.dep */
	struct kho_text builtin;	/* modules.builtin */
	struct kho_text builtin_info;	/* modules.builtin.modinfo */
	struct kho_text alias;		/* modules.alias */
	struct kho_text softdep;	/* modules.softdep */
};

struct kho_modules;

/*
 * The texts are copied. -EBADMSG, naming file and line, for what can't be
 * depmod's; -ENOMEM.
 */
int kho_modules_parse(const struct kho_modules_text *text, struct kho_modules **ret,
		      struct kho_err *err);
void kho_modules_free(struct kho_modules *modules);

/*
 * Marks a module, by name or alias, and all that it needs.
 *   -ENOENT   neither a module nor built in
 *   -EBADMSG  modules.dep names a dependency that it doesn't list
 */
int kho_modules_want(struct kho_modules *modules, const char *name, struct kho_err *err);

/*
 * Marks every module that claims a device of this modalias. Errors as above; a
 * device whose driver is built in is no error.
 */
int kho_modules_want_alias(struct kho_modules *modules, const char *modalias,
			   struct kho_err *err);

bool kho_modules_is_builtin(const struct kho_modules *modules, const char *name);

/* The marked ones: paths relative to /usr/lib/modules/RELEASE. */
size_t kho_modules_nr_wanted(const struct kho_modules *modules);
const char *kho_modules_wanted(const struct kho_modules *modules, size_t i);

/*
 * Calls @fn for each alias pattern of a marked module (@all: of any) and of what's built
 * in that begins with @prefix; and for the name of each module that's built in. A negative
 * return ends it.
 */
typedef int (*kho_modules_text_fn)(void *ctx, const char *text, struct kho_err *err);
struct kho_modules_each {
	kho_modules_text_fn fn;
	void *ctx;
};

int kho_modules_each_alias(const struct kho_modules *modules, const char *prefix, bool all,
			   const struct kho_modules_each *each, struct kho_err *err);
int kho_modules_each_builtin(const struct kho_modules *modules,
			     const struct kho_modules_each *each, struct kho_err *err);

/*
 * Whether a device's modalias fits the pattern, '-' being '_' in both. False for one that's
 * longer than any can be.
 */
bool kho_modules_alias_fits(const char *pattern, const char *modalias);

/* "kernel/a/virtio-net.ko.xz" or "virtio-net": "virtio_net". False: it's no name. */
#define KHO_MODULES_NAME	64
bool kho_modules_plain_name(const char *path, char ret[KHO_MODULES_NAME]);

/* The path of a module that modules.dep lists, marked or not; NULL: none. */
const char *kho_modules_path(const struct kho_modules *modules, const char *name);

/* Writes the lines of modules.dep that are about marked modules, in their order. */
int kho_modules_write_dep(const struct kho_modules *modules, struct kho_sink *sink,
			  struct kho_err *err);

#endif
