// SPDX-License-Identifier: GPL-2.0-only
/*
 * The search for a kernel's KHO version: in gzip and zstd, across the pieces that are
 * unpacked, and what it says when there's nothing to find, or too much.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "image/kho_version.h"
#include "unit/fake_image.h"
#include "unit/run.h"

#define CONFIG_ON	"CONFIG_KEXEC=y\nCONFIG_KEXEC_HANDOVER=y\n"
#define CONFIG_OFF	"CONFIG_KEXEC=y\n# CONFIG_KEXEC_HANDOVER is not set\n"
#define PAYLOAD_AT	0x400u		/* in the 64-bit kernel */
#define PLAIN_SIZE	(200u << 10)	/* more than one piece */

static struct fake_image fake;
static struct kho_image image;
static uint8_t *plain;
static char found[KHO_VERSION_TEXT];
static struct kho_err err;

static void setup(void)
{
	fake_image_init(&fake);
	ck_assert_int_eq(kho_image_parse(fake.data, sizeof(fake.data), &image, &err), 0);
	plain = calloc(1, PLAIN_SIZE);
	ck_assert_ptr_nonnull(plain);
	memset(found, 0x5a, sizeof(found));
}

static void teardown(void)
{
	free(plain);
}

static uint8_t *payload(void)
{
	return fake.data + FAKE_SETUP_SIZE + PAYLOAD_AT;
}

static void set_payload(size_t size)
{
	ck_assert_uint_le(size, FAKE_KERNEL_SIZE - PAYLOAD_AT);
	fake_image_header(&fake)->payload_offset = PAYLOAD_AT;
	fake_image_header(&fake)->payload_length = (uint32_t)size;
}

static void pack_gzip(void)
{
	z_stream stream = {
		.next_in = plain, .avail_in = PLAIN_SIZE,
		.next_out = payload(), .avail_out = FAKE_KERNEL_SIZE - PAYLOAD_AT,
	};

	ck_assert_int_eq(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8,
				      Z_DEFAULT_STRATEGY), Z_OK);
	ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
	/* the kernel's build puts the unpacked size behind */
	set_payload(stream.total_out + 4);
	deflateEnd(&stream);
}

static void pack_zstd(void)
{
	size_t size = ZSTD_compress(payload(), FAKE_KERNEL_SIZE - PAYLOAD_AT, plain, PLAIN_SIZE, 3);

	ck_assert(!ZSTD_isError(size));
	set_payload(size + 4);
}

static void expect(const char *config, const char *text)
{
	ck_assert_int_eq(kho_version_find(&image, config, strlen(config), found, &err), 0);
	ck_assert_str_eq(found, text);
}

static void put(size_t at, const char *text)
{
	memcpy(plain + at, text, strlen(text) + 1);
}

START_TEST(found_in_either_packing)
{
	put(1000, "kho-v4");
	pack_gzip();
	expect(CONFIG_ON, "kho-v4");
	expect("", "kho-v4");
	pack_zstd();
	expect(CONFIG_ON, "kho-v4");
}
END_TEST

/* Around the end of the first piece of 64 KiB, at each place a byte may fall. */
START_TEST(found_across_pieces)
{
	put((64u << 10) - 10 + (size_t)_i, "kho-v12");
	pack_zstd();
	expect(CONFIG_ON, "kho-v12");
	pack_gzip();
	expect(CONFIG_ON, "kho-v12");
}
END_TEST

START_TEST(said_twice_is_once)
{
	put(1000, "kho-v4");
	put(150000, "kho-v4");
	pack_zstd();
	expect(CONFIG_ON, "kho-v4");
}
END_TEST

START_TEST(without_kho)
{
	put(1000, "kho-v4");
	pack_zstd();
	expect(CONFIG_OFF, KHO_VERSION_NONE);
	expect("# CONFIG_KEXEC_HANDOVER=y\n", KHO_VERSION_NONE);
	memset(plain, 0, PLAIN_SIZE);
	pack_zstd();
	expect("", KHO_VERSION_NONE);
}
END_TEST

START_TEST(not_to_be_told)
{
	static const char *const wrong[] = {
		"kho-v", "kho-v4x", "kho-v1234567", "kho-w4", "KHO-v4", "",
	};

	for (size_t i = 0; i < KHO_ARRAY_SIZE(wrong); i++) {
		memset(plain, 0, PLAIN_SIZE);
		put(1000, wrong[i]);
		pack_zstd();
		expect(CONFIG_ON, KHO_VERSION_UNKNOWN);
	}
	put(1000, "kho-v4");
	put(100000, "kho-v5");
	pack_zstd();
	expect(CONFIG_ON, KHO_VERSION_UNKNOWN);
}
END_TEST

START_TEST(damaged_or_foreign_payloads)
{
	put(1000, "kho-v4");
	pack_zstd();
	set_payload(12);		/* cut off */
	expect(CONFIG_ON, KHO_VERSION_UNKNOWN);
	pack_gzip();
	set_payload(12);
	expect(CONFIG_ON, KHO_VERSION_UNKNOWN);
	memcpy(payload(), "\xfd" "7zXZ", 6);
	expect(CONFIG_ON, KHO_VERSION_UNKNOWN);
	expect("", KHO_VERSION_UNKNOWN);
	set_payload(1);
	expect(CONFIG_ON, KHO_VERSION_UNKNOWN);
}
END_TEST

/* A kernel as it's packed by those who build it, if KHO_TEST_KERNEL names one. */
START_TEST(real_kernel)
{
	const char *path = getenv("KHO_TEST_KERNEL");
	_cleanup_free_ char *data = NULL;
	size_t size;

	if (!path || !*path) {
		fprintf(stderr, "skipped: real_kernel: KHO_TEST_KERNEL isn't set\n");
		return;
	}
	ck_assert_int_eq(kho_file_read(path, 256u << 20, &data, &size, &err), 0);
	ck_assert_msg(!kho_image_parse(data, size, &image, &err), "%s: %s", path, err.msg);
	ck_assert_int_eq(kho_version_find(&image, NULL, 0, found, &err), 0);
	fprintf(stderr, "%s: KHO %s\n", path, found);
	ck_assert_str_ne(found, KHO_VERSION_UNKNOWN);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kho_version");
	TCase *tc = tcase_create("kho_version");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, found_in_either_packing);
	tcase_add_loop_test(tc, found_across_pieces, 0, 12);
	tcase_add_test(tc, said_twice_is_once);
	tcase_add_test(tc, without_kho);
	tcase_add_test(tc, not_to_be_told);
	tcase_add_test(tc, damaged_or_foreign_payloads);
	tcase_add_test(tc, real_kernel);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
