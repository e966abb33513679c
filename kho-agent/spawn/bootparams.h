/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * struct boot_params ("zero page"): what a 64-bit boot loader hands to Linux in
 * RSI. Clean but for the setup header out of the image and what is set here:
 * nothing of the running kernel's firmware, screen or disks shines through.
 */
#ifndef KHO_SPAWN_BOOTPARAMS_H
#define KHO_SPAWN_BOOTPARAMS_H

#include <asm/bootparam.h>
#include <stdint.h>

struct kho_e820;
struct kho_err;
struct kho_image;

/* All addresses are physical. */
struct kho_bootparams_spec {
	const struct kho_image *image;
	const struct kho_e820 *e820;
	uint64_t cmdline;		/* NUL-terminated text */
	uint64_t initrd;
	uint64_t initrd_size;		/* bytes */
	uint64_t rsdp;			/* ACPI root pointer */
	uint64_t setup_data;		/* first record, 0: none */
};

/*
 * Fills all 4 KiB of @ret, which may be memory the new kernel reads later.
 * -E2BIG: the memory map has more entries than boot_params can hold.
 */
int kho_bootparams_build(const struct kho_bootparams_spec *spec, struct boot_params *ret,
			 struct kho_err *err);

#endif
