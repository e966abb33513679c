// SPDX-License-Identifier: GPL-2.0-only
/* Folders of files; folder.h has the contract. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/folder.h"

static void clear_folder(int dir, const char *path, const char *name)
{
	char full[PATH_MAX];

	if (snprintf(full, sizeof(full), "%s/%s", path, name) < (int)sizeof(full))
		umount2(full, MNT_DETACH | UMOUNT_NOFOLLOW);
	unlinkat(dir, name, AT_REMOVEDIR);
}

void kho_folder_clear(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0) < 0 && errno == EISDIR)
			clear_folder(dirfd(dir), path, entry->d_name);
	}
}
