// SPDX-License-Identifier: GPL-2.0-only
/* Writing a target image atomically; store.h has the contract. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/store.h"

/* An image may have the whole system in it, keys and all. */
#define DIR_MODE 0700

/* Removes directory @name of @parent and the files in it; images have no more. */
static int remove_dir(int parent, const char *name)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd;

	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    unlinkat(fd, entry->d_name, 0) < 0)
			return -errno;
	}
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int kho_image_store_open(const char *path, int *ret_fd, struct kho_err *err)
{
	int fd;

	if (mkdir(path, DIR_MODE) < 0 && errno != EEXIST)
		return kho_fail_errno(err, -errno, "directory of images %s can't be made; "
				      "make it, or name another", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return kho_fail_errno(err, -errno, "directory of images %s can't be opened; "
				      "name another", path);
	*ret_fd = fd;
	return 0;
}

static int open_parent(struct kho_image_store *store, struct kho_err *err)
{
	int r = kho_image_store_open(store->path, &store->parent, err);

	if (r < 0)
		return r;
	if (flock(store->parent, LOCK_EX | LOCK_NB) < 0)
		return kho_fail(err, errno == EWOULDBLOCK ? -EBUSY : -errno,
				"another build writes to %s; wait for its end", store->path);
	return 0;
}

static int make_temp(struct kho_image_store *store, struct kho_err *err)
{
	int r;

	r = remove_dir(store->parent, store->temp);
	if (r < 0)
		return kho_fail_errno(err, r, "%s/%s, left by an earlier build, can't be removed; "
				      "remove it by hand", store->path, store->temp);
	if (mkdirat(store->parent, store->temp, DIR_MODE) < 0)
		return kho_fail_errno(err, -errno, "%s/%s can't be made; make room, or name "
				      "another directory", store->path, store->temp);
	store->dir = openat(store->parent, store->temp,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (store->dir < 0 || fchmod(store->dir, DIR_MODE) < 0)
		return kho_fail_errno(err, -errno, "%s/%s can't be used", store->path, store->temp);
	return 0;
}

int kho_image_store_begin(const char *parent, const char *name, struct kho_image_store *ret,
			  struct kho_err *err)
{
	struct kho_image_store store = { .parent = -EBADF, .dir = -EBADF };
	int r;

	r = kho_image_check_name(name, err);
	if (r < 0)
		return r;
	memcpy(store.name, name, strlen(name) + 1);
	snprintf(store.temp, sizeof(store.temp), ".%s.new", name);
	store.path = strdup(parent);
	if (!store.path)
		return kho_fail(err, -ENOMEM, "%s: out of memory; free some and try again", parent);
	r = open_parent(&store, err);
	if (r < 0)
		store.temp[0] = '\0';	/* without the lock it isn't ours to remove */
	if (r == 0)
		r = make_temp(&store, err);
	if (r < 0) {
		kho_image_store_done(&store);
		return r;
	}
	*ret = store;
	return 0;
}

int kho_image_store_create(struct kho_image_store *store, const char *name, mode_t mode,
			   int *ret_fd, struct kho_err *err)
{
	_cleanup_close_ int fd = -EBADF;

	fd = openat(store->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fchmod(fd, mode) < 0)
		return kho_fail_errno(err, -errno, "%s/%s/%s can't be made; make room and try "
				      "again", store->path, store->temp, name);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Syncs every file, then the directory that names them. */
static int sync_dir(int dir_fd)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd;

	fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(dir))) {
		_cleanup_close_ int file = -EBADF;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		file = openat(fd, entry->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (file < 0 || fsync(file) < 0)
			return -errno;
	}
	return fsync(dir_fd) < 0 ? -errno : 0;
}

static int put_in_place(const struct kho_image_store *store, bool replace)
{
	int fd = store->parent;

	if (renameat2(fd, store->temp, fd, store->name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EEXIST || !replace)
		return -errno;
	/* the old one is then under the hidden name, to be removed */
	return renameat2(fd, store->temp, fd, store->name, RENAME_EXCHANGE) < 0 ? -errno : 0;
}

int kho_image_store_commit(struct kho_image_store *store, bool replace, struct kho_err *err)
{
	int r;

	r = sync_dir(store->dir);
	if (r < 0)
		return kho_fail_errno(err, r, "%s/%s can't be synced; make room and try again",
				      store->path, store->temp);
	r = put_in_place(store, replace);
	if (r == -EEXIST)
		return kho_fail(err, r, "there's an image %s/%s already; "
				"replace it, or choose another name", store->path, store->name);
	if (r < 0)
		return kho_fail_errno(err, r, "%s/%s can't be put in its place; remove what's "
				      "there", store->path, store->name);
	if (fsync(store->parent) < 0)
		return kho_fail_errno(err, -errno, "%s can't be synced; the image is there, but "
				      "may not outlive a crash: check the disk", store->path);
	return 0;
}

void kho_image_store_done(struct kho_image_store *store)
{
	if (store->parent >= 0 && store->temp[0])
		(void)remove_dir(store->parent, store->temp);
	kho_cleanup_close(&store->dir);
	kho_cleanup_close(&store->parent);
	free(store->path);
	*store = (struct kho_image_store){ .parent = -EBADF, .dir = -EBADF };
}

int kho_image_store_remove(const char *parent, const char *name, struct kho_err *err)
{
	struct kho_image_store store;
	int r = kho_image_store_begin(parent, name, &store, err);

	if (r < 0)
		return r;
	/* from now on it isn't seen; what a crash leaves is removed by the next build */
	if (renameat(store.parent, name, store.parent, store.temp) < 0)
		r = kho_fail_errno(err, -errno, "%s/%s can't be removed", parent, name);
	else
		r = fsync(store.parent) < 0 ? kho_fail_errno(err, -errno, "%s", parent) : 0;
	kho_image_store_done(&store);
	return r;
}
