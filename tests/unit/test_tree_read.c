// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handover tree's reader on trees that are damaged, of other versions, or
 * made to hurt: each is refused with the right error, or gives a handover that
 * makes sense; never a crash, and never a changed output on failure.
 */
#include <check.h>
#include <errno.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "unit/fake_handover.h"
#include "unit/run.h"

#define HEADER_SIZE	64

static struct fake_handover fake;
static struct kho_handover got, before;

static void setup(void)
{
	fake_handover_init(&fake);
	fake_handover_build(&fake);
	memset(&got, 0xcc, sizeof(got));
	before = got;
}

static void teardown(void)
{
	fake_handover_done(&fake);
}

static void refused(int r, const char *text)
{
	ck_assert_msg(fake_handover_read(&fake, &got) == r, "%s", fake.err.msg);
	ck_assert_int_eq(fake.err.code, r);
	ck_assert_msg(strstr(fake.err.msg, text) != NULL, "%s", fake.err.msg);
	ck_assert_mem_eq(&got, &before, sizeof(got));
}

/* ---- damage ---- */

START_TEST(root_cut_off)
{
	_cleanup_free_ uint8_t *cut = NULL;
	size_t size, total = fdt_totalsize(fake.area.data);

	for (size = 0; size < total; size++) {
		/* exactly as large as it says, so that reading on is noticed */
		cut = realloc(cut, size + 1);
		memcpy(cut, fake.area.data, size);
		ck_assert_int_eq(kho_tree_read(cut, size, &fake.mem, &got, NULL), -EBADMSG);
	}
	ck_assert_int_eq(kho_tree_read(fake.area.data, total, &fake.mem, &got, NULL), 0);
}
END_TEST

static void set_blob_property(const char *name, uint64_t value)
{
	int node = fdt_subnode_offset(fake.area.data, 0, KHO_TREE_NODE);

	ck_assert_int_eq(fdt_setprop_inplace(fake.area.data, node, name, &value, 8), 0);
}

START_TEST(blob_cut_off)
{
	uint64_t size;

	for (size = 0; size < fake.tree.blob_size; size++) {
		set_blob_property("blob-size", size);
		refused(-EBADMSG, "build the tree anew");
	}
	set_blob_property("blob-size", fake.tree.blob_size + 1);
	refused(-EBADMSG, "sizes don't agree");
	set_blob_property("blob-size", UINT64_MAX);
	refused(-EBADMSG, "can't be");
}
END_TEST

START_TEST(blob_is_elsewhere)
{
	static const uint64_t places[] = {
		0, FAKE_TREE_PHYS - 8, FAKE_TREE_PHYS + KHO_TREE_SIZE - 8, UINT64_MAX - 7,
		0x180000000,
	};
	size_t i;

	for (i = 0; i < KHO_ARRAY_SIZE(places); i++) {
		set_blob_property("preserved-data", places[i]);
		refused(-EBADMSG, "is not in the region");
	}
	set_blob_property("preserved-data", fake.tree.blob_phys + 4);
	refused(-EBADMSG, "can't be");
	set_blob_property("preserved-data", fake.tree.blob_phys + 8);
	refused(-EBADMSG, "no magic");
}
END_TEST

/* Any byte of the root: refused, or (a name, a padding) without consequence. */
START_TEST(root_byte_flipped)
{
	uint8_t *root = fake.area.data;
	size_t i, total = fdt_totalsize(root);
	unsigned int bit;

	for (i = 0; i < total * 8; i++) {
		bit = 1u << i % 8;
		root[i / 8] ^= (uint8_t)bit;
		memset(&got, 0xcc, sizeof(got));
		if (fake_handover_read(&fake, &got) == 0)
			ck_assert_mem_eq(&got, &fake.handover, sizeof(got));
		else
			ck_assert_mem_eq(&got, &before, sizeof(got));
		root[i / 8] ^= (uint8_t)bit;
	}
}
END_TEST

/* Any byte of the blob: the CRC sees it. */
START_TEST(blob_byte_flipped)
{
	uint8_t *blob = fake_handover_at(&fake, fake.tree.blob_phys);
	size_t i;
	int r;

	for (i = 0; i < fake.tree.blob_size; i++) {
		blob[i] ^= 0xff;
		r = fake_handover_read(&fake, &got);
		ck_assert_int_eq(r, i / 4 == 2 ? -EPROTONOSUPPORT : -EBADMSG);
		ck_assert_mem_eq(&got, &before, sizeof(got));
		blob[i] ^= 0xff;
	}
}
END_TEST

/* Any byte of the payload, by one who knows the CRC. */
START_TEST(payload_byte_forged)
{
	uint8_t *payload = fake_handover_payload(&fake);
	size_t i, total = fdt_totalsize(payload);
	uint64_t size = fake.tree.blob_size;
	static const uint8_t masks[] = { 0xff, 0x01, 0x80 };
	size_t m;

	for (i = 8; i < total * KHO_ARRAY_SIZE(masks); i++) {
		m = i % KHO_ARRAY_SIZE(masks);
		if (i / KHO_ARRAY_SIZE(masks) < 8)
			continue;	/* FDT magic and size: fake_handover_seal() needs them */
		payload[i / KHO_ARRAY_SIZE(masks)] ^= masks[m];
		fake_handover_seal(&fake);
		memset(&got, 0xcc, sizeof(got));
		if (fake_handover_read(&fake, &got) == 0)
			ck_assert_int_eq(kho_handover_check(&got, NULL), 0);
		else
			ck_assert_mem_eq(&got, &before, sizeof(got));
		payload[i / KHO_ARRAY_SIZE(masks)] ^= masks[m];
	}
	fake_handover_seal(&fake);
	ck_assert_uint_eq(fake.tree.blob_size, size);
	ck_assert_int_eq(fake_handover_read(&fake, &got), 0);
}
END_TEST

/* Versions before 17 don't say how long their structure is. */
START_TEST(fdt_of_an_old_version)
{
	uint32_t version;

	for (version = 0; version < 17; version++) {
		fdt_set_version(fake.area.data, version);
		fdt_set_last_comp_version(fake.area.data, 0);
		refused(-EBADMSG, "not a sound FDT (FDT_ERR_BADVERSION)");
	}
	fdt_set_version(fake.area.data, 17);
	ck_assert_int_eq(fake_handover_read(&fake, &got), 0);
}
END_TEST

START_TEST(header_fields)
{
	uint32_t *header = fake_handover_at(&fake, fake.tree.blob_phys);

	header[0]++;
	refused(-EBADMSG, "no magic");
	header[0]--;
	header[2] = 2;
	refused(-EPROTONOSUPPORT, "header version 2, and this reader knows 1");
	header[2] = 1;
	header[3] = 128;
	refused(-EBADMSG, "sizes don't agree");
	header[3] = 64;
	header[6]++;
	refused(-EBADMSG, "wrong CRC");
	header[6]--;
	ck_assert_int_eq(fake_handover_read(&fake, &got), 0);
}
END_TEST

/* ---- versions ---- */

/* Opens the payload for changes that make it larger. */
static void *open_payload(void)
{
	void *payload = fake_handover_payload(&fake);

	ck_assert_int_eq(fdt_open_into(payload, payload, 64 * 1024), 0);
	return payload;
}

static void close_payload(void)
{
	ck_assert_int_eq(fdt_pack(fake_handover_payload(&fake)), 0);
	fake_handover_seal(&fake);
}

/* 7 bytes of @text */
static void set_compatible(const char *text)
{
	ck_assert_int_eq(fdt_setprop_inplace(fake.area.data, 0, "compatible", text, 7), 0);
}

START_TEST(other_kho_version)
{
	set_compatible("kho-v5");
	refused(-EPROTONOSUPPORT, "the tree is \"kho-v5\" and this reader knows \"kho-v4\"");
	set_compatible("\1\2\3\4\5\6");
	refused(-EPROTONOSUPPORT, "\"(garbage)\"");
	set_compatible("kho-v4x");
	refused(-EPROTONOSUPPORT, "\"(none)\"");
}
END_TEST

START_TEST(other_blob_version)
{
	ck_assert_int_eq(fdt_setprop_string(open_payload(), 0, "compatible",
					    "multikernel-handover-v2"), 0);
	close_payload();
	refused(-EPROTONOSUPPORT, "the tree is \"multikernel-handover-v2\" and this reader knows "
		"\"multikernel-handover-v1\"");
}
END_TEST

static void set_version(uint32_t major, uint32_t minor)
{
	void *payload = fake_handover_payload(&fake);

	ck_assert_int_eq(fdt_setprop_inplace(payload, 0, "protocol-major", &major, 4), 0);
	ck_assert_int_eq(fdt_setprop_inplace(payload, 0, "protocol-minor", &minor, 4), 0);
	fake_handover_seal(&fake);
}

START_TEST(other_protocol)
{
	set_version(2, 7);
	refused(-EPROTONOSUPPORT, "has protocol 2.7, and this reader knows 1.0");
	set_version(0, 0);
	refused(-EPROTONOSUPPORT, "has protocol 0.0, and this reader knows 1.0");
	set_version(1, 9);
	ck_assert_int_eq(fake_handover_read(&fake, &got), 0);
	ck_assert_uint_eq(got.major, 1);
	ck_assert_uint_eq(got.minor, 9);
}
END_TEST

START_TEST(newer_minor_adds_things)
{
	void *payload = open_payload();
	int node;

	set_version(1, 1);
	payload = open_payload();
	node = fdt_add_subnode(payload, 0, "news");
	ck_assert_int_ge(node, 0);
	ck_assert_int_eq(fdt_setprop_string(payload, node, "x", "y"), 0);
	ck_assert_int_eq(fdt_setprop_u64(payload, 0, "more", 1), 0);
	node = fdt_path_offset(payload, "/arenas/owners");
	ck_assert_int_eq(fdt_setprop_u64(payload, node, "colour", 1), 0);
	node = fdt_add_subnode(payload, node, "inside");
	ck_assert_int_ge(node, 0);
	close_payload();
	ck_assert_msg(fake_handover_read(&fake, &got) == 0, "%s", fake.err.msg);
	got.minor = 0;
	ck_assert_mem_eq(&got, &fake.handover, sizeof(got));
}
END_TEST

/* ---- content ---- */

START_TEST(tree_of_someone_else)
{
	int node = fdt_subnode_offset(fake.area.data, 0, KHO_TREE_NODE);

	ck_assert_int_eq(fdt_nop_node(fake.area.data, node), 0);
	refused(-ENOENT, "no node \"multikernel\"");
}
END_TEST

static const struct {
	const char *node;
	const char *property;
} properties[] = {
	{ "/", "protocol-major" }, { "/", "protocol-minor" }, { "/", "upgrade-id" },
	{ "/", "epoch" }, { "/", "instance" },
	{ "/source", "kernel-release" }, { "/source", "agent-version" },
	{ "/region", "extents" },
	{ "/cpus", "boot-apic-id" }, { "/cpus", "own" }, { "/cpus", "later" },
	{ "/low-memory", "own" }, { "/low-memory", "later" },
	{ "/clock", "tsc" }, { "/clock", "realtime-ns" }, { "/clock", "monotonic-ns" },
	{ "/clock", "window" }, { "/clock", "tsc-khz" },
	{ "/power", "flags" }, { "/power", "pm1a-port" }, { "/power", "pm1b-port" },
	{ "/power", "slp-typ-a" }, { "/power", "slp-typ-b" }, { "/power", "reset-value" },
	{ "/power", "reset-space" }, { "/power", "reset-address" },
	{ "/machine", "ram" }, { "/machine", "ecam" },
	{ "/arenas/owners", "offset" }, { "/arenas/owners", "size" },
};

static int node_of(const char *path)
{
	int node = fdt_path_offset(fake_handover_payload(&fake), path);

	ck_assert_int_ge(node, 0);
	return node;
}

START_TEST(property_is_missing)
{
	ck_assert_int_eq(fdt_delprop(open_payload(), node_of(properties[_i].node),
				     properties[_i].property), 0);
	close_payload();
	refused(-EBADMSG, properties[_i].property);
}
END_TEST

START_TEST(property_has_a_wrong_size)
{
	static const char zeros[65536];
	int size;

	fdt_getprop(fake_handover_payload(&fake), node_of(properties[_i].node),
		    properties[_i].property, &size);
	ck_assert_int_eq(fdt_setprop(open_payload(), node_of(properties[_i].node),
				     properties[_i].property, zeros, size + 1), 0);
	close_payload();
	if (!strcmp(properties[_i].node, "/source"))
		refused(-EBADMSG, "is empty");
	else
		refused(-EBADMSG, properties[_i].property);
	ck_assert_int_eq(fdt_setprop(open_payload(), node_of(properties[_i].node),
				     properties[_i].property, zeros, 16384), 0);
	close_payload();
	refused(-EBADMSG, properties[_i].property);
}
END_TEST

START_TEST(node_is_missing)
{
	static const char *const nodes[] = {
		"source", "region", "cpus", "low-memory", "clock", "power", "machine", "arenas",
	};

	ck_assert_int_eq(fdt_del_node(open_payload(),
				      fdt_subnode_offset(fake_handover_payload(&fake), 0,
							 nodes[_i])), 0);
	close_payload();
	refused(-EBADMSG, nodes[_i]);
}
END_TEST

START_TEST(text_has_no_end)
{
	ck_assert_int_eq(fdt_setprop(open_payload(), node_of("/source"), "kernel-release",
				     "6.12", 4), 0);
	close_payload();
	refused(-EBADMSG, "source/kernel-release");
}
END_TEST

START_TEST(too_many_arenas)
{
	char name[32];
	void *payload = open_payload();
	int i, node;

	for (i = 0; i < KHO_HANDOVER_MAX_ARENAS; i++) {
		snprintf(name, sizeof(name), "arena-%d", i);
		node = fdt_add_subnode(payload, node_of("/arenas"), name);
		ck_assert_int_ge(node, 0);
		ck_assert_int_eq(fdt_setprop(payload, node, "offset", "\0\0\0\0\0\0\0", 8), 0);
		ck_assert_int_eq(fdt_setprop(payload, node, "size", "\0\0\0\0\0\0\0", 8), 0);
	}
	close_payload();
	refused(-EBADMSG, "more than 32 arenas");
}
END_TEST

START_TEST(arena_with_a_long_name)
{
	ck_assert_int_ge(fdt_add_subnode(open_payload(), node_of("/arenas"),
					 "abcdefghijabcdefghijabcdefghijab"), 0);
	close_payload();
	refused(-EBADMSG, "name is too long");
}
END_TEST

static void set_arena(const char *path, const char *property, uint64_t value)
{
	ck_assert_int_eq(fdt_setprop_inplace(fake_handover_payload(&fake), node_of(path), property,
					     &value, 8), 0);
	fake_handover_seal(&fake);
}

START_TEST(arena_is_outside)
{
	set_arena("/arenas/bulk-1", "offset", 768 * KHO_MIB);
	refused(-EBADMSG, "arena \"bulk-1\" is empty or not within one range");
	set_arena("/arenas/bulk-1", "offset", 512 * KHO_MIB - 4096);
	refused(-EBADMSG, "arena \"bulk-1\" is empty or not within one range");
	set_arena("/arenas/bulk-1", "offset", UINT64_MAX - 4095);
	refused(-EBADMSG, "arena \"bulk-1\" is empty or not within one range");
	set_arena("/arenas/bulk-1", "offset", 512 * KHO_MIB);
	ck_assert_int_eq(fake_handover_read(&fake, &got), 0);
	ck_assert_uint_eq(kho_handover_arena(&got, "bulk-1")->offset, 512 * KHO_MIB);
	got = before;
	set_arena("/arenas/bulk-1", "size", UINT64_MAX - 4095);
	refused(-EBADMSG, "arena \"bulk-1\" is empty or not within one range");
}
END_TEST

START_TEST(tree_outside_its_region)
{
	uint64_t range[2] = { 0x180000000, 512 * KHO_MIB };

	ck_assert_int_eq(fdt_setprop(open_payload(), node_of("/region"), "extents", range, 16), 0);
	close_payload();
	refused(-EBADMSG, "outside the region it describes");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("tree_read");
	TCase *damage = tcase_create("damage"), *version = tcase_create("version");
	TCase *content = tcase_create("content");

	tcase_add_checked_fixture(damage, setup, teardown);
	tcase_add_checked_fixture(version, setup, teardown);
	tcase_add_checked_fixture(content, setup, teardown);
	tcase_set_timeout(damage, 120);
	tcase_add_test(damage, root_cut_off);
	tcase_add_test(damage, blob_cut_off);
	tcase_add_test(damage, blob_is_elsewhere);
	tcase_add_test(damage, root_byte_flipped);
	tcase_add_test(damage, blob_byte_flipped);
	tcase_add_test(damage, payload_byte_forged);
	tcase_add_test(damage, fdt_of_an_old_version);
	tcase_add_test(damage, header_fields);
	tcase_add_test(version, other_kho_version);
	tcase_add_test(version, other_blob_version);
	tcase_add_test(version, other_protocol);
	tcase_add_test(version, newer_minor_adds_things);
	tcase_add_test(content, tree_of_someone_else);
	tcase_add_loop_test(content, property_is_missing, 0, KHO_ARRAY_SIZE(properties));
	tcase_add_loop_test(content, property_has_a_wrong_size, 0, KHO_ARRAY_SIZE(properties));
	tcase_add_loop_test(content, node_is_missing, 0, 8);
	tcase_add_test(content, text_has_no_end);
	tcase_add_test(content, too_many_arenas);
	tcase_add_test(content, arena_with_a_long_name);
	tcase_add_test(content, arena_is_outside);
	tcase_add_test(content, tree_outside_its_region);
	suite_add_tcase(s, damage);
	suite_add_tcase(s, version);
	suite_add_tcase(s, content);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
