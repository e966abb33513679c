/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the fleet keeps what in etcd. GROUP and ID are names as of kho_name_check().
 *
 *	kho/fleet/v1/GROUP/rollout		the one that has the group
 *	kho/fleet/v1/GROUP/nodes/ID		node.h
 *	kho/fleet/v1/GROUP/live/ID		with a lease; its boot id
 *	kho/fleet/v1/GROUP/slots/ID		node.h
 *	kho/fleet/v1-log/GROUP/history/MS-ID	rollouts that are over, or were taken away
 *	kho/fleet/v1-log/GROUP/audit/MS-...	who said what of a rollout, and why
 *	com.coreos.airlock/groups/GROUP/v1/semaphore
 *						airlock's own, so that both can share it
 */
#ifndef KHO_FLEET_KEYS_H
#define KHO_FLEET_KEYS_H

#define KHO_KEY_GROUP		"kho/fleet/v1/%s/"
#define KHO_KEY_ROLLOUT		KHO_KEY_GROUP "rollout"
#define KHO_KEY_NODES		KHO_KEY_GROUP "nodes/"
#define KHO_KEY_NODE		KHO_KEY_NODES "%s"
#define KHO_KEY_LIVE		KHO_KEY_GROUP "live/%s"
#define KHO_KEY_SLOTS		KHO_KEY_GROUP "slots/"
#define KHO_KEY_SLOT		KHO_KEY_SLOTS "%s"
#define KHO_KEY_HISTORY		"kho/fleet/v1-log/%s/history/"
#define KHO_KEY_AUDIT		"kho/fleet/v1-log/%s/audit/"
#define KHO_KEY_SEMAPHORE	"com.coreos.airlock/groups/%s/v1/semaphore"

#endif
