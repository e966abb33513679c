/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What there is to know of a target image before it's used: whether its kernel is what was
 * built, who signed it, whether it was refused. For people, and for a check; a spawn looks
 * at the very bytes that it loads instead (agent/admit.h).
 */
#ifndef KHO_IMAGE_LOOK_H
#define KHO_IMAGE_LOOK_H

#include <stdbool.h>

#include "base/err.h"
#include "image/keyring.h"
#include "image/manifest.h"
#include "image/refused.h"
#include "image/signature.h"

struct kho_image_look {
	char path[512];
	char name[KHO_IMAGE_NAME_MAX];
	char release[KHO_RELEASE_MAX];
	char created[32];
	char digest[KHO_SHA256_TEXT];		/* of the manifest */
	uint64_t alignment, init_size;		/* of its kernel; 0: it's none that can be read */
	struct kho_signature signature;
	struct kho_err signed_well;		/* code 0: it is; else what's wrong */
	bool is_refused;
	struct kho_refused refused;
};

/*
 * @path is an image's folder. Errors of kho_image_dir_open() and, for the kernel alone,
 * of kho_image_dir_load(); a bad signature and a refusal are none.
 */
int kho_image_look(const char *path, const struct kho_keyring *keyring, const char *refused,
		   struct kho_image_look *ret, struct kho_err *err);

/* The last part of its path: what it's called here, even if it was built as another one. */
const char *kho_image_look_folder(const struct kho_image_look *look);

/* "good", "unsigned", "unknown-signer", "bad": of signed_well.code. */
const char *kho_image_look_verdict(const struct kho_image_look *look);

/* What's done with each folder; a negative return ends it. */
typedef int (*kho_image_folder_fn)(void *ctx, const char *path, struct kho_err *err);

#define KHO_IMAGE_FOLDERS	256		/* of images that are gone through */

/* All folders in @folder but hidden ones, by name. A missing folder has none. */
int kho_image_each(const char *folder, kho_image_folder_fn fn, void *ctx, struct kho_err *err);

#endif
