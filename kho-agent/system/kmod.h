/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel modules, and what the kernel's lockdown lets us load.
 *
 * A module is loaded by name through modprobe, which knows dependencies, options
 * and compressed files, or from an uncompressed file through finit_module(2). It's
 * removed by delete_module(2).
 */
#ifndef KHO_SYSTEM_KMOD_H
#define KHO_SYSTEM_KMOD_H

#include <stdbool.h>

#include "base/err.h"
#include "system/sysroot.h"

#define KHO_KMOD_NAME	56		/* the kernel's limit, terminator included */

/* The system calls. Each returns 0 or a negative errno. */
struct kho_kmod_ops {
	int (*load)(void *ctx, int fd, const char *params);
	int (*unload)(void *ctx, const char *name);
};

struct kho_kmod {
	const struct kho_sysroot *root;
	const struct kho_kmod_ops *ops;	/* NULL: the kernel's own */
	void *ctx;
	const char *modprobe;		/* NULL: "modprobe" */
};

/* Whether @name (a dash counts as an underscore) is loaded and live, or built in. */
bool kho_kmod_loaded(const struct kho_kmod *kmod, const char *name);

/*
 * Loads @name with all it needs. One that's loaded already is no error.
 *   -EINVAL     not a module's name
 *   -EIO        modprobe failed; the message has its words
 *   -ENOENT     there's no modprobe
 *   -ETIMEDOUT  it took longer than @timeout_ms
 */
int kho_kmod_load(const struct kho_kmod *kmod, const char *name, unsigned int timeout_ms,
		  struct kho_err *err);

/*
 * Loads the file @path with @params ("" for none).
 *   -EEXIST        it's loaded already
 *   -ENOEXEC       no module, or of another kernel
 *   -EKEYREJECTED  its signature isn't accepted
 *   -EPERM         lockdown, or the caller lacks CAP_SYS_MODULE
 */
int kho_kmod_load_file(const struct kho_kmod *kmod, const char *path, const char *params,
		       struct kho_err *err);

/* -ENOENT it isn't loaded; -EWOULDBLOCK it's in use (-EBUSY: going already). */
int kho_kmod_unload(const struct kho_kmod *kmod, const char *name, struct kho_err *err);

enum kho_lockdown {
	KHO_LOCKDOWN_NONE,
	KHO_LOCKDOWN_INTEGRITY,
	KHO_LOCKDOWN_CONFIDENTIALITY,
};

struct kho_trust {
	enum kho_lockdown lockdown;
	bool secure_boot;		/* the firmware enforces signatures */
	bool signed_modules;		/* the kernel loads no unsigned module */
};

/*
 * What this machine insists on. What a kernel doesn't show counts as not enforced.
 * -EBADMSG if it shows something that makes no sense.
 */
int kho_trust_read(const struct kho_sysroot *root, struct kho_trust *ret, struct kho_err *err);

#endif
