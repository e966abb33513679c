// SPDX-License-Identifier: GPL-2.0-only
/* What a workload has on its volumes; stand_in.h has the contract. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/workload/cgroup.h"
#include "migrate/workload/inspect.h"
#include "migrate/workload/stand_in.h"

#define MAPS_MAX	(64u << 20)

struct list {
	const struct kho_config *config;
	pid_t pid;
	char *text;
	size_t size;
	struct kho_err *err;
};

static bool is_below(const char *path, const char *folder)
{
	size_t size = strlen(folder);

	return strncmp(path, folder, size) == 0 && (path[size] == '/' || !path[size]);
}

static bool is_on_volume(const struct list *list, const char *path)
{
	for (unsigned int i = 0; i < list->config->nr_volumes; i++)
		if (is_below(path, list->config->volumes[i].mount_point))
			return true;
	return false;
}

static int add_line(struct list *list, const char *line)
{
	size_t size = strlen(line);

	if (strstr(list->text, line))
		return 0;
	if (list->size + size >= KHO_STAND_INS_MAX)
		return kho_fail(list->err, -EFBIG, "too many files are open on volumes; set "
				"Rehearsal=no");
	memcpy(list->text + list->size, line, size + 1);
	list->size += size;
	return 0;
}

/* @path as the process sees it. A file without a name goes along with the images. */
static int add_path(void *ctx, const char *path)
{
	struct list *list = ctx;
	char seen[1100], line[1200];
	struct stat st;

	if (!is_on_volume(list, path) || strchr(path, '\n') || strlen(path) >= 1000)
		return 0;
	snprintf(seen, sizeof(seen), "/proc/%d/root%s", list->pid, path);
	if (stat(seen, &st) < 0 ||
	    (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISFIFO(st.st_mode)))
		return 0;
	snprintf(line, sizeof(line), "node %o %llu %s\n", st.st_mode,
		 S_ISREG(st.st_mode) ? (unsigned long long)st.st_size : 0ull, path);
	return add_line(list, line);
}

static int add_link(struct list *list, const char *name)
{
	char path[320], link[4096];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", list->pid, name);
	n = readlink(path, link, sizeof(link) - 1);
	if (n <= 0 || link[0] != '/')
		return 0;
	link[n] = '\0';
	return add_path(list, link);
}

static int add_process(struct list *list)
{
	_cleanup_free_ char *maps = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	char path[300];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/maps", list->pid);
	r = kho_file_read(path, MAPS_MAX, &maps, NULL, list->err);
	if (r >= 0)
		r = kho_inspect_mapped(maps, add_path, list);
	if (r >= 0)
		r = add_link(list, "cwd");
	if (r >= 0)
		r = add_link(list, "root");
	snprintf(path, sizeof(path), "/proc/%d/fd", list->pid);
	dir = opendir(path);
	while (r >= 0 && dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "fd/%s", entry->d_name);
		r = entry->d_name[0] == '.' ? 0 : add_link(list, path);
	}
	return r;
}

static int add_volumes(struct list *list)
{
	char line[KHO_CONFIG_TEXT + 16];
	int r = 0;

	for (unsigned int i = 0; i < list->config->nr_volumes && r >= 0; i++) {
		snprintf(line, sizeof(line), "volume %s\n", list->config->volumes[i].mount_point);
		r = add_line(list, line);
	}
	return r;
}

int kho_stand_ins_list(const char *cgroup, const struct kho_config *config, char **ret,
		       struct kho_err *err)
{
	_cleanup_free_ char *text = calloc(1, KHO_STAND_INS_MAX);
	struct list list = { .config = config, .text = text, .err = err };
	struct kho_pids pids = {};
	int r;

	if (!text)
		return kho_fail(err, -ENOMEM, "no memory for a list of files");
	r = add_volumes(&list);
	if (r >= 0 && config->nr_volumes)
		r = kho_cgroup_pids(cgroup, &pids, err);
	for (size_t i = 0; i < pids.nr && r >= 0; i++) {
		list.pid = pids.pids[i];
		r = add_process(&list);
	}
	kho_pids_done(&pids);
	if (r >= 0)
		*ret = TAKE_PTR(text);
	return r;
}
