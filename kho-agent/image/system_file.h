/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The file that the system is put into (system.h) while an image is built of it:
 * ".NAME.squashfs" in the directory of images. Passwords and keys are in there, so
 * it's its owner's alone from the first byte on.
 *
 * It's locked for as long as it's in use. What a killed build leaves isn't, and the
 * next build in that directory removes it, whatever the image's name was.
 */
#ifndef KHO_IMAGE_SYSTEM_FILE_H
#define KHO_IMAGE_SYSTEM_FILE_H

#include <limits.h>

#include "base/err.h"
#include "image/manifest.h"

struct kho_system_file {
	int dir;			/* the directory of images */
	int fd;				/* of the file; holds the lock */
	char name[KHO_IMAGE_NAME_MAX + 16];
	char path[PATH_MAX];
};

/*
 * An empty file; @dir is made if it's not there. To be written to in place.
 *   -EINVAL  @name is none for an image
 *   -EBUSY   another build of that name is under way there
 */
int kho_system_file_make(const char *dir, const char *name, struct kho_system_file *ret,
			 struct kho_err *err);

/* Removes it. */
void kho_system_file_done(struct kho_system_file *file);

#endif
