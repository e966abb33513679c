/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tells the network where an address is now: gratuitous ARP in both forms
 * (request and reply; some systems believe only one of them), or an unsolicited
 * neighbour advertisement with the override flag to all nodes.
 *
 * kho_announce() sends one burst. Frames get lost and switches learn late, so
 * call it at once and some times more over a second, by the caller's timer:
 * KHO_ANNOUNCE_TIMES bursts, the n-th kho_announce_delay_ms(n) after the one
 * before. Again after the old kernel is gone is a good idea.
 *
 * The frame builders are pure. They return the size of the frame, without FCS,
 * never padded: the kernel and the NIC do that.
 */
#ifndef KHO_MIGRATE_NET_ANNOUNCE_H
#define KHO_MIGRATE_NET_ANNOUNCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "migrate/net/address.h"

#define KHO_ANNOUNCE_TIMES	5
#define KHO_ANNOUNCE_FRAME_MAX	86
#define KHO_ARP_FRAME_SIZE	42
#define KHO_NA_FRAME_SIZE	86

/* 0, 50, 150, 300, 500: all within a second. 0 for @n out of range, too. */
unsigned int kho_announce_delay_ms(unsigned int n);

/* @reply: the reply form, else the request form. IPv4 addresses only. */
size_t kho_announce_arp(const struct kho_address *address, const uint8_t mac[KHO_MAC_SIZE],
			bool reply, uint8_t frame[KHO_ANNOUNCE_FRAME_MAX]);

/* From the address itself to ff02::1. IPv6 addresses only. */
size_t kho_announce_na(const struct kho_address *address, const uint8_t mac[KHO_MAC_SIZE],
		       uint8_t frame[KHO_ANNOUNCE_FRAME_MAX]);

/*
 * One burst for all of @services, out of their interfaces, with the MAC address
 * that each has. Goes by a packet socket: rules of a firewall don't see it.
 * Interfaces that fail are reported, the others are served.
 */
int kho_announce(const struct kho_service *services, size_t count, struct kho_err *err);

#endif
