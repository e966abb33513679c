// SPDX-License-Identifier: GPL-2.0-only
/* Folders of files; folder.h has the contract. */
#include <dirent.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/folder.h"

void kho_folder_clear(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
}
