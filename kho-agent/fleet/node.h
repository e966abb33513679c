/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What etcd has of each machine, and who has a slot: three kinds of records. Pure.
 *
 *	nodes/ID    what it is, and where it stands in the rollout; stays
 *	live/ID     that its daemon is there; goes with its lease
 *	slots/ID    that it may upgrade, or does; stays until somebody frees it
 *
 *	                     take            start
 *	 pending <-> blocked        taken ----------> upgrading --> done
 *	    |            (can't,      |  given back       |
 *	    +------------ and why) -->+ ---> pending      +-------> failed
 *	                              |                   |
 *	                              +---- missing ------+-------> lost --> done, if it was
 *
 * A machine that has no slot is in none of the states in the middle. The end of an
 * upgrade, and the slot's, are one transaction.
 */
#ifndef KHO_FLEET_NODE_H
#define KHO_FLEET_NODE_H

#include "fleet/labels.h"
#include "fleet/rollout.h"

enum kho_node_state {
	KHO_NODE_PENDING = 0,
	KHO_NODE_BLOCKED,		/* pending, but it says that it can't */
	KHO_NODE_TAKEN,			/* has a slot; nothing has begun */
	KHO_NODE_UPGRADING,
	KHO_NODE_DONE,
	KHO_NODE_FAILED,
	KHO_NODE_LOST,			/* vanished with a slot, which was freed */
	_KHO_NODE_STATE_MAX,
};

struct kho_node_status {
	char rollout[KHO_FLEET_ID];	/* of which all that follows is; "": none yet */
	uint64_t round;
	enum kho_node_state state;
	char reason[KHO_FLEET_ID];	/* one word, stable: ImageMissing */
	char message[KHO_FLEET_MESSAGE];
	uint64_t since_ms;		/* of the state */
	uint64_t taken_ms;		/* when it had its slot; 0: never */
	uint64_t attempts;		/* slots taken in this round */
	uint64_t blackout_ms;		/* that workloads stood still in it; 0: not known */
};

struct kho_node {
	char id[KHO_FLEET_ID];
	struct kho_labels labels;
	char release[KHO_FLEET_ID];	/* of its kernel */
	char digest[KHO_FLEET_DIGEST];	/* of the image that its kernel is from; "": not known */
	char boot[KHO_FLEET_ID];	/* boot id of the kernel of which the last two are */
	struct kho_node_status status;
	/* not in the record */
	uint64_t revision;		/* at which it was written; 0: there's none */
	bool live;
	uint64_t live_revision;
	bool has_slot;
	char slot_rollout[KHO_FLEET_ID];
	uint64_t slot_since_ms, slot_revision;
	uint64_t slot_deadline_ms, slot_lost_ms;	/* of the rollout that it was for */
	uint64_t missing_since_ms;	/* by the clock of whoever looks; 0: it isn't */
};

/* airlock's: who has a slot in a group, whoever gave it. */
#define KHO_HOLDERS_MAX		1024u

struct kho_semaphore {
	uint64_t total;			/* 0: there's none yet */
	uint64_t revision;
	unsigned int nr;
	char holders[KHO_HOLDERS_MAX][KHO_FLEET_ID];	/* sorted */
};

const char *kho_node_state_name(enum kho_node_state state);

/* Into what's in the record; the rest of *@ret is left. -EBADMSG, -EINVAL, -EPROTONOSUPPORT */
int kho_node_parse(const char *text, size_t size, struct kho_node *ret, struct kho_err *err);
int kho_node_format(const struct kho_node *node, char **ret, struct kho_err *err);

int kho_slot_parse(const char *text, size_t size, struct kho_node *ret, struct kho_err *err);
int kho_slot_format(const struct kho_node *node, char **ret, struct kho_err *err);

int kho_semaphore_parse(const char *text, size_t size, struct kho_semaphore *ret,
			struct kho_err *err);
int kho_semaphore_format(const struct kho_semaphore *semaphore, char **ret, struct kho_err *err);
bool kho_semaphore_has(const struct kho_semaphore *semaphore, const char *id);
/* -ENOSPC: more than KHO_HOLDERS_MAX. Who is there already is no error. */
int kho_semaphore_add(struct kho_semaphore *semaphore, const char *id, struct kho_err *err);
void kho_semaphore_remove(struct kho_semaphore *semaphore, const char *id);

#endif
