/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The new kernel's memory map: what it may call RAM.
 *
 * It gets one window below 1 MiB for its real-mode code, the region without its
 * control area, and nothing else. The control area is listed as reserved, so
 * that nothing is ever put there and a kernel maps it cached. What isn't listed
 * belongs to the other kernel, or to devices.
 */
#ifndef KHO_SPAWN_E820_H
#define KHO_SPAWN_E820_H

#include <asm/bootparam.h>
#include <stddef.h>
#include <stdint.h>
#include <uapi/multikernel.h>

struct kho_err;

#define KHO_E820_RAM		1
#define KHO_E820_RESERVED	2

struct kho_e820_spec {
	const struct mk_range *ranges;	/* of the region, checked by kho_place_check() */
	size_t nr_ranges;
	uint64_t control_size;		/* bytes at the start of the first range */
	uint64_t low_start;		/* low window */
	uint64_t low_size;
};

struct kho_e820 {
	struct boot_e820_entry entries[E820_MAX_ENTRIES_ZEROPAGE];	/* sorted by address */
	size_t nr;
};

/*
 * -EINVAL  the first range is no larger than the control area
 * -ENOSPC  more entries than boot_params holds
 */
int kho_e820_build(const struct kho_e820_spec *spec, struct kho_e820 *ret, struct kho_err *err);

#endif
