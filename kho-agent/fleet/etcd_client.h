/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The real etcd: its v3 API in JSON over HTTP, with TLS and client certificates.
 *
 * Endpoints are tried in turn, from the one that answered last. One that can't be reached or
 * knows no leader isn't the last word: the others are asked, until the deadline of the call
 * has passed. A watch is at the endpoint that's current, and ends (-ESTALE) when that's left, or
 * when its member has no leader. A name and a password are for etcd's own users: the gateway
 * doesn't take the name in a certificate for one.
 */
#ifndef KHO_FLEET_ETCD_CLIENT_H
#define KHO_FLEET_ETCD_CLIENT_H

#include "fleet/etcd.h"
#include "fleet/web.h"

#define KHO_ETCD_ENDPOINTS	8u
#define KHO_ETCD_CALL_MS	5000u	/* of one endpoint */

struct kho_etcd_spec {
	const char *endpoints;		/* "https://a:2379 https://b:2379" */
	struct kho_web_tls tls;
	const char *user, *password;	/* NULL or "": none */
	uint32_t timeout_ms;		/* of a call, all endpoints together; 0: 8 s */
	uint32_t first;			/* which endpoint is asked first, modulo how many there are */
};

struct kho_etcd_client;

/* -EINVAL: no endpoints, too many, or not http:// or https:// */
int kho_etcd_client_new(const struct kho_etcd_spec *spec, struct kho_etcd_client **ret,
			struct kho_err *err);
struct kho_etcd_client *kho_etcd_client_free(struct kho_etcd_client *client);

struct kho_etcd kho_etcd_client_ops(struct kho_etcd_client *client);

#endif
