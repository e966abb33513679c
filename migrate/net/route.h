/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where packets to a service address go when it's no longer here: a route to
 * that one address out of its NIC, and a permanent neighbour entry. Both carry
 * KHO_NET_PROTOCOL. Used by hold.c.
 */
#ifndef KHO_MIGRATE_NET_ROUTE_H
#define KHO_MIGRATE_NET_ROUTE_H

#include <stdint.h>

#include "base/err.h"
#include "migrate/net/address.h"

int kho_neighbour_add(const struct kho_service *service, const uint8_t mac[KHO_MAC_SIZE],
		      struct kho_err *err);
int kho_host_route_add(const struct kho_service *service, struct kho_err *err);

/* Removes all of them, whoever added them; not routes by a gateway. */
int kho_routes_clean(struct kho_err *err);

/* How many there are. */
int kho_routes_count(unsigned int *ret, struct kho_err *err);

#endif
