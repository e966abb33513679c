/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CRC32C (Castagnoli), as used by iSCSI, ext4 and Btrfs: reflected polynomial
 * 0x82f63b78, initial value and final xor ~0. kho_crc32c("123456789", 9) is
 * 0xe3069283. Uses the SSE4.2 instruction where the CPU has it.
 */
#ifndef KHO_BASE_CRC32C_H
#define KHO_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t kho_crc32c(const void *data, size_t size);

/* Continues a checksum: kho_crc32c_add(kho_crc32c(a), b) is that of a then b. */
uint32_t kho_crc32c_add(uint32_t crc, const void *data, size_t size);

#endif
