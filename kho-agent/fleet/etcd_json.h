/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * etcd's v3 API in JSON, as its gRPC gateway speaks it: requests and answers as texts. Pure.
 * Bytes are base64, 64-bit numbers are decimal texts, and what's 0 isn't there.
 *
 *   -EBADMSG  an answer that isn't etcd's, or is cut off; all parsers
 */
#ifndef KHO_FLEET_ETCD_JSON_H
#define KHO_FLEET_ETCD_JSON_H

#include "fleet/etcd.h"

/* Requests; *@ret is to be freed. */
int kho_etcd_range_request(const char *key, bool prefix, char **ret, struct kho_err *err);
int kho_etcd_txn_request(const struct kho_etcd_txn *txn, char **ret, struct kho_err *err);
int kho_etcd_watch_request(const char *prefix, uint64_t revision, char **ret, struct kho_err *err);
int kho_etcd_number_request(const char *name, uint64_t number, char **ret, struct kho_err *err);

/* Answers. */
int kho_etcd_range_answer(const char *text, size_t size, struct kho_etcd_kvs *ret,
			  struct kho_err *err);
int kho_etcd_txn_answer(const char *text, size_t size, bool *ret_made, uint64_t *ret_revision,
			struct kho_err *err);
int kho_etcd_grant_answer(const char *text, size_t size, uint64_t *ret, struct kho_err *err);
/* -ENOKEY: the lease has ended */
int kho_etcd_keep_answer(const char *text, size_t size, struct kho_err *err);
/* One line of a watch's stream. -ESTALE: the watch has ended, or some changes are gone */
int kho_etcd_watch_answer(const char *text, size_t size, struct kho_etcd_kvs *ret,
			  struct kho_err *err);
/* What etcd says of an error, into @err: -EACCES, -ETIMEDOUT or -EIO, by its words. */
int kho_etcd_error_answer(long status, const char *text, size_t size, struct kho_err *err);

#endif
