// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handover tree as it is built: the bytes, what a kernel with KHO looks up in
 * it, and what the reader makes of it. Hostile trees are test_tree_read.c's.
 */
#include <check.h>
#include <errno.h>
#include <libfdt.h>
#include <string.h>

#include "base/bits.h"
#include "base/crc32c.h"
#include "unit/fake_handover.h"
#include "unit/golden.h"
#include "unit/run.h"

static struct fake_handover fake;
static struct kho_handover got;

static void setup(void)
{
	fake_handover_init(&fake);
	memset(&got, 0xcc, sizeof(got));
}

static void teardown(void)
{
	fake_handover_done(&fake);
}

START_TEST(reads_what_was_built)
{
	fake_handover_build(&fake);
	ck_assert_msg(fake_handover_read(&fake, &got) == 0, "%s", fake.err.msg);
	ck_assert_mem_eq(&got, &fake.handover, sizeof(got));
}
END_TEST

/* What isn't 0 in [from, to) of the area, as pairs of offset and word. */
static size_t nonzero_words(uint64_t (*pairs)[2], size_t max, uint64_t from, uint64_t to)
{
	const uint64_t *words = fake.area.data;
	size_t nr = 0;

	for (; from < to; from += 8) {
		if (!words[from / 8])
			continue;
		ck_assert_uint_lt(nr, max);
		pairs[nr][0] = from;
		pairs[nr++][1] = words[from / 8];
	}
	return nr;
}

START_TEST(same_bytes_for_ever)
{
	uint64_t pairs[256][2];
	size_t nr;

	static const struct mk_range preserve[] = {
		{ FAKE_REGION_START, KHO_CONTROL_AREA_SIZE },
	};
	static const struct mk_range scratch[] = {
		{ FAKE_REGION_START + 64 * KHO_MIB, 128 * KHO_MIB },
	};

	fake.spec.preserve = preserve;
	fake.spec.nr_preserve = 1;
	fake.spec.scratch = scratch;
	fake.spec.nr_scratch = 1;
	fake_handover_build(&fake);
	golden_compare("tree.bin", fake.area.data, 2 * KHO_PAGE_SIZE + fake.tree.blob_size);
	nr = nonzero_words(pairs, KHO_ARRAY_SIZE(pairs), fake.tree.radix_phys - FAKE_TREE_PHYS,
			   fake.tree.used);
	golden_compare("tree_radix.bin", pairs, nr * sizeof(pairs[0]));
}
END_TEST

START_TEST(lies_where_it_says)
{
	const uint8_t *data = fake.area.data;
	size_t i;

	fake_handover_build(&fake);
	ck_assert_uint_eq(fake.tree.fdt_phys, FAKE_TREE_PHYS);
	ck_assert_uint_eq(fake.tree.fdt_size, 4096);
	ck_assert_uint_eq(fake.tree.scratch_phys, 0);
	ck_assert_uint_eq(fake.tree.scratch_size, 0);
	ck_assert_uint_eq(fake.tree.blob_phys, FAKE_TREE_PHYS + 8192);
	ck_assert(kho_is_aligned(fake.tree.radix_phys, 4096));
	ck_assert_uint_ge(fake.tree.radix_phys, fake.tree.blob_phys + fake.tree.blob_size);
	ck_assert_uint_le(fake.tree.used, KHO_TREE_SIZE);
	for (i = fake.tree.used; i < KHO_TREE_SIZE; i++)
		ck_assert_uint_eq(data[i], 0);
}
END_TEST

static uint64_t root_u64(int node, const char *name)
{
	const void *value;
	uint64_t number;
	int size;

	value = fdt_getprop(fake.area.data, node, name, &size);
	ck_assert_ptr_nonnull(value);
	ck_assert_int_eq(size, 8);
	memcpy(&number, value, sizeof(number));
	return number;
}

/* What kho_populate() and kho_retrieve_subtree() of Linux 7.x look up. */
START_TEST(kernel_finds_its_properties)
{
	int node;

	fake_handover_build(&fake);
	ck_assert_int_eq(fdt_check_full(fake.area.data, 4096), 0);
	ck_assert_int_eq(fdt_node_check_compatible(fake.area.data, 0, "kho-v4"), 0);
	ck_assert_uint_eq(root_u64(0, "preserved-memory-map"), fake.tree.radix_phys);
	node = fdt_subnode_offset(fake.area.data, 0, "multikernel");
	ck_assert_uint_eq(root_u64(node, "preserved-data"), fake.tree.blob_phys);
	ck_assert_uint_eq(root_u64(node, "blob-size"), fake.tree.blob_size);
}
END_TEST

START_TEST(blob_has_its_header)
{
	uint8_t *blob, header[64] = "KHOTREE1";
	uint32_t crc, one = 1, size = 64;
	uint64_t payload;

	fake_handover_build(&fake);
	blob = fake_handover_at(&fake, fake.tree.blob_phys);
	payload = fake.tree.blob_size - 64;
	memcpy(header + 8, &one, 4);
	memcpy(header + 12, &size, 4);
	memcpy(header + 16, &payload, 8);
	memcpy(&crc, blob + 24, 4);
	memset(blob + 24, 0, 4);
	ck_assert_mem_eq(blob, header, sizeof(header));
	ck_assert_uint_eq(kho_crc32c(blob, fake.tree.blob_size), crc);
	ck_assert_int_eq(fdt_check_full(blob + 64, payload), 0);
	ck_assert_uint_eq(fdt_totalsize(blob + 64), payload);
}
END_TEST

START_TEST(people_can_read_the_id)
{
	fake_handover_build(&fake);
	ck_assert_str_eq(fdt_getprop(fake_handover_payload(&fake), 0, "upgrade", NULL),
			 "01234567-89ab-cdef-1020-304050607080");
}
END_TEST

/* ---- preserved memory and scratch ---- */

struct seen {
	uint64_t pages;
	uint64_t blocks;
	uint64_t area_pages;
	unsigned int max_order;
};

static int see(void *ctx, uint64_t phys, unsigned int order)
{
	struct seen *seen = ctx;
	int in_area = phys >= FAKE_TREE_PHYS && phys < FAKE_TREE_PHYS + KHO_TREE_SIZE;

	ck_assert(kho_is_aligned(phys, KHO_PAGE_SIZE << order));
	if (in_area)
		ck_assert_uint_eq(order, 0);
	seen->area_pages += in_area;
	seen->blocks++;
	seen->pages += 1ULL << order;
	if (order > seen->max_order)
		seen->max_order = order;
	return 0;
}

static struct seen walk(void)
{
	struct seen seen = { 0 };
	struct kho_radix_visitor visitor = { see, &seen };
	int r = kho_tree_preserved(fake.area.data, 4096, &fake.mem, &visitor, &fake.err);

	ck_assert_msg(r == 0, "%s", fake.err.msg);
	return seen;
}

START_TEST(preserves_itself)
{
	struct seen seen;

	fake_handover_build(&fake);
	seen = walk();
	ck_assert_uint_eq(seen.pages, KHO_TREE_SIZE / 4096);
	ck_assert_uint_eq(seen.area_pages, KHO_TREE_SIZE / 4096);
}
END_TEST

START_TEST(preserves_ranges_around_itself)
{
	static const struct mk_range preserve[] = {
		{ 0x180000000, 0x7000 },
		{ FAKE_REGION_START, KHO_CONTROL_AREA_SIZE },
	};
	struct seen seen;

	fake.spec.preserve = preserve;
	fake.spec.nr_preserve = 2;
	fake_handover_build(&fake);
	seen = walk();
	/* each page once: blocks don't overlap */
	ck_assert_uint_eq(seen.pages, KHO_CONTROL_AREA_SIZE / 4096 + 7);
	ck_assert_uint_eq(seen.area_pages, KHO_TREE_SIZE / 4096);
	ck_assert_uint_eq(seen.max_order, 10);
	ck_assert_int_eq(fake_handover_read(&fake, &got), 0);
}
END_TEST

/* So that a kernel can restore any of them, whatever blocks they make. */
START_TEST(preserves_page_by_page)
{
	static const struct mk_range preserve = {
		FAKE_TREE_PHYS, KHO_CONTROL_AREA_SIZE - KHO_OFF_TREE,
	};
	struct seen seen;

	fake.spec.preserve = &preserve;
	fake.spec.nr_preserve = 1;
	fake.spec.by_page = true;
	fake_handover_build(&fake);
	seen = walk();
	ck_assert_uint_eq(seen.pages, preserve.size / 4096);
	ck_assert_uint_eq(seen.blocks, seen.pages);
	ck_assert_uint_eq(seen.max_order, 0);
	ck_assert_uint_eq(seen.area_pages, KHO_TREE_SIZE / 4096);
}
END_TEST

static int stop_at_3(void *ctx, uint64_t phys, unsigned int order)
{
	(void)phys;
	(void)order;
	return ++*(int *)ctx == 3 ? 4711 : 0;
}

static int walk_to_3(size_t size, int *nr)
{
	struct kho_radix_visitor visitor = { stop_at_3, nr };

	return kho_tree_preserved(fake.area.data, size, &fake.mem, &visitor, &fake.err);
}

START_TEST(walk_stops_and_fails)
{
	uint64_t outside = 0x1000;
	int nr = 0;

	fake_handover_build(&fake);
	ck_assert_int_eq(walk_to_3(4096, &nr), 4711);
	ck_assert_int_eq(nr, 3);
	ck_assert_int_eq(walk_to_3(20, &nr), -EBADMSG);
	ck_assert_int_eq(fdt_setprop_inplace(fake.area.data, 0, "preserved-memory-map", &outside,
					     8), 0);
	ck_assert_int_eq(walk_to_3(4096, &nr), -EBADMSG);
	ck_assert_int_eq(nr, 3);
}
END_TEST

START_TEST(lists_scratch)
{
	static const struct mk_range scratch[] = {
		{ 0x180000000, 64 * KHO_MIB }, { FAKE_REGION_START + 16 * KHO_MIB, 4 * KHO_MIB },
	};

	fake.spec.scratch = scratch;
	fake.spec.nr_scratch = 2;
	fake_handover_build(&fake);
	ck_assert_uint_eq(fake.tree.scratch_phys, FAKE_TREE_PHYS + 4096);
	ck_assert_uint_eq(fake.tree.scratch_size, 32);
	ck_assert_mem_eq(fake_handover_at(&fake, fake.tree.scratch_phys), scratch, 32);
}
END_TEST

/* ---- limits ---- */

static void fill_arrays(struct kho_handover *h)
{
	uint32_t i;

	for (h->nr_ranges = 2; h->nr_ranges < MK_MAX_RANGES; h->nr_ranges++)
		h->ranges[h->nr_ranges] = (struct mk_range) {
			h->nr_ranges * 64 * KHO_GIB, 128 * KHO_MIB };
	for (i = h->nr_arenas; i < KHO_HANDOVER_MAX_ARENAS; i++) {
		memset(h->arenas[i].name, 'a', KHO_HANDOVER_NAME_SIZE);
		h->arenas[i].name[29] = (char)('a' + i / 10);
		h->arenas[i].name[30] = (char)('0' + i % 10);
		h->arenas[i].name[31] = '\0';
		h->arenas[i].offset = 512 * KHO_MIB + i * KHO_PAGE_SIZE;
		h->arenas[i].size = KHO_PAGE_SIZE;
	}
	h->nr_arenas = i;
	for (i = 0; i < KHO_HANDOVER_MAX_CPUS; i++)
		h->own_cpus[i] = i + 0x10000;
	h->nr_own_cpus = KHO_HANDOVER_MAX_CPUS - h->nr_later_cpus;
	for (i = 0; i < KHO_HANDOVER_MAX_RAM; i++)
		h->ram[i] = (struct kho_handover_ram) { i * KHO_GIB, KHO_GIB, 1, 0 };
	h->nr_ram = i;
	for (i = 0; i < KHO_HANDOVER_MAX_ECAM; i++)
		h->ecam[i] = (struct kho_handover_ecam) { 0xb0000000, (uint16_t)i, 0, 255, 0 };
	h->nr_ecam = i;
	memset(h->source_release, 'r', KHO_HANDOVER_TEXT_SIZE - 1);
	memset(h->source_agent, 'a', KHO_HANDOVER_TEXT_SIZE - 1);
}

START_TEST(holds_the_most_there_can_be)
{
	fill_arrays(&fake.handover);
	memset(fake.handover.own_cpus + fake.handover.nr_own_cpus, 0,
	       sizeof(fake.handover.own_cpus) - 4 * fake.handover.nr_own_cpus);
	fake_handover_build(&fake);
	ck_assert_msg(fake_handover_read(&fake, &got) == 0, "%s", fake.err.msg);
	ck_assert_mem_eq(&got, &fake.handover, sizeof(got));
}
END_TEST

START_TEST(needs_room)
{
	struct kho_tree tree;
	uint64_t size, used;

	/* a smaller area has fewer pages to preserve, but no fewer nodes */
	fake_handover_build(&fake);
	used = fake.tree.used;
	for (size = 0; size < used; size += KHO_PAGE_SIZE) {
		fake.area.size = size;
		memset(&tree, 0xcc, sizeof(tree));
		ck_assert_int_eq(kho_tree_build(&fake.spec, &fake.area, &tree, &fake.err),
				 size ? -ENOSPC : -EINVAL);
		ck_assert_uint_eq(tree.used, 0xcccccccccccccccc);
	}
	fake.area.size = used;
	fake_handover_build(&fake);
}
END_TEST

/* ---- what the builder refuses ---- */

static void refused(const char *text)
{
	struct kho_tree tree = { .used = 4711 };

	fake.err = (struct kho_err) { 0 };
	ck_assert_int_eq(kho_tree_build(&fake.spec, &fake.area, &tree, &fake.err), -EINVAL);
	ck_assert_int_eq(fake.err.code, -EINVAL);
	ck_assert_msg(strstr(fake.err.msg, text) != NULL, "%s", fake.err.msg);
	ck_assert_uint_eq(tree.used, 4711);
}

START_TEST(area_refused)
{
	static const uint64_t places[] = {
		0, FAKE_TREE_PHYS + 1, FAKE_REGION_START - KHO_PAGE_SIZE,
		FAKE_REGION_START + 512 * KHO_MIB - KHO_PAGE_SIZE, 0x190000000, UINT64_MAX - 4095,
	};
	size_t i;

	for (i = 0; i < KHO_ARRAY_SIZE(places); i++) {
		fake.area.phys = places[i];
		refused("tree area");
	}
	fake.area.phys = FAKE_TREE_PHYS;
	fake.area.size = KHO_TREE_SIZE - 1;
	refused("tree area");
}
END_TEST

START_TEST(preserve_refused)
{
	static const struct mk_range bad[] = {
		{ FAKE_REGION_START, 0 }, { FAKE_REGION_START + 1, 4096 },
		{ FAKE_REGION_START, 4097 }, { 0x1000, 4096 },
		{ FAKE_REGION_START + 512 * KHO_MIB - 4096, 8192 }, { UINT64_MAX - 4095, 4096 },
		{ FAKE_REGION_START, UINT64_MAX - 4095 },
	};
	static const struct mk_range twice[] = {
		{ FAKE_REGION_START, 8192 }, { FAKE_REGION_START + 4096, 4096 },
	};
	size_t i;

	fake.spec.nr_preserve = 1;
	for (i = 0; i < KHO_ARRAY_SIZE(bad); i++) {
		fake.spec.preserve = &bad[i];
		refused("preserved range 0");
	}
	fake.spec.preserve = twice;
	fake.spec.nr_preserve = 2;
	refused("preserved range 1");
}
END_TEST

START_TEST(scratch_refused)
{
	static const struct mk_range bad[] = {
		{ FAKE_REGION_START + 2 * KHO_MIB, 4 * KHO_MIB },
		{ FAKE_REGION_START + 4 * KHO_MIB, 5 * KHO_MIB },
		{ FAKE_REGION_START, 4 * KHO_MIB },		/* the area */
		{ FAKE_REGION_START + 8 * KHO_MIB, 4 * KHO_MIB },	/* preserved */
		{ 0, 4 * KHO_MIB },
		{ FAKE_REGION_START + 4 * KHO_MIB, 0 },
	};
	static const struct mk_range preserve = { FAKE_REGION_START + 11 * KHO_MIB, KHO_MIB };
	static const struct mk_range many[KHO_TREE_MAX_SCRATCH + 1];
	size_t i;

	fake.spec.preserve = &preserve;
	fake.spec.nr_preserve = 1;
	fake.spec.nr_scratch = 1;
	for (i = 0; i < KHO_ARRAY_SIZE(bad); i++) {
		fake.spec.scratch = &bad[i];
		refused("scratch range 0");
	}
	fake.spec.scratch = many;
	fake.spec.nr_scratch = KHO_ARRAY_SIZE(many);
	refused("17 scratch ranges");
}
END_TEST

START_TEST(handover_refused)
{
	fake.handover.nr_own_cpus = 0;
	refused("handover tree: 0 CPUs");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("tree");
	TCase *built = tcase_create("built"), *refuse = tcase_create("refused");

	tcase_add_checked_fixture(built, setup, teardown);
	tcase_add_checked_fixture(refuse, setup, teardown);
	tcase_add_test(built, reads_what_was_built);
	tcase_add_test(built, same_bytes_for_ever);
	tcase_add_test(built, lies_where_it_says);
	tcase_add_test(built, kernel_finds_its_properties);
	tcase_add_test(built, blob_has_its_header);
	tcase_add_test(built, people_can_read_the_id);
	tcase_add_test(built, preserves_itself);
	tcase_add_test(built, preserves_ranges_around_itself);
	tcase_add_test(built, walk_stops_and_fails);
	tcase_add_test(built, preserves_page_by_page);
	tcase_add_test(built, lists_scratch);
	tcase_add_test(built, holds_the_most_there_can_be);
	tcase_add_test(built, needs_room);
	tcase_add_test(refuse, area_refused);
	tcase_add_test(refuse, preserve_refused);
	tcase_add_test(refuse, scratch_refused);
	tcase_add_test(refuse, handover_refused);
	suite_add_tcase(s, built);
	suite_add_tcase(s, refuse);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
