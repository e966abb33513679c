/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine's memory map as its firmware gave it (/sys/firmware/memmap), which
 * no command line option and no offlining changes. In a spawned kernel it is the
 * map we made for it; the machine's own then comes with the handover tree.
 */
#ifndef KHO_SYSTEM_MEMMAP_H
#define KHO_SYSTEM_MEMMAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "system/sysroot.h"

/* The numbers are those of e820. What a kernel names otherwise is reserved. */
enum kho_fw_type {
	KHO_FW_RAM = 1,
	KHO_FW_RESERVED = 2,
	KHO_FW_ACPI = 3,
	KHO_FW_NVS = 4,
	KHO_FW_UNUSABLE = 5,
	KHO_FW_PMEM = 7,
};

struct kho_fw_range {
	uint64_t start;
	uint64_t size;
	enum kho_fw_type type;
};

struct kho_fw_map {
	struct kho_fw_range *ranges;	/* ascending by start; owned */
	size_t nr;
};

#define KHO_FW_RANGES_MAX	1024

/*
 *   -EOPNOTSUPP  the kernel doesn't show it (CONFIG_FIRMWARE_MEMMAP)
 *   -EBADMSG     an entry ends before it starts, or covers all there is
 *   -E2BIG       more than KHO_FW_RANGES_MAX entries
 */
int kho_fw_map_read(const struct kho_sysroot *root, struct kho_fw_map *ret, struct kho_err *err);
void kho_fw_map_done(struct kho_fw_map *map);

#endif
