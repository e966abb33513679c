/* SPDX-License-Identifier: GPL-2.0-only */
/* Device-mapper devices of volumes: one target each, named kho-NAME. */
#ifndef KHO_MIGRATE_VOLUME_DM_H
#define KHO_MIGRATE_VOLUME_DM_H

#include <stdint.h>

#include "base/err.h"

#define KHO_DM_TEXT	256
#define KHO_DM_TYPE	32

struct kho_dm_target {
	uint64_t sectors;
	const char *type;		/* "linear", "snapshot", ... */
	const char *parameters;
};

/* -EEXIST: there's one of that name. */
int kho_dm_create(const char *name, const struct kho_dm_target *target, struct kho_err *err);
int kho_dm_remove(const char *name, struct kho_err *err);

/* Without freezing its file system: the caller has. */
int kho_dm_suspend(const char *name, struct kho_err *err);
int kho_dm_resume(const char *name, struct kho_err *err);

/* Loads a table, and makes it the one that counts: suspend, load, resume. */
int kho_dm_replace(const char *name, const struct kho_dm_target *target, struct kho_err *err);

/* Status of its target, as text of the kernel's: "16/512 16". */
int kho_dm_status(const char *name, char ret[KHO_DM_TEXT], struct kho_err *err);

/* "linear", "snapshot", ...; -ENXIO: there's no such device. */
int kho_dm_type(const char *name, char ret[KHO_DM_TYPE], struct kho_err *err);

/* Parameters of its target, as they were given (devices as "major:minor"), and its size. */
int kho_dm_table(const char *name, char ret[KHO_DM_TEXT], uint64_t *ret_sectors,
		 struct kho_err *err);

/* Size in sectors of 512 bytes. */
int kho_dm_device_size(const char *path, uint64_t *ret_sectors, struct kho_err *err);

#endif
