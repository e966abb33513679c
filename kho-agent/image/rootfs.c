// SPDX-License-Identifier: GPL-2.0-only
/*
 * A path walk in user space: component by component, each looked at by lstat,
 * links expanded by hand. openat2(RESOLVE_IN_ROOT) would do the same but can't
 * tell which links it followed. The root directory's descriptor is the only way
 * in, and what is opened has no link left in its path.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "image/rootfs.h"

#define MAX_LINKS	40
#define MAX_NAMES	65536

struct walk {
	const struct kho_rootfs *root;
	const struct kho_rootfs_links *links;
	char done[PATH_MAX];	/* "" is the root; else "/a/b", no link in it */
	char rest[PATH_MAX];	/* what is still to be walked */
	struct stat st;		/* of done */
	unsigned int nr_links;
};

/* "/a/b" as seen from the root's descriptor. */
static const char *from_root(const char *path)
{
	return path[0] == '\0' || path[1] == '\0' ? "." : path + 1;
}

int kho_rootfs_open(const char *path, struct kho_rootfs *ret, struct kho_err *err)
{
	int fd;

	if (strlen(path) >= sizeof(ret->path))
		return kho_fail(err, -ENAMETOOLONG, "root %.40s...: the path is too long; "
				"shorten it", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return kho_fail_errno(err, -errno, "root %s can't be opened; give the directory of "
				      "an installed system", path);
	ret->fd = fd;
	memcpy(ret->path, path, strlen(path) + 1);
	return 0;
}

void kho_rootfs_done(struct kho_rootfs *root)
{
	kho_cleanup_close(&root->fd);
	root->fd = -EBADF;
}

static int too_long(const struct walk *walk, struct kho_err *err)
{
	return kho_fail(err, -ENAMETOOLONG, "%s: a path below %.60s... is longer than %d; "
			"shorten it", walk->root->path, walk->done, PATH_MAX - 1);
}

/* Moves the first component of rest to @ret. */
static bool next_component(struct walk *walk, char ret[NAME_MAX + 2])
{
	char *at = walk->rest;
	size_t size;

	while (*at == '/')
		at++;
	size = strcspn(at, "/");
	if (size > NAME_MAX)
		size = NAME_MAX + 1;	/* no file has such a name: lstat will say so */
	memcpy(ret, at, size);
	ret[size] = '\0';
	memmove(walk->rest, at + size, strlen(at + size) + 1);
	return size > 0;
}

static int go_up(struct walk *walk)
{
	char *slash = strrchr(walk->done, '/');

	if (slash)
		*slash = '\0';
	return fstatat(walk->root->fd, from_root(walk->done), &walk->st, 0) < 0 ? -errno : 0;
}

/* done is a link: replaces it by its target, which may start over at the root. */
static int follow(struct walk *walk, struct kho_err *err)
{
	char target[PATH_MAX], rest[PATH_MAX];
	ssize_t size;
	int r;

	if (++walk->nr_links > MAX_LINKS)
		return kho_fail(err, -ELOOP, "%s%s: more than %d links on the way; remove the loop",
				walk->root->path, walk->done, MAX_LINKS);
	size = readlinkat(walk->root->fd, from_root(walk->done), target, sizeof(target));
	if (size < 0)
		return kho_fail_errno(err, -errno, "%s%s: can't read the link", walk->root->path,
				      walk->done);
	if ((size_t)size + strlen(walk->rest) + 2 > sizeof(rest))
		return too_long(walk, err);
	target[size] = '\0';
	if (walk->links) {
		r = walk->links->found(walk->links->ctx, walk->done, target, err);
		if (r < 0)
			return r;
	}
	memcpy(rest, walk->rest, strlen(walk->rest) + 1);
	memcpy(walk->rest, target, (size_t)size);
	walk->rest[size] = '/';
	memcpy(walk->rest + size + 1, rest, strlen(rest) + 1);
	if (target[0] == '/')
		walk->done[0] = '\0';
	return go_up(walk);
}

static int go_down(struct walk *walk, const char *name, struct kho_err *err)
{
	size_t used = strlen(walk->done), size = strlen(name);

	if (!S_ISDIR(walk->st.st_mode))
		return kho_fail(err, -ENOTDIR, "%s%s is not a directory; %s can't be below it",
				walk->root->path, walk->done, name);
	if (used + 1 + size + 1 > sizeof(walk->done))
		return too_long(walk, err);
	walk->done[used] = '/';
	memcpy(walk->done + used + 1, name, size + 1);
	if (fstatat(walk->root->fd, from_root(walk->done), &walk->st, AT_SYMLINK_NOFOLLOW) < 0)
		return kho_fail_errno(err, -errno, "%s%s can't be found", walk->root->path,
				      walk->done);
	return S_ISLNK(walk->st.st_mode) ? follow(walk, err) : 0;
}

static int step(struct walk *walk, const char *name, struct kho_err *err)
{
	int r;

	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") != 0)
		return go_down(walk, name, err);
	r = go_up(walk);
	if (r < 0)
		return kho_fail_errno(err, r, "%s%s can't be found", walk->root->path, walk->done);
	return 0;
}

int kho_rootfs_find(const struct kho_rootfs *root, const char *path,
		    const struct kho_rootfs_links *links, struct kho_rootfs_entry *ret,
		    struct kho_err *err)
{
	struct walk walk = { .root = root, .links = links };
	char name[NAME_MAX + 2];
	int r;

	if (strlen(path) >= sizeof(walk.rest))
		return kho_fail(err, -ENAMETOOLONG, "%.60s...: the path is longer than %d; "
				"shorten it", path, PATH_MAX - 1);
	memcpy(walk.rest, path, strlen(path) + 1);
	if (fstat(root->fd, &walk.st) < 0)
		return kho_fail_errno(err, -errno, "%s can't be looked at", root->path);
	while (next_component(&walk, name)) {
		r = step(&walk, name, err);
		if (r < 0)
			return r;
	}
	if (walk.done[0] == '\0')
		memcpy(walk.done, "/", 2);
	memcpy(ret->path, walk.done, strlen(walk.done) + 1);
	ret->st = walk.st;
	return 0;
}

bool kho_rootfs_has_file(const struct kho_rootfs *root, const char *path)
{
	struct kho_rootfs_entry entry;

	return kho_rootfs_find(root, path, NULL, &entry, NULL) == 0 && S_ISREG(entry.st.st_mode);
}

/* Reads @size bytes; the file may have become shorter since. */
static int read_all(int fd, char *data, size_t size, size_t *ret)
{
	size_t used = 0;

	while (used < size) {
		ssize_t n = read(fd, data + used, size - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	*ret = used;
	return 0;
}

static int read_entry(const struct kho_rootfs *root, struct kho_rootfs_file *file,
		      struct kho_err *err)
{
	const char *path = file->entry.path;
	size_t size = (size_t)file->entry.st.st_size;
	_cleanup_close_ int fd = -EBADF;
	_cleanup_free_ char *data = malloc(size + 1);
	int r;

	if (!data)
		return kho_fail(err, -ENOMEM, "%s%s: no memory for %zu bytes; free some and "
				"try again", root->path, path, size);
	fd = openat(root->fd, from_root(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return kho_fail_errno(err, -errno, "%s%s can't be opened", root->path, path);
	r = read_all(fd, data, size, &file->size);
	if (r < 0)
		return kho_fail_errno(err, r, "%s%s can't be read", root->path, path);
	data[file->size] = '\0';
	file->data = TAKE_PTR(data);
	return 0;
}

int kho_rootfs_read(const struct kho_rootfs *root, const char *path, size_t max,
		    struct kho_rootfs_file *ret, struct kho_err *err)
{
	struct kho_rootfs_file file = { 0 };
	int r;

	r = kho_rootfs_find(root, path, NULL, &file.entry, err);
	if (r < 0)
		return r;
	if (!S_ISREG(file.entry.st.st_mode))
		return kho_fail(err, -EINVAL, "%s%s is not a regular file; name one", root->path,
				file.entry.path);
	if ((uintmax_t)file.entry.st.st_size > max)
		return kho_fail(err, -EFBIG, "%s%s has %ju bytes, more than the %zu allowed; "
				"leave it out", root->path, file.entry.path,
				(uintmax_t)file.entry.st.st_size, max);
	r = read_entry(root, &file, err);
	if (r < 0)
		return r;
	*ret = file;
	return 0;
}

void kho_rootfs_file_done(struct kho_rootfs_file *file)
{
	free(file->data);
	file->data = NULL;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int skip_dots(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static void free_names(char **names, size_t nr)
{
	while (nr > 0)
		free(names[--nr]);
}

static int add_sorted(char **names, size_t nr, struct kho_strset *ret)
{
	size_t i;
	int r = 0;

	qsort(names, nr, sizeof(*names), by_text);
	for (i = 0; r >= 0 && i < nr; i++)
		r = kho_strset_add(ret, names[i], 0);
	return r < 0 ? r : 0;
}

static int read_names(DIR *dir, char **names, size_t *ret_nr)
{
	struct dirent *entry;
	size_t nr = 0;
	int r = 0;

	while (r == 0 && (errno = 0, entry = readdir(dir))) {
		if (!skip_dots(entry))
			continue;
		if (nr == MAX_NAMES)
			r = -E2BIG;
		else if (!(names[nr] = strdup(entry->d_name)))
			r = -ENOMEM;
		else
			nr++;
	}
	*ret_nr = nr;
	return r == 0 && errno ? -errno : r;
}

int kho_rootfs_list(const struct kho_rootfs *root, const char *path, struct kho_strset *ret,
		    struct kho_err *err)
{
	_cleanup_free_ char **names = calloc(MAX_NAMES, sizeof(*names));
	_cleanup_closedir_ DIR *dir = NULL;
	struct kho_rootfs_entry entry;
	size_t nr;
	int fd, r;

	if (!names)
		return kho_fail(err, -ENOMEM, "%s: no memory to list it; free some and try again",
				path);
	r = kho_rootfs_find(root, path, NULL, &entry, err);
	if (r < 0)
		return r;
	fd = openat(root->fd, from_root(entry.path),
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return kho_fail_errno(err, -errno, "%s%s can't be listed", root->path, entry.path);
	dir = fdopendir(fd);
	if (!dir) {
		r = -errno;
		close(fd);
		return kho_fail_errno(err, r, "%s%s can't be listed", root->path, entry.path);
	}
	r = read_names(dir, names, &nr);
	if (r == 0)
		r = add_sorted(names, nr, ret);
	free_names(names, nr);
	if (r < 0)
		return kho_fail_errno(err, r, "%s%s can't be listed", root->path, entry.path);
	return 0;
}
