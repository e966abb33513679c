// SPDX-License-Identifier: GPL-2.0-only
/* A handover and its tree; fake_handover.h says more. */
#include "unit/fake_handover.h"

#include <check.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/crc32c.h"

#define HEADER_SIZE	64
#define CRC_OFFSET	24

static void add_arena(struct kho_handover *h, const char *name, uint64_t offset, uint64_t size)
{
	struct kho_handover_arena *arena = &h->arenas[h->nr_arenas++];

	memcpy(arena->name, name, strlen(name) + 1);
	arena->offset = offset;
	arena->size = size;
}

static void add_arenas(struct kho_handover *h)
{
	add_arena(h, "status-old", KHO_OFF_STATUS_OLD, KHO_STATUS_SIZE);
	add_arena(h, "status-new", KHO_OFF_STATUS_NEW, KHO_STATUS_SIZE);
	add_arena(h, "owners", KHO_OFF_OWNERS, KHO_OWNERS_SIZE);
	add_arena(h, "park", KHO_OFF_PARK, KHO_PARK_SIZE);
	add_arena(h, "mailbox", KHO_OFF_MAILBOX, KHO_MAILBOX_SIZE);
	add_arena(h, "console-out", KHO_OFF_CONSOLE_OUT, KHO_CONSOLE_OUT_SIZE);
	add_arena(h, "console-in", KHO_OFF_CONSOLE_IN, KHO_CONSOLE_IN_SIZE);
	add_arena(h, "control-0", KHO_OFF_CONTROL, KHO_CONTROL_LANE_SIZE);
	add_arena(h, "control-1", KHO_OFF_CONTROL + KHO_CONTROL_LANE_SIZE, KHO_CONTROL_LANE_SIZE);
	add_arena(h, "bulk-0", KHO_OFF_BULK, KHO_BULK_LANE_SIZE);
	add_arena(h, "bulk-1", KHO_OFF_BULK + KHO_BULK_LANE_SIZE, KHO_BULK_LANE_SIZE);
}

void fake_handover_fill(struct kho_handover *handover)
{
	*handover = (struct kho_handover) {
		.major = KHO_HANDOVER_MAJOR,
		.minor = KHO_HANDOVER_MINOR,
		.upgrade_id = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
				0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80 },
		.epoch = 0x1122334455667788,
		.instance = 3,
		.source_release = "6.12.107+deb13-cloud-amd64",
		.source_agent = "1.0",
		.nr_ranges = 2,
		.ranges = { { FAKE_REGION_START, 512 * KHO_MIB }, { 0x180000000, 256 * KHO_MIB } },
		.boot_apic_id = 0,
		.nr_own_cpus = 2,
		.own_cpus = { 2, 3 },
		.nr_later_cpus = 2,
		.later_cpus = { 0, 1 },
		.low_own = { KHO_LOW_WINDOW_A, KHO_LOW_WINDOW_SIZE },
		.nr_low_later = 1,
		.low_later = { { KHO_LOW_WINDOW_B, KHO_LOW_WINDOW_SIZE } },
		.clock = { 0x123456789abc, 1700000000123456789, 4200000000, 77, 2000123 },
		.power = {
			.flags = MK_POWER_OFF_VALID | MK_POWER_RESET_VALID,
			.pm1a_port = 0x604,
			.slp_typ_b = 5,
			.reset_value = 6,
			.reset_space = 1,
			.reset_address = 0xcf9,
		},
		.nr_ram = 3,
		.ram = { { 0, 0x9fc00, 1, 0 }, { 0x9fc00, 0x400, 2, 0 },
			 { 0x100000000, 0x180000000, 1, 0 } },
		.nr_ecam = 1,
		.ecam = { { 0xb0000000, 0, 0, 255, 0 } },
	};
	add_arenas(handover);
}

void fake_handover_init(struct fake_handover *fake)
{
	memset(fake, 0, sizeof(*fake));
	fake_handover_fill(&fake->handover);
	fake->spec.handover = &fake->handover;
	fake->area = (struct kho_tree_area) {
		.data = aligned_alloc(KHO_PAGE_SIZE, KHO_TREE_SIZE),
		.size = KHO_TREE_SIZE,
		.phys = FAKE_TREE_PHYS,
	};
	ck_assert_ptr_nonnull(fake->area.data);
	memset(fake->area.data, 0xcc, fake->area.size);
	fake->area_range = (struct mk_range) { FAKE_TREE_PHYS, KHO_TREE_SIZE };
	fake->view = (struct kho_region_view) { &fake->area_range, 1, fake->area.data };
	fake->mem = kho_region_mem(&fake->view);
}

void fake_handover_done(struct fake_handover *fake)
{
	free(fake->area.data);
}

void fake_handover_build(struct fake_handover *fake)
{
	int r = kho_tree_build(&fake->spec, &fake->area, &fake->tree, &fake->err);

	ck_assert_msg(r == 0, "%s", fake->err.msg);
}

void *fake_handover_at(struct fake_handover *fake, uint64_t phys)
{
	ck_assert_uint_ge(phys, FAKE_TREE_PHYS);
	ck_assert_uint_lt(phys, FAKE_TREE_PHYS + KHO_TREE_SIZE);
	return (char *)fake->area.data + (phys - FAKE_TREE_PHYS);
}

void *fake_handover_payload(struct fake_handover *fake)
{
	return fake_handover_at(fake, fake->tree.blob_phys + HEADER_SIZE);
}

void fake_handover_seal(struct fake_handover *fake)
{
	uint8_t *blob = fake_handover_at(fake, fake->tree.blob_phys);
	uint64_t payload = fdt_totalsize(fake_handover_payload(fake));
	uint32_t crc = 0;
	int node = fdt_subnode_offset(fake->area.data, 0, KHO_TREE_NODE);

	ck_assert_int_ge(node, 0);
	fake->tree.blob_size = HEADER_SIZE + payload;
	ck_assert_int_eq(fdt_setprop_inplace(fake->area.data, node, "blob-size",
					     &fake->tree.blob_size, 8), 0);
	memcpy(blob + 16, &payload, 8);
	memcpy(blob + CRC_OFFSET, &crc, 4);
	crc = kho_crc32c(blob, fake->tree.blob_size);
	memcpy(blob + CRC_OFFSET, &crc, 4);
}

int fake_handover_read(struct fake_handover *fake, struct kho_handover *ret)
{
	fake->err = (struct kho_err) { 0 };
	return kho_tree_read(fake->area.data, KHO_PAGE_SIZE, &fake->mem, ret, &fake->err);
}
