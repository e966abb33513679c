// SPDX-License-Identifier: GPL-2.0-only
/* Volumes on the old side, and their names; volume.h has the idea. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "migrate/volume/dm.h"
#include "migrate/volume/options.h"
#include "migrate/volume/volume_private.h"

/* ext4 and xfs, and others by now: all I/O of the file system ends, unwritten */
#define GOING_DOWN		_IOR('X', 125, uint32_t)
#define GOING_DOWN_NO_LOG	2u

/* ---- names ---- */

void kho_volume_dm_name(const struct kho_volume *volume, char ret[KHO_VOLUME_PATH])
{
	snprintf(ret, KHO_VOLUME_PATH, "kho-%s", volume->name);
}

static int find_one(const char *pattern, char ret[KHO_VOLUME_PATH], struct kho_err *err)
{
	glob_t found = {};
	int r = 0;

	glob(pattern, 0, NULL, &found);
	if (found.gl_pathc > 1)
		r = kho_fail(err, -ENOTUNIQ, "the function has %zu disks; a volume is on one",
			     found.gl_pathc);
	else if (found.gl_pathc == 1)
		snprintf(ret, KHO_VOLUME_PATH, "/dev/%s", strrchr(found.gl_pathv[0], '/') + 1);
	else
		r = -ENODEV;
	globfree(&found);
	return r;
}

int kho_volume_disk(const struct kho_pci_addr *function, uint32_t partition,
		    char ret[KHO_VOLUME_PATH], struct kho_err *err)
{
	static const char *const patterns[] = { "virtio*/block/*", "nvme/nvme*/nvme*n*" };
	char address[KHO_PCI_TEXT], pattern[KHO_VOLUME_PATH], disk[KHO_VOLUME_PATH];
	bool digit;
	int r = -ENODEV;

	kho_pci_format(function, address);
	for (size_t i = 0; i < 2 && r == -ENODEV; i++) {
		snprintf(pattern, sizeof(pattern), "/sys/bus/pci/devices/%s/%s", address,
			 patterns[i]);
		r = find_one(pattern, disk, err);
	}
	if (r == -ENODEV)
		return kho_fail(err, r, "PCI function %s has no disk in this kernel", address);
	if (r < 0)
		return r;
	digit = disk[strlen(disk) - 1] >= '0' && disk[strlen(disk) - 1] <= '9';
	if (partition)
		snprintf(ret, KHO_VOLUME_PATH, "%.300s%s%u", disk, digit ? "p" : "", partition);
	else
		snprintf(ret, KHO_VOLUME_PATH, "%s", disk);
	return 0;
}

/* ---- mounts ---- */

int kho_volume_mount(const struct kho_volume *volume, struct kho_err *err)
{
	struct kho_volume_options options;
	char device[KHO_VOLUME_PATH + 16];
	int r = kho_volume_parse_options(volume->options, &options, err);

	if (r < 0)
		return r;
	snprintf(device, sizeof(device), "/dev/mapper/kho-%s", volume->name);
	if (mkdir(volume->mount_point, 0755) < 0 && errno != EEXIST)
		return kho_fail_errno(err, -errno, "%s", volume->mount_point);
	if (mount(device, volume->mount_point, volume->file_system, options.flags,
		  options.data) < 0)
		return kho_fail_errno(err, -errno, "mounting %s at %s, as %s with options \"%s\" "
				      "(see the kernel's log)", device, volume->mount_point,
				      volume->file_system, volume->options);
	return 0;
}

/* Or else it would be done to what its mount point is on. */
static bool is_mounted(const struct kho_volume *volume, int fd)
{
	char name[KHO_VOLUME_PATH], path[KHO_VOLUME_PATH + 16];
	struct stat mounted, device;

	kho_volume_dm_name(volume, name);
	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	return fstat(fd, &mounted) == 0 && stat(path, &device) == 0 &&
	       mounted.st_dev == device.st_rdev;
}

bool kho_volume_is_mounted(const struct kho_volume *volume)
{
	_cleanup_close_ int fd = open(volume->mount_point, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && is_mounted(volume, fd);
}

static int on_file_system(const struct kho_volume *volume, unsigned long request, void *arg,
			  const char *what, struct kho_err *err)
{
	_cleanup_close_ int fd = open(volume->mount_point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && !is_mounted(volume, fd))
		return kho_fail(err, -ENODEV, "%s: the volume isn't mounted there; start "
				"kho-volume@%s.service", volume->mount_point, volume->name);
	if (fd < 0 || ioctl(fd, request, arg) < 0)
		return kho_fail_errno(err, -errno, "%s: can't be %s", volume->mount_point, what);
	return 0;
}

int kho_volume_linear(const char *disk, char text[KHO_DM_TEXT], struct kho_dm_target *ret,
		      struct kho_err *err)
{
	snprintf(text, KHO_DM_TEXT, "%.200s 0", disk);
	ret->type = "linear";
	ret->parameters = text;
	return kho_dm_device_size(disk, &ret->sectors, err);
}

int kho_volume_start(const struct kho_volume *volume, const char *disk, struct kho_err *err)
{
	char name[KHO_VOLUME_PATH], text[KHO_DM_TEXT];
	struct kho_dm_target target;
	int r = kho_volume_linear(disk, text, &target, err);

	kho_volume_dm_name(volume, name);
	if (r >= 0)
		r = kho_dm_create(name, &target, err);
	if (r < 0)
		return r;
	r = kho_volume_mount(volume, err);
	if (r < 0)
		kho_dm_remove(name, NULL);
	return r;
}

int kho_volume_stop(const struct kho_volume *volume, struct kho_err *err)
{
	char name[KHO_VOLUME_PATH], type[KHO_DM_TYPE];

	kho_volume_dm_name(volume, name);
	/* what's mounted there is somebody else's */
	if (kho_dm_type(name, type, err) == -ENXIO) {
		*err = (struct kho_err){};
		return 0;
	}
	if (umount2(volume->mount_point, 0) < 0 && errno != EINVAL)
		return kho_fail_errno(err, -errno, "%s", volume->mount_point);
	return kho_dm_remove(name, err);
}

/* ---- the old side of a move ---- */

int kho_volume_freeze(const struct kho_volume *volume, struct kho_err *err)
{
	return on_file_system(volume, FIFREEZE, NULL, "frozen", err);
}

int kho_volume_release(const struct kho_volume *volume, struct kho_err *err)
{
	char name[KHO_VOLUME_PATH];
	int r;

	/* one that isn't here isn't mounted either, which is told below */
	if (kho_volume_merge(volume) == KHO_MERGE_GOES_ON)
		return kho_fail(err, -EBUSY, "volume %s: what was written before the last commit isn't "
				"all on its disk yet; try again when dmsetup status says so",
				volume->name);
	r = kho_volume_freeze(volume, err);
	if (r < 0)
		return r;
	kho_volume_dm_name(volume, name);
	r = kho_dm_suspend(name, err);
	if (r < 0)
		on_file_system(volume, FITHAW, NULL, "thawed", NULL);
	return r;
}

int kho_volume_reattach(const struct kho_volume *volume, const char *disk, struct kho_err *err)
{
	char name[KHO_VOLUME_PATH], text[KHO_DM_TEXT];
	struct kho_dm_target target;
	struct kho_err thaw = {};
	int r = kho_volume_linear(disk, text, &target, err);

	kho_volume_dm_name(volume, name);
	if (r >= 0)
		r = kho_dm_replace(name, &target, err);
	if (r < 0)
		return r;
	/* it may never have been frozen */
	if (on_file_system(volume, FITHAW, NULL, "thawed", &thaw) == -EINVAL)
		return 0;
	if (thaw.code < 0)
		*err = thaw;
	return thaw.code;
}

int kho_volume_forget(const struct kho_volume *volume, struct kho_err *err)
{
	const struct kho_dm_target nowhere = { .sectors = 1, .type = "error", .parameters = "" };
	struct kho_dm_target target = nowhere;
	uint32_t how = GOING_DOWN_NO_LOG;
	char name[KHO_VOLUME_PATH], path[KHO_VOLUME_PATH + 16], type[KHO_DM_TYPE];
	int r;

	kho_volume_dm_name(volume, name);
	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	/* an agent that was killed may have got this far */
	if (kho_dm_type(name, type, err) == -ENXIO) {
		*err = (struct kho_err){};
		return 0;
	}
	/* the disk is another kernel's: from here on nothing can reach it, nor waits for it */
	r = kho_dm_device_size(path, &target.sectors, err);
	if (r >= 0)
		r = kho_dm_replace(name, &target, err);
	if (r >= 0)
		r = on_file_system(volume, GOING_DOWN, &how, "shut down", err);
	/* likewise */
	if (r == -ENODEV) {
		*err = (struct kho_err){};
		return kho_dm_remove(name, err);
	}
	if (r < 0)
		return r;
	on_file_system(volume, FITHAW, NULL, "thawed", NULL);
	if (umount2(volume->mount_point, MNT_DETACH) < 0)
		return kho_fail_errno(err, -errno, "%s", volume->mount_point);
	return kho_dm_remove(name, err);
}
