// SPDX-License-Identifier: GPL-2.0-only
/*
 * ACPI tables: read back the way a kernel does it, from the RSDP on, by numbers
 * taken from the ACPI specification and not from the builder's structures.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "spawn/acpi.h"
#include "spawn/layout.h"
#include "unit/golden.h"
#include "unit/run.h"

#define PHYS	0x140018000ULL

static uint8_t area[KHO_ACPI_SIZE];
static struct kho_err err;
static uint64_t rsdp;

static void setup(void)
{
	memset(area, 0xcc, sizeof(area));
	err = (struct kho_err){};
	rsdp = 0;
}

static const uint32_t own[] = { 2, 3 };
static const uint32_t later[] = { 0, 300 };

static struct kho_acpi_spec a_spec(void)
{
	return (struct kho_acpi_spec){
		.phys = PHYS, .cpus = own, .nr_cpus = 2, .later_cpus = later, .nr_later_cpus = 2,
		.mailbox = 0x140011000, .park_entry = 0x140010000,
	};
}

static uint64_t number(const uint8_t *p, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, p, size);
	return value;
}

static const uint8_t *at(uint64_t phys)
{
	ck_assert(phys >= PHYS && phys < PHYS + sizeof(area));
	return area + (phys - PHYS);
}

static uint8_t sum(const uint8_t *p, size_t size)
{
	uint8_t s = 0;

	while (size--)
		s = (uint8_t)(s + *p++);
	return s;
}

/* A table whose signature, length and checksum are right. */
static const uint8_t *table_at(uint64_t phys, const char *signature)
{
	const uint8_t *table = at(phys);
	uint64_t length = number(table + 4, 4);

	ck_assert_mem_eq(table, signature, 4);
	ck_assert(length >= 36 && phys + length <= PHYS + sizeof(area));
	ck_assert_uint_eq(sum(table, length), 0);
	return table;
}

static const uint8_t *find_table(const char *signature)
{
	const uint8_t *xsdt = table_at(number(at(rsdp) + 24, 8), "XSDT");
	uint64_t nr = (number(xsdt + 4, 4) - 36) / 8;

	for (uint64_t i = 0; i < nr; i++) {
		uint64_t phys = number(xsdt + 36 + i * 8, 8);

		if (!memcmp(at(phys), signature, 4))
			return table_at(phys, signature);
	}
	ck_abort_msg("no table %s", signature);
}

static void build(const struct kho_acpi_spec *spec)
{
	ck_assert_msg(!kho_acpi_build(spec, area, sizeof(area), &rsdp, &err), "%s", err.msg);
}

START_TEST(root_pointer)
{
	struct kho_acpi_spec spec = a_spec();
	const uint8_t *p;

	build(&spec);
	ck_assert_uint_eq(rsdp, PHYS);
	p = at(rsdp);
	ck_assert_mem_eq(p, "RSD PTR ", 8);
	ck_assert_uint_eq(p[15], 2);
	ck_assert_uint_eq(number(p + 16, 4), 0);
	ck_assert_uint_eq(number(p + 20, 4), 36);
	ck_assert_uint_eq(sum(p, 20), 0);
	ck_assert_uint_eq(sum(p, 36), 0);
}
END_TEST

START_TEST(fadt_is_hardware_reduced)
{
	struct kho_acpi_spec spec = a_spec();
	const uint8_t *fadt;
	const uint8_t *dsdt;

	build(&spec);
	fadt = find_table("FACP");
	ck_assert_uint_eq(number(fadt + 4, 4), 276);
	ck_assert_uint_eq(fadt[8], 6);
	ck_assert_uint_eq(number(fadt + 109, 2), 1 << 2 | 1 << 5);
	ck_assert_uint_eq(number(fadt + 112, 4), 1 << 20);
	ck_assert_uint_eq(number(fadt + 120, 8), 0);
	dsdt = table_at(number(fadt + 140, 8), "DSDT");
	ck_assert_uint_eq(number(dsdt + 4, 4), 36);
	ck_assert_uint_eq(dsdt[8], 2);
}
END_TEST

START_TEST(fadt_reset_register)
{
	struct mk_power power = {
		.flags = MK_POWER_RESET_VALID, .reset_space = 1, .reset_address = 0xcf9,
		.reset_value = 0x0f,
	};
	struct kho_acpi_spec spec = a_spec();
	const uint8_t *fadt;

	spec.power = &power;
	build(&spec);
	fadt = find_table("FACP");
	ck_assert_uint_eq(number(fadt + 112, 4), 1 << 20 | 1 << 10);
	ck_assert_mem_eq(fadt + 116, "\1\x08\0\1\xf9\x0c\0\0\0\0\0\0\x0f", 13);
	power.reset_space = 2;			/* PCI configuration: not ours to use */
	build(&spec);
	ck_assert_uint_eq(number(find_table("FACP") + 112, 4), 1 << 20);
	power.reset_space = 1;
	power.flags = MK_POWER_OFF_VALID;
	build(&spec);
	ck_assert_uint_eq(number(find_table("FACP") + 112, 4), 1 << 20);
}
END_TEST

START_TEST(madt_lists_cpus_in_order)
{
	static const uint8_t want[] = {
		0, 8, 0xfe, 0xfe, 1, 0, 0, 0,		/* the one that doesn't exist */
		0, 8, 2, 2, 1, 0, 0, 0,
		0, 8, 3, 3, 1, 0, 0, 0,
		0, 8, 0, 0, 1, 0, 0, 0,
		9, 16, 0, 0, 0x2c, 1, 0, 0, 1, 0, 0, 0, 0x2c, 1, 0, 0,
		0x10, 24, 1, 0, 0, 0, 0, 0,		/* Multiprocessor Wakeup */
		0, 0x10, 1, 0x40, 1, 0, 0, 0,
		0, 0, 1, 0x40, 1, 0, 0, 0,
	};
	struct kho_acpi_spec spec = a_spec();
	const uint8_t *madt;

	build(&spec);
	madt = find_table("APIC");
	ck_assert_uint_eq(number(madt + 36, 4), 0xfee00000);
	ck_assert_uint_eq(number(madt + 40, 4), 0);
	ck_assert_uint_eq(number(madt + 4, 4), 44 + sizeof(want));
	ck_assert_mem_eq(madt + 44, want, sizeof(want));
}
END_TEST

/* A kernel that's told so drops none: the first one is the one it boots on. */
START_TEST(madt_without_absent_cpu)
{
	struct kho_acpi_spec spec = a_spec();
	const uint8_t *madt;
	uint64_t length;

	build(&spec);
	length = number(find_table("APIC") + 4, 4);
	spec.any_boot_cpu = true;
	build(&spec);
	madt = find_table("APIC");
	ck_assert_uint_eq(number(madt + 4, 4), length - 8);
	ck_assert_mem_eq(madt + 44, "\0\x08\x02\x02\1\0\0\0\0\x08\x03\x03", 12);
	ck_assert_uint_eq(madt[44 + 3 * 8 + 16], 0x10);
}
END_TEST

START_TEST(tables_match_golden)
{
	struct kho_acpi_spec spec = a_spec();

	build(&spec);
	golden_compare("acpi.bin", area, 0x300);
	for (size_t i = 0x300; i < sizeof(area); i++)
		ck_assert_uint_eq(area[i], 0);
}
END_TEST

/* The first entry names no real CPU, whichever ids are taken. */
START_TEST(absent_id_is_absent)
{
	uint32_t ids[512];
	struct kho_acpi_spec spec = { .phys = PHYS, .cpus = ids, .mailbox = 1, .park_entry = 1 };
	const uint8_t *madt;

	ids[0] = 0xfe;
	ids[1] = 0xfd;
	spec.nr_cpus = 2;
	build(&spec);
	madt = find_table("APIC");
	ck_assert_uint_eq(madt[44], 0);
	ck_assert_uint_eq(madt[47], 0xfc);

	for (uint32_t i = 0; i < 512; i++)
		ids[i] = i;
	spec.nr_cpus = 512;
	build(&spec);
	madt = find_table("APIC");
	ck_assert_uint_eq(madt[44], 9);
	ck_assert_uint_eq(number(madt + 48, 4), 512);
	/* 255 LAPIC entries, 257 + 1 x2APIC entries */
	ck_assert_uint_eq(number(madt + 4, 4), 44 + 255 * 8 + 258 * 16 + 24);
}
END_TEST

START_TEST(id_255_needs_x2apic)
{
	static const uint32_t ids[] = { 254, 255 };
	struct kho_acpi_spec spec = a_spec();
	const uint8_t *madt;

	spec.cpus = ids;
	spec.nr_later_cpus = 0;
	build(&spec);
	madt = find_table("APIC");
	ck_assert_mem_eq(madt + 44, "\0\x08\xfd\xfd", 4);
	ck_assert_mem_eq(madt + 52, "\0\x08\xfe\xfe", 4);
	ck_assert_mem_eq(madt + 60, "\x09\x10\0\0\xff\0\0\0", 8);
}
END_TEST

START_TEST(bad_cpu_lists)
{
	static const uint32_t twice[] = { 2, 3, 2 };
	static const uint32_t all[] = { 2, 0xffffffff };
	uint32_t many[513];
	struct kho_acpi_spec spec = a_spec();

	spec.nr_cpus = 0;
	ck_assert_int_eq(kho_acpi_build(&spec, area, sizeof(area), &rsdp, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "none"));
	spec = a_spec();
	spec.cpus = twice;
	spec.nr_cpus = 3;
	ck_assert_int_eq(kho_acpi_build(&spec, area, sizeof(area), &rsdp, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "2 is listed twice"));
	spec = a_spec();
	spec.later_cpus = own + 1;
	ck_assert_int_eq(kho_acpi_check_cpus(&spec, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "3 is listed twice"));
	spec = a_spec();
	spec.cpus = all;
	ck_assert_int_eq(kho_acpi_check_cpus(&spec, &err), -EINVAL);
	spec = a_spec();
	for (uint32_t i = 0; i < 513; i++)
		many[i] = 1000 + i;
	spec.later_cpus = many;
	spec.nr_later_cpus = 511;
	ck_assert_int_eq(kho_acpi_check_cpus(&spec, &err), -E2BIG);
	spec.nr_later_cpus = SIZE_MAX;
	ck_assert_int_eq(kho_acpi_check_cpus(&spec, &err), -E2BIG);
	spec.nr_later_cpus = 510;
	ck_assert_int_eq(kho_acpi_check_cpus(&spec, &err), 0);
	ck_assert_uint_eq(rsdp, 0);
	ck_assert_uint_eq(area[0], 0xcc);
}
END_TEST

START_TEST(area_too_small)
{
	struct kho_acpi_spec spec = a_spec();
	size_t need = 0x200 + 44 + 4 * 8 + 16 + 24;

	ck_assert_int_eq(kho_acpi_build(&spec, area, need - 1, &rsdp, &err), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(err.msg, "later CPUs"));
	ck_assert_uint_eq(area[0], 0xcc);
	ck_assert_int_eq(kho_acpi_build(&spec, area, need, &rsdp, &err), 0);
	ck_assert_uint_eq(area[need], 0xcc);
}
END_TEST

static Suite *acpi_suite(void)
{
	Suite *suite = suite_create("acpi");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, root_pointer);
	tcase_add_test(tc, fadt_is_hardware_reduced);
	tcase_add_test(tc, fadt_reset_register);
	tcase_add_test(tc, madt_lists_cpus_in_order);
	tcase_add_test(tc, madt_without_absent_cpu);
	tcase_add_test(tc, tables_match_golden);
	tcase_add_test(tc, absent_id_is_absent);
	tcase_add_test(tc, id_255_needs_x2apic);
	tcase_add_test(tc, bad_cpu_lists);
	tcase_add_test(tc, area_too_small);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(acpi_suite());
}
