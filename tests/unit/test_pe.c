// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where an EFI program's signatures are: what the digest covers, byte by byte, and what is
 * refused of a header or a table.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "image/pe.h"
#include "unit/run.h"
#include "unit/signed.h"

#define PE		0x40u		/* of the programs that make-signed.sh makes */
#define OPTIONAL	(PE + 24)
#define CHECKSUM	(OPTIONAL + 64)
#define NR_ENTRIES	(OPTIONAL + 108)
#define TABLE_ENTRY	(OPTIONAL + 112 + 4 * 8)
#define PLAIN_SIZE	1024u

static struct signed_file file;
static struct kho_pe pe;
static struct kho_err err;

static void setup(void)
{
	signed_read("signer.efi", &file);
	err = (struct kho_err){};
}

static void put_u32(size_t offset, uint32_t value)
{
	memcpy(file.data + offset, &value, sizeof(value));
}

static uint32_t get_u32(size_t offset)
{
	uint32_t value;

	memcpy(&value, file.data + offset, sizeof(value));
	return value;
}

static void expect(int code, const char *text)
{
	err = (struct kho_err){};
	ck_assert_int_eq(kho_pe_parse(file.data, file.size, &pe, &err), code);
	ck_assert_int_eq(err.code, code);
	ck_assert_msg(strstr(err.msg, text), "'%s' isn't in '%s'", text, err.msg);
	ck_assert_msg(strstr(err.msg, ";"), "no remedy: %s", err.msg);
}

START_TEST(a_signed_program)
{
	struct kho_pe_signature signature;
	size_t at = 0;

	ck_assert_int_eq(kho_pe_parse(file.data, file.size, &pe, &err), 0);
	ck_assert_uint_eq(pe.checksum, CHECKSUM);
	ck_assert_uint_eq(pe.table_entry, TABLE_ENTRY);
	ck_assert_uint_eq(pe.table, PLAIN_SIZE);
	ck_assert_int_eq(kho_pe_next(&pe, &at, &signature, &err), 1);
	ck_assert_ptr_eq(signature.data, file.data + PLAIN_SIZE + 8);
	ck_assert_uint_eq(signature.size, get_u32(PLAIN_SIZE) - 8);
	ck_assert_int_eq(kho_pe_next(&pe, &at, &signature, &err), 0);
}
END_TEST

START_TEST(an_unsigned_program)
{
	struct kho_pe_signature signature;
	size_t at = 0;

	signed_read("plain.efi", &file);
	ck_assert_int_eq(kho_pe_parse(file.data, file.size, &pe, &err), 0);
	ck_assert_uint_eq(pe.table, pe.size);
	ck_assert_int_eq(kho_pe_next(&pe, &at, &signature, &err), 0);
}
END_TEST

START_TEST(several_signatures)
{
	struct kho_pe_signature first, second;
	size_t at = 0;

	signed_read("two.efi", &file);
	ck_assert_int_eq(kho_pe_parse(file.data, file.size, &pe, &err), 0);
	ck_assert_int_eq(kho_pe_next(&pe, &at, &first, &err), 1);
	ck_assert_int_eq(kho_pe_next(&pe, &at, &second, &err), 1);
	ck_assert(second.data >= first.data + first.size);
	ck_assert_int_eq(kho_pe_next(&pe, &at, &second, &err), 0);
}
END_TEST

/* What sbverify says that it is. */
START_TEST(digest_is_authenticodes)
{
	uint8_t digest[KHO_SHA256_SIZE];
	char text[KHO_SHA256_TEXT];

	ck_assert_int_eq(kho_pe_parse(file.data, file.size, &pe, &err), 0);
	ck_assert_int_eq(kho_pe_digest(&pe, digest, &err), 0);
	kho_sha256_format(digest, text);
	ck_assert_str_eq(text, "89671c79d1606aa1e21585aa51750195311407cc6075f4d78d01c6a20cbdc8bc");
}
END_TEST

/* The digest of a signed program is the unsigned one's, and changes with each byte but those
 * of checksum, entry and table. */
START_TEST(digest_covers_all_else)
{
	uint8_t whole[KHO_SHA256_SIZE], digest[KHO_SHA256_SIZE];
	size_t uncovered = 0;

	ck_assert_int_eq(kho_pe_parse(file.data, file.size, &pe, &err), 0);
	ck_assert_int_eq(kho_pe_digest(&pe, whole, &err), 0);
	for (size_t i = 0; i < file.size; i++) {
		file.data[i] ^= 0x10;
		ck_assert_int_eq(kho_pe_digest(&pe, digest, &err), 0);
		file.data[i] ^= 0x10;
		if (memcmp(whole, digest, sizeof(whole)) != 0)
			continue;
		uncovered++;
		ck_assert_msg((i >= CHECKSUM && i < CHECKSUM + 4) ||
			      (i >= TABLE_ENTRY && i < TABLE_ENTRY + 8) || i >= PLAIN_SIZE,
			      "byte 0x%zx isn't covered", i);
	}
	ck_assert_uint_eq(uncovered, 4 + 8 + file.size - PLAIN_SIZE);
	signed_read("plain.efi", &file);
	ck_assert_int_eq(kho_pe_parse(file.data, file.size, &pe, &err), 0);
	ck_assert_int_eq(kho_pe_digest(&pe, digest, &err), 0);
	ck_assert_mem_eq(digest, whole, sizeof(whole));
}
END_TEST

START_TEST(what_is_no_program)
{
	file.data[0] = 'N';
	expect(-ENOEXEC, "no MZ");
	signed_read("signer.efi", &file);
	put_u32(0x3c, 0xffffffff);
	expect(-ENOEXEC, "no PE header");
	put_u32(0x3c, (uint32_t)file.size - 4);
	expect(-ENOEXEC, "no PE header");
	put_u32(0x3c, PE + 1);
	expect(-ENOEXEC, "no PE header");
	signed_read("signer.efi", &file);
	put_u32(OPTIONAL, 0x10b);
	expect(-ENOEXEC, "PE32+");
	signed_read("signer.efi", &file);
	put_u32(NR_ENTRIES, 4);
	expect(-ENOEXEC, "PE32+");
	signed_read("signer.efi", &file);
	put_u32(PE + 20, 112 + 39);
	expect(-ENOEXEC, "PE32+");
	put_u32(PE + 20, 0xffff);
	expect(-EBADMSG, "ends behind the file");
	for (size_t size = 0; size < TABLE_ENTRY + 8; size++) {
		signed_read("signer.efi", &file);
		file.size = size;
		ck_assert_int_lt(kho_pe_parse(file.data, file.size, &pe, &err), 0);
	}
}
END_TEST

START_TEST(tables_that_lie)
{
	uint32_t size = (uint32_t)file.size - PLAIN_SIZE;
	const struct {
		uint32_t offset, size;
	} bad[] = {
		{ 0, size }, { PLAIN_SIZE, 0 }, { PLAIN_SIZE, size - 8 }, { PLAIN_SIZE, size + 8 },
		{ PLAIN_SIZE + 8, size }, { PLAIN_SIZE - 8, size }, { 0xffffffff, 2 },
		{ 0xfffffff8, 0xfffffff8 }, { 2, 0xffffffff }, { TABLE_ENTRY, size },
		{ TABLE_ENTRY + 4, (uint32_t)file.size - TABLE_ENTRY - 4 },
		{ (uint32_t)file.size, 0 }, { (uint32_t)file.size - 4, 4 }, { 0, 1 },
		{ 0, (uint32_t)file.size },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_u32(TABLE_ENTRY, bad[i].offset);
		put_u32(TABLE_ENTRY + 4, bad[i].size);
		expect(-EBADMSG, "its signatures");
	}
}
END_TEST

static void expect_entry(const char *text)
{
	struct kho_pe_signature signature;
	size_t at = 0;

	ck_assert_int_eq(kho_pe_parse(file.data, file.size, &pe, &err), 0);
	ck_assert_int_eq(kho_pe_next(&pe, &at, &signature, &err), -EBADMSG);
	ck_assert_msg(strstr(err.msg, text), "'%s' isn't in '%s'", text, err.msg);
}

START_TEST(entries_that_lie)
{
	static const uint32_t lengths[] = { 0, 1, 7, 8, 0x7fffffff, 0xffffffff };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		put_u32(PLAIN_SIZE, lengths[i]);
		expect_entry("a signature has");
	}
	put_u32(PLAIN_SIZE, (uint32_t)file.size - PLAIN_SIZE + 1);
	expect_entry("a signature has");
	signed_read("signer.efi", &file);
	put_u32(PLAIN_SIZE + 4, 0x00010200);
	expect_entry("of a kind that isn't known");
	put_u32(PLAIN_SIZE + 4, 0x00020100);
	expect_entry("of a kind that isn't known");
}
END_TEST

/* The first entry ends, by its length, with no room for another one's header. */
START_TEST(an_entry_that_is_cut_off)
{
	struct kho_pe_signature signature;
	uint32_t size = (uint32_t)file.size - PLAIN_SIZE;
	size_t at = 0;

	file.size += 4;
	put_u32(TABLE_ENTRY + 4, size + 4);
	ck_assert_int_eq(kho_pe_parse(file.data, file.size, &pe, &err), 0);
	ck_assert_int_eq(kho_pe_next(&pe, &at, &signature, &err), 1);
	ck_assert_int_eq(kho_pe_next(&pe, &at, &signature, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "cut off"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pe");
	TCase *tc = tcase_create("pe");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_signed_program);
	tcase_add_test(tc, an_unsigned_program);
	tcase_add_test(tc, several_signatures);
	tcase_add_test(tc, digest_is_authenticodes);
	tcase_add_test(tc, digest_covers_all_else);
	tcase_add_test(tc, what_is_no_program);
	tcase_add_test(tc, tables_that_lie);
	tcase_add_test(tc, entries_that_lie);
	tcase_add_test(tc, an_entry_that_is_cut_off);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
