// SPDX-License-Identifier: GPL-2.0-only
/* Opening and verifying a target image; dir.h has layout and contract. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "image/dir.h"

#define CHUNK	(256u << 10)

static const uint64_t max_sizes[KHO_IMAGE_NR_FILES] = {
	[KHO_IMAGE_KERNEL] = 256 * KHO_MIB,
	[KHO_IMAGE_INITRAMFS] = 2 * KHO_GIB,
	[KHO_IMAGE_CMDLINE] = 4096,
};

static void free_hash(struct kho_sha256 **hash)
{
	kho_sha256_free(*hash);
}

static int read_some(int fd, char *data, size_t size, size_t *ret)
{
	ssize_t n;

	do {
		n = read(fd, data, size);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	*ret = (size_t)n;
	return 0;
}

static int check_owner(const struct kho_image_dir *dir, const char *name, const struct stat *st,
		       struct kho_err *err)
{
	if ((st->st_uid == 0 || st->st_uid == geteuid()) &&
	    (st->st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return 0;
	return kho_fail(err, -EPERM, "%s/%s can be changed by others (owner %u, mode %o); "
			"chown it to root and take write permission from group and others",
			dir->path, name, st->st_uid, st->st_mode & 07777);
}

static int open_file(const struct kho_image_dir *dir, const char *name, int *ret_fd,
		     uint64_t *ret_size, struct kho_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat st;
	int r;

	fd = openat(dir->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return kho_fail_errno(err, -errno, "%s/%s can't be opened; build the image anew",
				      dir->path, name);
	if (fstat(fd, &st) < 0)
		return kho_fail_errno(err, -errno, "%s/%s can't be looked at", dir->path, name);
	if (!S_ISREG(st.st_mode))
		return kho_fail(err, -EBADMSG, "%s/%s is not a regular file; build the image anew",
				dir->path, name);
	r = check_owner(dir, name, &st, err);
	if (r < 0)
		return r;
	*ret_size = (uint64_t)st.st_size;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Reads @size bytes and a NUL. -EBADMSG if the file ends before. */
static int read_whole(int fd, size_t size, char **ret)
{
	_cleanup_free_ char *data = malloc(size + 1);
	size_t used = 0, n;
	int r;

	if (!data)
		return -ENOMEM;
	while (used < size) {
		r = read_some(fd, data + used, size - used, &n);
		if (r < 0)
			return r;
		if (n == 0)
			return -EBADMSG;
		used += n;
	}
	data[size] = '\0';
	*ret = TAKE_PTR(data);
	return 0;
}

/* ---- the manifest ---- */

static int read_manifest(struct kho_image_dir *dir, struct kho_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	_cleanup_free_ char *data = NULL;
	uint64_t size;
	int r;

	r = open_file(dir, KHO_IMAGE_MANIFEST, &fd, &size, err);
	if (r < 0)
		return r;
	if (size > KHO_MANIFEST_MAX)
		return kho_fail(err, -EBADMSG, "%s/%s has %llu bytes, no manifest has more than %u"
				"; build the image anew", dir->path, KHO_IMAGE_MANIFEST,
				(unsigned long long)size, KHO_MANIFEST_MAX);
	r = read_whole(fd, size, &data);
	if (r < 0)
		return kho_fail_errno(err, r, "%s/%s can't be read", dir->path, KHO_IMAGE_MANIFEST);
	r = kho_sha256(data, size, dir->digest, err);
	if (r == 0)
		r = kho_manifest_parse(data, size, &dir->manifest, err);
	if (r < 0)
		return kho_wrap(err, r, "%s", dir->path);
	return 0;
}

int kho_image_dir_open(const char *path, struct kho_image_dir *ret, struct kho_err *err)
{
	_cleanup_(kho_image_dir_done) struct kho_image_dir dir = { .fd = -EBADF };
	struct stat st;
	int r;

	dir.path = strdup(path);
	if (!dir.path)
		return kho_fail(err, -ENOMEM, "%s: out of memory; free some and try again", path);
	dir.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir.fd < 0)
		return kho_fail_errno(err, -errno, "target image %s can't be opened; build it, or "
				      "list what there is", path);
	if (fstat(dir.fd, &st) < 0)
		return kho_fail_errno(err, -errno, "%s can't be looked at", path);
	r = check_owner(&dir, ".", &st, err);
	if (r == 0)
		r = read_manifest(&dir, err);
	if (r < 0)
		return r;
	*ret = dir;
	dir = (struct kho_image_dir){ .fd = -EBADF };
	return 0;
}

void kho_image_dir_done(struct kho_image_dir *dir)
{
	kho_cleanup_close(&dir->fd);
	dir->fd = -EBADF;
	free(dir->path);
	dir->path = NULL;
	kho_manifest_done(&dir->manifest);
}

/* ---- the other files ---- */

static int open_listed(const struct kho_image_dir *dir, enum kho_image_file file, int *ret_fd,
		       struct kho_err *err)
{
	uint64_t expected = dir->manifest.files[file].size;
	const char *name = kho_image_file_name(file);
	_cleanup_close_ int fd = -EBADF;
	uint64_t size;
	int r;

	if (expected > max_sizes[file])
		return kho_fail(err, -EFBIG, "%s/%s has %llu bytes by its manifest, more than the "
				"%llu allowed; build a smaller image", dir->path, name,
				(unsigned long long)expected,
				(unsigned long long)max_sizes[file]);
	r = open_file(dir, name, &fd, &size, err);
	if (r < 0)
		return r;
	if (size != expected)
		return kho_fail(err, -EBADMSG, "%s/%s has %llu bytes, its manifest says %llu; "
				"build the image anew", dir->path, name, (unsigned long long)size,
				(unsigned long long)expected);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int compare(const struct kho_image_dir *dir, enum kho_image_file file,
		   const uint8_t digest[KHO_SHA256_SIZE], struct kho_err *err)
{
	char found[KHO_SHA256_TEXT], expected[KHO_SHA256_TEXT];

	if (memcmp(digest, dir->manifest.files[file].sha256, KHO_SHA256_SIZE) == 0)
		return 0;
	kho_sha256_format(digest, found);
	kho_sha256_format(dir->manifest.files[file].sha256, expected);
	return kho_fail(err, -EBADMSG, "%s/%s is not what was built: its SHA-256 is %.16s..., the "
			"manifest says %.16s...; build the image anew", dir->path,
			kho_image_file_name(file), found, expected);
}

int kho_image_dir_load(const struct kho_image_dir *dir, enum kho_image_file file, void **ret,
		       size_t *ret_size, struct kho_err *err)
{
	uint8_t digest[KHO_SHA256_SIZE];
	_cleanup_close_ int fd = -EBADF;
	_cleanup_free_ char *data = NULL;
	size_t size;
	int r;

	r = open_listed(dir, file, &fd, err);
	if (r < 0)
		return r;
	size = dir->manifest.files[file].size;
	r = read_whole(fd, size, &data);
	if (r < 0)
		return kho_fail_errno(err, r, "%s/%s can't be read", dir->path,
				      kho_image_file_name(file));
	r = kho_sha256(data, size, digest, err);
	if (r == 0)
		r = compare(dir, file, digest, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(data);
	*ret_size = size;
	return 0;
}

int kho_image_dir_cmdline(const struct kho_image_dir *dir, char **ret, struct kho_err *err)
{
	_cleanup_free_ void *data = NULL;
	char *text, *end, *at;
	size_t size;
	int r;

	r = kho_image_dir_load(dir, KHO_IMAGE_CMDLINE, &data, &size, err);
	if (r < 0)
		return r;
	text = data;
	end = text + size;
	if (size && end[-1] == '\n')
		*--end = '\0';
	for (at = text; at < end; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return kho_fail(err, -EBADMSG, "%s/cmdline is not one plain line; "
					"build the image anew", dir->path);
	}
	data = NULL;
	*ret = text;
	return 0;
}

static int verify_file(const struct kho_image_dir *dir, enum kho_image_file file, char *chunk,
		       struct kho_err *err)
{
	_cleanup_(free_hash) struct kho_sha256 *hash = NULL;
	uint8_t digest[KHO_SHA256_SIZE];
	_cleanup_close_ int fd = -EBADF;
	size_t n = 0;
	int r;

	r = open_listed(dir, file, &fd, err);
	if (r == 0)
		r = kho_sha256_new(&hash, err);
	if (r < 0)
		return r;
	do {
		r = read_some(fd, chunk, CHUNK, &n);
		if (r == 0)
			r = kho_sha256_add(hash, chunk, n);
	} while (r == 0 && n > 0);
	if (r == 0)
		r = kho_sha256_final(hash, digest);
	if (r < 0)
		return kho_fail_errno(err, r, "%s/%s can't be read", dir->path,
				      kho_image_file_name(file));
	return compare(dir, file, digest, err);
}

int kho_image_dir_verify(const struct kho_image_dir *dir, struct kho_err *err)
{
	_cleanup_free_ char *chunk = malloc(CHUNK);
	int i, r = 0;

	if (!chunk)
		return kho_fail(err, -ENOMEM, "%s: out of memory; free some and try again",
				dir->path);
	for (i = 0; r == 0 && i < KHO_IMAGE_NR_FILES; i++)
		r = verify_file(dir, (enum kho_image_file)i, chunk, err);
	return r;
}
