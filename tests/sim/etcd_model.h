/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * etcd in memory, for simulations: keys, revisions, transactions, leases, watches, with the
 * time of the simulation. What it does to a client is the client's: cut off, answers that
 * get lost after the deed, watches that lag or break.
 */
#ifndef TESTS_ETCD_MODEL_H
#define TESTS_ETCD_MODEL_H

#include "fleet/etcd.h"

#define MODEL_KEYS	256u
#define MODEL_LEASES	256u
#define MODEL_CHANGES	8192u

struct model_lease {
	uint64_t id, ttl_ms, ends_ms;	/* id 0: free */
};

struct etcd_model {
	uint64_t now_ms;
	uint64_t revision;
	struct kho_etcd_kv keys[MODEL_KEYS];
	size_t nr_keys;
	struct model_lease leases[MODEL_LEASES];
	uint64_t next_lease;
	struct kho_etcd_kv changes[MODEL_CHANGES];	/* all, in order; a full log ends the run */
	size_t nr_changes;
	bool no_quorum;
	uint64_t lot;			/* state of the lots that are drawn */
};

struct etcd_model_client {
	struct etcd_model *model;
	bool cut;			/* reaches nobody */
	unsigned int lose;		/* of 1000 transactions' answers */
	unsigned int slow;		/* of 1000 calls take up to 90 s */
	unsigned int lag;		/* of 1000 looks at the watch see only a part */
	char prefix[KHO_ETCD_KEY];
	size_t seen;			/* of model->changes; SIZE_MAX: no watch */
};

extern const struct kho_etcd_ops etcd_model_ops;

void etcd_model_init(struct etcd_model *model, uint64_t lot);
void etcd_model_done(struct etcd_model *model);

/* Time goes on: leases end. Without a quorum none does, and all begin anew when it's back. */
void etcd_model_advance(struct etcd_model *model, uint64_t now_ms);
void etcd_model_quorum(struct etcd_model *model, bool there);

const struct kho_etcd_kv *etcd_model_get(const struct etcd_model *model, const char *key);
/* NULL: deletes it. */
void etcd_model_put(struct etcd_model *model, const char *key, const char *value);

/* [0, @below) */
uint64_t etcd_model_draw(uint64_t *lot, uint64_t below);

#endif
