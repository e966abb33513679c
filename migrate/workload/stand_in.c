// SPDX-License-Identifier: GPL-2.0-only
/* Stand-ins: the list as a text, and making them; stand_in.h has the contract. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "migrate/workload/stand_in.h"

#define VOLUMES_MAX	KHO_CONFIG_ITEMS
#define SIZE_MAX_BYTES	(1ull << 62)

/* ---- the text ---- */

static bool is_good_path(const char *path)
{
	const char *up = strstr(path, "/..");

	while (up && up[3] && up[3] != '/')
		up = strstr(up + 3, "/..");
	return path[0] == '/' && !up;
}

static int damaged(struct kho_err *err)
{
	return kho_fail(err, -EBADMSG, "the list of stand-ins is damaged");
}

int kho_stand_in_next(const char **at, struct kho_stand_in *ret, struct kho_err *err)
{
	struct kho_stand_in found = {};
	char line[sizeof(found.path) + 64];
	size_t size = strcspn(*at, "\n");
	int path = -1;

	if (!**at)
		return 0;
	if (size >= sizeof(line))
		return damaged(err);
	memcpy(line, *at, size);
	line[size] = '\0';
	if (strncmp(line, "volume ", 7) == 0) {
		found.volume = true;
		path = 7;
	} else if (sscanf(line, "node %7" SCNo32 " %19" SCNu64 " %n", &found.mode, &found.size,
			  &path) != 2 || path < 0) {
		return damaged(err);
	}
	if (strlen(line + path) >= sizeof(found.path) || !is_good_path(line + path) ||
	    found.size > SIZE_MAX_BYTES)
		return damaged(err);
	memcpy(found.path, line + path, strlen(line + path) + 1);
	*at += size + ((*at)[size] == '\n');
	*ret = found;
	return 1;
}

/* ---- making them ---- */

static bool is_below(const char *path, const char *folder)
{
	size_t size = strlen(folder);

	return strncmp(path, folder, size) == 0 && (path[size] == '/' || !path[size]);
}

static int make_parents(const char *path, struct kho_err *err)
{
	char copy[sizeof(((struct kho_stand_in *)NULL)->path)];

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return kho_fail_errno(err, -errno, "stand-in %s", copy);
		*slash = '/';
	}
	return 0;
}

static int make_file(const struct kho_stand_in *node, struct kho_err *err)
{
	_cleanup_close_ int fd = open(node->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)node->size) < 0 || fchmod(fd, node->mode & 07777) < 0)
		return kho_fail_errno(err, -errno, "stand-in %s", node->path);
	return 0;
}

static int make_node(const struct kho_stand_in *node, struct kho_err *err)
{
	int r = make_parents(node->path, err);

	if (r < 0)
		return r;
	if (S_ISREG(node->mode))
		return make_file(node, err);
	if (S_ISDIR(node->mode))
		r = mkdir(node->path, 0700);
	else
		r = mknod(node->path, S_IFIFO | 0600, 0);
	if ((r < 0 && errno != EEXIST) || chmod(node->path, node->mode & 07777) < 0)
		return kho_fail_errno(err, -errno, "stand-in %s", node->path);
	return 0;
}

static int cover(const char *path, struct kho_err *err)
{
	int r = make_parents(path, err);

	if (r < 0)
		return r;
	if ((mkdir(path, 0755) < 0 && errno != EEXIST) ||
	    mount("stand-in", path, "tmpfs", MS_NODEV, "size=16m") < 0)
		return kho_fail_errno(err, -errno, "a stand-in for the volume at %s", path);
	return 0;
}

int kho_stand_ins_make(const char *text, struct kho_err *err)
{
	char volumes[VOLUMES_MAX][KHO_CONFIG_TEXT];
	unsigned int nr = 0;
	struct kho_stand_in one;
	int r;

	while ((r = kho_stand_in_next(&text, &one, err)) > 0) {
		bool below = false;

		if (one.volume && (nr == VOLUMES_MAX || strlen(one.path) >= KHO_CONFIG_TEXT))
			return damaged(err);
		if (one.volume)
			snprintf(volumes[nr++], KHO_CONFIG_TEXT, "%.255s", one.path);
		for (unsigned int i = 0; i < nr; i++)
			below = below || is_below(one.path, volumes[i]);
		if (!below)
			return damaged(err);
		r = one.volume ? cover(one.path, err) : make_node(&one, err);
		if (r < 0)
			return r;
	}
	return r;
}
