/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Netlink requests that are answered at once.
 *
 * rtnetlink and nfnetlink carry out a request within sendmsg(): the answer is
 * there when it returns. So sockets never block here, and an answer that is
 * missing is an error (-EPROTO), not a reason to wait.
 *
 * Attributes and headers are laid out by libmnl.
 */
#ifndef KHO_MIGRATE_NET_NL_H
#define KHO_MIGRATE_NET_NL_H

#include <errno.h>
#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define KHO_NL_BUFFER		32768	/* of one datagram from the kernel */

struct kho_nl {
	struct mnl_socket *sock;	/* NULL: closed */
	unsigned int portid;
	uint32_t seq;			/* of the last message */
};

/* @bus is NETLINK_ROUTE or NETLINK_NETFILTER. */
int kho_nl_open(int bus, struct kho_nl *ret, struct kho_err *err);
void kho_nl_close(struct kho_nl *nl);
#define _cleanup_nl_ __attribute__((cleanup(kho_nl_close)))

/* -EBADF: closed. */
int kho_nl_fd(const struct kho_nl *nl);

/* Sends one message, whose sequence number is set here, and returns its answer. */
int kho_nl_request(struct kho_nl *nl, struct nlmsghdr *message);

/*
 * Sends many in one datagram, numbered from @first; the one with the number
 * @last asks for an answer, the others only for their errors. Returns the first
 * error.
 */
int kho_nl_batch(struct kho_nl *nl, const void *data, size_t size, const uint32_t range[2]);

/* Sends a dump request; @visit has each message and returns MNL_CB_OK or less. */
int kho_nl_dump(struct kho_nl *nl, struct nlmsghdr *message, mnl_cb_t visit, void *data);

#endif
