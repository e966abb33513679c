/* SPDX-License-Identifier: GPL-2.0-only */
/* [Fleet] of the configuration; docs/fleet.md. Without Endpoints= there's no fleet. */
#ifndef KHO_WORKLOAD_CONFIG_FLEET_H
#define KHO_WORKLOAD_CONFIG_FLEET_H

#include <stdint.h>

#include "base/ini.h"

#define KHO_CONFIG_FLEET_TEXT	256
#define KHO_CONFIG_FLEET_WORDS	1024

struct kho_config_fleet {
	char endpoints[KHO_CONFIG_FLEET_WORDS];	/* of etcd; "": off */
	char ca[KHO_CONFIG_FLEET_TEXT], certificate[KHO_CONFIG_FLEET_TEXT], key[KHO_CONFIG_FLEET_TEXT];
	char user[KHO_CONFIG_FLEET_TEXT];
	char password_file[KHO_CONFIG_FLEET_TEXT];
	char name[64];				/* "": the host's name */
	char group[64];				/* "": "default" */
	char labels[KHO_CONFIG_FLEET_WORDS];	/* words, NAME=VALUE */
	uint32_t lease_sec;			/* 0: 60 */
	char fleet_lock[KHO_CONFIG_FLEET_TEXT];	/* URL of a FleetLock server; "": none */
};

/* One key of @item, a struct kho_config_fleet. -ENOKEY: there's none of that name; -EINVAL */
int kho_config_fleet_set(void *item, const struct kho_ini_item *ini, struct kho_err *err);

#endif
