/* SPDX-License-Identifier: GPL-2.0-only */
/* What both sides of a volume share. */
#ifndef KHO_MIGRATE_VOLUME_PRIVATE_H
#define KHO_MIGRATE_VOLUME_PRIVATE_H

#include "migrate/volume/dm.h"
#include "migrate/volume/volume.h"

/* Of a snapshot, in sectors; its store is full of metadata only when all is merged. */
struct kho_volume_status {
	uint64_t used, total, metadata;
};

/* What dm says of it. -EIO: it's invalid. */
int kho_volume_parse_status(const char *status, struct kho_volume_status *ret);

void kho_volume_dm_name(const struct kho_volume *volume, char ret[KHO_VOLUME_PATH]);

/* /dev/mapper/kho-NAME at its mount point, which is made if it's missing. */
int kho_volume_mount(const struct kho_volume *volume, struct kho_err *err);

/* A target that is the disk itself; its parameters are in @text. */
int kho_volume_linear(const char *disk, char text[KHO_DM_TEXT], struct kho_dm_target *ret,
		      struct kho_err *err);

#endif
