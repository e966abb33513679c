// SPDX-License-Identifier: GPL-2.0-only
/* Finding the files that go with a workload; carry.h says which. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/workload/carry.h"

#define MAX_FILES	256

struct list {
	char *paths[MAX_FILES];
	size_t nr;
};

static void list_done(struct list *list)
{
	while (list->nr)
		free(list->paths[--list->nr]);
}

static int add(struct list *list, const char *path, struct kho_err *err)
{
	for (size_t i = 0; i < list->nr; i++)
		if (strcmp(list->paths[i], path) == 0)
			return 0;
	if (list->nr == MAX_FILES)
		return kho_fail(err, -EFBIG, "more than %d files would have to go with the "
				"workload; put them on a volume", MAX_FILES);
	list->paths[list->nr] = strdup(path);
	return list->paths[list->nr++] ? 0 : kho_fail(err, -ENOMEM, "no memory for a list of files");
}

static bool is_on_system(const char *path, mode_t type)
{
	struct stat file, root, run;

	return stat(path, &file) == 0 && (file.st_mode & S_IFMT) == type &&
	       ((stat("/", &root) == 0 && file.st_dev == root.st_dev) ||
		(stat("/run", &run) == 0 && file.st_dev == run.st_dev));
}

static bool is_open_for_writing(pid_t pid, const char *fd)
{
	_cleanup_free_ char *text = NULL;
	char path[320];
	const char *flags;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", pid, fd);
	if (kho_file_read(path, 65536, &text, NULL, NULL) < 0)
		return false;
	flags = strstr(text, "flags:");
	return flags && (strtoul(flags + 6, NULL, 8) & O_ACCMODE) != O_RDONLY;
}

/* ---- folders ---- */

static int add_cwd(struct list *list, pid_t pid, struct kho_err *err)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/cwd", pid);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 1)
		return 0;
	path[n] = '\0';
	return is_on_system(path, S_IFDIR) ? add(list, path, err) : 0;
}

struct handle {
	struct file_handle head;
	unsigned char bytes[MAX_HANDLE_SZ];
};

/* "... fhandle-bytes:c fhandle-type:1 f_handle:0a1b..." */
static bool read_handle(const char *line, struct handle *ret)
{
	const char *at = strstr(line, "fhandle-bytes:");
	unsigned int size, byte, type;
	int used;

	if (!at || sscanf(at, "fhandle-bytes:%x fhandle-type:%x f_handle:%n", &size,
			  &type, &used) != 2 || size > MAX_HANDLE_SZ)
		return false;
	ret->head.handle_bytes = size;
	ret->head.handle_type = (int)type;
	at += used;
	for (unsigned int i = 0; i < size; i++, at += 2) {
		if (sscanf(at, "%2x", &byte) != 1)
			return false;
		ret->bytes[i] = (unsigned char)byte;
	}
	return true;
}

/* A handle is of a file system, of which the line only has the device. */
static int add_by_handle(struct list *list, struct handle *handle, struct kho_err *err)
{
	static const char *const places[] = { "/run", "/" };
	char link[64], path[PATH_MAX];
	ssize_t n;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		_cleanup_close_ int place = open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		_cleanup_close_ int fd = open_by_handle_at(place, &handle->head, O_PATH | O_CLOEXEC);

		if (fd < 0)
			continue;
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, path, sizeof(path) - 1);
		if (n <= 1)
			continue;
		path[n] = '\0';
		return is_on_system(path, S_IFDIR) ? add(list, path, err) : 0;
	}
	return 0;
}

static int add_watched(struct list *list, pid_t pid, const char *fd, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	struct handle handle;
	char path[320];
	char *line, *rest;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", pid, fd);
	if (kho_file_read(path, 65536, &text, NULL, NULL) < 0)
		return 0;
	for (line = strtok_r(text, "\n", &rest); line && r >= 0; line = strtok_r(NULL, "\n", &rest))
		if (read_handle(line, &handle))
			r = add_by_handle(list, &handle, err);
	return r;
}

/* ---- what's open ---- */

static int add_open_files(struct list *list, pid_t pid, struct kho_err *err)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	char path[PATH_MAX];
	ssize_t n;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return kho_fail_errno(err, -errno, "files of process %d", pid);
	while (r >= 0 && (entry = readdir(dir))) {
		n = readlinkat(dirfd(dir), entry->d_name, path, sizeof(path) - 1);
		if (n <= 0)
			continue;
		path[n] = '\0';
		if (strcmp(path, "anon_inode:inotify") == 0)
			r = add_watched(list, pid, entry->d_name, err);
		if (path[0] != '/')
			continue;
		if (is_on_system(path, S_IFDIR))
			r = add(list, path, err);
		else if (is_open_for_writing(pid, entry->d_name) && is_on_system(path, S_IFREG))
			r = add(list, path, err);
	}
	return r;
}

static int add_matches(struct list *list, const char *pattern, struct kho_err *err)
{
	glob_t found = {};
	int r = 0;

	glob(pattern, 0, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc && r >= 0; i++)
		r = add(list, found.gl_pathv[i], err);
	globfree(&found);
	return r;
}

static int find_files(const struct kho_carry *carry, struct list *list, struct kho_err *err)
{
	struct kho_pids pids = {};
	int r = *carry->cgroup ? kho_cgroup_pids(carry->cgroup, &pids, err) : 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < pids.nr && r >= 0; i++)
		r = add_open_files(list, pids.pids[i], err) < 0 ? err->code :
			add_cwd(list, pids.pids[i], err);
	kho_pids_done(&pids);
	if (r >= 0 && *carry->pid_file)
		r = add_matches(list, carry->pid_file, err);
	for (size_t i = 0; i < carry->nr_patterns && r >= 0; i++)
		r = add_matches(list, carry->patterns[i], err);
	return r;
}

int kho_carry_pack(const struct kho_carry *carry, struct kho_archive *ret, struct kho_err *err)
{
	_cleanup_(list_done) struct list list = {};
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct kho_archive archive = {};
	int r = find_files(carry, &list, err);

	if (r >= 0)
		r = kho_archive_begin(&archive, err);
	for (size_t i = 0; i < list.nr && r >= 0; i++)
		r = kho_archive_add(&archive, root, list.paths[i] + 1, KHO_CARRY_LIMIT, err);
	if (r >= 0)
		r = kho_archive_end(&archive, err);
	if (r < 0) {
		kho_archive_done(&archive);
		return kho_wrap(err, r, "files that go with it");
	}
	*ret = archive;
	return 0;
}
