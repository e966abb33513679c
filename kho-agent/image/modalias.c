// SPDX-License-Identifier: GPL-2.0-only
/*
 * A walk of the function's directory in sysfs. Links aren't followed: they lead
 * to the bus, the driver and other places that aren't below the device.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "image/modalias.h"
#include "image/rootfs.h"

#define MAX_MODALIAS	4096
#define MAX_DEPTH	10	/* controller, port, hub, target, disk, partition... */

struct walk {
	const struct kho_rootfs *sys;
	struct kho_strset *found;
};

static int walk_dir(const struct walk *walk, const char *dir, unsigned int depth,
		    struct kho_err *err);

static int read_modalias(const struct walk *walk, const char *path, struct kho_err *err)
{
	_cleanup_rootfs_file_ struct kho_rootfs_file file = { 0 };
	int r;

	r = kho_rootfs_read(walk->sys, path, MAX_MODALIAS, &file, err);
	if (r < 0)
		return r;
	file.data[strcspn(file.data, "\n")] = '\0';
	if (file.data[0] == '\0')
		return 0;
	r = kho_strset_add(walk->found, file.data, 0);
	if (r < 0)
		return kho_fail_errno(err, r, "list of devices; free memory and try again");
	return 0;
}

static int walk_name(const struct walk *walk, const char *path, const char *name,
		     unsigned int depth, struct kho_err *err)
{
	struct kho_rootfs_entry entry;

	/* devices may vanish while they are looked at */
	if (kho_rootfs_find(walk->sys, path, NULL, &entry, NULL) < 0)
		return 0;
	if (strcmp(entry.path, path) != 0)
		return 0;	/* it was a link */
	if (S_ISDIR(entry.st.st_mode))
		return walk_dir(walk, path, depth + 1, err);
	if (S_ISREG(entry.st.st_mode) && strcmp(name, "modalias") == 0)
		return read_modalias(walk, path, err);
	return 0;
}

static int walk_dir(const struct walk *walk, const char *dir, unsigned int depth,
		    struct kho_err *err)
{
	_cleanup_strset_ struct kho_strset names = { 0 };
	char path[PATH_MAX];
	size_t i;
	int r;

	if (depth > MAX_DEPTH)
		return 0;
	r = kho_rootfs_list(walk->sys, dir, &names, err);
	for (i = 0; r == 0 && i < names.nr; i++) {
		if (snprintf(path, sizeof(path), "%s/%s", dir, names.items[i].text) >= PATH_MAX)
			continue;
		r = walk_name(walk, path, names.items[i].text, depth, err);
	}
	return r;
}

int kho_modalias_collect(const char *sys, const struct kho_pci_addr *addr,
			 struct kho_strset *ret, struct kho_err *err)
{
	_cleanup_rootfs_ struct kho_rootfs root = { .fd = -EBADF };
	struct walk walk = { .sys = &root, .found = ret };
	char path[64], text[KHO_PCI_TEXT];
	struct kho_rootfs_entry entry;
	int r;

	r = kho_rootfs_open(sys, &root, err);
	if (r < 0)
		return r;
	kho_pci_format(addr, text);
	snprintf(path, sizeof(path), "/bus/pci/devices/%s", text);
	r = kho_rootfs_find(&root, path, NULL, &entry, NULL);
	if (r < 0)
		return kho_fail(err, -ENOENT, "there's no PCI function %s; lspci -D lists those "
				"there are", text);
	return walk_dir(&walk, entry.path, 0, err);
}
