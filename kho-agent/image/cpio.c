// SPDX-License-Identifier: GPL-2.0-only
/* The newc archive writer; cpio.h has format and contract. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "image/cpio.h"

#define HEADER_SIZE	110
#define TRAILER		"TRAILER!!!"
#define DIR_MODE	(S_IFDIR | 0755)

static const char *relative(const char *path)
{
	return path[0] == '/' ? path + 1 : path;
}

/* No empty, "." or ".." component, at least one component. */
static bool path_is_clean(const char *path)
{
	const char *end;
	size_t size;

	for (;; path = end + 1) {
		end = strchrnul(path, '/');
		size = (size_t)(end - path);
		if (size == 0 || (size == 1 && path[0] == '.') ||
		    (size == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (*end == '\0')
			return true;
	}
}

static int put(struct kho_cpio *cpio, const void *data, size_t size, struct kho_err *err)
{
	static const char zeroes[4];
	int r;

	r = cpio->sink->write(cpio->sink, data, size, err);
	if (r == 0 && size % 4)
		r = cpio->sink->write(cpio->sink, zeroes, 4 - size % 4, err);
	if (r < 0)
		return r;
	cpio->size += (size + 3) & ~(size_t)3;
	return 0;
}

/* Header and name share one run of padding, so they are written in one piece. */
static int put_entry(struct kho_cpio *cpio, const struct kho_cpio_entry *entry,
		     struct kho_err *err)
{
	char head[HEADER_SIZE + PATH_MAX + 1];
	size_t name_size = strlen(entry->path) + 1;
	uint32_t ino = cpio->next_ino++;
	uint32_t nlink = S_ISDIR(entry->mode) ? 2 : 1;
	int r;

	snprintf(head, sizeof(head),
		 "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s",
		 ino, entry->mode, 0, 0, nlink, 0, (uint32_t)entry->size, 0, 0,
		 entry->dev_major, entry->dev_minor, (uint32_t)name_size, 0, entry->path);
	r = put(cpio, head, HEADER_SIZE + name_size, err);
	if (r < 0)
		return r;
	return entry->size ? put(cpio, entry->data, entry->size, err) : 0;
}

static int remember(struct kho_cpio *cpio, const struct kho_cpio_entry *entry, struct kho_err *err)
{
	int r;

	r = kho_strset_add(&cpio->paths, entry->path, entry->mode & S_IFMT);
	if (r < 0)
		return kho_fail(err, r, "archive: no memory for path %s; free some and try again",
				entry->path);
	return put_entry(cpio, entry, err);
}

static int add_parent(struct kho_cpio *cpio, const char *path, struct kho_err *err)
{
	struct kho_cpio_entry dir = { .path = path, .mode = DIR_MODE };
	uint32_t type = kho_cpio_type(cpio, path);

	if (type == 0)
		return remember(cpio, &dir, err);
	if (type != S_IFDIR)
		return kho_fail(err, -ENOTDIR, "archive: /%s is not a directory there; "
				"name entries by their real path", path);
	return 0;
}

static int add_parents(struct kho_cpio *cpio, const char *path, struct kho_err *err)
{
	char parent[PATH_MAX];
	const char *slash;
	int r;

	for (slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		memcpy(parent, path, (size_t)(slash - path));
		parent[slash - path] = '\0';
		r = add_parent(cpio, parent, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_size(const struct kho_cpio_entry *entry, struct kho_err *err)
{
	if (S_ISREG(entry->mode) && entry->size > UINT32_MAX)
		return kho_fail(err, -EFBIG, "archive: /%s has %zu bytes, the format ends at 4 GiB"
				"; leave it out", entry->path, entry->size);
	if (S_ISLNK(entry->mode) && (entry->size == 0 || entry->size >= PATH_MAX))
		return kho_fail(err, entry->size ? -ENAMETOOLONG : -EINVAL,
				"archive: /%s: target of the link has %zu characters; "
				"it needs 1 to %d", entry->path, entry->size, PATH_MAX - 1);
	if (!S_ISREG(entry->mode) && !S_ISLNK(entry->mode) && entry->size)
		return kho_fail(err, -EINVAL, "archive: /%s has data, but its type has none; "
				"give size 0", entry->path);
	return 0;
}

static int check_entry(const struct kho_cpio *cpio, const struct kho_cpio_entry *entry,
		       struct kho_err *err)
{
	uint32_t type = entry->mode & S_IFMT;

	if (cpio->finished)
		return kho_fail(err, -EINVAL, "archive: it's finished already; "
				"add /%s before that", entry->path);
	if (strlen(entry->path) >= PATH_MAX)
		return kho_fail(err, -ENAMETOOLONG, "archive: path /%.40s... is longer than %d; "
				"shorten it", entry->path, PATH_MAX - 1);
	/* readers take an entry of the trailer's name for the end */
	if (!path_is_clean(entry->path) || strcmp(entry->path, TRAILER) == 0)
		return kho_fail(err, -EINVAL, "archive: '/%s' is no plain path; "
				"give one without empty, '.' and '..' parts", entry->path);
	if (type != S_IFDIR && type != S_IFREG && type != S_IFLNK && type != S_IFCHR &&
	    type != S_IFBLK)
		return kho_fail(err, -EINVAL, "archive: /%s has type %o; only directories, files, "
				"links and devices go in", entry->path, type);
	return check_size(entry, err);
}

int kho_cpio_add(struct kho_cpio *cpio, const struct kho_cpio_entry *given, struct kho_err *err)
{
	struct kho_cpio_entry entry = *given;
	uint32_t there;
	int r;

	entry.path = relative(given->path);
	r = check_entry(cpio, &entry, err);
	if (r < 0)
		return r;
	there = kho_cpio_type(cpio, entry.path);
	if (there == S_IFDIR && S_ISDIR(entry.mode))
		return 0;
	if (there)
		return kho_fail(err, -EEXIST, "archive: /%s is there already; add it once",
				entry.path);
	r = add_parents(cpio, entry.path, err);
	if (r < 0)
		return r;
	return remember(cpio, &entry, err);
}

int kho_cpio_add_dir(struct kho_cpio *cpio, const char *path, uint32_t perm, struct kho_err *err)
{
	struct kho_cpio_entry entry = { .path = path, .mode = S_IFDIR | perm };

	return kho_cpio_add(cpio, &entry, err);
}

int kho_cpio_add_link(struct kho_cpio *cpio, const char *path, const char *target,
		      struct kho_err *err)
{
	struct kho_cpio_entry entry = {
		.path = path,
		.mode = S_IFLNK | 0777,
		.data = target,
		.size = strlen(target),
	};

	return kho_cpio_add(cpio, &entry, err);
}

int kho_cpio_add_text(struct kho_cpio *cpio, const char *path, const char *text,
		      struct kho_err *err)
{
	struct kho_cpio_entry entry = {
		.path = path,
		.mode = S_IFREG | 0644,
		.data = text,
		.size = strlen(text),
	};

	return kho_cpio_add(cpio, &entry, err);
}

uint32_t kho_cpio_type(const struct kho_cpio *cpio, const char *path)
{
	size_t i = kho_strset_find(&cpio->paths, relative(path));

	return i == KHO_STRSET_NONE ? 0 : (uint32_t)cpio->paths.items[i].value;
}

int kho_cpio_finish(struct kho_cpio *cpio, struct kho_err *err)
{
	struct kho_cpio_entry trailer = { .path = TRAILER };
	int r;

	if (cpio->finished)
		return kho_fail(err, -EINVAL, "archive: it's finished already; finish it once");
	cpio->next_ino = 0;
	r = put_entry(cpio, &trailer, err);
	if (r == 0)
		cpio->finished = true;
	return r;
}

void kho_cpio_init(struct kho_cpio *cpio, struct kho_sink *sink)
{
	*cpio = (struct kho_cpio){ .sink = sink, .next_ino = 1 };
}

void kho_cpio_done(struct kho_cpio *cpio)
{
	kho_strset_done(&cpio->paths);
}
