// SPDX-License-Identifier: GPL-2.0-only
/* Looking at images; look.h has the contract. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "image/dir.h"
#include "image/look.h"
#include "spawn/image.h"

const char *kho_image_look_verdict(const struct kho_image_look *look)
{
	switch (look->signed_well.code) {
	case 0:
		return "good";
	case -ENODATA:
	case -ENOEXEC:
		return "unsigned";
	case -ENOKEY:
		return "unknown-signer";
	default:
		return "bad";
	}
}

const char *kho_image_look_folder(const struct kho_image_look *look)
{
	const char *slash = strrchr(look->path, '/');

	return slash && slash[1] ? slash + 1 : look->path;
}

static int look_at(const struct kho_image_dir *dir, const struct kho_keyring *keyring,
		   const char *refused, struct kho_image_look *look, struct kho_err *err)
{
	const struct kho_manifest *manifest = &dir->manifest;
	_cleanup_free_ void *kernel = NULL;
	struct kho_image image;
	size_t size;
	int r;

	snprintf(look->path, sizeof(look->path), "%s", dir->path);
	snprintf(look->name, sizeof(look->name), "%s", manifest->name);
	snprintf(look->release, sizeof(look->release), "%s", manifest->release);
	snprintf(look->created, sizeof(look->created), "%s", manifest->created);
	kho_sha256_format(dir->digest, look->digest);
	r = kho_refused_find(refused, dir->digest, &look->refused, err);
	look->is_refused = r > 0;
	if (r >= 0)
		r = kho_image_dir_load(dir, KHO_IMAGE_KERNEL, &kernel, &size, err);
	if (r >= 0 && kho_image_parse(kernel, size, &image, NULL) >= 0) {
		look->alignment = image.alignment;
		look->init_size = image.init_size;
	}
	if (r >= 0)
		kho_signature_check(kernel, size, keyring, &look->signature, &look->signed_well);
	return r;
}

int kho_image_look(const char *path, const struct kho_keyring *keyring, const char *refused,
		   struct kho_image_look *ret, struct kho_err *err)
{
	struct kho_image_dir dir = { .fd = -EBADF };
	int r = kho_image_dir_open(path, &dir, err);

	if (r < 0)
		return r;
	*ret = (struct kho_image_look){};
	r = look_at(&dir, keyring, refused, ret, err);
	kho_image_dir_done(&dir);
	return r;
}

static int is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int call(const char *folder, const char *name, kho_image_folder_fn fn, void *ctx,
		struct kho_err *err)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;

	if (asprintf(&path, "%s/%s", folder, name) < 0)
		return kho_fail(err, -ENOMEM, "%s: out of memory; free some and try again", folder);
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	return fn(ctx, path, err);
}

int kho_image_each(const char *folder, kho_image_folder_fn fn, void *ctx, struct kho_err *err)
{
	_cleanup_free_ struct dirent **entries = NULL;
	int nr = scandir(folder, &entries, is_shown, alphasort), r = 0;

	if (nr < 0)
		return errno == ENOENT ? 0 : kho_fail_errno(err, -errno, "%s can't be read", folder);
	for (int i = 0; i < nr; i++) {
		if (r >= 0 && i < KHO_IMAGE_FOLDERS)
			r = call(folder, entries[i]->d_name, fn, ctx, err);
		free(entries[i]);
	}
	return r < 0 ? r : 0;
}
