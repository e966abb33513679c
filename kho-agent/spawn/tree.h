/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The handover tree: what passes to the new kernel, in the form that kernels with
 * KHO (kexec handover, "kho-v4") ingest themselves.
 *
 * It fills one area of the region, from its start:
 *
 *	page 0        root FDT, 4 KiB, as a kernel with KHO writes its own
 *	page 1        scratch array: {u64 address, u64 size} each (see below)
 *	page 2 ...    blob: header, then the payload FDT
 *	then          radix tree of preserved memory, one page a node (radix.h)
 *
 *	root FDT (its values in the machine's byte order, not in FDT's)
 *	/ {
 *		compatible = "kho-v4";
 *		preserved-memory-map = u64;	root page of the radix tree
 *		multikernel {
 *			preserved-data = u64;	address of the blob
 *			blob-size = u64;	header and payload
 *		};
 *	};
 *
 *	blob header (little-endian)
 *	offset  size
 *	  0       8   magic "KHOTREE1"
 *	  8       4   version of this header: 1
 *	 12       4   header size: 64; the payload starts there
 *	 16       8   payload size
 *	 24       4   CRC32C of header and payload, this field taken as 0
 *	 28      36   0
 *
 *	payload FDT (again in the machine's byte order; ranges are start, size)
 *	/ {
 *		compatible = "multikernel-handover-v1";
 *		protocol-major = u32;		KHO_HANDOVER_MAJOR
 *		protocol-minor = u32;
 *		upgrade-id = u8[16];
 *		upgrade = "8-4-4-4-12";		the same, for people
 *		epoch = u64;
 *		instance = u32;
 *		source { kernel-release = ""; agent-version = ""; };
 *		region { extents = {u64, u64}[]; };
 *		arenas { NAME { offset = u64; size = u64; }; ... };
 *		cpus { boot-apic-id = u32; own = u32[]; later = u32[]; };
 *		low-memory { own = {u64, u64}; later = {u64, u64}[]; };
 *		clock { tsc = u64; realtime-ns = s64; monotonic-ns = s64;
 *			window = u64; tsc-khz = u32; };
 *		power { flags = u32; pm1a-port = u16; pm1b-port = u16;
 *			slp-typ-a = u8; slp-typ-b = u8; reset-value = u8;
 *			reset-space = u8; reset-address = u64; };
 *		machine {
 *			ram = {u64 start, u64 size, u32 type, u32 0}[];
 *			ecam = {u64 address, u16 domain, u8 start bus,
 *				u8 end bus, u32 0}[];
 *		};
 *	};
 *
 * Every property above is there, in any order; an empty array is a property
 * without a value. Nodes and properties a reader doesn't know it ignores: they
 * come with a higher protocol-minor. A higher protocol-major, another compatible
 * or another header version it refuses, naming both.
 *
 * For a kernel that ingests the tree itself:
 * - The area and all that's preserved must be RAM in its memory map, since it
 *   reaches them by its direct map and marks their struct pages. A kernel without
 *   KHO must see them as reserved.
 * - All pages of the area are preserved, one by one (order 0). Ranges that the
 *   caller adds are preserved in blocks of up to 4 MiB, or one by one (by_page): then
 *   a reader can restore any of them alone, whatever it knows of the builder's blocks.
 * - Until it has read the tree it allocates from scratch ranges only. It needs at
 *   least one, of RAM that holds nothing, aligned to 4 MiB, large enough for all
 *   of its early allocations (the kernel image and the initramfs may lie outside).
 * - setup_data of type SETUP_KEXEC_KHO carries the four numbers of struct kho_tree.
 */
#ifndef KHO_SPAWN_TREE_H
#define KHO_SPAWN_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "spawn/handover.h"
#include "spawn/phys.h"
#include "spawn/radix.h"

#define KHO_TREE_COMPATIBLE		"kho-v4"
#define KHO_TREE_NODE			"multikernel"
#define KHO_TREE_BLOB_COMPATIBLE	"multikernel-handover-v1"
#define KHO_TREE_MAX_SCRATCH		16
#define KHO_TREE_MAX_BLOB		(256u << 10)	/* bytes, header included */

struct kho_tree_spec {
	const struct kho_handover *handover;
	const struct mk_range *preserve;	/* besides the area itself; may contain it */
	size_t nr_preserve;
	bool by_page;				/* preserve those page by page, too */
	const struct mk_range *scratch;		/* none for a kernel without KHO */
	size_t nr_scratch;
};

/* Physical addresses; sizes in bytes. The first four are struct kho_data's. */
struct kho_tree {
	uint64_t fdt_phys;
	uint64_t fdt_size;
	uint64_t scratch_phys;		/* 0 if there's no scratch */
	uint64_t scratch_size;
	uint64_t blob_phys;
	uint64_t blob_size;
	uint64_t radix_phys;
	uint64_t used;			/* bytes of the area, from its start */
};

/* Where to build: @size bytes at @data, which the readers find at @phys. */
struct kho_tree_area {
	void *data;
	size_t size;
	uint64_t phys;
};

/*
 * Builds the tree. The same specification gives the same bytes. On failure the
 * area's content is undefined.
 *   -EINVAL  the handover, a range or the area's place makes no sense
 *   -ENOSPC  the area is too small
 */
int kho_tree_build(const struct kho_tree_spec *spec, const struct kho_tree_area *area,
		   struct kho_tree *ret, struct kho_err *err);

/*
 * Reads a tree. @fdt (at most 64 KiB count) is the root FDT, @mem gives access to
 * the blob. Nothing in either is trusted, and both are copied before they're
 * looked at. What is returned has passed kho_handover_check().
 *   -EBADMSG          not a tree, or a corrupt one: FDT, header, CRC, content
 *   -EPROTONOSUPPORT  a version this reader doesn't know
 *   -ENOENT           a tree without our blob
 *   -ENOMEM
 */
int kho_tree_read(const void *fdt, size_t size, const struct kho_mem *mem,
		  struct kho_handover *ret, struct kho_err *err);

/*
 * Visits all preserved memory named by a root FDT, ours or a kernel's own. Errors
 * as kho_radix_walk() and, for the FDT, as kho_tree_read().
 */
int kho_tree_preserved(const void *fdt, size_t size, const struct kho_mem *mem,
		       const struct kho_radix_visitor *visitor, struct kho_err *err);

#endif
