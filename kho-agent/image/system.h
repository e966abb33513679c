/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The whole system as one file, for target images in which it shall run (khoctl
 * image build --system): a squashfs of the root file system, which /init of the
 * image puts under an overlay in memory and starts systemd from.
 *
 * Left out: other file systems (/proc, /dev, volumes), /boot, modules of other
 * kernels, target images, caches, logs. What's in it is what was there when the
 * image was made: a file that's changed later is the old one in the new kernel.
 */
#ifndef KHO_IMAGE_SYSTEM_H
#define KHO_IMAGE_SYSTEM_H

#include "base/err.h"

#define KHO_IMAGE_SYSTEM	"/system.squashfs"	/* in the initramfs */

struct kho_image_system {
	const char *root;		/* "/" */
	const char *release;		/* whose modules stay in */
	const char *output;		/* the file, which is there (system_file.h); it keeps its mode */
	const char *const *excludes;	/* more to leave out, without the first slash; NULL: none */
};

/* What /init needs to mount it. Ends with NULL. */
extern const char *const kho_image_system_modules[];

/*
 * Fills the file with mksquashfs(1). Errors of kho_proc_check(), and
 *   -E2BIG  too many excludes, or modules of too many kernels
 */
int kho_image_make_system(const struct kho_image_system *system, struct kho_err *err);

#endif
