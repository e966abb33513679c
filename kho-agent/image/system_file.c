// SPDX-License-Identifier: GPL-2.0-only
/* Where the system is while an image is built; system_file.h has the contract. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/store.h"
#include "image/system_file.h"

#define SUFFIX	".squashfs"

/* ".NAME.squashfs" with a NAME that an image may have: others aren't of ours. */
static bool is_of_ours(const char *file)
{
	size_t size = strlen(file), suffix = strlen(SUFFIX);
	char name[KHO_IMAGE_NAME_MAX];

	if (file[0] != '.' || size < 1 + suffix || size - 1 - suffix >= sizeof(name) ||
	    strcmp(file + size - suffix, SUFFIX) != 0)
		return false;
	memcpy(name, file + 1, size - 1 - suffix);
	name[size - 1 - suffix] = '\0';
	return kho_image_check_name(name, NULL) == 0;
}

/* Unless a build holds its lock. */
static void remove_left(int dir, const char *name)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlinkat(dir, name, 0);
}

/* One that can't be removed is no failure; one in our way shows when ours is made. */
static void remove_all_left(int dir)
{
	_cleanup_closedir_ DIR *list = NULL;
	struct dirent *entry;
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	list = fd >= 0 ? fdopendir(fd) : NULL;
	if (!list && fd >= 0)
		close(fd);
	while (list && (entry = readdir(list)))
		if (is_of_ours(entry->d_name))
			remove_left(dir, entry->d_name);
}

/* Another build may come between making and locking it, and take it for one that was left. */
static bool is_there(const struct kho_system_file *file)
{
	struct stat st;

	return fstat(file->fd, &st) == 0 && st.st_nlink > 0;
}

static int make(struct kho_system_file *file, struct kho_err *err)
{
	file->fd = openat(file->dir, file->name,
			  O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file->fd < 0 && errno != EEXIST)
		return kho_fail_errno(err, -errno, "%s can't be made; make room and try again",
				      file->path);
	if (file->fd < 0 || flock(file->fd, LOCK_EX | LOCK_NB) < 0 || !is_there(file))
		return kho_fail(err, -EBUSY, "%s is another build's; wait for its end, or remove "
				"what's there if it's no file", file->path);
	return 0;
}

int kho_system_file_make(const char *dir, const char *name, struct kho_system_file *ret,
			 struct kho_err *err)
{
	struct kho_system_file file = { .dir = -EBADF, .fd = -EBADF };
	int r = kho_image_check_name(name, err);

	if (r < 0)
		return r;
	snprintf(file.name, sizeof(file.name), ".%s" SUFFIX, name);
	if ((size_t)snprintf(file.path, sizeof(file.path), "%s/%s", dir, file.name) >=
	    sizeof(file.path))
		return kho_fail(err, -ENAMETOOLONG, "%.40s...: the path is too long; shorten it", dir);
	r = kho_image_store_open(dir, &file.dir, err);
	if (r < 0)
		return r;
	remove_all_left(file.dir);
	r = make(&file, err);
	if (r < 0) {
		kho_cleanup_close(&file.fd);
		kho_cleanup_close(&file.dir);
		return r;
	}
	*ret = file;
	return 0;
}

void kho_system_file_done(struct kho_system_file *file)
{
	if (file->fd >= 0)
		unlinkat(file->dir, file->name, 0);
	kho_cleanup_close(&file->fd);
	kho_cleanup_close(&file->dir);
	*file = (struct kho_system_file){ .dir = -EBADF, .fd = -EBADF };
}
