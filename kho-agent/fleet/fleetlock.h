/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Client of the FleetLock protocol (airlock, poseidon/fleetlock): a server gives and takes back
 * slots, over HTTP. Taking one that's held already is well, as is giving back one that isn't.
 *
 *   -EBUSY   the server says no: the message has its kind and words
 *   and those of web.h
 */
#ifndef KHO_FLEET_FLEETLOCK_H
#define KHO_FLEET_FLEETLOCK_H

#include "fleet/web.h"

struct kho_fleetlock {
	const char *url;		/* base: "https://server:3333" */
	const char *id, *group;
	uint32_t timeout_ms;
};

int kho_fleetlock_lock(struct kho_web *http, const struct kho_fleetlock *lock, struct kho_err *err);
int kho_fleetlock_unlock(struct kho_web *http, const struct kho_fleetlock *lock,
			 struct kho_err *err);

#endif
