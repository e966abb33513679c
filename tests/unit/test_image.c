// SPDX-License-Identifier: GPL-2.0-only
/*
 * bzImage parser: a good image gives exact values, and each way in which a file
 * can be wrong gives its own error and leaves the result alone.
 */
#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "spawn/image.h"
#include "unit/fake_image.h"
#include "unit/run.h"

static struct fake_image image;
static struct kho_err err;

static void setup(void)
{
	fake_image_init(&image);
	err = (struct kho_err){};
}

static int parse(size_t size, struct kho_image *ret)
{
	return kho_image_parse(image.data, size, ret, &err);
}

/* Expects @code and a message with @text, from a parse that wrote no result. */
static void expect_failure(int code, const char *text)
{
	struct kho_image ret;
	struct kho_image untouched;

	memset(&ret, 0x5a, sizeof(ret));
	untouched = ret;
	ck_assert_int_eq(parse(sizeof(image.data), &ret), code);
	ck_assert_int_eq(err.code, code);
	ck_assert_msg(strstr(err.msg, text), "\"%s\" isn't in \"%s\"", text, err.msg);
	ck_assert_mem_eq(&ret, &untouched, sizeof(ret));
}

START_TEST(good_image_gives_its_values)
{
	struct kho_image ret;

	ck_assert_int_eq(parse(sizeof(image.data), &ret), 0);
	ck_assert_ptr_eq(ret.data, image.data);
	ck_assert_uint_eq(ret.size, FAKE_IMAGE_SIZE);
	ck_assert_uint_eq(ret.setup_size, FAKE_SETUP_SIZE);
	ck_assert_uint_eq(ret.kernel_size, FAKE_KERNEL_SIZE);
	ck_assert_uint_eq(ret.header_size, 0x26c - 0x1f1);
	ck_assert_uint_eq(ret.protocol, 0x020f);
	ck_assert_uint_eq(ret.pref_address, 16u << 20);
	ck_assert_uint_eq(ret.init_size, FAKE_INIT_SIZE);
	ck_assert_uint_eq(ret.alignment, 2u << 20);
	ck_assert_uint_eq(ret.cmdline_size, FAKE_CMDLINE_SIZE);
	ck_assert_str_eq(ret.release, FAKE_RELEASE);
	ck_assert_str_eq(ret.version, FAKE_VERSION);
	ck_assert_int_eq(err.code, 0);
}
END_TEST

START_TEST(signed_image_is_longer_than_its_kernel)
{
	uint8_t longer[FAKE_IMAGE_SIZE + 1500] = {};
	struct kho_image ret;

	memcpy(longer, image.data, sizeof(image.data));
	ck_assert_int_eq(kho_image_parse(longer, sizeof(longer), &ret, &err), 0);
	ck_assert_uint_eq(ret.kernel_size, FAKE_KERNEL_SIZE);
}
END_TEST

START_TEST(no_setup_sectors_means_four)
{
	struct setup_header *hdr = fake_image_header(&image);
	struct kho_image ret;

	hdr->setup_sects = 0;
	hdr->syssize = (FAKE_IMAGE_SIZE - 5 * 512) / 16;
	ck_assert_int_eq(parse(sizeof(image.data), &ret), 0);
	ck_assert_uint_eq(ret.setup_size, 5 * 512);
}
END_TEST

START_TEST(kernel_without_efi_stub_is_taken)
{
	struct kho_image ret;

	memset(image.data, 0, 0x100);
	ck_assert_int_eq(parse(sizeof(image.data), &ret), 0);
}
END_TEST

/* Every truncation fails, whatever part it cuts, and reads nothing beyond it. */
START_TEST(every_truncation_is_refused)
{
	for (size_t size = 0; size < sizeof(image.data); size++) {
		_cleanup_free_ uint8_t *copy = malloc(size ? size : 1);
		struct kho_image ret;

		memcpy(copy, image.data, size);
		ck_assert_int_eq(kho_image_parse(copy, size, &ret, &err), -ENODATA);
	}
	ck_assert_ptr_nonnull(strstr(err.msg, "truncated"));
	ck_assert_ptr_nonnull(strstr(err.msg, "9216"));
	ck_assert_ptr_nonnull(strstr(err.msg, "9215"));
}
END_TEST

static const struct {
	size_t offset;
	const char *bytes;
	size_t size;
	const char *text;
} foreign_files[] = {
	{ 0, "\x7f" "ELF", 4, "vmlinux" },
	{ 0, "\x1f\x8b\x08", 3, "gunzip" },
	{ 0, "\x28\xb5\x2f\xfd", 4, "unzstd" },
	{ 0, "\xfd" "7zXZ", 6, "unxz" },
	{ 0x38, "ARM\x64", 4, "ARM64" },
	{ 0x38, "RSC\x05", 4, "RISC-V" },
	{ 4, "zimg", 4, "zboot" },
	{ FAKE_PE_OFFSET + 4, "\x64\xaa", 2, "ARM64" },
	{ FAKE_PE_OFFSET + 4, "\x4c\x01", 2, "32-bit x86" },
	{ 0x1fe, "\0\0", 2, "unified kernel image" },
	{ 0x202, "Hdrs", 4, "unified kernel image" },
};

START_TEST(foreign_files_are_named)
{
	memcpy(image.data + foreign_files[_i].offset, foreign_files[_i].bytes,
	       foreign_files[_i].size);
	expect_failure(-ENOEXEC, foreign_files[_i].text);
}
END_TEST

START_TEST(text_file_is_refused)
{
	memset(image.data, 'a', sizeof(image.data));
	expect_failure(-ENOEXEC, "not a bzImage");
}
END_TEST

START_TEST(pe_header_out_of_the_file)
{
	memset(image.data + 0x3c, 0xff, 4);
	expect_failure(-EBADMSG, "PE header");
	memcpy(image.data + 0x3c, "\xfb\x23\0\0", 4);	/* 5 bytes before the end */
	expect_failure(-EBADMSG, "PE header");
}
END_TEST

START_TEST(wrong_mode)
{
	struct setup_header *hdr = fake_image_header(&image);

	hdr->xloadflags = XLF_CAN_BE_LOADED_ABOVE_4G;
	expect_failure(-ENOEXEC, "32-bit kernel");
	hdr->xloadflags = XLF_KERNEL_64;
	expect_failure(-ENOEXEC, "any address");
	hdr->xloadflags = XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G;
	hdr->relocatable_kernel = 0;
	expect_failure(-ENOEXEC, "any address");
	hdr->relocatable_kernel = 1;
	hdr->loadflags = 0;
	expect_failure(-ENOEXEC, "zImage");
	hdr->loadflags = LOADED_HIGH;
	hdr->version = 0x020b;
	expect_failure(-ENOEXEC, "2.11");
}
END_TEST

START_TEST(senseless_limits)
{
	static const uint32_t alignments[] = { 0, 1, 2048, 0x300000, 0x80000000, 0xffffffff };
	static const uint32_t init_sizes[] = { 0, 4095, 0x80000001, 0xffffffff };
	static const uint32_t cmdlines[] = { 0, 255, 65537, 0xffffffff };
	struct setup_header *hdr = fake_image_header(&image);

	for (size_t i = 0; i < 6; i++) {
		hdr->kernel_alignment = alignments[i];
		expect_failure(-EBADMSG, "kernel_alignment");
	}
	setup();
	for (size_t i = 0; i < 4; i++) {
		hdr->init_size = init_sizes[i];
		expect_failure(-EBADMSG, "init_size");
	}
	setup();
	for (size_t i = 0; i < 4; i++) {
		hdr->cmdline_size = cmdlines[i];
		expect_failure(-EBADMSG, "cmdline_size");
	}
	setup();
	hdr->pref_address = 1ULL << 63;
	expect_failure(-EBADMSG, "pref_address");
}
END_TEST

START_TEST(sizes_that_contradict)
{
	struct setup_header *hdr = fake_image_header(&image);

	hdr->syssize++;
	expect_failure(-ENODATA, "truncated");
	hdr->syssize = 0xffffffff;
	expect_failure(-ENODATA, "truncated");
	hdr->syssize = 0x20;			/* ends where the 64-bit entry is */
	expect_failure(-EBADMSG, "init_size");
	setup();
	hdr->init_size = 4096;
	expect_failure(-EBADMSG, "init_size");
	setup();
	hdr->payload_length = FAKE_KERNEL_SIZE - 0x400 + 1;
	expect_failure(-EBADMSG, "payload");
	hdr->payload_length = 0;
	expect_failure(-EBADMSG, "payload");
	hdr->payload_length = 0xffffffff;
	hdr->payload_offset = 0xffffffff;
	expect_failure(-EBADMSG, "payload");
	setup();
	hdr->setup_sects = 255;
	expect_failure(-ENODATA, "truncated");
}
END_TEST

START_TEST(header_end_out_of_bounds)
{
	image.data[0x201] = 0x8f;		/* 0x291 */
	expect_failure(-EBADMSG, "header ends");
	image.data[0x201] = 0x61;		/* 0x263: cuts init_size */
	expect_failure(-EBADMSG, "header ends");
	image.data[0x201] = 0x62;
	ck_assert_int_eq(parse(sizeof(image.data), &(struct kho_image){}), 0);
	image.data[0x201] = 0x8e;
	ck_assert_int_eq(parse(sizeof(image.data), &(struct kho_image){}), 0);
}
END_TEST

START_TEST(version_text)
{
	struct setup_header *hdr = fake_image_header(&image);
	struct kho_image ret;

	hdr->kernel_version = FAKE_SETUP_SIZE - 0x200;
	expect_failure(-EBADMSG, "version");
	hdr->kernel_version = 0xffff;
	expect_failure(-EBADMSG, "version");
	hdr->kernel_version = FAKE_VERSION_OFFSET - 0x200;
	image.data[FAKE_VERSION_OFFSET] = ' ';		/* no release */
	expect_failure(-EBADMSG, "version");
	image.data[FAKE_VERSION_OFFSET] = '\x1b';
	expect_failure(-EBADMSG, "version");
	memset(image.data + FAKE_VERSION_OFFSET, 'x', 65);
	image.data[FAKE_VERSION_OFFSET + 65] = 0;
	expect_failure(-EBADMSG, "version");
	image.data[FAKE_VERSION_OFFSET + 64] = 0;
	ck_assert_int_eq(parse(sizeof(image.data), &ret), 0);
	ck_assert_uint_eq(strlen(ret.release), 64);
}
END_TEST

/* Text without a NUL ends with the setup part: kernel bytes are never shown. */
START_TEST(version_text_stops_at_the_setup)
{
	struct setup_header *hdr = fake_image_header(&image);
	struct kho_image ret;

	hdr->kernel_version = FAKE_SETUP_SIZE - 0x200 - 6;
	memcpy(image.data + FAKE_SETUP_SIZE - 6, "6.12.1abcdef", 12);
	ck_assert_int_eq(parse(sizeof(image.data), &ret), 0);
	ck_assert_str_eq(ret.release, "6.12.1");
}
END_TEST

START_TEST(null_err_is_allowed)
{
	struct kho_image ret;

	image.data[0x202] = 0;
	ck_assert_int_eq(kho_image_parse(image.data, sizeof(image.data), &ret, NULL), -ENOEXEC);
}
END_TEST

static uint8_t *read_all(const char *path, size_t *ret_size)
{
	_cleanup_fclose_ FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(64u << 20);

	ck_assert_msg(file && data, "%s can't be read", path);
	*ret_size = fread(data, 1, 64u << 20, file);
	return data;
}

/* A real kernel, if there is one: KHO_TEST_KERNEL=/boot/vmlinuz-... */
START_TEST(real_kernel)
{
	const char *path = getenv("KHO_TEST_KERNEL");
	_cleanup_free_ uint8_t *data = NULL;
	struct kho_image ret;
	size_t size;

	if (!path || !*path) {
		fprintf(stderr, "skipped: real_kernel: KHO_TEST_KERNEL isn't set\n");
		return;
	}
	data = read_all(path, &size);
	ck_assert_msg(!kho_image_parse(data, size, &ret, &err), "%s: %s", path, err.msg);
	ck_assert_uint_ge(ret.kernel_size, 1u << 20);
	ck_assert_uint_le(size - ret.setup_size - ret.kernel_size, 65536);
	fprintf(stderr, "%s: %s, kernel %zu, init_size %llu\n", path, ret.release,
		ret.kernel_size, (unsigned long long)ret.init_size);
	ck_assert_int_eq(kho_image_parse(data, size - 65536, &ret, &err), -ENODATA);
}
END_TEST

static Suite *image_suite(void)
{
	Suite *suite = suite_create("image");
	TCase *tc = tcase_create("parse");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, good_image_gives_its_values);
	tcase_add_test(tc, signed_image_is_longer_than_its_kernel);
	tcase_add_test(tc, no_setup_sectors_means_four);
	tcase_add_test(tc, kernel_without_efi_stub_is_taken);
	tcase_add_test(tc, every_truncation_is_refused);
	tcase_add_loop_test(tc, foreign_files_are_named, 0,
			    sizeof(foreign_files) / sizeof(foreign_files[0]));
	tcase_add_test(tc, text_file_is_refused);
	tcase_add_test(tc, pe_header_out_of_the_file);
	tcase_add_test(tc, wrong_mode);
	tcase_add_test(tc, senseless_limits);
	tcase_add_test(tc, sizes_that_contradict);
	tcase_add_test(tc, header_end_out_of_bounds);
	tcase_add_test(tc, version_text);
	tcase_add_test(tc, version_text_stops_at_the_setup);
	tcase_add_test(tc, null_err_is_allowed);
	tcase_add_test(tc, real_kernel);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(image_suite());
}
