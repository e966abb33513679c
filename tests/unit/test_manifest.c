// SPDX-License-Identifier: GPL-2.0-only
/*
 * Manifests of target images: what's written (golden file) reads back, what was
 * cut off or damaged is refused, what a later version adds is passed over.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "image/manifest.h"
#include "unit/golden.h"
#include "unit/run.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define DIGEST "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static struct kho_manifest manifest;
static struct kho_sink_memory text;
static struct kho_err err;

static void setup(void)
{
	size_t i, j;

	manifest = (struct kho_manifest){
		.name = "trixie-backports",
		.release = "7.3.4+deb13-cloud-amd64",
		.created = "2026-11-22T22:24:00Z",
		.created_by = "khoctl 0.1",
		.compression = "zstd",
	};
	for (i = 0; i < KHO_IMAGE_NR_FILES; i++) {
		manifest.files[i].size = 1000 + i;
		for (j = 0; j < KHO_SHA256_SIZE; j++)
			manifest.files[i].sha256[j] = (uint8_t)(i * 32 + j);
	}
	ck_assert_int_eq(kho_strset_add(&manifest.modules, "kernel/drivers/a.ko.xz", 0), 1);
	ck_assert_int_eq(kho_strset_add(&manifest.modules, "updates/b.ko", 0), 1);
	kho_sink_memory_init(&text, KHO_MANIFEST_MAX);
	err = (struct kho_err){ 0 };
}

static void teardown(void)
{
	kho_manifest_done(&manifest);
	kho_sink_memory_done(&text);
}

START_TEST(golden)
{
	ck_assert_int_eq(kho_manifest_write(&manifest, &text.sink, &err), 0);
	golden_compare("image-manifest.txt", text.data, text.size);
}
END_TEST

START_TEST(what_is_written_reads_back)
{
	struct kho_manifest back;

	ck_assert_int_eq(kho_manifest_write(&manifest, &text.sink, &err), 0);
	ck_assert_int_eq(kho_manifest_parse((char *)text.data, text.size, &back, &err), 0);
	ck_assert_str_eq(back.name, manifest.name);
	ck_assert_str_eq(back.release, manifest.release);
	ck_assert_str_eq(back.created, manifest.created);
	ck_assert_str_eq(back.created_by, manifest.created_by);
	ck_assert_str_eq(back.compression, manifest.compression);
	ck_assert_mem_eq(back.files, manifest.files, sizeof(back.files));
	ck_assert_uint_eq(back.modules.nr, 2);
	ck_assert_str_eq(back.modules.items[0].text, "kernel/drivers/a.ko.xz");
	ck_assert_str_eq(back.modules.items[1].text, "updates/b.ko");
	kho_manifest_done(&back);
}
END_TEST

/* Written if it's known; manifests of before don't have it. */
START_TEST(kho_version)
{
	struct kho_manifest back;

	memcpy(manifest.kho, "kho-v4", 7);
	ck_assert_int_eq(kho_manifest_write(&manifest, &text.sink, &err), 0);
	ck_assert_ptr_nonnull(memmem(text.data, text.size, "\nkho = kho-v4\n", 14));
	ck_assert_int_eq(kho_manifest_parse((char *)text.data, text.size, &back, &err), 0);
	ck_assert_str_eq(back.kho, "kho-v4");
	ck_assert_str_eq(back.boot_cpu, "");
	kho_manifest_done(&back);
	kho_sink_memory_done(&text);
	kho_sink_memory_init(&text, KHO_MANIFEST_MAX);
	manifest.kho[0] = '\0';
	ck_assert_int_eq(kho_manifest_write(&manifest, &text.sink, &err), 0);
	ck_assert_ptr_null(memmem(text.data, text.size, "kho =", 5));
	ck_assert_int_eq(kho_manifest_parse((char *)text.data, text.size, &back, &err), 0);
	ck_assert_str_eq(back.kho, "");
	kho_manifest_done(&back);
	kho_sink_memory_done(&text);
	kho_sink_memory_init(&text, KHO_MANIFEST_MAX);
	memcpy(manifest.boot_cpu, KHO_BOOT_CPU_ANY, sizeof(KHO_BOOT_CPU_ANY));
	ck_assert_int_eq(kho_manifest_write(&manifest, &text.sink, &err), 0);
	ck_assert_ptr_nonnull(memmem(text.data, text.size, "\nboot-cpu = any\n", 16));
	ck_assert_int_eq(kho_manifest_parse((char *)text.data, text.size, &back, &err), 0);
	ck_assert_str_eq(back.boot_cpu, "any");
	kho_manifest_done(&back);
}
END_TEST

START_TEST(with_the_system)
{
	struct kho_manifest back;

	memcpy(manifest.system, "yes", 4);
	ck_assert_int_eq(kho_manifest_write(&manifest, &text.sink, &err), 0);
	ck_assert_ptr_nonnull(memmem(text.data, text.size, "\nsystem = yes\n", 14));
	ck_assert_int_eq(kho_manifest_parse((char *)text.data, text.size, &back, &err), 0);
	ck_assert_str_eq(back.system, "yes");
	kho_manifest_done(&back);
	manifest.system[0] = '\0';
}
END_TEST

/* What an image can drive; manifests of before say nothing of it. */
START_TEST(devices)
{
	static const char old[] = "[image]\nformat = 1\nname = n\nrelease = r\ncreated = c\n"
		"created-by = b\ncompression = none\nmodules = 0\n[files]\nvmlinuz = " DIGEST
		" 1\ninitramfs.img = " DIGEST " 2\ncmdline = " DIGEST " 3\n";
	struct kho_manifest back;

	ck_assert_int_eq(kho_manifest_parse(old, sizeof(old) - 1, &back, &err), 0);
	ck_assert(!back.has_devices && !back.devices.nr);
	kho_manifest_done(&back);
	manifest.has_devices = true;
	ck_assert_int_eq(kho_strset_add(&manifest.devices, "pci:v00001AF4d*[a-c]*", 0), 1);
	ck_assert_int_eq(kho_strset_add(&manifest.builtin, "virtio_pci", 0), 1);
	ck_assert_int_eq(kho_manifest_write(&manifest, &text.sink, &err), 0);
	for (size_t size = 0; size + 2 < text.size; size++)
		ck_assert_int_eq(kho_manifest_parse((char *)text.data, size, &back, &err), -EBADMSG);
	ck_assert_int_eq(kho_manifest_parse((char *)text.data, text.size, &back, &err), 0);
	ck_assert(back.has_devices);
	ck_assert_uint_eq(back.devices.nr, 1);
	ck_assert_str_eq(back.devices.items[0].text, "pci:v00001AF4d*[a-c]*");
	ck_assert_uint_eq(back.builtin.nr, 1);
	ck_assert_str_eq(back.builtin.items[0].text, "virtio_pci");
	ck_assert_uint_eq(back.modules.nr, 2);
	kho_manifest_done(&back);
}
END_TEST

/* Counted and not there, or there and not counted. */
START_TEST(devices_that_do_not_add_up)
{
	static const char *const keys[] = { "devices = 1\n", "devices = x\n", "built-in = 1\n" };
	struct kho_manifest back;
	char bad[2048];

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		snprintf(bad, sizeof(bad), "[image]\nformat = 1\nname = n\nrelease = r\n"
			 "created = c\ncreated-by = b\ncompression = none\nmodules = 0\n%s[files]\n"
			 "vmlinuz = " DIGEST " 1\ninitramfs.img = " DIGEST " 2\ncmdline = " DIGEST
			 " 3\n%s", keys[i], i == 2 ? "[devices]\na =\n" : "");
		ck_assert_int_eq(kho_manifest_parse(bad, strlen(bad), &back, &err), -EBADMSG);
	}
}
END_TEST

START_TEST(every_truncation_is_refused)
{
	struct kho_manifest back = { .name = "untouched" };
	size_t size;

	ck_assert_int_eq(kho_manifest_write(&manifest, &text.sink, &err), 0);
	for (size = 0; size + 2 < text.size; size++) {
		_cleanup_free_ char *copy = malloc(size + 1);

		memcpy(copy, text.data, size);
		ck_assert_int_eq(kho_manifest_parse(copy, size, &back, &err), -EBADMSG);
		ck_assert_int_eq(err.code, -EBADMSG);
		ck_assert_ptr_nonnull(strstr(err.msg, "build the image anew"));
		ck_assert_str_eq(back.name, "untouched");
	}
}
END_TEST

START_TEST(every_byte_flipped_is_survived)
{
	struct kho_manifest back;
	size_t i;
	int r;

	ck_assert_int_eq(kho_manifest_write(&manifest, &text.sink, &err), 0);
	for (i = 0; i < text.size; i++) {
		text.data[i] ^= 1;
		r = kho_manifest_parse((char *)text.data, text.size, &back, &err);
		ck_assert(r == 0 || r == -EBADMSG || r == -EPROTONOSUPPORT);
		if (r == 0)
			kho_manifest_done(&back);
		text.data[i] ^= 1;
	}
}
END_TEST

#define HEAD "[image]\nformat = 1\nname = n\nrelease = r\ncreated = c\ncreated-by = b\n" \
	     "compression = none\nmodules = 0\n"
#define FILES "[files]\nvmlinuz = " DIGEST " 1\ninitramfs.img = " DIGEST " 2\n" \
	      "cmdline = " DIGEST " 3\n"

START_TEST(later_additions_are_passed_over)
{
	static const char later[] = "# comment\n\n[new]\nformat=9\n" FILES "signature = x\n"
				    HEAD "colour = blue\n[modules]\n";
	struct kho_manifest back;

	ck_assert_int_eq(kho_manifest_parse(later, sizeof(later) - 1, &back, &err), 0);
	ck_assert_str_eq(back.release, "r");
	ck_assert_uint_eq(back.files[KHO_IMAGE_CMDLINE].size, 3);
	kho_manifest_done(&back);
}
END_TEST

static const struct {
	const char *text;
	int code;
	const char *message;
} bad[] = {
	{ "", -EBADMSG, "incomplete" },
	{ HEAD, -EBADMSG, "incomplete" },
	{ FILES, -EBADMSG, "incomplete" },
	{ "[image]\nformat = 2\n", -EPROTONOSUPPORT, "format 2 is later than 1" },
	{ "[image]\nformat = 0\n", -EBADMSG, "line 2: format is no number" },
	{ "[image]\nformat = 1x\n", -EBADMSG, "line 2: format is no number" },
	{ "[image\n", -EBADMSG, "line 1: section without ']'" },
	{ "nonsense\n", -EBADMSG, "line 1: neither a section" },
	{ "= value\n", -EBADMSG, "line 1: neither a section" },
	{ "[image]\nname = \n", -EBADMSG, "line 2: the text is empty" },
	{ "[image]\nname = a\nname = b\n", -EBADMSG, "line 3: the key stands there twice" },
	{ "[image]\ncompression = 0123456789012345\n", -EBADMSG, "line 2: the text is empty or" },
	{ "[image]\nname = a\tb\n", -EBADMSG, "line 2: it has control characters" },
	{ "[image]\nmodules = -1\n", -EBADMSG, "line 2: modules is no number" },
	{ "[files]\nvmlinuz = " DIGEST "\n", -EBADMSG, "line 2: no SHA-256 and size" },
	{ "[files]\nvmlinuz = " DIGEST " \n", -EBADMSG, "line 2: no SHA-256 and size" },
	{ "[files]\nvmlinuz = " DIGEST "a 1\n", -EBADMSG, "line 2: no SHA-256 and size" },
	{ "[files]\nvmlinuz = " DIGEST " -1\n", -EBADMSG, "line 2: no SHA-256 and size" },
	{ "[files]\nvmlinuz = " DIGEST " 1\nvmlinuz = " DIGEST " 1\n", -EBADMSG, "twice" },
	{ HEAD FILES "[modules]\na.ko =\n", -EBADMSG, "1 of 0 modules are listed" },
	{ "[image]\nformat = 1\nname = ../x\nrelease = r\ncreated = c\ncreated-by = b\n"
	  "compression = none\nmodules = 0\n" FILES, -EBADMSG, "'../x' is no name for an image" },
	{ "[image]\nformat = 1\nname = x\nrelease = a/b\ncreated = c\ncreated-by = b\n"
	  "compression = none\nmodules = 0\n" FILES, -EBADMSG, "'a/b' is no kernel release" },
};

START_TEST(what_is_no_manifest)
{
	struct kho_manifest back = { .name = "untouched" };

	ck_assert_int_eq(kho_manifest_parse(bad[_i].text, strlen(bad[_i].text), &back, &err),
			 bad[_i].code);
	ck_assert_int_eq(err.code, bad[_i].code);
	ck_assert_msg(strstr(err.msg, bad[_i].message), "'%s' isn't in '%s'", bad[_i].message,
		      err.msg);
	ck_assert_str_eq(back.name, "untouched");
}
END_TEST

START_TEST(binary_and_huge_texts)
{
	_cleanup_free_ char *huge = calloc(1, KHO_MANIFEST_MAX + 1);
	struct kho_manifest back;

	memset(huge, '\n', KHO_MANIFEST_MAX + 1);
	ck_assert_int_eq(kho_manifest_parse(huge, KHO_MANIFEST_MAX + 1, &back, &err), -EBADMSG);
	ck_assert_int_eq(kho_manifest_parse("a\0b", 3, &back, &err), -EBADMSG);
	ck_assert_int_eq(kho_manifest_parse(NULL, 0, &back, &err), -EBADMSG);
}
END_TEST

START_TEST(too_many_modules)
{
	static const char head[] = HEAD FILES "[modules]\n";
	_cleanup_free_ char *many = calloc(1, KHO_MANIFEST_MAX);
	struct kho_manifest back;
	size_t used = sizeof(head) - 1, i;

	memcpy(many, head, used);
	for (i = 0; i <= KHO_MANIFEST_MODULES; i++)
		used += (size_t)snprintf(many + used, KHO_MANIFEST_MAX - used, "m%zu =\n", i);
	ck_assert_int_eq(kho_manifest_parse(many, used, &back, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "too many modules"));
}
END_TEST

START_TEST(what_cannot_be_written)
{
	manifest.created_by[0] = '\n';
	ck_assert_int_eq(kho_manifest_write(&manifest, &text.sink, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "created-by"));
	manifest.created_by[0] = '\0';
	ck_assert_int_eq(kho_manifest_write(&manifest, &text.sink, &err), -EINVAL);
	manifest.created_by[0] = 'x';
	ck_assert_int_eq(kho_strset_add(&manifest.modules, "a=b", 0), 1);
	ck_assert_int_eq(kho_manifest_write(&manifest, &text.sink, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "a=b"));
}
END_TEST

static const struct {
	const char *name;
	int code;
} names[] = {
	{ "a", 0 }, { "7.3.4+deb13~rc1_x", 0 }, { "", -EINVAL }, { ".hidden", -EINVAL },
	{ "-x", -EINVAL }, { "a/b", -EINVAL }, { "a b", -EINVAL }, { "\xc3\xa4", -EINVAL },
	{ "012345678901234567890123456789012345678901234567890123456789012", 0 },
	{ "0123456789012345678901234567890123456789012345678901234567890123", -EINVAL },
};

START_TEST(names_of_images)
{
	ck_assert_int_eq(kho_image_check_name(names[_i].name, &err), names[_i].code);
	ck_assert_int_eq(err.code, names[_i].code);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, golden);
	tcase_add_test(tc, kho_version);
	tcase_add_test(tc, with_the_system);
	tcase_add_test(tc, what_is_written_reads_back);
	tcase_add_test(tc, devices);
	tcase_add_test(tc, devices_that_do_not_add_up);
	tcase_add_test(tc, every_truncation_is_refused);
	tcase_add_test(tc, every_byte_flipped_is_survived);
	tcase_add_test(tc, later_additions_are_passed_over);
	tcase_add_loop_test(tc, what_is_no_manifest, 0, ARRAY_SIZE(bad));
	tcase_add_test(tc, binary_and_huge_texts);
	tcase_add_test(tc, too_many_modules);
	tcase_add_test(tc, what_cannot_be_written);
	tcase_add_loop_test(tc, names_of_images, 0, ARRAY_SIZE(names));
}

int main(void)
{
	Suite *suite = suite_create("manifest");
	TCase *tc = tcase_create("manifest");

	add_tests(tc);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
