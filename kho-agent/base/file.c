// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whole files, in and out; file.h has the contract.
 *
 * The buffer of a reader grows by doubling and never beyond the limit plus one
 * byte: that byte tells a file that just fits from one that is too long.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/parse.h"

#define FIRST_READ	4096u
#define NUMBER_MAX	64u		/* a sysfs number and its newline */
#define NAME_MAX_LEN	230		/* leaves room for ".", pid and ".tmp" */

struct buffer {
	char *data;
	size_t used;
	size_t size;
};

/* Makes room for at least one byte more, of @limit at most. */
static int grow(struct buffer *buf, size_t limit)
{
	size_t size = buf->size ? buf->size : FIRST_READ / 2;
	char *data;

	size = size > limit / 2 ? limit : size * 2;
	data = realloc(buf->data, size + 1);
	if (!data)
		return -ENOMEM;
	buf->data = data;
	buf->size = size;
	return 0;
}

/* Reads to the end of the file or to @limit bytes, whichever is first. */
static int read_up_to(int fd, size_t limit, struct buffer *buf)
{
	ssize_t n;
	int r;

	do {
		if (buf->used == buf->size) {
			r = grow(buf, limit);
			if (r < 0)
				return r;
		}
		do {
			n = read(fd, buf->data + buf->used, buf->size - buf->used);
		} while (n < 0 && errno == EINTR);
		if (n < 0)
			return -errno;
		buf->used += (size_t)n;
	} while (n > 0 && buf->used < limit);
	buf->data[buf->used] = '\0';
	return 0;
}

int kho_file_read(const char *path, size_t max, char **ret_data, size_t *ret_size,
		  struct kho_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	_cleanup_free_ char *data = NULL;
	struct buffer buf = { 0 };
	int r;

	if (max > SSIZE_MAX - 2)
		return kho_fail(err, -EINVAL, "%s: limit %zu is no limit; ask for less", path, max);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return kho_fail_errno(err, -errno, "can't open %s", path);
	r = read_up_to(fd, max + 1, &buf);
	data = buf.data;
	if (r < 0)
		return kho_fail_errno(err, r, "can't read %s", path);
	if (buf.used > max)
		return kho_fail(err, -EFBIG, "%s is longer than the %zu bytes allowed for it",
				path, max);
	*ret_data = TAKE_PTR(data);
	if (ret_size)
		*ret_size = buf.used;
	return 0;
}

int kho_file_read_string(const char *path, size_t max, char **ret, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	r = kho_file_read(path, max, &text, &size, err);
	if (r < 0)
		return r;
	if (strlen(text) != size)
		return kho_fail(err, -EINVAL, "%s has a NUL in it where text was expected", path);
	if (size && text[size - 1] == '\n')
		text[size - 1] = '\0';
	*ret = TAKE_PTR(text);
	return 0;
}

static int read_number(const char *path, uint64_t *ret,
		       int (*parse)(const char *, uint64_t *, struct kho_err *),
		       struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	int r;

	r = kho_file_read_string(path, NUMBER_MAX, &text, err);
	if (r < 0)
		return r;
	r = parse(text, ret, err);
	if (r < 0)
		return kho_wrap(err, r, "%s", path);
	return 0;
}

int kho_file_read_u64(const char *path, uint64_t *ret, struct kho_err *err)
{
	return read_number(path, ret, kho_parse_u64, err);
}

int kho_file_read_hex64(const char *path, uint64_t *ret, struct kho_err *err)
{
	return read_number(path, ret, kho_parse_hex64, err);
}

int kho_file_write_string(const char *path, const char *text, struct kho_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	size_t size = strlen(text);
	ssize_t n;

	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return kho_fail_errno(err, -errno, "can't open %s for writing", path);
	n = write(fd, text, size);
	if (n < 0)
		return kho_fail_errno(err, -errno, "can't write \"%.64s\" to %s", text, path);
	if ((size_t)n != size)
		return kho_fail(err, -EIO, "%s took only %zd of %zu bytes", path, n, size);
	return 0;
}

static int write_all(int fd, const void *data, size_t size)
{
	const char *at = data;
	ssize_t n;

	while (size) {
		n = write(fd, at, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Creates @name in @dir with all of @content, on stable storage. */
static int write_synced(int dir, const char *name, const struct kho_file_content *content)
{
	_cleanup_close_ int fd = -EBADF;
	int r;

	/* a file of this name can only be one that a dead process left: reuse it */
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, content->data, content->size);
	if (r < 0)
		return r;
	if (fchmod(fd, content->mode) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

static int replace_file(int dir, const char *name, const struct kho_file_content *content)
{
	char temp[NAME_MAX + 1];
	int r;

	if (strlen(name) > NAME_MAX_LEN)
		return -ENAMETOOLONG;
	snprintf(temp, sizeof(temp), ".%s.%ld.tmp", name, (long)getpid());
	r = write_synced(dir, temp, content);
	if (r == 0 && renameat(dir, temp, dir, name) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dir, temp, 0);
		return r;
	}
	return fsync(dir) < 0 ? -errno : 0;
}

static int open_parent(const char *path, const char *slash)
{
	_cleanup_free_ char *parent = NULL;
	int fd;

	if (!slash)
		parent = strdup(".");
	else
		parent = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (!parent)
		return -ENOMEM;
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int kho_file_write_atomic(const char *path, const struct kho_file_content *content,
			  struct kho_err *err)
{
	_cleanup_close_ int dir = -EBADF;
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	int r;

	if (!*name)
		return kho_fail(err, -EINVAL, "\"%s\" names no file; give a file's path", path);
	dir = open_parent(path, slash);
	if (dir < 0)
		return kho_fail_errno(err, dir, "can't open the directory of %s", path);
	r = replace_file(dir, name, content);
	if (r < 0)
		return kho_fail_errno(err, r, "can't replace %s", path);
	return 0;
}

int kho_file_in_memory(const char *name, const void *data, size_t size, struct kho_err *err)
{
	_cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC);
	const char *from = data;
	ssize_t n;

	if (fd < 0)
		return kho_fail_errno(err, -errno, "no file in memory for %s", name);
	for (size_t done = 0; done < size; done += (size_t)n) {
		n = write(fd, from + done, size - done);
		if (n <= 0)
			return kho_fail_errno(err, n ? -errno : -EIO, "no room in memory for %s", name);
	}
	return TAKE_FD(fd);
}
