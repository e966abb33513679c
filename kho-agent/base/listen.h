/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Addresses to listen at, as words: "127.0.0.1:9786 [::1]:9786". A port alone is that of
 * both addresses of this host, never of others: "9786".
 */
#ifndef KHO_BASE_LISTEN_H
#define KHO_BASE_LISTEN_H

#include <netinet/in.h>

#include "base/err.h"

#define KHO_LISTEN_MAX	4u

struct kho_listen {
	unsigned int nr;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} addresses[KHO_LISTEN_MAX];
};

/* -EINVAL: it's none, or one too many; *@ret is as it was. "" is no address at all. */
int kho_listen_parse(const char *text, struct kho_listen *ret, struct kho_err *err);

#endif
