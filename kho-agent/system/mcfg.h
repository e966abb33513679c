/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where PCI functions have their configuration space in memory (ECAM), from the
 * ACPI table MCFG. A spawned kernel has neither that table nor the ports, so it's
 * told the physical address of each function it's granted.
 *
 * The table, all fields little-endian:
 *	offset  size
 *	     0     4  "MCFG"
 *	     4     4  length of the table
 *	     8     1  revision
 *	     9     1  checksum: all bytes add up to 0
 *	    10    26  OEM fields, not looked at
 *	    36     8  reserved
 *	    44  16*n  entries: base (8), PCI segment (2), first bus (1), last bus (1),
 *	              reserved (4)
 * base is where bus 0 of the segment would be, even if first bus is another one.
 */
#ifndef KHO_SYSTEM_MCFG_H
#define KHO_SYSTEM_MCFG_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/parse.h"
#include "system/sysroot.h"

#define KHO_ECAM_MAX		64	/* segments */
#define KHO_ECAM_CONFIG_SIZE	4096	/* bytes of one function */

struct kho_ecam_segment {
	uint64_t base;			/* physical address of bus 0 */
	uint16_t domain;
	uint8_t first_bus;
	uint8_t last_bus;
};

struct kho_ecam {
	size_t nr;
	struct kho_ecam_segment segments[KHO_ECAM_MAX];
};

/*
 * Pure; @table may be of any size and content.
 *   -EBADMSG  too short, wrong signature, length or checksum, or an entry that
 *             is unaligned, wraps around, or overlaps another one's buses
 *   -E2BIG    more than KHO_ECAM_MAX entries
 *   -ENODATA  no entry
 */
int kho_mcfg_parse(const void *table, size_t size, struct kho_ecam *ret, struct kho_err *err);

/* Reads this machine's. -EOPNOTSUPP if it has none. */
int kho_ecam_read(const struct kho_sysroot *root, struct kho_ecam *ret, struct kho_err *err);

/* The physical address of a function's configuration space. -ENOENT if none covers it. */
int kho_ecam_config(const struct kho_ecam *ecam, const struct kho_pci_addr *addr, uint64_t *ret,
		    struct kho_err *err);

#endif
