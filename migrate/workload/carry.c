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

static bool is_on_system(const char *path)
{
	struct stat file, root, run;

	return stat(path, &file) == 0 && S_ISREG(file.st_mode) &&
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
		if (n <= 0 || path[0] != '/')
			continue;
		path[n] = '\0';
		if (is_open_for_writing(pid, entry->d_name) && is_on_system(path))
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
		r = add_open_files(list, pids.pids[i], err);
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
