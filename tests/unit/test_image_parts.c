// SPDX-License-Identifier: GPL-2.0-only
/*
 * The small parts of which the image builder is made: the set of strings, SHA-256,
 * sinks, compressors.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "image/compress.h"
#include "image/sha256.h"
#include "image/sink.h"
#include "image/strset.h"
#include "unit/run.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ABC_DIGEST "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static struct kho_err err;

static void setup(void)
{
	err = (struct kho_err){ 0 };
}

/* ---- set of strings ---- */

START_TEST(set_keeps_order_and_values)
{
	struct kho_strset set = { 0 };

	ck_assert_uint_eq(kho_strset_find(&set, "a"), KHO_STRSET_NONE);
	ck_assert_int_eq(kho_strset_add(&set, "b", 7), 1);
	ck_assert_int_eq(kho_strset_add(&set, "a", 8), 1);
	ck_assert_int_eq(kho_strset_add(&set, "b", 9), 0);
	ck_assert_int_eq(kho_strset_add(&set, "", 1), 1);
	ck_assert_uint_eq(set.nr, 3);
	ck_assert_str_eq(set.items[0].text, "b");
	ck_assert_uint_eq(set.items[0].value, 7);
	ck_assert_uint_eq(kho_strset_find(&set, "a"), 1);
	ck_assert_uint_eq(kho_strset_find(&set, ""), 2);
	ck_assert_uint_eq(kho_strset_find(&set, "c"), KHO_STRSET_NONE);
	kho_strset_done(&set);
	ck_assert_uint_eq(set.nr, 0);
	kho_strset_done(&set);
}
END_TEST

START_TEST(set_of_many)
{
	struct kho_strset set = { 0 };
	char text[16];
	size_t i;

	for (i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "text %zu", i);
		ck_assert_int_eq(kho_strset_add(&set, text, i), 1);
	}
	for (i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "text %zu", i);
		ck_assert_uint_eq(kho_strset_find(&set, text), i);
		ck_assert_int_eq(kho_strset_add(&set, text, 0), 0);
	}
	kho_strset_done(&set);
}
END_TEST

/* ---- SHA-256 ---- */

START_TEST(digest_of_a_known_text)
{
	uint8_t digest[KHO_SHA256_SIZE], again[KHO_SHA256_SIZE];
	char text[KHO_SHA256_TEXT];
	struct kho_sha256 *hash;

	ck_assert_int_eq(kho_sha256("abc", 3, digest, &err), 0);
	kho_sha256_format(digest, text);
	ck_assert_str_eq(text, ABC_DIGEST);
	ck_assert_int_eq(kho_sha256_new(&hash, &err), 0);
	ck_assert_int_eq(kho_sha256_add(hash, "a", 1), 0);
	ck_assert_int_eq(kho_sha256_add(hash, "bc", 2), 0);
	ck_assert_int_eq(kho_sha256_final(hash, again), 0);
	kho_sha256_free(hash);
	kho_sha256_free(NULL);
	ck_assert_mem_eq(digest, again, sizeof(digest));
}
END_TEST

START_TEST(digest_as_text)
{
	uint8_t digest[KHO_SHA256_SIZE], expected[KHO_SHA256_SIZE];
	char text[] = ABC_DIGEST;
	size_t i;

	ck_assert_int_eq(kho_sha256("abc", 3, expected, &err), 0);
	ck_assert_int_eq(kho_sha256_parse(ABC_DIGEST " and more", digest), 0);
	ck_assert_mem_eq(digest, expected, sizeof(digest));
	for (i = 0; i < 64; i++) {
		text[i] = i % 2 ? 'g' : '\0';
		ck_assert_int_eq(kho_sha256_parse(text, digest), -EINVAL);
		text[i] = ABC_DIGEST[i];
	}
	text[0] = 'B';
	ck_assert_int_eq(kho_sha256_parse(text, digest), -EINVAL);
	ck_assert_mem_eq(digest, expected, sizeof(digest));
}
END_TEST

/* ---- sinks ---- */

START_TEST(memory_sink_has_a_limit)
{
	struct kho_sink_memory memory;

	kho_sink_memory_init(&memory, 4);
	ck_assert_int_eq(memory.sink.write(&memory.sink, "abc", 3, &err), 0);
	ck_assert_int_eq(memory.sink.write(&memory.sink, "de", 2, &err), -EFBIG);
	ck_assert_int_eq(err.code, -EFBIG);
	ck_assert_int_eq(memory.sink.write(&memory.sink, "d", 1, &err), 0);
	ck_assert_int_eq(memory.sink.write(&memory.sink, NULL, 0, &err), 0);
	ck_assert_uint_eq(memory.size, 4);
	ck_assert_mem_eq(memory.data, "abcd", 4);
	kho_sink_memory_done(&memory);
}
END_TEST

START_TEST(file_sink_counts_and_hashes)
{
	char path[] = "/tmp/kho-test-sink-XXXXXX", text[KHO_SHA256_TEXT], back[8];
	_cleanup_close_ int fd = mkstemp(path);
	uint8_t digest[KHO_SHA256_SIZE];
	struct kho_sink_file file;

	ck_assert_int_ge(fd, 0);
	unlink(path);
	ck_assert_int_eq(kho_sink_file_init(&file, fd, &err), 0);
	ck_assert_int_eq(file.sink.write(&file.sink, "ab", 2, &err), 0);
	ck_assert_int_eq(file.sink.write(&file.sink, "c", 1, &err), 0);
	ck_assert_uint_eq(file.size, 3);
	ck_assert_int_eq(kho_sink_file_digest(&file, digest, &err), 0);
	kho_sink_file_done(&file);
	kho_sha256_format(digest, text);
	ck_assert_str_eq(text, ABC_DIGEST);
	ck_assert_int_eq(pread(fd, back, sizeof(back), 0), 3);
	ck_assert_mem_eq(back, "abc", 3);
}
END_TEST

START_TEST(file_sink_says_what_failed)
{
	_cleanup_close_ int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct kho_sink_file file;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(kho_sink_file_init(&file, fd, &err), 0);
	ck_assert_int_eq(file.sink.write(&file.sink, "ab", 2, &err), -ENOSPC);
	ck_assert_str_eq(err.msg, "write failed; make room and try again: "
			 "No space left on device");
	kho_sink_file_done(&file);
}
END_TEST

/* ---- compressors ---- */

static const char full_config[] =
	"# CONFIG_X is not set\nCONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_GZIP=y\nCONFIG_RD_ZSTD=y\n";
static const char gzip_config[] =
	"CONFIG_BLK_DEV_INITRD=y\nXCONFIG_RD_ZSTD=y\n# CONFIG_RD_ZSTD is not set\nCONFIG_RD_GZIP=y";
static const char bare_config[] = "CONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_ZSTD=n\n";
static const char no_config[] = "# CONFIG_BLK_DEV_INITRD is not set\nCONFIG_RD_ZSTD=y\n";

static const struct {
	const char *config;
	enum kho_compression wanted, expected;
	int code;
} choices[] = {
	{ full_config, KHO_COMPRESSION_AUTO, KHO_COMPRESSION_ZSTD, 0 },
	{ full_config, KHO_COMPRESSION_NONE, KHO_COMPRESSION_NONE, 0 },
	{ full_config, KHO_COMPRESSION_GZIP, KHO_COMPRESSION_GZIP, 0 },
	{ gzip_config, KHO_COMPRESSION_AUTO, KHO_COMPRESSION_GZIP, 0 },
	{ gzip_config, KHO_COMPRESSION_ZSTD, 0, -EOPNOTSUPP },
	{ bare_config, KHO_COMPRESSION_AUTO, KHO_COMPRESSION_NONE, 0 },
	{ bare_config, KHO_COMPRESSION_GZIP, 0, -EOPNOTSUPP },
	{ no_config, KHO_COMPRESSION_AUTO, 0, -EOPNOTSUPP },
	{ no_config, KHO_COMPRESSION_NONE, 0, -EOPNOTSUPP },
	{ "", KHO_COMPRESSION_AUTO, KHO_COMPRESSION_GZIP, 0 },
	{ "", KHO_COMPRESSION_ZSTD, KHO_COMPRESSION_ZSTD, 0 },
};

START_TEST(choice_by_the_kernels_configuration)
{
	enum kho_compression ret = KHO_COMPRESSION_NR;
	int r;

	r = kho_compression_choose(choices[_i].wanted, choices[_i].config,
				   strlen(choices[_i].config), &ret, &err);
	ck_assert_int_eq(r, choices[_i].code);
	ck_assert_int_eq(err.code, choices[_i].code);
	ck_assert_int_eq(ret, r < 0 ? KHO_COMPRESSION_NR : choices[_i].expected);
}
END_TEST

static size_t unpack(enum kho_compression type, const struct kho_sink_memory *from, uint8_t *to,
		     size_t size)
{
	z_stream z = { .next_in = from->data, .avail_in = (uInt)from->size, .next_out = to,
		       .avail_out = (uInt)size };

	if (type == KHO_COMPRESSION_ZSTD)
		return ZSTD_decompress(to, size, from->data, from->size);
	if (type == KHO_COMPRESSION_NONE) {
		memcpy(to, from->data, from->size);
		return from->size;
	}
	ck_assert_int_eq(inflateInit2(&z, 15 + 16), Z_OK);
	ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
	ck_assert_uint_eq(z.avail_in, 0);
	inflateEnd(&z);
	return z.total_out;
}

static int compress_in_pieces(enum kho_compression type, const uint8_t *data, size_t size,
			      struct kho_sink_memory *out)
{
	struct kho_compressor compressor;
	size_t at, part = 1;
	int r;

	ck_assert_int_eq(kho_compressor_init(&compressor, type, 0, &out->sink, &err), 0);
	for (r = 0, at = 0; r == 0 && at < size; at += part, part = part * 3 + 1) {
		part = part < size - at ? part : size - at;
		r = compressor.sink.write(&compressor.sink, data + at, part, &err);
	}
	if (r == 0)
		r = kho_compressor_finish(&compressor, &err);
	kho_compressor_done(&compressor);
	return r;
}

/* Half of it noise, half of it not; more than any buffer in between. */
START_TEST(what_is_packed_can_be_unpacked)
{
	enum kho_compression type = KHO_COMPRESSION_NONE + _i;
	size_t size = 600000, i;
	_cleanup_free_ uint8_t *data = malloc(size), *back = malloc(size);
	struct kho_sink_memory packed, again;
	uint32_t noise = 1;

	for (i = 0; i < size; i++) {
		noise = noise * 1664525 + 1013904223;
		data[i] = i < size / 2 ? noise >> 24 : (uint8_t)(i / 1000);
	}
	kho_sink_memory_init(&packed, 1 << 20);
	kho_sink_memory_init(&again, 1 << 20);
	ck_assert_int_eq(compress_in_pieces(type, data, size, &packed), 0);
	ck_assert_int_eq(compress_in_pieces(type, data, size, &again), 0);
	ck_assert_uint_eq(unpack(type, &packed, back, size), size);
	ck_assert_mem_eq(data, back, size);
	ck_assert_uint_eq(packed.size, again.size);
	ck_assert_mem_eq(packed.data, again.data, packed.size);
	if (type != KHO_COMPRESSION_NONE)
		ck_assert_uint_lt(packed.size, size * 2 / 3);
	kho_sink_memory_done(&again);
	kho_sink_memory_init(&again, packed.size - 1);
	ck_assert_int_eq(compress_in_pieces(type, data, size, &again), -EFBIG);
	kho_sink_memory_done(&again);
	kho_sink_memory_done(&packed);
}
END_TEST

START_TEST(levels_are_checked)
{
	struct kho_compressor compressor;
	struct kho_sink_memory memory;

	kho_sink_memory_init(&memory, 100);
	ck_assert_int_eq(kho_compressor_init(&compressor, KHO_COMPRESSION_GZIP, 10, &memory.sink,
					     &err), -EINVAL);
	ck_assert_int_eq(kho_compressor_init(&compressor, KHO_COMPRESSION_ZSTD, -1, &memory.sink,
					     &err), -EINVAL);
	ck_assert_int_eq(kho_compressor_init(&compressor, KHO_COMPRESSION_AUTO, 0, &memory.sink,
					     &err), -EINVAL);
	ck_assert_int_eq(kho_compressor_init(&compressor, KHO_COMPRESSION_ZSTD, 19, &memory.sink,
					     &err), 0);
	kho_compressor_done(&compressor);
	kho_compressor_done(&compressor);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, set_keeps_order_and_values);
	tcase_add_test(tc, set_of_many);
	tcase_add_test(tc, digest_of_a_known_text);
	tcase_add_test(tc, digest_as_text);
	tcase_add_test(tc, memory_sink_has_a_limit);
	tcase_add_test(tc, file_sink_counts_and_hashes);
	tcase_add_test(tc, file_sink_says_what_failed);
	tcase_add_loop_test(tc, choice_by_the_kernels_configuration, 0, ARRAY_SIZE(choices));
	tcase_add_loop_test(tc, what_is_packed_can_be_unpacked, 0, 3);
	tcase_add_test(tc, levels_are_checked);
}

int main(void)
{
	Suite *suite = suite_create("image_parts");
	TCase *tc = tcase_create("image_parts");

	add_tests(tc);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
