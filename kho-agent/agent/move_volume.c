// SPDX-License-Identifier: GPL-2.0-only
/* Volumes on the old side of a move: frozen, and their disks let go of, until commit. */
#include <errno.h>
#include <stdio.h>

#include "agent/move.h"
#include "agent/pci.h"
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

static int release(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	struct kho_volume volume = volume_of(mover, item);
	int r = kho_volume_release(&volume, err);

	return r < 0 ? r : kho_pci_hold_still(mover->agent, &mover->config->volumes[item].function,
					      err);
}

static int reattach(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	const struct kho_config_volume *config = &mover->config->volumes[item];
	struct kho_volume volume = volume_of(mover, item);
	char disk[KHO_VOLUME_PATH];
	int r = kho_pci_let_go(mover->agent, &config->function, err);

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

const struct kho_step_ops kho_step_release = { .begin = release, .undo = reattach };
const struct kho_step_ops kho_step_forget = { .begin = forget };
