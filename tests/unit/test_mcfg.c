// SPDX-License-Identifier: GPL-2.0-only
/* The ACPI table MCFG: whole, broken in every bit, and read from a fake tree. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "system/mcfg.h"
#include "unit/fake_tree.h"
#include "unit/golden.h"
#include "unit/run.h"

static const struct kho_pci_addr disk = { .device = 4 };

static struct fake_tree tree;
static struct kho_err err;

static void setup(void)
{
	err = (struct kho_err) { 0 };
	fake_tree_init(&tree);
}

static void teardown(void)
{
	fake_tree_done(&tree);
}

struct mcfg_entry {
	uint64_t base;
	uint16_t segment;
	uint8_t first;
	uint8_t last;
	uint32_t reserved;
} __attribute__((packed));

struct mcfg {
	uint8_t header[44];
	struct mcfg_entry entries[KHO_ECAM_MAX + 1];
} __attribute__((packed));

static void fix_checksum(uint8_t *table, size_t size)
{
	uint8_t sum = 0;
	size_t i;

	table[9] = 0;
	for (i = 0; i < size; i++)
		sum = (uint8_t)(sum + table[i]);
	table[9] = (uint8_t)-sum;
}

static size_t seal(struct mcfg *mcfg, size_t nr)
{
	uint32_t size = (uint32_t)(44 + nr * 16);

	memcpy(mcfg->header, "MCFG", 4);
	memcpy(mcfg->header + 4, &size, 4);
	mcfg->header[8] = 1;
	memcpy(mcfg->header + 10, "BOCHS BXPC    ", 14);
	fix_checksum((uint8_t *)mcfg, size);
	return size;
}

/* The table of QEMU's q35, and a second segment whose buses start at 0x80. */
static size_t good_mcfg(struct mcfg *mcfg)
{
	*mcfg = (struct mcfg) { .entries = {
		{ .base = 0xb0000000, .last = 0xff },
		{ .base = 0x4000000000, .segment = 1, .first = 0x80, .last = 0x9f },
	} };
	return seal(mcfg, 2);
}

START_TEST(mcfg_is_parsed)
{
	struct kho_ecam ecam;
	struct mcfg mcfg;
	size_t size = good_mcfg(&mcfg);
	uint64_t config = 0;

	golden_compare("mcfg.bin", &mcfg, size);
	ck_assert_int_eq(kho_mcfg_parse(&mcfg, size, &ecam, &err), 0);
	ck_assert_uint_eq(ecam.nr, 2);
	ck_assert_uint_eq(ecam.segments[0].base, 0xb0000000);
	ck_assert_uint_eq(ecam.segments[1].domain, 1);
	ck_assert_uint_eq(ecam.segments[1].first_bus, 0x80);
	ck_assert_uint_eq(ecam.segments[1].last_bus, 0x9f);

	ck_assert_int_eq(kho_ecam_config(&ecam, &disk, &config, &err), 0);
	ck_assert_uint_eq(config, 0xb0020000);
	ck_assert_int_eq(kho_ecam_config(&ecam, &(struct kho_pci_addr) {
				.domain = 1, .bus = 0x81, .device = 31, .function = 7 }, &config,
				&err), 0);
	ck_assert_uint_eq(config, 0x4000000000 + (0x81ull << 20) + 0xff000);
	ck_assert_int_eq(kho_ecam_config(&ecam, &(struct kho_pci_addr) { .domain = 1 }, &config,
					 &err), -ENOENT);
	ck_assert_int_eq(kho_ecam_config(&ecam, &(struct kho_pci_addr) { .domain = 1, .bus = 0xa0 },
					 &config, &err), -ENOENT);
	ck_assert_int_eq(kho_ecam_config(&ecam, &(struct kho_pci_addr) { .domain = 2 }, &config,
					 &err), -ENOENT);
}
END_TEST

static void assert_mcfg(struct mcfg *mcfg, size_t nr, int code)
{
	struct kho_ecam ecam = { .nr = 77 };

	ck_assert_int_eq(kho_mcfg_parse(mcfg, seal(mcfg, nr), &ecam, &err), code);
	if (code < 0) {
		ck_assert_uint_eq(ecam.nr, 77);
		ck_assert_ptr_nonnull(strchr(err.msg, ';'));
	}
}

START_TEST(mcfg_is_refused)
{
	struct mcfg mcfg;
	size_t i;

	good_mcfg(&mcfg);
	assert_mcfg(&mcfg, 2, 0);
	assert_mcfg(&mcfg, 0, -ENODATA);
	mcfg.entries[0].base += 0x1000;
	assert_mcfg(&mcfg, 2, -EBADMSG);
	mcfg.entries[0].base = 0;
	assert_mcfg(&mcfg, 2, -EBADMSG);
	mcfg.entries[0].base = 0xfffffffffff00000;
	assert_mcfg(&mcfg, 2, -EBADMSG);
	good_mcfg(&mcfg);
	mcfg.entries[1].last = 0x7f;
	assert_mcfg(&mcfg, 2, -EBADMSG);
	good_mcfg(&mcfg);
	mcfg.entries[1].segment = 0;
	assert_mcfg(&mcfg, 2, -EBADMSG);
	good_mcfg(&mcfg);
	for (i = 0; i <= KHO_ECAM_MAX; i++)
		mcfg.entries[i] = (struct mcfg_entry) {
			.base = 0xb0000000, .segment = (uint16_t)i, .last = 0xff,
		};
	assert_mcfg(&mcfg, KHO_ECAM_MAX, 0);
	assert_mcfg(&mcfg, KHO_ECAM_MAX + 1, -E2BIG);
}
END_TEST

START_TEST(mcfg_broken_anywhere)
{
	struct kho_ecam ecam;
	struct mcfg mcfg;
	size_t size = good_mcfg(&mcfg), i;
	uint32_t length;
	uint8_t *part;

	for (i = 0; i < size; i++) {
		part = malloc(i ? i : 1);
		memcpy(part, &mcfg, i);
		ck_assert_int_eq(kho_mcfg_parse(part, i, &ecam, &err), -EBADMSG);
		/* and with a length and a checksum to match */
		length = (uint32_t)i;
		if (i >= 10) {
			memcpy(part + 4, &length, 4);
			fix_checksum(part, i);
		}
		ck_assert_int_eq(kho_mcfg_parse(part, i, &ecam, &err),
				 i == 44 ? -ENODATA : i == 60 ? 0 : -EBADMSG);
		free(part);
	}
	for (i = 0; i < size * 8; i++) {
		((uint8_t *)&mcfg)[i / 8] ^= (uint8_t)(1 << i % 8);
		ck_assert_int_eq(kho_mcfg_parse(&mcfg, size, &ecam, &err), -EBADMSG);
		((uint8_t *)&mcfg)[i / 8] ^= (uint8_t)(1 << i % 8);
	}
}
END_TEST

START_TEST(mcfg_is_read)
{
	struct kho_ecam ecam;
	struct mcfg mcfg;
	size_t size = good_mcfg(&mcfg);

	ck_assert_int_eq(kho_ecam_read(&tree.root, &ecam, &err), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(err.msg, "q35"));
	fake_put_data(&tree, "sys/firmware/acpi/tables/MCFG", &mcfg, size);
	ck_assert_int_eq(kho_ecam_read(&tree.root, &ecam, &err), 0);
	ck_assert_uint_eq(ecam.nr, 2);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("mcfg");
	TCase *tc = tcase_create("mcfg");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, mcfg_is_parsed);
	tcase_add_test(tc, mcfg_is_refused);
	tcase_add_test(tc, mcfg_broken_anywhere);
	tcase_add_test(tc, mcfg_is_read);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
