// SPDX-License-Identifier: GPL-2.0-only
/*
 * boot_params builder.
 *
 * The boot protocol: start with a page of zeroes; copy the setup header from
 * 0x1f1 up to 0x202 plus the byte at 0x201, which is longer than our struct
 * setup_header where the kernel is newer than these headers; then fill in the
 * fields a loader must write. Addresses are 64-bit, their upper halves in ext_*.
 */
#include "spawn/bootparams.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/err.h"
#include "spawn/e820.h"
#include "spawn/image.h"

#define LOADER_UNDEFINED	0xff	/* type_of_loader of one that has no number */
#define VID_MODE_NORMAL		0xffff
#define HEADER_OFFSET		offsetof(struct boot_params, hdr)

_Static_assert(sizeof(struct boot_params) == 4096, "boot protocol");
_Static_assert(offsetof(struct boot_params, hdr) == 0x1f1, "boot protocol");
_Static_assert(offsetof(struct boot_params, acpi_rsdp_addr) == 0x70, "boot protocol");
_Static_assert(offsetof(struct boot_params, e820_table) == 0x2d0, "boot protocol");
_Static_assert(offsetof(struct boot_params, edd_mbr_sig_buffer) == 0x290, "boot protocol");

static void set_addresses(const struct kho_bootparams_spec *spec, struct boot_params *bp)
{
	bp->hdr.ramdisk_image = (uint32_t)spec->initrd;
	bp->ext_ramdisk_image = (uint32_t)(spec->initrd >> 32);
	bp->hdr.ramdisk_size = (uint32_t)spec->initrd_size;
	bp->ext_ramdisk_size = (uint32_t)(spec->initrd_size >> 32);
	bp->hdr.cmd_line_ptr = (uint32_t)spec->cmdline;
	bp->ext_cmd_line_ptr = (uint32_t)(spec->cmdline >> 32);
	bp->acpi_rsdp_addr = spec->rsdp;
	bp->hdr.setup_data = spec->setup_data;
}

int kho_bootparams_build(const struct kho_bootparams_spec *spec, struct boot_params *ret,
			 struct kho_err *err)
{
	const struct kho_image *image = spec->image;
	const struct kho_e820 *map = spec->e820;

	if (map->nr > E820_MAX_ENTRIES_ZEROPAGE)
		return kho_fail(err, -E2BIG,
				"boot parameters: %zu memory map entries are more than %d; "
				"use fewer, larger ranges", map->nr, E820_MAX_ENTRIES_ZEROPAGE);
	memset(ret, 0, sizeof(*ret));
	memcpy((uint8_t *)ret + HEADER_OFFSET, image->data + HEADER_OFFSET, image->header_size);
	ret->hdr.type_of_loader = LOADER_UNDEFINED;
	ret->hdr.vid_mode = VID_MODE_NORMAL;
	set_addresses(spec, ret);
	ret->e820_entries = (uint8_t)map->nr;
	memcpy(ret->e820_table, map->entries, map->nr * sizeof(map->entries[0]));
	return 0;
}
