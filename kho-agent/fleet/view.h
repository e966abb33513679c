/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What etcd has of one group, kept up to date: read once, then changed by what a watch tells.
 * Pure: who reads and watches is member.c.
 *
 * A record that can't be read (of a newer version, or spoiled) is as if it weren't there, but
 * for the rollout and slots: a rollout that isn't understood isn't followed, and a slot
 * that isn't understood counts.
 */
#ifndef KHO_FLEET_VIEW_H
#define KHO_FLEET_VIEW_H

#include "fleet/decide.h"
#include "fleet/etcd.h"

#define KHO_FLEET_NODES_MAX	20000u

struct kho_fleet_cache {
	struct kho_fleet_view view;
	char group[KHO_FLEET_ID];
	size_t room;			/* of view.nodes */
	bool untidy;			/* a machine is new, or something of one is gone */
	struct kho_err broken;		/* of the rollout; code 0: it's understood, or there's none */
};

void kho_fleet_cache_done(struct kho_fleet_cache *cache);

/*
 * Forgets all, also since when machines are missing, and takes over what was read: all of
 * the group. @mono_ms: now. -ENOMEM, -E2BIG
 */
int kho_fleet_cache_fill(struct kho_fleet_cache *cache, const struct kho_etcd_kvs *kvs,
			 uint64_t mono_ms, struct kho_err *err);

/* What a watch told. Errors of the last: read all again then. */
int kho_fleet_cache_change(struct kho_fleet_cache *cache, const struct kho_etcd_kvs *kvs,
			   uint64_t mono_ms, struct kho_err *err);

/*
 * What this machine has changed itself. The view is no newer by that: others may have changed
 * something before, and the watch has yet to tell.
 */
int kho_fleet_cache_apply(struct kho_fleet_cache *cache, const struct kho_etcd_kvs *kvs,
			  uint64_t mono_ms, struct kho_err *err);

/* NULL: there's none of that name. */
struct kho_node *kho_fleet_cache_find(const struct kho_fleet_cache *cache, const char *id);

#endif
