// SPDX-License-Identifier: GPL-2.0-only
/*
 * Volumes on the new side: mounted from a snapshot whose writes stay in memory, then
 * merged into the disk at commit. The store is a sparse file in /run behind a loop
 * device; a snapshot whose store is full is invalid, which check() sees before commit.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/now.h"
#include "migrate/volume/volume_private.h"

#define STORE_DIR	"/run/kho-agent/volumes"
#define STORE_SIZE	(256LL << 20)
#define CHUNK		"8"		/* sectors */
#define MERGE_MS	30000
#define LOOK_MS		5

/* ---- the store ---- */

static void store_path(const struct kho_volume *volume, char ret[KHO_VOLUME_PATH])
{
	snprintf(ret, KHO_VOLUME_PATH, STORE_DIR "/%s", volume->name);
}

static int make_file(const char *path, struct kho_err *err)
{
	int fd;

	if (mkdir(STORE_DIR, 0700) < 0 && errno != EEXIST)
		return kho_fail_errno(err, -errno, STORE_DIR);
	unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, STORE_SIZE) < 0) {
		int code = -errno;

		if (fd >= 0)
			close(fd);
		return kho_fail_errno(err, code, "%s", path);
	}
	return fd;
}

/* The loop device goes by itself with its last user. */
static int attach(int file, char ret[KHO_VOLUME_PATH], int *ret_fd, struct kho_err *err)
{
	_cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	struct loop_config config = {
		.fd = (uint32_t)file,
		.info = { .lo_flags = LO_FLAGS_AUTOCLEAR },
	};
	int number, fd;

	for (int tries = 0; control >= 0 && tries < 8; tries++) {
		number = ioctl(control, LOOP_CTL_GET_FREE);
		if (number < 0)
			break;
		snprintf(ret, KHO_VOLUME_PATH, "/dev/loop%d", number);
		fd = open(ret, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			break;
		if (ioctl(fd, LOOP_CONFIGURE, &config) == 0) {
			*ret_fd = fd;
			return 0;
		}
		close(fd);
		/* somebody else was quicker */
		if (errno != EBUSY)
			break;
	}
	return kho_fail_errno(err, -errno, "no loop device for what is written before commit");
}

int kho_volume_make_store(const struct kho_volume *volume, struct kho_volume_store *ret,
			  struct kho_err *err)
{
	struct kho_volume_store store = { .fd = -EBADF };
	char path[KHO_VOLUME_PATH];
	_cleanup_close_ int file = -EBADF;
	int r;

	store_path(volume, path);
	r = file = make_file(path, err);
	if (r < 0)
		return kho_wrap(err, r, "volume %s", volume->name);
	r = attach(file, store.loop, &store.fd, err);
	/* it lives as long as it's open */
	unlink(path);
	if (r < 0)
		return kho_wrap(err, r, "volume %s", volume->name);
	*ret = store;
	return 0;
}

void kho_volume_end_store(struct kho_volume_store *store)
{
	if (store->fd >= 0)
		close(store->fd);
	store->fd = -EBADF;
}

/* ---- steps ---- */

static int create_snapshot(const struct kho_volume *volume, const char *disk, const char *loop,
			   struct kho_err *err)
{
	char name[KHO_VOLUME_PATH], text[KHO_DM_TEXT];
	struct kho_dm_target target = { .type = "snapshot", .parameters = text };
	int r = kho_dm_device_size(disk, &target.sectors, err);

	kho_volume_dm_name(volume, name);
	snprintf(text, sizeof(text), "%.100s %.100s P " CHUNK, disk, loop);
	return r < 0 ? r : kho_dm_create(name, &target, err);
}

int kho_volume_take(const struct kho_volume *volume, const char *disk,
		    const struct kho_volume_store *store, struct kho_err *err)
{
	char name[KHO_VOLUME_PATH];
	int r = create_snapshot(volume, disk, store->loop, err);

	kho_volume_dm_name(volume, name);
	if (r >= 0) {
		r = kho_volume_mount(volume, err);
		if (r < 0)
			kho_dm_remove(name, NULL);
	}
	return r < 0 ? kho_wrap(err, r, "volume %s", volume->name) : 0;
}

/* "16/524288 16" is well; "Invalid", "Overflow" and others are words. */
int kho_volume_parse_status(const char *status, struct kho_volume_status *ret)
{
	unsigned long long used, total, metadata;

	if (sscanf(status, "%llu/%llu %llu", &used, &total, &metadata) != 3)
		return -EIO;
	*ret = (struct kho_volume_status){ used, total, metadata };
	return 0;
}

static int is_merged(const char *name, struct kho_err *err)
{
	struct kho_volume_status status;
	char text[KHO_DM_TEXT];
	int r = kho_dm_status(name, text, err);

	if (r < 0)
		return r;
	if (kho_volume_parse_status(text, &status) < 0)
		return kho_fail(err, -EIO, "the snapshot of %s says \"%.60s\"; what was written "
				"since the move began is lost", name, text);
	return status.used == status.metadata;
}

int kho_volume_check(const struct kho_volume *volume, struct kho_err *err)
{
	struct kho_volume_status status;
	char name[KHO_VOLUME_PATH], text[KHO_DM_TEXT], type[KHO_DM_TYPE];
	int r;

	kho_volume_dm_name(volume, name);
	r = kho_dm_type(name, type, err);
	if (r >= 0 && strcmp(type, "snapshot") != 0)
		return 0;
	if (r >= 0)
		r = kho_dm_status(name, text, err);
	if (r < 0)
		return kho_wrap(err, r, "volume %s", volume->name);
	if (kho_volume_parse_status(text, &status) < 0 || status.used >= status.total)
		return kho_fail(err, -ENOSPC, "volume %s: more than %lld MiB were written between "
				"the switch and commit, for which there's no room (\"%.60s\"); move "
				"when less is written", volume->name, STORE_SIZE >> 20, text);
	return 0;
}

enum kho_volume_merge kho_volume_merge(const struct kho_volume *volume)
{
	char name[KHO_VOLUME_PATH], type[KHO_DM_TYPE];

	kho_volume_dm_name(volume, name);
	if (kho_dm_type(name, type, NULL) < 0 || strcmp(type, "snapshot-merge") != 0)
		return KHO_MERGE_NONE;
	return is_merged(name, NULL) == 1 ? KHO_MERGE_OVER : KHO_MERGE_GOES_ON;
}

/* Device-mapper tells of a merge's end by nothing but its status. */
static int wait_merged(const char *name, struct kho_err *err)
{
	uint64_t end = kho_now_ms(CLOCK_MONOTONIC) + MERGE_MS;
	int r;

	while ((r = is_merged(name, err)) == 0) {
		if (kho_now_ms(CLOCK_MONOTONIC) > end)
			return kho_fail(err, -ETIMEDOUT, "%s is not merged after %d s; it goes on, "
					"see dmsetup status", name, MERGE_MS / 1000);
		poll(NULL, 0, LOOK_MS);
	}
	return r < 0 ? r : 0;
}

/* The same devices, but writes go through, and what's in the store to the disk. */
static int begin_merge(const char *name, struct kho_err *err)
{
	char table[KHO_DM_TEXT];
	struct kho_dm_target target = { .type = "snapshot-merge", .parameters = table };
	int r = kho_dm_table(name, table, &target.sectors, err);

	return r < 0 ? r : kho_dm_replace(name, &target, err);
}

int kho_volume_keep(const struct kho_volume *volume, struct kho_err *err)
{
	char name[KHO_VOLUME_PATH];
	char type[KHO_DM_TYPE];
	int r;

	kho_volume_dm_name(volume, name);
	r = kho_dm_type(name, type, err);
	/* an agent that was killed may have begun, or ended, with it */
	if (r >= 0 && strcmp(type, "linear") == 0)
		return 0;
	if (r >= 0 && strcmp(type, "snapshot-merge") != 0)
		r = begin_merge(name, err);
	if (r >= 0)
		r = wait_merged(name, err);
	return r < 0 ? kho_wrap(err, r, "volume %s", volume->name) : 0;
}

int kho_volume_settle(const struct kho_volume *volume, const char *disk, struct kho_err *err)
{
	char name[KHO_VOLUME_PATH], text[KHO_DM_TEXT];
	struct kho_dm_target linear;
	char type[KHO_DM_TYPE];
	int r = kho_volume_linear(disk, text, &linear, err);

	kho_volume_dm_name(volume, name);
	if (r >= 0)
		r = kho_dm_type(name, type, err);
	/* an agent that was killed may have got this far */
	if (r >= 0 && strcmp(type, "linear") == 0)
		return 0;
	if (r >= 0 && kho_volume_merge(volume) == KHO_MERGE_GOES_ON)
		return kho_fail(err, -EBUSY, "volume %s isn't merged yet; it goes on, see dmsetup "
				"status", volume->name);
	if (r >= 0)
		r = kho_dm_replace(name, &linear, err);
	return r < 0 ? kho_wrap(err, r, "volume %s", volume->name) : 0;
}

int kho_volume_drop(const struct kho_volume *volume, struct kho_err *err)
{
	char name[KHO_VOLUME_PATH], type[KHO_DM_TYPE];

	kho_volume_dm_name(volume, name);
	/* it was never taken: what's mounted there is somebody else's */
	if (kho_dm_type(name, type, err) == -ENXIO) {
		*err = (struct kho_err){};
		return 0;
	}
	if (umount2(volume->mount_point, 0) < 0 && errno != EINVAL && errno != ENOENT)
		return kho_fail_errno(err, -errno, "%s", volume->mount_point);
	return kho_dm_remove(name, err);
}
