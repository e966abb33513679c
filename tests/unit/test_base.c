// SPDX-License-Identifier: GPL-2.0-only
/*
 * The base library: CRC32C and strict parsing. Files have test_file.c.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/crc32c.h"
#include "base/parse.h"
#include "unit/run.h"

/* ---- CRC32C ---- */

/* One bit at a time: slow, and too simple to be wrong. */
static uint32_t crc_by_bits(const uint8_t *data, size_t size)
{
	uint32_t crc = ~0u;
	int bit;

	while (size--) {
		crc ^= *data++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

START_TEST(crc_of_known_texts)
{
	uint8_t zeros[32] = { 0 }, ones[32];

	memset(ones, 0xff, sizeof(ones));
	ck_assert_uint_eq(kho_crc32c("", 0), 0);
	ck_assert_uint_eq(kho_crc32c("123456789", 9), 0xe3069283);
	/* RFC 3720, B.4 */
	ck_assert_uint_eq(kho_crc32c(zeros, sizeof(zeros)), 0x8a9136aa);
	ck_assert_uint_eq(kho_crc32c(ones, sizeof(ones)), 0x62a8ab43);
}
END_TEST

START_TEST(crc_of_all_lengths_and_alignments)
{
	uint8_t data[96];
	size_t i, start, size;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + 3);
	for (start = 0; start < 8; start++)
		for (size = 0; size + start <= sizeof(data); size++)
			ck_assert_uint_eq(kho_crc32c(data + start, size),
					  crc_by_bits(data + start, size));
}
END_TEST

START_TEST(crc_continues)
{
	const char *text = "The quick brown fox jumps over the lazy dog";
	size_t cut, size = strlen(text);

	for (cut = 0; cut <= size; cut++)
		ck_assert_uint_eq(kho_crc32c_add(kho_crc32c(text, cut), text + cut, size - cut),
				  kho_crc32c(text, size));
}
END_TEST

/* ---- numbers ---- */

static const struct {
	const char *text;
	int r;
	uint64_t value;
} numbers[] = {
	{ "0", 0, 0 },
	{ "1", 0, 1 },
	{ "007", 0, 7 },
	{ "18446744073709551615", 0, UINT64_MAX },
	{ "18446744073709551616", -ERANGE, 0 },
	{ "99999999999999999999999999", -ERANGE, 0 },
	{ "0x0", 0, 0 },
	{ "0xfF", 0, 255 },
	{ "0Xffffffffffffffff", 0, UINT64_MAX },
	{ "0x10000000000000000", -ERANGE, 0 },
	{ "", -EINVAL, 0 },
	{ "0x", -EINVAL, 0 },
	{ "x", -EINVAL, 0 },
	{ "-1", -EINVAL, 0 },
	{ "+1", -EINVAL, 0 },
	{ " 1", -EINVAL, 0 },
	{ "1 ", -EINVAL, 0 },
	{ "1\n", -EINVAL, 0 },
	{ "12a", -EINVAL, 0 },
	{ "1.5", -EINVAL, 0 },
	{ "0x1g", -EINVAL, 0 },
	{ "ff", -EINVAL, 0 },
};

START_TEST(number_of_each_form)
{
	struct kho_err err = { 0 };
	uint64_t value = 4711;

	ck_assert_int_eq(kho_parse_u64(numbers[_i].text, &value, &err), numbers[_i].r);
	ck_assert_int_eq(err.code, numbers[_i].r);
	ck_assert_uint_eq(value, numbers[_i].r ? 4711 : numbers[_i].value);
	ck_assert_int_eq(kho_parse_u64(numbers[_i].text, &value, NULL), numbers[_i].r);
}
END_TEST

START_TEST(number_of_32_bits)
{
	struct kho_err err = { 0 };
	uint32_t value = 4711;

	ck_assert_int_eq(kho_parse_u32("4294967296", &value, &err), -ERANGE);
	ck_assert_str_eq(err.msg, "number \"4294967296\" is too large; give less than 2^32");
	ck_assert_int_eq(kho_parse_u32("no", &value, &err), -EINVAL);
	ck_assert_uint_eq(value, 4711);
	ck_assert_int_eq(kho_parse_u32("4294967295", &value, &err), 0);
	ck_assert_uint_eq(value, UINT32_MAX);
}
END_TEST

START_TEST(number_in_hex)
{
	uint64_t value = 4711;

	ck_assert_int_eq(kho_parse_hex64("", &value, NULL), -EINVAL);
	ck_assert_int_eq(kho_parse_hex64("8000000x", &value, NULL), -EINVAL);
	ck_assert_int_eq(kho_parse_hex64("11112222333344445", &value, NULL), -ERANGE);
	ck_assert_uint_eq(value, 4711);
	ck_assert_int_eq(kho_parse_hex64("8000000", &value, NULL), 0);
	ck_assert_uint_eq(value, 128 * KHO_MIB);
	ck_assert_int_eq(kho_parse_hex64("0x10", &value, NULL), 0);
	ck_assert_uint_eq(value, 16);
	ck_assert_int_eq(kho_parse_hex64("ffffffffffffffff", &value, NULL), 0);
	ck_assert_uint_eq(value, UINT64_MAX);
}
END_TEST

static const struct {
	const char *text;
	int r;
	uint64_t value;
} sizes[] = {
	{ "0", 0, 0 },
	{ "4096", 0, 4096 },
	{ "64k", 0, 64 * KHO_KIB },
	{ "64K", 0, 64 * KHO_KIB },
	{ "512m", 0, 512 * KHO_MIB },
	{ "2G", 0, 2 * KHO_GIB },
	{ "1T", 0, 1024 * KHO_GIB },
	{ "0x10M", 0, 16 * KHO_MIB },
	{ "16777215T", 0, 16777215ULL << 40 },
	{ "16777216T", -ERANGE, 0 },
	{ "18446744073709551616", -ERANGE, 0 },
	{ "18446744073709551615K", -ERANGE, 0 },
	{ "K", -EINVAL, 0 },
	{ "", -EINVAL, 0 },
	{ "1KK", -EINVAL, 0 },
	{ "1KB", -EINVAL, 0 },
	{ "1 K", -EINVAL, 0 },
	{ "1.5G", -EINVAL, 0 },
	{ "-1G", -EINVAL, 0 },
	{ "1P", -EINVAL, 0 },
};

START_TEST(size_of_each_form)
{
	struct kho_err err = { 0 };
	uint64_t value = 4711;

	ck_assert_int_eq(kho_parse_size(sizes[_i].text, &value, &err), sizes[_i].r);
	ck_assert_int_eq(err.code, sizes[_i].r);
	ck_assert_uint_eq(value, sizes[_i].r ? 4711 : sizes[_i].value);
}
END_TEST

/* ---- sets of CPUs ---- */

static const struct {
	const char *text;
	int r;
	unsigned int count;
	const char *again;
} cpu_lists[] = {
	{ "", 0, 0, "" },
	{ "0", 0, 1, "0" },
	{ "0-3,5", 0, 5, "0-3,5" },
	{ "5,0-3", 0, 5, "0-3,5" },
	{ "1,2,3,2", 0, 3, "1-3" },
	{ "0-511", 0, 512, "0-511" },
	{ "511", 0, 1, "511" },
	{ "62-65", 0, 4, "62-65" },
	{ "7-7", 0, 1, "7" },
	{ "512", -ERANGE, 0, NULL },
	{ "0-512", -ERANGE, 0, NULL },
	{ "0-18446744073709551615", -ERANGE, 0, NULL },
	{ "18446744073709551616", -ERANGE, 0, NULL },
	{ "3-1", -EINVAL, 0, NULL },
	{ "0,", -EINVAL, 0, NULL },
	{ ",0", -EINVAL, 0, NULL },
	{ "0,,1", -EINVAL, 0, NULL },
	{ "0-", -EINVAL, 0, NULL },
	{ "-3", -EINVAL, 0, NULL },
	{ "0-3-5", -EINVAL, 0, NULL },
	{ "0 1", -EINVAL, 0, NULL },
	{ "0x1", -EINVAL, 0, NULL },
	{ "a", -EINVAL, 0, NULL },
	{ "0\n", -EINVAL, 0, NULL },
};

START_TEST(cpu_list_of_each_form)
{
	struct kho_cpus cpus = { { 1, 2, 3 } }, before = cpus;
	char text[KHO_CPUS_TEXT];

	ck_assert_int_eq(kho_parse_cpus(cpu_lists[_i].text, &cpus, NULL), cpu_lists[_i].r);
	if (cpu_lists[_i].r < 0) {
		ck_assert_mem_eq(&cpus, &before, sizeof(cpus));
		return;
	}
	ck_assert_uint_eq(kho_cpus_count(&cpus), cpu_lists[_i].count);
	ck_assert_int_eq(kho_cpus_format(&cpus, text, sizeof(text)), 0);
	ck_assert_str_eq(text, cpu_lists[_i].again);
}
END_TEST

START_TEST(cpu_sets)
{
	struct kho_cpus cpus = { 0 };

	ck_assert_uint_eq(kho_cpus_next(&cpus, 0), KHO_CPUS_MAX);
	kho_cpus_add(&cpus, 63);
	kho_cpus_add(&cpus, 64);
	kho_cpus_add(&cpus, KHO_CPUS_MAX);
	kho_cpus_add(&cpus, ~0u);
	ck_assert_uint_eq(kho_cpus_count(&cpus), 2);
	ck_assert(kho_cpus_has(&cpus, 63) && kho_cpus_has(&cpus, 64));
	ck_assert(!kho_cpus_has(&cpus, 65) && !kho_cpus_has(&cpus, ~0u));
	ck_assert_uint_eq(kho_cpus_next(&cpus, 0), 63);
	ck_assert_uint_eq(kho_cpus_next(&cpus, 64), 64);
	ck_assert_uint_eq(kho_cpus_next(&cpus, 65), KHO_CPUS_MAX);
	ck_assert_uint_eq(kho_cpus_next(&cpus, ~0u), KHO_CPUS_MAX);
	kho_cpus_remove(&cpus, 63);
	kho_cpus_remove(&cpus, ~0u);
	ck_assert_uint_eq(kho_cpus_count(&cpus), 1);
}
END_TEST

START_TEST(cpu_list_needs_room)
{
	struct kho_cpus every_other = { 0 };
	char text[KHO_CPUS_TEXT];
	unsigned int cpu;
	size_t size;

	for (cpu = 0; cpu < KHO_CPUS_MAX; cpu += 2)
		kho_cpus_add(&every_other, cpu);
	ck_assert_int_eq(kho_cpus_format(&every_other, text, sizeof(text)), 0);
	for (size = strlen(text); size; size--) {
		ck_assert_int_eq(kho_cpus_format(&every_other, text, size), -ENOSPC);
		ck_assert_str_eq(text, "");
	}
	ck_assert_int_eq(kho_cpus_format(&every_other, text, 0), -ENOSPC);
}
END_TEST

/* ---- PCI addresses, UUIDs ---- */

START_TEST(pci_address)
{
	struct kho_pci_addr addr = { 0 };
	char text[KHO_PCI_TEXT];

	ck_assert_int_eq(kho_parse_pci("0000:00:04.0", &addr, NULL), 0);
	ck_assert(addr.domain == 0 && addr.bus == 0 && addr.device == 4 && addr.function == 0);
	ck_assert_uint_eq(kho_pci_devfn(&addr), 0x20);
	ck_assert_int_eq(kho_parse_pci("FfFe:a0:1f.7", &addr, NULL), 0);
	ck_assert(addr.domain == 0xfffe && addr.bus == 0xa0);
	ck_assert(addr.device == 31 && addr.function == 7);
	ck_assert_uint_eq(kho_pci_devfn(&addr), 0xff);
	kho_pci_format(&addr, text);
	ck_assert_str_eq(text, "fffe:a0:1f.7");
}
END_TEST

static const struct {
	const char *text;
	int r;
} bad_pci[] = {
	{ "0000:00:20.0", -ERANGE }, { "0000:00:04.8", -ERANGE },
	{ "00:04.0", -EINVAL }, { "", -EINVAL }, { "0000:00:04.0\n", -EINVAL },
	{ "0000:00:04.00", -EINVAL }, { "0000:00:4.0", -EINVAL }, { "00000:00:04.0", -EINVAL },
	{ "0000.00:04.0", -EINVAL }, { "0000:00:04:0", -EINVAL }, { "000g:00:04.0", -EINVAL },
	{ "0x00:00:04.0", -EINVAL }, { "0000:00:04.", -EINVAL },
};

START_TEST(pci_address_refused)
{
	struct kho_pci_addr addr = { .domain = 7 };

	ck_assert_int_eq(kho_parse_pci(bad_pci[_i].text, &addr, NULL), bad_pci[_i].r);
	ck_assert_uint_eq(addr.domain, 7);
}
END_TEST

START_TEST(uuid)
{
	static const char good[] = "01234567-89ab-cdef-fedc-ba9876543210";
	uint8_t bytes[KHO_UUID_SIZE], before[KHO_UUID_SIZE];
	char text[KHO_UUID_TEXT], cut[sizeof(good) + 1];
	size_t size;

	ck_assert_int_eq(kho_parse_uuid(good, bytes, NULL), 0);
	ck_assert_mem_eq(bytes, "\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10",
			 sizeof(bytes));
	kho_uuid_format(bytes, text);
	ck_assert_str_eq(text, good);
	memcpy(before, bytes, sizeof(before));
	for (size = 0; size < sizeof(good) - 1; size++) {
		memcpy(cut, good, size);
		cut[size] = '\0';
		ck_assert_int_eq(kho_parse_uuid(cut, bytes, NULL), -EINVAL);
		memcpy(cut, good, sizeof(good));
		cut[size] = 'x';
		ck_assert_int_eq(kho_parse_uuid(cut, bytes, NULL), -EINVAL);
	}
	snprintf(cut, sizeof(cut), "%s0", good);
	ck_assert_int_eq(kho_parse_uuid(cut, bytes, NULL), -EINVAL);
	ck_assert_mem_eq(bytes, before, sizeof(bytes));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("base");
	TCase *crc = tcase_create("crc32c"), *parse = tcase_create("parse");

	tcase_add_test(crc, crc_of_known_texts);
	tcase_add_test(crc, crc_of_all_lengths_and_alignments);
	tcase_add_test(crc, crc_continues);
	tcase_add_loop_test(parse, number_of_each_form, 0, KHO_ARRAY_SIZE(numbers));
	tcase_add_test(parse, number_of_32_bits);
	tcase_add_test(parse, number_in_hex);
	tcase_add_loop_test(parse, size_of_each_form, 0, KHO_ARRAY_SIZE(sizes));
	tcase_add_loop_test(parse, cpu_list_of_each_form, 0, KHO_ARRAY_SIZE(cpu_lists));
	tcase_add_test(parse, cpu_sets);
	tcase_add_test(parse, cpu_list_needs_room);
	tcase_add_test(parse, pci_address);
	tcase_add_loop_test(parse, pci_address_refused, 0, KHO_ARRAY_SIZE(bad_pci));
	tcase_add_test(parse, uuid);
	suite_add_tcase(s, crc);
	suite_add_tcase(s, parse);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
