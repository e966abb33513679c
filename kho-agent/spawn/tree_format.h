/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The handover tree's nodes and properties as tables, used by its builder and its
 * reader alike: what one writes is what the other expects. Private to tree_*.c.
 *
 * Elements have the same layout in the tree and in struct handover (the machine's
 * byte order, no padding that isn't named), so both sides just copy them.
 */
#ifndef KHO_SPAWN_TREE_FORMAT_H
#define KHO_SPAWN_TREE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "spawn/tree.h"

#define KHO_TREE_MAGIC		"KHOTREE1"
#define KHO_TREE_HEADER_VERSION	1

struct kho_tree_header {
	char magic[8];
	uint32_t version;
	uint32_t header_size;
	uint64_t payload_size;
	uint32_t crc;
	uint32_t reserved[9];
};

_Static_assert(sizeof(struct kho_tree_header) == 64, "header layout");
_Static_assert(sizeof(struct mk_range) == 16, "range layout");
_Static_assert(sizeof(struct kho_handover_ram) == 24, "ram layout");
_Static_assert(sizeof(struct kho_handover_ecam) == 16, "ecam layout");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "x86-64 only");

/* Every node but "arenas" and those in it; "" is the root. */
enum kho_tree_node {
	KHO_TREE_ROOT,
	KHO_TREE_SOURCE,
	KHO_TREE_REGION,
	KHO_TREE_CPUS,
	KHO_TREE_LOW,
	KHO_TREE_CLOCK,
	KHO_TREE_POWER,
	KHO_TREE_MACHINE,
	KHO_TREE_NODES,
};

enum kho_tree_kind {
	KHO_TREE_VALUE,		/* exactly @size bytes */
	KHO_TREE_TEXT,		/* with its terminator, at most @size bytes */
	KHO_TREE_ARRAY,		/* up to @max elements of @size bytes */
};

struct kho_tree_field {
	const char *name;
	uint8_t node;		/* enum kho_tree_node */
	uint8_t kind;		/* enum kho_tree_kind */
	uint16_t size;
	uint16_t max;		/* ARRAY */
	uint32_t offset;	/* in struct kho_handover */
	uint32_t nr_offset;	/* ARRAY: of the number of elements, uint32_t */
};

extern const char *const kho_tree_node_names[KHO_TREE_NODES];
extern const struct kho_tree_field kho_tree_fields[];
extern const size_t kho_tree_nr_fields;

#endif
