/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A handover as an upgrade would make it, and memory to build its tree in.
 *
 * The region has two ranges; of its memory only the tree's area is there.
 */
#ifndef TESTS_FAKE_HANDOVER_H
#define TESTS_FAKE_HANDOVER_H

#include "spawn/layout.h"
#include "spawn/tree.h"

#define FAKE_REGION_START	0x140000000ULL
#define FAKE_TREE_PHYS		(FAKE_REGION_START + KHO_OFF_TREE)

struct fake_handover {
	struct kho_handover handover;
	struct kho_tree_spec spec;
	struct kho_tree_area area;
	struct kho_tree tree;		/* what was built */
	struct kho_region_view view;
	struct kho_mem mem;		/* reads the area, and nothing else */
	struct mk_range area_range;
	struct kho_err err;
};

/* The handover alone. */
void fake_handover_fill(struct kho_handover *handover);

/* Everything but the build. fake_handover_done() frees the area. */
void fake_handover_init(struct fake_handover *fake);
void fake_handover_done(struct fake_handover *fake);

/* Fails the running test if the tree can't be built. */
void fake_handover_build(struct fake_handover *fake);

/* The area's byte at a physical address. */
void *fake_handover_at(struct fake_handover *fake, uint64_t phys);

/* The payload FDT, and the header made right again after it was changed. */
void *fake_handover_payload(struct fake_handover *fake);
void fake_handover_seal(struct fake_handover *fake);

/* kho_tree_read() of the whole root page. */
int fake_handover_read(struct fake_handover *fake, struct kho_handover *ret);

#endif
