/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the kernel's file systems are, and how they are acted on.
 *
 * Everything in system/ reads sysfs, procfs and /dev below the paths of a struct
 * kho_sysroot and acts through its ops, so that a test can put a directory of
 * plain files in their place and play the kernel: refuse a write, change what
 * a later read will see, let time pass.
 *
 * Neither struct owns anything; the strings and ops outlive their users.
 */
#ifndef KHO_SYSTEM_SYSROOT_H
#define KHO_SYSTEM_SYSROOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define KHO_SYSROOT_PATH	1024	/* bytes of the longest path, with terminator */

struct kho_sysroot_ops {
	/*
	 * Writes @value to the file @path in one write(). 0 or a negative errno, as
	 * the kernel gave it; -ETIMEDOUT if it wasn't done after @timeout_ms.
	 * @timeout_ms of 0: a write that can't block, no deadline.
	 */
	int (*write)(void *ctx, const char *path, const char *value, unsigned int timeout_ms);
	/* Milliseconds of a clock that never jumps. */
	uint64_t (*now_ms)(void *ctx);
	/* Lets @ms of them pass. */
	void (*pause)(void *ctx, unsigned int ms);
	/*
	 * Opens a block device for exclusive use and lets go at once: 0, or -EBUSY if
	 * anybody holds it so (a mount, swap, a volume manager, a RAID).
	 */
	int (*try_exclusive)(void *ctx, const char *path);
};

struct kho_sysroot {
	const char *sys;
	const char *proc;
	const char *dev;
	const struct kho_sysroot_ops *ops;
	void *ctx;
};

/* /sys, /proc, /dev and the running kernel. */
struct kho_sysroot kho_sysroot_host(void);

/*
 * Formats "@base/..." into @path. -ENAMETOOLONG, with a message, if it doesn't
 * fit.
 */
int kho_sysroot_path(char path[KHO_SYSROOT_PATH], const char *base, struct kho_err *err,
		     const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Whether there's something at @path; false also if it can't be looked at. */
bool kho_sysroot_exists(const char *path);

/* The last component of what the symlink @path points to. -ENOENT, -ENOSPC, ... */
int kho_sysroot_link_name(const char *path, char *ret, size_t size);

/* The names in a directory, without those that start with a dot, sorted. */
struct kho_names {
	char **names;
	size_t nr;
};

/* -ENOENT etc. with a message. The caller frees by kho_names_done(). */
int kho_sysroot_list(const char *path, struct kho_names *ret, struct kho_err *err);
void kho_names_done(struct kho_names *names);

/* ops->write() with a message; the code is what the kernel gave. */
int kho_sysroot_write(const struct kho_sysroot *root, const char *path, const char *value,
		      unsigned int timeout_ms, struct kho_err *err);

#endif
