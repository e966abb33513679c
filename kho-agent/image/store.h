/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes a target image so that it's there as a whole or not at all. Files go to
 * a hidden directory ".NAME.new" beside the image, everything is synced, and one
 * rename puts it in its place. A crash leaves the hidden directory at most, which
 * the next build removes.
 *
 * While a store is open it holds a lock on the directory of images; a second
 * build there is refused. Directories that are made are their owner's alone.
 */
#ifndef KHO_IMAGE_STORE_H
#define KHO_IMAGE_STORE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "image/manifest.h"

struct kho_image_store {
	int parent;				/* the directory of images, locked */
	int dir;				/* the hidden directory */
	char name[KHO_IMAGE_NAME_MAX];
	char temp[KHO_IMAGE_NAME_MAX + 8];	/* the hidden directory's name */
	char *path;				/* of parent, for messages; owned */
};

/* The directory of images, without a lock; it's made if it's not there (its parent has to be). */
int kho_image_store_open(const char *path, int *ret_fd, struct kho_err *err);

/*
 * @parent is made as by kho_image_store_open().
 *   -EINVAL  @name is none for an image
 *   -EBUSY   another build is under way there
 */
int kho_image_store_begin(const char *parent, const char *name, struct kho_image_store *ret,
			  struct kho_err *err);

/* A new file with exactly this mode; the caller closes the descriptor. */
int kho_image_store_create(struct kho_image_store *store, const char *name, mode_t mode,
			   int *ret_fd, struct kho_err *err);

/*
 * Puts the image in its place.
 *   -EEXIST  there's an image of that name and @replace is false
 * On any failure but one of the very last sync the old image is as it was.
 */
int kho_image_store_commit(struct kho_image_store *store, bool replace, struct kho_err *err);

/* Removes an image, as a whole or not at all. -ENOENT: there's none of that name; -EBUSY as above. */
int kho_image_store_remove(const char *parent, const char *name, struct kho_err *err);

/* Removes the hidden directory if it's there, lets go of the lock. */
void kho_image_store_done(struct kho_image_store *store);

#endif
