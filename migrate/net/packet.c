// SPDX-License-Identifier: GPL-2.0-only
/* Packets: see packet.h. */
#include "migrate/net/packet.h"

uint16_t kho_inet_checksum(uint32_t sum, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}
