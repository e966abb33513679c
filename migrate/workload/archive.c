// SPDX-License-Identifier: GPL-2.0-only
/* Archives; archive.h has the format. */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/crc32c.h"
#include "migrate/workload/archive.h"

#define MAGIC	"KHOA"
#define VERSION	1u
#define VERSION_FOLDERS	2

struct entry {
	uint32_t name_size;
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	uint64_t size;
	int64_t mtime;
};

_Static_assert(sizeof(struct entry) == 32, "archive entry");

/* ---- names ---- */

/* Each part of the name is something and neither "." nor "..". */
static bool is_good_name(const char *name, size_t size)
{
	size_t part;

	if (memchr(name, '\0', size))
		return false;
	for (size_t at = 0; at <= size; at += part + 1) {
		const char *end = memchr(name + at, '/', size - at);

		part = end ? (size_t)(end - (name + at)) : size - at;
		if (part == 0 || (part == 1 && name[at] == '.') ||
		    (part == 2 && name[at] == '.' && name[at + 1] == '.'))
			return false;
	}
	return true;
}

/* ---- packing ---- */

static void *extend(struct kho_archive *archive, size_t size, struct kho_err *err)
{
	size_t room = archive->room ?: 65536;
	char *more;

	while (room - archive->size < size)
		room *= 2;
	if (room != archive->room) {
		more = realloc(archive->data, room);
		if (!more) {
			kho_fail(err, -ENOMEM, "no memory for an archive of %zu bytes", room);
			return NULL;
		}
		archive->data = more;
		archive->room = room;
	}
	archive->size += size;
	return archive->data + archive->size - size;
}

static int append(struct kho_archive *archive, const void *data, size_t size, struct kho_err *err)
{
	void *to = extend(archive, size, err);

	if (!to)
		return -ENOMEM;
	memcpy(to, data, size);
	return 0;
}

int kho_archive_begin(struct kho_archive *archive, struct kho_err *err)
{
	uint32_t version = htole32(VERSION);
	int r = append(archive, MAGIC, 4, err);

	return r < 0 ? r : append(archive, &version, sizeof(version), err);
}

static int append_data(struct kho_archive *archive, int fd, size_t size, struct kho_err *err)
{
	char *to = extend(archive, size, err);
	size_t done = 0;
	ssize_t n;

	if (!to)
		return -ENOMEM;
	while (done < size) {
		n = pread(fd, to + done, size - done, done);
		if (n < 0)
			return kho_fail_errno(err, -errno, "read");
		/* it got shorter meanwhile */
		if (n == 0)
			memset(to + done, 0, size - done);
		done = n ? done + n : size;
	}
	return 0;
}

int kho_archive_add(struct kho_archive *archive, int dir_fd, const char *name, size_t limit,
		    struct kho_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	struct entry entry = {};
	struct stat st;
	int r;

	if (strlen(name) > KHO_ARCHIVE_NAME_MAX || !is_good_name(name, strlen(name)))
		return kho_fail(err, -EINVAL, "\"%.64s\" can't be a name in an archive; give it "
				"relative, in full and without . and ..", name);
	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return kho_fail_errno(err, -errno, "%s", name);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return kho_fail(err, -EINVAL, "%s is no regular file; leave it out", name);
	if (S_ISDIR(st.st_mode)) {
		archive->folders = true;
		st.st_size = 0;
	}
	if ((size_t)st.st_size > limit || archive->size + st.st_size > limit)
		return kho_fail(err, -EFBIG, "with %s it's more than %zu MiB; files of that size "
				"belong on a volume", name, limit >> 20);
	entry.name_size = htole32(strlen(name));
	entry.mode = htole32((st.st_mode & 07777) | (S_ISDIR(st.st_mode) ? S_IFDIR : 0));
	entry.uid = htole32(st.st_uid);
	entry.gid = htole32(st.st_gid);
	entry.size = htole64(st.st_size);
	entry.mtime = (int64_t)htole64((uint64_t)st.st_mtime);
	r = append(archive, &entry, sizeof(entry), err);
	if (r >= 0)
		r = append(archive, name, strlen(name), err);
	return r < 0 ? r : append_data(archive, fd, st.st_size, err);
}

int kho_archive_add_folder(struct kho_archive *archive, int dir_fd, size_t limit,
			   struct kho_err *err)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *de;
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return kho_fail_errno(err, -errno, "folder of an archive");
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return kho_fail(err, -ENOMEM, "no memory for a folder");
	}
	while (r >= 0 && (de = readdir(dir)))
		if (de->d_type == DT_REG)
			r = kho_archive_add(archive, dir_fd, de->d_name, limit, err);
	return r;
}

int kho_archive_end(struct kho_archive *archive, struct kho_err *err)
{
	uint32_t zero = 0, crc, version = htole32(archive->folders ? VERSION_FOLDERS : VERSION);
	int r = append(archive, &zero, sizeof(zero), err);

	if (r < 0)
		return r;
	memcpy(archive->data + 4, &version, sizeof(version));
	crc = htole32(kho_crc32c(archive->data, archive->size));
	return append(archive, &crc, sizeof(crc), err);
}

void kho_archive_done(struct kho_archive *archive)
{
	free(archive->data);
	*archive = (struct kho_archive){};
}

/* ---- reading ---- */

static bool is_folder(const struct entry *entry)
{
	return le32toh(entry->mode) & S_IFDIR;
}

/* 1: *@ret and *@at are of the next file; 0: there's none; -EBADMSG. */
static int next_entry(const char *data, size_t size, size_t *at, struct entry *ret,
		      const char **ret_name)
{
	uint32_t name_size;

	if (size - *at < sizeof(name_size))
		return -EBADMSG;
	memcpy(&name_size, data + *at, sizeof(name_size));
	if (!name_size)
		return *at + sizeof(name_size) == size ? 0 : -EBADMSG;
	if (size - *at < sizeof(*ret))
		return -EBADMSG;
	memcpy(ret, data + *at, sizeof(*ret));
	*at += sizeof(*ret);
	ret->name_size = le32toh(ret->name_size);
	ret->size = le64toh(ret->size);
	if (ret->name_size > KHO_ARCHIVE_NAME_MAX || ret->name_size > size - *at ||
	    !is_good_name(data + *at, ret->name_size))
		return -EBADMSG;
	*ret_name = data + *at;
	*at += ret->name_size;
	if (is_folder(ret) && ret->size)
		return -EBADMSG;
	return ret->size > size - *at ? -EBADMSG : 1;
}

int kho_archive_check(const void *data, size_t size, struct kho_err *err)
{
	uint32_t version, crc;
	struct entry entry;
	const char *name;
	size_t at = 8;
	int r = -EBADMSG;

	if (size >= 16 && size <= KHO_ARCHIVE_MAX && memcmp(data, MAGIC, 4) == 0) {
		memcpy(&version, (const char *)data + 4, sizeof(version));
		memcpy(&crc, (const char *)data + size - 4, sizeof(crc));
		version = le32toh(version);
		if ((version == VERSION || version == VERSION_FOLDERS) &&
		    le32toh(crc) == kho_crc32c(data, size - 4))
			while ((r = next_entry(data, size - 4, &at, &entry, &name)) > 0)
				at += entry.size;
	}
	return r < 0 ? kho_fail(err, r, "the archive is damaged or of another version") : 0;
}

/* As in a chroot to @dir_fd: links don't lead out of it, wherever they point to. */
static int open_below(int dir_fd, const char *name, int flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.mode = flags & O_CREAT ? 0600 : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* Makes folders that are missing; a descriptor of the last one, for openat() and the like. */
static int open_parents(int dir_fd, char *name)
{
	int fd = open_below(dir_fd, ".", O_PATH | O_DIRECTORY), next;
	char *part = name, *slash;

	while (fd >= 0 && (slash = strchr(part, '/'))) {
		*slash = '\0';
		next = mkdirat(fd, part, 0755) < 0 && errno != EEXIST ? -errno :
			open_below(dir_fd, name, O_PATH | O_DIRECTORY);
		*slash = '/';
		part = slash + 1;
		close(fd);
		fd = next;
	}
	return fd;
}

static int create(int dir_fd, char *name)
{
	_cleanup_close_ int parent = open_parents(dir_fd, name);
	_cleanup_close_ int fd = -EBADF;
	const char *last = strrchr(name, '/');
	struct stat st;

	if (parent < 0)
		return parent;
	/* O_NONBLOCK: there may be a pipe of that name */
	fd = open_below(parent, last ? last + 1 : name,
			O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? TAKE_FD(fd) : -EEXIST;
}

/* One that's there stays as it is: whoever made it has had reasons. */
static int make_folder(int dir_fd, char *name, const struct entry *entry)
{
	_cleanup_close_ int parent = open_parents(dir_fd, name), fd = -EBADF;
	const char *last = strrchr(name, '/');

	last = last ? last + 1 : name;
	if (parent < 0)
		return parent;
	if (mkdirat(parent, last, 0700) < 0)
		return errno == EEXIST ? 0 : -errno;
	fd = open_below(parent, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	if (fd < 0)
		return fd;
	if (fchown(fd, le32toh(entry->uid), le32toh(entry->gid)) < 0 ||
	    fchmod(fd, le32toh(entry->mode) & 07777) < 0)
		return -errno;
	return 0;
}

static int write_file(int fd, const struct entry *entry, const char *data)
{
	const struct timespec times[2] = {
		{ .tv_nsec = UTIME_OMIT }, { .tv_sec = (int64_t)le64toh((uint64_t)entry->mtime) },
	};
	uint64_t done = 0;
	ssize_t n;

	while (done < entry->size) {
		n = write(fd, data + done, entry->size - done);
		if (n < 0)
			return -errno;
		done += n;
	}
	if (fchown(fd, le32toh(entry->uid), le32toh(entry->gid)) < 0 ||
	    fchmod(fd, le32toh(entry->mode) & 07777) < 0 || futimens(fd, times) < 0)
		return -errno;
	return 0;
}

static int unpack_one(int dir_fd, char *name, const struct entry *entry, const char *data)
{
	_cleanup_close_ int fd = -EBADF;

	if (is_folder(entry))
		return make_folder(dir_fd, name, entry);
	fd = create(dir_fd, name);
	return fd < 0 ? fd : write_file(fd, entry, data);
}

int kho_archive_unpack(const void *data, size_t size, int dir_fd, struct kho_err *err)
{
	char path[KHO_ARCHIVE_NAME_MAX + 1];
	struct entry entry;
	const char *name;
	size_t at = 8;
	int r = kho_archive_check(data, size, err);

	if (r < 0)
		return r;
	while (next_entry(data, size - 4, &at, &entry, &name) > 0) {
		memcpy(path, name, entry.name_size);
		path[entry.name_size] = '\0';
		r = unpack_one(dir_fd, path, &entry, (const char *)data + at);
		if (r < 0)
			return kho_fail_errno(err, r, "%s", path);
		at += entry.size;
	}
	return 0;
}
