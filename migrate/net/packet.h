/* SPDX-License-Identifier: GPL-2.0-only */
/* Packets that are made here, byte by byte. */
#ifndef KHO_MIGRATE_NET_PACKET_H
#define KHO_MIGRATE_NET_PACKET_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Returns where it goes on. */
static inline uint8_t *kho_put(uint8_t *p, const void *data, size_t size)
{
	memcpy(p, data, size);
	return p + size;
}

/*
 * The Internet checksum (RFC 1071) over an even number of bytes, in the host's order. @sum: of what is
 * summed up besides, in words; at most 64 KiB in all.
 */
uint16_t kho_inet_checksum(uint32_t sum, const uint8_t *data, size_t size);

#endif
