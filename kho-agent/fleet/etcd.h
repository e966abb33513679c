/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * etcd as the fleet uses it: an ops table, so that tests can play it. The real one is
 * etcd_client.h; tests/sim/etcd_model.c is one in memory.
 *
 * Keys and values are texts here, without a NUL. All calls block until they're answered or
 * their deadline has passed. Errors of all:
 *   -ETIMEDOUT   no member answered in time: none is there, or there's no quorum
 *   -ECONNREFUSED no member could be reached
 *   -EACCES      not allowed, or not who it says
 *   -EBADMSG     an answer that isn't etcd's
 *   -EIO         etcd refused it; the message has its words
 * After -ETIMEDOUT and -ECONNREFUSED a transaction may have been made all the same.
 */
#ifndef KHO_FLEET_ETCD_H
#define KHO_FLEET_ETCD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define KHO_ETCD_KEY	256u		/* bytes of a key, terminator included */
#define KHO_ETCD_VALUE	(64u << 10)	/* bytes of a value at most */
#define KHO_ETCD_OPS	8u		/* in a transaction */

struct kho_etcd_kv {
	char key[KHO_ETCD_KEY];
	char *value;			/* NULL: it was deleted; owned */
	size_t size;
	uint64_t revision;		/* of its last change */
	uint64_t lease;			/* 0: none */
};

struct kho_etcd_kvs {
	struct kho_etcd_kv *of;
	size_t nr;
	uint64_t revision;		/* of the store, when it was read */
};

void kho_etcd_kvs_done(struct kho_etcd_kvs *kvs);

/* A condition. All of a transaction's have to hold. */
struct kho_etcd_compare {
	char key[KHO_ETCD_KEY];
	bool prefix;			/* of all keys that begin so; none: it holds */
	enum {
		KHO_ETCD_UNCHANGED = 0,	/* revision is @revision; 0: there's no such key */
		KHO_ETCD_EXISTS,
		KHO_ETCD_NOT_LATER,	/* revision is @revision at most */
	} what;
	uint64_t revision;
};

struct kho_etcd_op {
	char key[KHO_ETCD_KEY];
	const char *value;		/* NULL: deletes it */
	uint64_t lease;			/* 0: none */
};

struct kho_etcd_txn {
	struct kho_etcd_compare compares[KHO_ETCD_OPS];
	unsigned int nr_compares;
	struct kho_etcd_op ops[KHO_ETCD_OPS];
	unsigned int nr_ops;
};

struct kho_etcd_ops {
	/* Linearizable. *@ret is to be done with. */
	int (*range)(void *ctx, const char *key, bool prefix, struct kho_etcd_kvs *ret,
		     struct kho_err *err);
	/* *@ret_made: whether all compares held, and it was made. */
	int (*txn)(void *ctx, const struct kho_etcd_txn *txn, bool *ret_made, uint64_t *ret_revision,
		   struct kho_err *err);
	/* @ttl_sec is the least; *@ret isn't 0. */
	int (*grant)(void *ctx, uint64_t ttl_sec, uint64_t *ret, struct kho_err *err);
	/* -ENOKEY: that lease is no more. */
	int (*keep)(void *ctx, uint64_t lease, struct kho_err *err);
	int (*revoke)(void *ctx, uint64_t lease, struct kho_err *err);
	/*
	 * Changes of keys with that prefix from @revision on. -ESTALE from watch_next: some were
	 * missed, or the watch is broken; read all again. One at a time; watch() ends the last.
	 */
	int (*watch)(void *ctx, const char *prefix, uint64_t revision, struct kho_err *err);
	/* Waits up to @timeout_ms for some. kvs.nr 0: there was nothing. */
	int (*watch_next)(void *ctx, uint32_t timeout_ms, struct kho_etcd_kvs *ret,
			  struct kho_err *err);
};

struct kho_etcd {
	const struct kho_etcd_ops *ops;
	void *ctx;
};

#endif
