// SPDX-License-Identifier: GPL-2.0-only
/* Volumes on the old side of a move: frozen, and their disks let go of, until commit. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/move.h"
#include "agent/side.h"
#include "base/cleanup.h"
#include "migrate/volume/volume.h"

#define DISK_MS		10000

static struct kho_volume volume_of(const struct kho_mover *mover, uint32_t item)
{
	const struct kho_config_volume *config = &mover->config->volumes[item];
	struct kho_volume volume = {};

	snprintf(volume.name, sizeof(volume.name), "%s", config->name);
	snprintf(volume.mount_point, sizeof(volume.mount_point), "%s", config->mount_point);
	snprintf(volume.file_system, sizeof(volume.file_system), "%s", config->file_system);
	snprintf(volume.options, sizeof(volume.options), "%s", config->options);
	return volume;
}

/* In a child: it takes as long as the disk does. */
static int sync_volume(void *arg, struct kho_err *err)
{
	const struct kho_config_volume *config = arg;
	_cleanup_close_ int fd = open(config->mount_point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || syncfs(fd) < 0)
		return kho_fail_errno(err, -errno, "%s can't be synced", config->mount_point);
	return 0;
}

static void on_synced(void *ctx, const struct kho_err *err)
{
	struct kho_volume_sync *sync = ctx;

	sync->command = kho_command_free(sync->command);
	kho_mover_done(sync->mover, KHO_STEP_SYNC, sync->item, err);
}

static int begin_sync(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	const struct kho_command_work work = {
		.name = "syncing a volume",
		.call = sync_volume,
		.arg = &mover->config->volumes[item],
		.timeout_ms = kho_step_info(KHO_STEP_SYNC)->deadline_ms,
	};
	struct kho_volume_sync *sync = &mover->syncs[item];
	int r;

	sync->mover = mover;
	sync->item = item;
	r = kho_command_call(mover->agent->event, &work, on_synced, sync, &sync->command, err);
	return r < 0 ? r : 1;
}

static int release(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	struct kho_volume volume = volume_of(mover, item);
	int r;

	/* by kexec its disk stays, for the next kernel to find whole */
	if (mover->bequeathal)
		return kho_volume_freeze(&volume, err);
	r = kho_volume_release(&volume, err);
	if (r >= 0)
		r = kho_side(mover->agent)->give(mover->agent,
						 &mover->config->volumes[item].function, err);
	return r < 0 ? r : 0;
}

static int reattach(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	const struct kho_config_volume *config = &mover->config->volumes[item];
	struct kho_volume volume = volume_of(mover, item);
	char disk[KHO_VOLUME_PATH];
	int r = kho_side(mover->agent)->take(mover->agent, &config->function, err);

	/* the driver has bound by then, and its disk is there */
	if (r >= 0)
		r = kho_volume_disk(&config->function, config->partition, disk, err);
	return r < 0 ? r : kho_volume_reattach(&volume, disk, err);
}

static int forget(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	struct kho_volume volume = volume_of(mover, item);

	return kho_volume_forget(&volume, err);
}

const struct kho_step_ops kho_step_sync = { .begin = begin_sync };
const struct kho_step_ops kho_step_release = { .begin = release, .undo = reattach };
const struct kho_step_ops kho_step_forget = { .begin = forget };
