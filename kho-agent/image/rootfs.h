/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The Debian tree from which an image takes its files: "/" or another root.
 *
 * Paths are looked up as the system in that tree would: an absolute symlink
 * starts at the tree's root, and ".." stops there. Nothing outside the tree is
 * ever opened. A lookup can report the links that it went through, so that an
 * image gets link and target alike.
 */
#ifndef KHO_IMAGE_ROOTFS_H
#define KHO_IMAGE_ROOTFS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/err.h"
#include "image/strset.h"

struct kho_rootfs {
	int fd;			/* of the tree's root directory */
	char path[PATH_MAX];	/* for messages */
};

/* Called for each link on the way; @path is the link's own real path. */
struct kho_rootfs_links {
	int (*found)(void *ctx, const char *path, const char *target, struct kho_err *err);
	void *ctx;
};

struct kho_rootfs_entry {
	char path[PATH_MAX];	/* absolute within the tree, no link in it */
	struct stat st;
};

struct kho_rootfs_file {
	struct kho_rootfs_entry entry;
	char *data;		/* owned; a NUL that isn't counted follows */
	size_t size;
};

int kho_rootfs_open(const char *path, struct kho_rootfs *ret, struct kho_err *err);
void kho_rootfs_done(struct kho_rootfs *root);

/*
 * Finds what @path (absolute, or relative to the tree's root) leads to. @links
 * may be NULL.
 *   -ENOENT        nothing there, or a link that leads nowhere
 *   -ENOTDIR       a part of the path isn't a directory
 *   -ELOOP         more than 40 links
 *   -ENAMETOOLONG  the path, or what its links make of it, is too long
 * or what @links->found returns.
 */
int kho_rootfs_find(const struct kho_rootfs *root, const char *path,
		    const struct kho_rootfs_links *links, struct kho_rootfs_entry *ret,
		    struct kho_err *err);

/* Whether @path leads to a regular file. */
bool kho_rootfs_has_file(const struct kho_rootfs *root, const char *path);

/*
 * Reads a whole file of at most @max bytes. Errors as kho_rootfs_find(), and
 *   -EINVAL  it isn't a regular file
 *   -EFBIG   it's larger than @max
 */
int kho_rootfs_read(const struct kho_rootfs *root, const char *path, size_t max,
		    struct kho_rootfs_file *ret, struct kho_err *err);
void kho_rootfs_file_done(struct kho_rootfs_file *file);

/*
 * The names in a directory, sorted, without "." and ".."; added to @ret. Errors
 * as kho_rootfs_find(), and -E2BIG with more than 65536 names.
 */
int kho_rootfs_list(const struct kho_rootfs *root, const char *path, struct kho_strset *ret,
		    struct kho_err *err);

#define _cleanup_rootfs_	_cleanup_(kho_rootfs_done)
#define _cleanup_rootfs_file_	_cleanup_(kho_rootfs_file_done)

#endif
