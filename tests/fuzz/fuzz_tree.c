// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handover tree's reader. The first byte says what the others are:
 *
 *	'a'  an area, from its root FDT on, as it is
 *	'p'  a payload FDT, behind a header whose CRC is right
 *	'r'  a radix tree: 10 bytes a word of its pages, index and value
 *
 * A handover that is accepted must pass its own check, and build again.
 */
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/crc32c.h"
#include "spawn/tree.h"

#define AREA_SIZE	(64 * 1024)
#define AREA_PHYS	0x140110000ULL	/* as in the golden file */
#define BLOB		8192
#define HEADER_SIZE	64
#define MAX_BLOCKS	100000		/* visited; the walker's own limit takes longer */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static _Alignas(4096) uint8_t area[AREA_SIZE], rebuilt[AREA_SIZE * 4];

static void require(int condition)
{
	if (!condition)
		abort();
}

static void build_again(const struct kho_handover *handover)
{
	struct kho_tree_spec spec = { .handover = handover };
	struct kho_tree_area to = { rebuilt, sizeof(rebuilt), AREA_PHYS };
	struct kho_tree tree;

	/* the region read may not have room for it where we want it */
	(void)kho_tree_build(&spec, &to, &tree, NULL);
}

static int visit(void *ctx, uint64_t phys, unsigned int order)
{
	require(kho_is_aligned(phys, 4096) && order <= 51);
	return ++*(unsigned int *)ctx > MAX_BLOCKS;
}

static void read_all(void)
{
	static struct kho_handover handover;
	struct mk_range range = { AREA_PHYS, AREA_SIZE };
	struct kho_region_view view = { &range, 1, area };
	struct kho_mem mem = kho_region_mem(&view);
	unsigned int blocks = 0;
	struct kho_radix_visitor visitor = { visit, &blocks };
	struct kho_err err;

	if (kho_tree_read(area, 4096, &mem, &handover, &err) == 0) {
		require(kho_handover_check(&handover, NULL) == 0);
		build_again(&handover);
	}
	(void)kho_tree_preserved(area, 4096, &mem, &visitor, &err);
}

/* A root that names a blob of @blob_size bytes and a radix tree at the area's end. */
static void make_root(uint64_t blob_size)
{
	uint64_t blob = AREA_PHYS + BLOB, radix = AREA_PHYS + 32 * 1024;

	require(fdt_create(area, 4096) == 0);
	require(fdt_finish_reservemap(area) == 0);
	require(fdt_begin_node(area, "") == 0);
	require(fdt_property_string(area, "compatible", KHO_TREE_COMPATIBLE) == 0);
	require(fdt_property(area, "preserved-memory-map", &radix, 8) == 0);
	require(fdt_begin_node(area, KHO_TREE_NODE) == 0);
	require(fdt_property(area, "preserved-data", &blob, 8) == 0);
	require(fdt_property(area, "blob-size", &blob_size, 8) == 0);
	require(fdt_end_node(area) == 0);
	require(fdt_end_node(area) == 0);
	require(fdt_finish(area) == 0);
}

static void make_blob(const uint8_t *payload, uint64_t size)
{
	static const uint32_t version[] = { 1, HEADER_SIZE };
	uint8_t *blob = area + BLOB;
	uint32_t crc;

	memcpy(blob, "KHOTREE1", 8);
	memcpy(blob + 8, version, 8);
	memcpy(blob + 16, &size, 8);
	memcpy(blob + HEADER_SIZE, payload, size);
	crc = kho_crc32c(blob, HEADER_SIZE + size);
	memcpy(blob + 24, &crc, 4);
	make_root(HEADER_SIZE + size);
}

static void make_radix(const uint8_t *words, size_t size)
{
	uint16_t index;

	make_root(HEADER_SIZE);
	for (; size >= 10; size -= 10, words += 10) {
		memcpy(&index, words, 2);
		memcpy(area + 32 * 1024 + index % 4096 * 8, words + 2, 8);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size - 1 > 20 * 1024)
		return 0;
	memset(area, 0, sizeof(area));
	if (data[0] == 'a')
		memcpy(area, data + 1, size - 1);
	else if (data[0] == 'p')
		make_blob(data + 1, size - 1);
	else if (data[0] == 'r')
		make_radix(data + 1, size - 1);
	else
		return 0;
	read_all();
	return 0;
}
