// SPDX-License-Identifier: GPL-2.0-only
/*
 * Archives: what's packed comes out the same, and what's hostile writes nothing, least
 * of all outside of the folder that was given.
 */
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "migrate/workload/archive.h"
#include "unit/golden.h"
#include "unit/run.h"

#define LIMIT (1u << 20)

static char top[64];
static int from, to;			/* folders below top */
static struct kho_archive archive;
static struct kho_err err;

static int make_folder(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", top, name);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static void setup(void)
{
	snprintf(top, sizeof(top), "/tmp/kho-test-archive-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
	from = make_folder("from");
	to = make_folder("to");
	archive = (struct kho_archive){};
	err = (struct kho_err){};
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static void teardown(void)
{
	kho_archive_done(&archive);
	close(from);
	close(to);
	nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put(int dir, const char *name, const void *data, size_t size)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
	close(fd);
}

static void expect_file(const char *name, const void *data, size_t size)
{
	_cleanup_free_ char *got = NULL;
	size_t got_size;
	char path[128];

	snprintf(path, sizeof(path), "%s/to/%s", top, name);
	ck_assert_msg(kho_file_read(path, LIMIT, &got, &got_size, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(got_size, size);
	ck_assert_mem_eq(got, data, size);
}

static bool exists(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", top, name);
	return access(path, F_OK) == 0;
}

static int unpack(void)
{
	err = (struct kho_err){};
	return kho_archive_unpack(archive.data, archive.size, to, &err);
}

/* ---- packed by us ---- */

START_TEST(round_trip)
{
	static const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1234567890 } };
	char large[200000];
	struct stat st;

	memset(large, 'l', sizeof(large));
	ck_assert_int_eq(mkdirat(from, "run", 0755), 0);
	ck_assert_int_eq(mkdirat(from, "run/redis", 0700), 0);
	put(from, "run/redis/pid", "12\n", 3);
	put(from, "empty", "", 0);
	put(from, "large", large, sizeof(large));
	ck_assert_int_eq(fchmodat(from, "run/redis/pid", 04751, 0), 0);
	ck_assert_int_eq(utimensat(from, "run/redis/pid", times, 0), 0);
	ck_assert_int_eq(kho_archive_begin(&archive, &err), 0);
	ck_assert_int_eq(kho_archive_add(&archive, from, "run/redis/pid", LIMIT, &err), 0);
	ck_assert_int_eq(kho_archive_add(&archive, from, "empty", LIMIT, &err), 0);
	ck_assert_int_eq(kho_archive_add(&archive, from, "large", LIMIT, &err), 0);
	ck_assert_int_eq(kho_archive_end(&archive, &err), 0);

	put(to, "empty", "it was something else", 21);
	ck_assert_int_eq(kho_archive_check(archive.data, archive.size, &err), 0);
	ck_assert_msg(unpack() == 0, "%s", err.msg);
	expect_file("run/redis/pid", "12\n", 3);
	expect_file("empty", "", 0);
	expect_file("large", large, sizeof(large));
	ck_assert_int_eq(fstatat(to, "run/redis/pid", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 04751);
	ck_assert_int_eq(st.st_mtime, 1234567890);
	ck_assert_uint_eq(st.st_uid, getuid());
}
END_TEST

START_TEST(nothing_packed)
{
	ck_assert_int_eq(kho_archive_begin(&archive, &err), 0);
	ck_assert_int_eq(kho_archive_end(&archive, &err), 0);
	ck_assert_uint_eq(archive.size, 16);
	ck_assert_int_eq(unpack(), 0);
}
END_TEST

START_TEST(a_folder)
{
	ck_assert_int_eq(mkdirat(from, "below", 0755), 0);
	put(from, "below/c", "c", 1);
	put(from, "a", "aa", 2);
	put(from, ".b", "b", 1);
	ck_assert_int_eq(symlinkat("a", from, "link"), 0);
	ck_assert_int_eq(mkfifoat(from, "pipe", 0600), 0);
	ck_assert_int_eq(kho_archive_begin(&archive, &err), 0);
	ck_assert_int_eq(kho_archive_add_folder(&archive, from, LIMIT, &err), 0);
	ck_assert_int_eq(kho_archive_end(&archive, &err), 0);
	ck_assert_int_eq(unpack(), 0);
	expect_file("a", "aa", 2);
	expect_file(".b", "b", 1);
	ck_assert(!exists("to/below") && !exists("to/link") && !exists("to/pipe"));
}
END_TEST

START_TEST(not_packed)
{
	static const char *const bad[] = {
		"", ".", "..", "/a", "./a", "a/.", "a/..", "../from/a", "b/../a", "a/", "b//a",
	};
	char longest[KHO_ARCHIVE_NAME_MAX + 2];
	size_t before;

	put(from, "a", "aa", 2);
	ck_assert_int_eq(mkdirat(from, "b", 0755), 0);
	ck_assert_int_eq(mkfifoat(from, "pipe", 0600), 0);
	ck_assert_int_eq(kho_archive_begin(&archive, &err), 0);
	before = archive.size;
	for (size_t i = 0; i < KHO_ARRAY_SIZE(bad); i++)
		ck_assert_msg(kho_archive_add(&archive, from, bad[i], LIMIT, &err) == -EINVAL,
			      "\"%s\"", bad[i]);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_int_eq(kho_archive_add(&archive, from, longest, LIMIT, &err), -EINVAL);
	ck_assert_int_eq(kho_archive_add(&archive, from, "pipe", LIMIT, &err), -EINVAL);
	ck_assert_int_eq(kho_archive_add(&archive, from, "none", LIMIT, &err), -ENOENT);
	ck_assert_int_eq(kho_archive_add(&archive, from, "a", before + 1, &err), -EFBIG);
	ck_assert_uint_eq(archive.size, before);
}
END_TEST

/* ---- made by hand ---- */

static void add_bytes(const void *data, size_t size)
{
	archive.data = realloc(archive.data, archive.size + size);
	ck_assert_ptr_nonnull(archive.data);
	memcpy(archive.data + archive.size, data, size);
	archive.size += size;
}

static void add_u32(uint32_t value)
{
	value = htole32(value);
	add_bytes(&value, sizeof(value));
}

static void add_u64(uint64_t value)
{
	value = htole64(value);
	add_bytes(&value, sizeof(value));
}

static void begin_by_hand(void)
{
	archive.size = 0;
	add_bytes("KHOA", 4);
	add_u32(1);
}

static void add_head(size_t name_size, uint64_t size)
{
	add_u32((uint32_t)name_size);
	add_u32(0644);
	add_u32(getuid());
	add_u32(getgid());
	add_u64(size);
	add_u64(1000000000);
}

static void add_by_hand(const char *name, size_t name_size, const char *data)
{
	add_head(name_size, strlen(data));
	add_bytes(name, name_size);
	add_bytes(data, strlen(data));
}

static void end_by_hand(void)
{
	add_u32(0);
	add_u32(kho_crc32c(archive.data, archive.size));
}

static void reseal(void)
{
	uint32_t crc = htole32(kho_crc32c(archive.data, archive.size - 4));

	memcpy(archive.data + archive.size - 4, &crc, sizeof(crc));
}

static void two_files(void)
{
	begin_by_hand();
	add_by_hand("a", 1, "first");
	add_by_hand("b/c", 3, "second");
	end_by_hand();
}

static void expect_nothing(void)
{
	ck_assert_int_eq(kho_archive_check(archive.data, archive.size, &err), -EBADMSG);
	ck_assert_int_eq(unpack(), -EBADMSG);
	ck_assert_str_eq(err.msg, "the archive is damaged or of another version");
	ck_assert(!exists("to/a") && !exists("to/b"));
}

START_TEST(golden)
{
	two_files();
	/* whoever runs the test */
	memset(archive.data + 16, 0, 8);
	memset(archive.data + 8 + 32 + 6 + 8, 0, 8);
	reseal();
	golden_compare("archive.bin", archive.data, archive.size);
	ck_assert_int_eq(kho_archive_check(archive.data, archive.size, &err), 0);
}
END_TEST

START_TEST(cut_off)
{
	size_t whole;

	two_files();
	whole = archive.size;
	for (size_t size = 0; size < whole; size++) {
		two_files();
		archive.size = size;
		expect_nothing();
		if (size < 4)
			continue;
		reseal();
		expect_nothing();
	}
	two_files();
	ck_assert_int_eq(unpack(), 0);
	expect_file("b/c", "second", 6);
}
END_TEST

START_TEST(every_bit_counts)
{
	two_files();
	for (size_t bit = 0; bit < archive.size * 8; bit++) {
		archive.data[bit / 8] ^= (char)(1u << bit % 8);
		expect_nothing();
		archive.data[bit / 8] ^= (char)(1u << bit % 8);
	}
}
END_TEST

static void expect_bad(void)
{
	end_by_hand();
	expect_nothing();
}

START_TEST(wrong_sizes)
{
	static const uint64_t sizes[] = {
		6, 15, 1u << 30, UINT32_MAX, 1ULL << 32, UINT64_MAX, UINT64_MAX - 50, 1ULL << 63,
	};
	static const uint32_t names[] = { 1025, 65536, UINT32_MAX, UINT32_MAX - 31, 1u << 31 };

	for (size_t i = 0; i < KHO_ARRAY_SIZE(sizes); i++) {
		begin_by_hand();
		add_head(1, sizes[i]);
		add_bytes("afirst", 6);
		expect_bad();
	}
	for (size_t i = 0; i < KHO_ARRAY_SIZE(names); i++) {
		begin_by_hand();
		add_head(names[i], 5);
		add_bytes("afirst", 6);
		expect_bad();
	}
	/* something behind the end */
	begin_by_hand();
	add_by_hand("a", 1, "first");
	add_u32(0);
	expect_bad();
	/* another version, another thing */
	two_files();
	archive.data[4] = 3;
	reseal();
	expect_nothing();
	two_files();
	archive.data[0] = 'k';
	reseal();
	expect_nothing();
}
END_TEST

START_TEST(bad_names)
{
	static const char *const bad[] = {
		"/a", "..", ".", "../a", "b/..", "b/../a", "./a", "a/", "b//a", "b/.", "/",
		"b/../../../etc/passwd",
	};

	for (size_t i = 0; i < KHO_ARRAY_SIZE(bad); i++) {
		begin_by_hand();
		add_by_hand("a", 1, "first");
		add_by_hand(bad[i], strlen(bad[i]), "x");
		expect_bad();
	}
	begin_by_hand();
	add_by_hand("a\0b", 3, "x");
	expect_bad();
	begin_by_hand();
	add_by_hand("...", 3, "x");
	add_by_hand("..b/.c", 6, "y");
	end_by_hand();
	ck_assert_int_eq(unpack(), 0);
	expect_file("...", "x", 1);
	expect_file("..b/.c", "y", 1);
}
END_TEST

/* ---- links that are there ---- */

static int unpack_one(const char *name)
{
	begin_by_hand();
	add_by_hand(name, strlen(name), "x");
	end_by_hand();
	return unpack();
}

START_TEST(links_do_not_lead_out)
{
	char outside[128];

	snprintf(outside, sizeof(outside), "%s/from", top);
	ck_assert_int_eq(symlinkat("../from", to, "up"), 0);
	ck_assert_int_eq(symlinkat(outside, to, "out"), 0);
	ck_assert_int_eq(symlinkat("/", to, "root"), 0);
	ck_assert_int_lt(unpack_one("up/x"), 0);
	ck_assert_int_lt(unpack_one("up/b/x"), 0);
	ck_assert_int_lt(unpack_one("out/b/x"), 0);
	ck_assert(!exists("from/x") && !exists("from/b"));
	/* as in a chroot: the folder is its own root */
	ck_assert_int_eq(unpack_one("root/b/x"), 0);
	expect_file("b/x", "x", 1);
}
END_TEST

START_TEST(links_below_are_followed)
{
	ck_assert_int_eq(mkdirat(to, "run", 0755), 0);
	ck_assert_int_eq(mkdirat(to, "var", 0755), 0);
	ck_assert_int_eq(symlinkat("/run", to, "var/run"), 0);
	ck_assert_int_eq(unpack_one("var/run/redis/x"), 0);
	expect_file("run/redis/x", "x", 1);
}
END_TEST

START_TEST(only_files_are_replaced)
{
	put(from, "x", "old", 3);
	ck_assert_int_eq(symlinkat("../from/x", to, "x"), 0);
	ck_assert_int_eq(unpack_one("x"), -ELOOP);
	ck_assert_int_eq(mkdirat(to, "y", 0755), 0);
	ck_assert_int_eq(unpack_one("y"), -EISDIR);
	ck_assert_int_eq(mkfifoat(to, "z", 0600), 0);
	ck_assert_int_lt(unpack_one("z"), 0);
	put(to, "file", "old", 3);
	ck_assert_int_eq(unpack_one("file/x"), -ENOTDIR);
	expect_file("file", "old", 3);
	expect_file("../from/x", "old", 3);
}
END_TEST

static void pack_folder(const char *name)
{
	ck_assert_int_eq(kho_archive_begin(&archive, &err), 0);
	ck_assert_int_eq(kho_archive_add(&archive, from, name, LIMIT, &err), 0);
	ck_assert_int_eq(kho_archive_end(&archive, &err), 0);
}

START_TEST(folders)
{
	struct stat st;

	ck_assert_int_eq(mkdirat(from, "deep", 0755), 0);
	ck_assert_int_eq(mkdirat(from, "deep/er", 0755), 0);
	ck_assert_int_eq(fchmodat(from, "deep/er", 01710, 0), 0);
	pack_folder("deep/er");
	/* a reader that knows no folders refuses it */
	ck_assert_int_eq(archive.data[4], 2);
	ck_assert_int_eq(kho_archive_unpack(archive.data, archive.size, to, &err), 0);
	ck_assert_int_eq(fstatat(to, "deep/er", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 01710);
	/* what's there already stays as it is, whatever it is */
	ck_assert_int_eq(fchmodat(to, "deep/er", 0700, 0), 0);
	ck_assert_int_eq(kho_archive_unpack(archive.data, archive.size, to, &err), 0);
	ck_assert_int_eq(fstatat(to, "deep/er", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0700);
}
END_TEST

static Suite *archive_suite(void)
{
	Suite *suite = suite_create("archive");
	TCase *packed = tcase_create("packed"), *hostile = tcase_create("hostile");

	tcase_add_checked_fixture(packed, setup, teardown);
	tcase_add_test(packed, round_trip);
	tcase_add_test(packed, folders);
	tcase_add_test(packed, nothing_packed);
	tcase_add_test(packed, a_folder);
	tcase_add_test(packed, not_packed);
	suite_add_tcase(suite, packed);
	tcase_add_checked_fixture(hostile, setup, teardown);
	tcase_add_test(hostile, golden);
	tcase_add_test(hostile, cut_off);
	tcase_add_test(hostile, every_bit_counts);
	tcase_add_test(hostile, wrong_sizes);
	tcase_add_test(hostile, bad_names);
	tcase_add_test(hostile, links_do_not_lead_out);
	tcase_add_test(hostile, links_below_are_followed);
	tcase_add_test(hostile, only_files_are_replaced);
	suite_add_tcase(suite, hostile);
	return suite;
}

int main(void)
{
	return run_suite(archive_suite());
}
