/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A target image as it lies on disk, to be used: a directory, by default below
 * /var/lib/kho-agent/images, with
 *
 *	vmlinuz		the kernel, a bzImage
 *	initramfs.img	what it starts with
 *	cmdline		one line
 *	manifest	digests of the above; see manifest.h
 *
 * Nothing of it is used unverified: kho_image_dir_load() returns bytes whose
 * digest it has computed itself, so what's checked is what's booted. Files that
 * somebody else than root (or the caller) could change are refused.
 */
#ifndef KHO_IMAGE_DIR_H
#define KHO_IMAGE_DIR_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "image/manifest.h"

#define KHO_IMAGE_MANIFEST	"manifest"

struct kho_image_dir {
	int fd;
	char *path;				/* for messages; owned */
	struct kho_manifest manifest;
	uint8_t digest[KHO_SHA256_SIZE];	/* of the manifest: names the whole image */
};

/*
 * Reads the manifest. Its errors, and
 *   -ENOENT  there's no image, or it has no manifest
 *   -EPERM   others may write to it
 */
int kho_image_dir_open(const char *path, struct kho_image_dir *ret, struct kho_err *err);
void kho_image_dir_done(struct kho_image_dir *dir);

/*
 * Reads one file as a whole and verifies it. The caller frees *@ret; a NUL that
 * isn't counted follows the data.
 *   -EBADMSG  size or digest differ from the manifest's
 *   -EFBIG    larger than any file of its kind may be
 *   -EPERM    others may write to it
 */
int kho_image_dir_load(const struct kho_image_dir *dir, enum kho_image_file file, void **ret,
		       size_t *ret_size, struct kho_err *err);

/* The command line as a string of the caller's; -EBADMSG unless it's one plain line. */
int kho_image_dir_cmdline(const struct kho_image_dir *dir, char **ret, struct kho_err *err);

/* Verifies every file without keeping any. Errors as kho_image_dir_load(). */
int kho_image_dir_verify(const struct kho_image_dir *dir, struct kho_err *err);

#endif
