// SPDX-License-Identifier: GPL-2.0-only
/* Mapped files; mapped.h has the idea. */
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/workload/cgroup.h"
#include "migrate/workload/mapped.h"

#define MAPS_MAX	(16u << 20)
#define FILE_MAX	(256ll << 20)	/* larger ones aren't code */
#define BLOCK		(256u << 10)

static bool has_line(const char *list, const char *path, size_t size)
{
	for (const char *line = list; *line; line += strcspn(line, "\n") + 1)
		if (strncmp(line, path, size) == 0 && line[size] == '\n')
			return true;
	return false;
}

/* A path that can be opened there as well: no device, nothing without a name. */
static bool is_named(const char *path, size_t size)
{
	static const char *const others[] = { "/dev/", "/memfd:", "/SYSV", "/proc/", "/sys/" };
	static const char deleted[] = " (deleted)";

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strncmp(path, others[i], strlen(others[i])) == 0)
			return false;
	return size < sizeof(deleted) ||
	       strncmp(path + size - strlen(deleted), deleted, strlen(deleted)) != 0;
}

void kho_mapped_add(const char *maps, char list[KHO_MAPPED_LIST])
{
	size_t used = strlen(list), length;
	const char *line, *path;

	for (line = maps; *line; line += length + (line[length] == '\n')) {
		size_t size;

		length = strcspn(line, "\n");
		path = memchr(line, '/', length);
		size = path ? length - (size_t)(path - line) : 0;
		if (!size || !is_named(path, size) || used + size + 2 > KHO_MAPPED_LIST ||
		    has_line(list, path, size))
			continue;
		memcpy(list + used, path, size);
		used += size;
		list[used++] = '\n';
		list[used] = '\0';
	}
}

int kho_mapped_find(const char *cgroup, char ret[KHO_MAPPED_LIST], struct kho_err *err)
{
	struct kho_pids pids;
	int r = kho_cgroup_pids(cgroup, &pids, err);

	if (r < 0)
		return r;
	*ret = '\0';
	for (size_t i = 0; i < pids.nr; i++) {
		_cleanup_free_ char *text = NULL;
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/maps", pids.pids[i]);
		/* one that has ended meanwhile maps nothing */
		if (kho_file_read(path, MAPS_MAX, &text, NULL, NULL) >= 0)
			kho_mapped_add(text, ret);
	}
	kho_pids_done(&pids);
	return 0;
}

static void read_file(const char *path, char *block)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return;
	while (read(fd, block, BLOCK) > 0)
		;
}

void kho_mapped_read(const char *list)
{
	_cleanup_free_ char *block = malloc(BLOCK);
	char path[PATH_MAX];

	for (size_t length; block && *list; list += length + (list[length] == '\n')) {
		length = strcspn(list, "\n");
		if (length >= sizeof(path) || *list != '/')
			continue;
		memcpy(path, list, length);
		path[length] = '\0';
		read_file(path, block);
	}
}
