// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ELF reader: exact answers for files made here, right ones for a real
 * program, and for damaged files an error or an answer that lies within the file.
 */
#include <check.h>
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "image/elf.h"
#include "unit/fake_elf.h"
#include "unit/run.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const char *const two_libs[] = { "liba.so.1", "libb.so.2", NULL };
static const struct fake_elf_spec full_spec = {
	.interp = "/lib64/ld-linux-x86-64.so.2",
	.runpath = "$ORIGIN/../lib:/opt/lib",
	.rpath = "/not/this",
	.needed = two_libs,
	.dlopen_json = "[{\"feature\":\"xz\",\"description\":\"x\",\"priority\":\"recommended\","
		       "\"soname\":[\"liblzma.so.5\"]},"
		       "{\"priority\":\"suggested\",\"soname\":[\"libno.so.1\"]},"
		       "{\"soname\":[\"libz.so.2\",\"libz.so.1\"],\"priority\":\"required\"}]",
};
static const char *const modinfo[] = {
	"license=GPL", "vermagicx=no", "depends=a,b", "vermagic=7.3.4 SMP mod_unload", "name=", NULL
};

static struct fake_elf file;
static struct kho_elf elf;
static struct kho_err err;

static void setup(void)
{
	fake_elf_init(&file, &full_spec);
	memset(&elf, 0x5a, sizeof(elf));
	err = (struct kho_err){ 0 };
}

static int parse(void)
{
	return kho_elf_parse(file.data, file.size, &elf, &err);
}

static void expect_failure(int code, const char *text)
{
	struct kho_elf untouched;

	memset(&untouched, 0x5a, sizeof(untouched));
	ck_assert_int_eq(parse(), code);
	ck_assert_int_eq(err.code, code);
	ck_assert_msg(strstr(err.msg, text), "\"%s\" isn't in \"%s\"", text, err.msg);
	ck_assert_mem_eq(&elf, &untouched, sizeof(elf));
}

static Elf64_Ehdr *header(void)
{
	return (Elf64_Ehdr *)(void *)file.data;
}

static Elf64_Phdr *segment(size_t i)
{
	return (Elf64_Phdr *)(void *)(file.data + FAKE_ELF_PHDRS) + i;
}

static Elf64_Dyn *dynamic(size_t i)
{
	return (Elf64_Dyn *)(void *)(file.data + FAKE_ELF_DYNAMIC) + i;
}

START_TEST(all_that_a_program_needs)
{
	ck_assert_int_eq(parse(), 0);
	ck_assert_str_eq(elf.interp, "/lib64/ld-linux-x86-64.so.2");
	ck_assert_str_eq(elf.runpath, "$ORIGIN/../lib:/opt/lib");
	ck_assert_uint_eq(elf.nr_needed, 2);
	ck_assert_str_eq(elf.needed[0], "liba.so.1");
	ck_assert_str_eq(elf.needed[1], "libb.so.2");
	ck_assert_uint_eq(elf.nr_dlopen, 2);
	ck_assert_str_eq(elf.dlopen[0], "liblzma.so.5");
	ck_assert_str_eq(elf.dlopen[1], "libz.so.2");
}
END_TEST

START_TEST(a_static_program_needs_nothing)
{
	fake_elf_init(&file, &(struct fake_elf_spec){ 0 });
	segment(1)->p_type = PT_GNU_STACK;
	ck_assert_int_eq(parse(), 0);
	ck_assert_ptr_null(elf.interp);
	ck_assert_ptr_null(elf.runpath);
	ck_assert_uint_eq(elf.nr_needed, 0);
	ck_assert_uint_eq(elf.nr_dlopen, 0);
}
END_TEST

START_TEST(rpath_counts_without_runpath)
{
	fake_elf_init(&file, &(struct fake_elf_spec){ .rpath = "/r" });
	ck_assert_int_eq(parse(), 0);
	ck_assert_str_eq(elf.runpath, "/r");
}
END_TEST

START_TEST(what_is_no_elf)
{
	memcpy(file.data, "#!/bin/sh\n", 10);
	expect_failure(-ENOEXEC, "not an ELF file");
	file.size = 3;
	expect_failure(-ENOEXEC, "not an ELF file");
	file.size = 0;
	expect_failure(-ENOEXEC, "not an ELF file");
}
END_TEST

START_TEST(other_machines)
{
	header()->e_machine = EM_AARCH64;
	expect_failure(-EOPNOTSUPP, "machine 183 is not x86-64");
	setup();
	header()->e_ident[EI_CLASS] = ELFCLASS32;
	expect_failure(-EOPNOTSUPP, "not 64-bit");
	setup();
	header()->e_ident[EI_DATA] = ELFDATA2MSB;
	expect_failure(-EOPNOTSUPP, "little-endian");
	setup();
	header()->e_type = ET_REL;
	expect_failure(-EOPNOTSUPP, "type 1 is neither program nor shared library");
}
END_TEST

START_TEST(damaged_headers)
{
	header()->e_phnum = 0;
	expect_failure(-EBADMSG, "0 program headers");
	header()->e_phnum = 257;
	expect_failure(-EBADMSG, "257 program headers");
	header()->e_phnum = 3;
	header()->e_phoff = UINT64_MAX - 8;
	expect_failure(-EBADMSG, "program headers");
	header()->e_phoff = file.size - 3 * sizeof(Elf64_Phdr) + 1;
	expect_failure(-EBADMSG, "program headers");
	setup();
	header()->e_phentsize = 32;
	expect_failure(-EBADMSG, "of 32 bytes");
}
END_TEST

START_TEST(damaged_dynamic_section)
{
	segment(1)->p_offset = UINT64_MAX;
	expect_failure(-EBADMSG, "dynamic section");
	setup();
	segment(1)->p_filesz = file.size + 1;
	expect_failure(-EBADMSG, "dynamic section");
	setup();
	dynamic(0)->d_un.d_val = UINT64_MAX;	/* a name before the table */
	expect_failure(-EBADMSG, "does not end within its table");
	dynamic(0)->d_un.d_val = 1u << 20;
	expect_failure(-EBADMSG, "does not end within its table");
	dynamic(0)->d_un.d_val = 0;		/* "" */
	expect_failure(-EBADMSG, "without a name");
	setup();
	dynamic(4)->d_un.d_ptr = 1;
	expect_failure(-EBADMSG, "no segment of the file holds address 0x1");
	setup();
	dynamic(5)->d_un.d_val = FAKE_ELF_MAX;
	expect_failure(-EBADMSG, "larger than its segment");
	setup();
	dynamic(5)->d_un.d_val = 5;		/* cuts the first name */
	expect_failure(-EBADMSG, "does not end within its table");
	setup();
	segment(0)->p_filesz = UINT64_MAX;	/* a segment beyond the file holds nothing */
	expect_failure(-EBADMSG, "no segment of the file holds address");
}
END_TEST

START_TEST(damaged_interpreter)
{
	segment(2)->p_filesz -= 1;		/* no NUL */
	expect_failure(-EBADMSG, "does not end within its table");
	segment(2)->p_filesz = 0;
	expect_failure(-EBADMSG, "does not end within its table");
	segment(2)->p_offset = UINT64_MAX;
	segment(2)->p_filesz = 2;
	expect_failure(-EBADMSG, "interpreter's name lies outside");
	setup();
	file.data[FAKE_ELF_INTERP] = 'x';
	expect_failure(-EBADMSG, "isn't an absolute path");
}
END_TEST

START_TEST(too_many_libraries)
{
	size_t i;

	/* more than the fake file's own tables hold, so all share one name */
	fake_elf_init(&file, &(struct fake_elf_spec){ .needed = two_libs });
	for (i = 0; i <= KHO_ELF_MAX_NEEDED; i++) {
		Elf64_Dyn entry = { .d_tag = DT_NEEDED, .d_un.d_val = 1 };

		memcpy(file.data + 0x600 + 32 + i * sizeof(entry), &entry, sizeof(entry));
	}
	memcpy(file.data + 0x600, dynamic(2), 32);
	segment(1)->p_offset = 0x600;
	segment(1)->p_filesz = 32 + (KHO_ELF_MAX_NEEDED + 1) * sizeof(Elf64_Dyn);
	file.size = sizeof(file.data);
	expect_failure(-E2BIG, "more than 128 libraries");
	segment(1)->p_filesz -= sizeof(Elf64_Dyn);
	ck_assert_int_eq(parse(), 0);
	ck_assert_uint_eq(elf.nr_needed, KHO_ELF_MAX_NEEDED);
}
END_TEST

/* A note is a hint: what's wrong with it is no error. */
static const char *const odd_notes[] = {
	"", "[", "{", "}", "[{}]", "{\"soname\":[\"x\"]}", "{\"priority\":\"required\"}",
	"{\"priority\":\"required\",\"soname\":[]}",
	"{\"priority\":\"required\",\"soname\":[\"\"]}",
	"{\"priority\":\"required\",\"soname\":[\"a/b\"]}",
	"{\"priority\":\"required\",\"soname\":[\"a\\u0041\"]}",
	"{\"priority\":\"requiredx\",\"soname\":[\"a\"]}",
	"{\"priority\":\"required\",\"soname\":[\"a",
	"{\"priority\":\"required\",\"soname\":"
	"[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]}",
};

START_TEST(odd_notes_are_passed_over)
{
	struct fake_elf_spec spec = full_spec;

	spec.dlopen_json = odd_notes[_i];
	fake_elf_init(&file, &spec);
	ck_assert_int_eq(parse(), 0);
	ck_assert_uint_eq(elf.nr_dlopen, 0);
}
END_TEST

/* In memory of exactly that size, so that a sanitizer sees any byte too far. */
static void parse_copy(const uint8_t *data, size_t size)
{
	_cleanup_free_ uint8_t *copy = malloc(size ? size : 1);
	struct kho_elf ret;
	int r;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, data, size);
	r = kho_elf_parse(copy, size, &ret, &err);
	ck_assert(r == 0 || (r < 0 && err.code == r));
	for (size_t i = 0; r == 0 && i < ret.nr_needed; i++) {
		ck_assert(ret.needed[i] >= (const char *)copy);
		ck_assert_uint_lt(strlen(ret.needed[i]), size);
	}
}

START_TEST(every_truncation)
{
	size_t size;

	for (size = 0; size < file.size; size++)
		parse_copy(file.data, size);
}
END_TEST

START_TEST(every_byte_flipped)
{
	size_t i;

	for (i = 0; i < file.size; i++) {
		file.data[i] ^= 0xff;
		parse_copy(file.data, file.size);
		file.data[i] ^= 0xff ^ 0x80;
		parse_copy(file.data, file.size);
		file.data[i] ^= 0x80;
	}
}
END_TEST

START_TEST(a_real_program)
{
	_cleanup_free_ char *data = NULL;
	bool libc = false;
	size_t size, i;

	ck_assert_int_eq(kho_file_read("/bin/true", 1 << 24, &data, &size, &err), 0);
	ck_assert_int_eq(kho_elf_parse(data, size, &elf, &err), 0);
	ck_assert_str_eq(elf.interp, "/lib64/ld-linux-x86-64.so.2");
	for (i = 0; i < elf.nr_needed; i++)
		libc |= strcmp(elf.needed[i], "libc.so.6") == 0;
	ck_assert(libc);
	for (i = 0; i < size; i += i < 4096 ? 1 : 97)
		parse_copy((uint8_t *)data, i);
	for (i = 0; i < size; i += i < 4096 ? 1 : 97) {
		data[i] ^= 0xff;
		parse_copy((uint8_t *)data, size);
		data[i] ^= 0xff;
	}
}
END_TEST

/* ---- modules ---- */

static void expect_modinfo_failure(const char *key, int code, const char *text)
{
	const char *value = "untouched";

	ck_assert_int_eq(kho_elf_modinfo(file.data, file.size, key, &value, &err), code);
	ck_assert_int_eq(err.code, code);
	ck_assert_msg(strstr(err.msg, text), "\"%s\" isn't in \"%s\"", text, err.msg);
	ck_assert_str_eq(value, "untouched");
}

START_TEST(modinfo_values)
{
	const char *value;

	fake_module_init(&file, modinfo);
	ck_assert_int_eq(kho_elf_modinfo(file.data, file.size, "vermagic", &value, &err), 0);
	ck_assert_str_eq(value, "7.3.4 SMP mod_unload");
	ck_assert_int_eq(kho_elf_modinfo(file.data, file.size, "depends", &value, &err), 0);
	ck_assert_str_eq(value, "a,b");
	ck_assert_int_eq(kho_elf_modinfo(file.data, file.size, "name", &value, &err), 0);
	ck_assert_str_eq(value, "");
	expect_modinfo_failure("verma", -ENOENT, "no 'verma'");
}
END_TEST

START_TEST(modinfo_of_what_has_none)
{
	expect_modinfo_failure("vermagic", -EOPNOTSUPP, "no kernel module");
	fake_module_init(&file, modinfo);
	file.data[FAKE_ELF_DYNAMIC + 1] = 'x';
	expect_modinfo_failure("vermagic", -ENOENT, "no .modinfo section");
}
END_TEST

START_TEST(modinfo_damaged)
{
	Elf64_Shdr *section;

	fake_module_init(&file, modinfo);
	section = (Elf64_Shdr *)(void *)(file.data + header()->e_shoff);
	section[1].sh_size = UINT64_MAX;
	expect_modinfo_failure("vermagic", -EBADMSG, ".modinfo section lies outside");
	section[1].sh_size = 12;
	section[1].sh_type = SHT_NOBITS;
	expect_modinfo_failure("vermagic", -EBADMSG, ".modinfo section lies outside");
	header()->e_shstrndx = 3;
	expect_modinfo_failure("vermagic", -EBADMSG, "section headers lie outside");
	header()->e_shstrndx = 2;
	header()->e_shoff = UINT64_MAX;
	expect_modinfo_failure("vermagic", -EBADMSG, "section headers lie outside");
}
END_TEST

START_TEST(modinfo_every_truncation_and_flip)
{
	const char *value;
	size_t i;

	fake_module_init(&file, modinfo);
	for (i = 0; i < file.size; i++) {
		_cleanup_free_ uint8_t *copy = malloc(i ? i : 1);

		memcpy(copy, file.data, i);
		ck_assert_int_lt(kho_elf_modinfo(copy, i, "vermagic", &value, &err), 0);
		file.data[i] ^= 0xff;
		kho_elf_modinfo(file.data, file.size, "vermagic", &value, &err);
		file.data[i] ^= 0xff;
	}
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, all_that_a_program_needs);
	tcase_add_test(tc, a_static_program_needs_nothing);
	tcase_add_test(tc, rpath_counts_without_runpath);
	tcase_add_test(tc, what_is_no_elf);
	tcase_add_test(tc, other_machines);
	tcase_add_test(tc, damaged_headers);
	tcase_add_test(tc, damaged_dynamic_section);
	tcase_add_test(tc, damaged_interpreter);
	tcase_add_test(tc, too_many_libraries);
	tcase_add_loop_test(tc, odd_notes_are_passed_over, 0, ARRAY_SIZE(odd_notes));
	tcase_add_test(tc, every_truncation);
	tcase_add_test(tc, every_byte_flipped);
	tcase_add_test(tc, a_real_program);
	tcase_add_test(tc, modinfo_values);
	tcase_add_test(tc, modinfo_of_what_has_none);
	tcase_add_test(tc, modinfo_damaged);
	tcase_add_test(tc, modinfo_every_truncation_and_flip);
}

int main(void)
{
	Suite *suite = suite_create("elf");
	TCase *tc = tcase_create("elf");

	add_tests(tc);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
