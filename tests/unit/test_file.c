// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whole files, in and out, on a temporary directory and on what procfs and
 * devices really give, whose sizes lie.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "unit/run.h"

static char dir[] = "/tmp/kho-test-base-XXXXXX";
static char path[128];

static void put(const void *data, size_t size)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(data, 1, size, f), size);
	ck_assert_int_eq(fclose(f), 0);
}

static void make_dir(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/file", dir);
}

static void remove_dir(void)
{
	chmod(dir, 0700);
	unlink(path);
	ck_assert_msg(rmdir(dir) == 0, "something was left in %s", dir);
	snprintf(dir, sizeof(dir), "/tmp/kho-test-base-XXXXXX");
}

START_TEST(read_up_to_the_limit)
{
	static const size_t limits[] = { 0, 1, 4095, 4096, 4097, 8192, 10000 };
	_cleanup_free_ char *content = malloc(10001);
	char *data;
	size_t i, size;

	memset(content, 'x', 10001);
	for (i = 0; i < KHO_ARRAY_SIZE(limits); i++) {
		data = NULL;
		put(content, limits[i] + 1);
		ck_assert_int_eq(kho_file_read(path, limits[i], &data, &size, NULL), -EFBIG);
		ck_assert_ptr_null(data);
		put(content, limits[i]);
		ck_assert_int_eq(kho_file_read(path, limits[i], &data, &size, NULL), 0);
		ck_assert_uint_eq(size, limits[i]);
		ck_assert_mem_eq(data, content, size);
		ck_assert_int_eq(data[size], '\0');
		free(data);
	}
}
END_TEST

START_TEST(read_what_has_no_size)
{
	_cleanup_free_ char *status = NULL, *text = NULL;
	struct kho_err err;
	uint64_t value;
	size_t size;

	ck_assert_int_eq(kho_file_read("/proc/self/status", 1 << 20, &status, &size, NULL), 0);
	ck_assert_uint_gt(size, 100);
	ck_assert_uint_eq(strlen(status), size);
	ck_assert_int_eq(kho_file_read("/proc/self/status", 10, &text, NULL, &err), -EFBIG);
	ck_assert_str_eq(err.msg, "/proc/self/status is longer than the 10 bytes allowed for it");
	ck_assert_int_eq(kho_file_read_u64("/proc/sys/kernel/pid_max", &value, NULL), 0);
	ck_assert_uint_gt(value, 0);
}
END_TEST

START_TEST(read_fails)
{
	struct kho_err err;
	char *data = NULL;

	ck_assert_int_eq(kho_file_read(path, 10, &data, NULL, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, path));
	ck_assert_ptr_nonnull(strstr(err.msg, "No such file"));
	ck_assert_int_eq(kho_file_read(dir, 10, &data, NULL, NULL), -EISDIR);
	ck_assert_int_eq(kho_file_read(path, SIZE_MAX, &data, NULL, NULL), -EINVAL);
	ck_assert_ptr_null(data);
}
END_TEST

START_TEST(read_text)
{
	char *text = NULL;

	put("online\n", 7);
	ck_assert_int_eq(kho_file_read_string(path, 7, &text, NULL), 0);
	ck_assert_str_eq(text, "online");
	free(text);
	put("two\nlines\n\n", 11);
	ck_assert_int_eq(kho_file_read_string(path, 64, &text, NULL), 0);
	ck_assert_str_eq(text, "two\nlines\n");
	free(text);
	put("", 0);
	ck_assert_int_eq(kho_file_read_string(path, 64, &text, NULL), 0);
	ck_assert_str_eq(text, "");
	free(text);
	text = NULL;
	put("a\0b\n", 4);
	ck_assert_int_eq(kho_file_read_string(path, 64, &text, NULL), -EINVAL);
	ck_assert_ptr_null(text);
}
END_TEST

START_TEST(read_numbers)
{
	struct kho_err err;
	uint64_t value = 4711;
	char digits[100];

	put("8000000\n", 8);
	ck_assert_int_eq(kho_file_read_hex64(path, &value, NULL), 0);
	ck_assert_uint_eq(value, 128 * KHO_MIB);
	ck_assert_int_eq(kho_file_read_u64(path, &value, NULL), 0);
	ck_assert_uint_eq(value, 8000000);
	put("8x\n", 3);
	ck_assert_int_eq(kho_file_read_u64(path, &value, &err), -EINVAL);
	ck_assert_mem_eq(err.msg, path, strlen(path));
	memset(digits, '0', sizeof(digits));
	put(digits, sizeof(digits));
	ck_assert_int_eq(kho_file_read_u64(path, &value, NULL), -EFBIG);
	ck_assert_uint_eq(value, 8000000);
}
END_TEST

START_TEST(write_text)
{
	_cleanup_free_ char *text = NULL;
	struct kho_err err;

	ck_assert_int_eq(kho_file_write_string(path, "offline", &err), -ENOENT);
	ck_assert_int_ne(access(path, F_OK), 0);
	put("", 0);
	ck_assert_int_eq(kho_file_write_string(path, "offline", NULL), 0);
	ck_assert_int_eq(kho_file_read_string(path, 64, &text, NULL), 0);
	ck_assert_str_eq(text, "offline");
	ck_assert_int_eq(kho_file_write_string("/dev/full", "x", &err), -ENOSPC);
	ck_assert_str_eq(err.msg, "can't write \"x\" to /dev/full: No space left on device");
}
END_TEST

static int write_atomic(const char *where, const char *text, mode_t mode)
{
	struct kho_file_content content = { text, strlen(text), mode };

	return kho_file_write_atomic(where, &content, NULL);
}

START_TEST(replace)
{
	_cleanup_free_ char *text = NULL;
	struct stat st;

	umask(077);
	ck_assert_int_eq(write_atomic(path, "first, and longer", 0600), 0);
	ck_assert_int_eq(write_atomic(path, "second", 0644), 0);
	ck_assert_int_eq(kho_file_read_string(path, 64, &text, NULL), 0);
	ck_assert_str_eq(text, "second");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0644);
}
END_TEST

START_TEST(replace_by_a_bare_name)
{
	char here[4096];

	ck_assert_ptr_nonnull(getcwd(here, sizeof(here)));
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(write_atomic("file", "text", 0600), 0);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(chdir(here), 0);
}
END_TEST

START_TEST(replace_fails)
{
	char name[300], longest[512];

	ck_assert_int_eq(write_atomic("/nonexistent/dir/file", "x", 0600), -ENOENT);
	ck_assert_int_eq(write_atomic(dir, "x", 0600), -EISDIR);
	snprintf(longest, sizeof(longest), "%s/", dir);
	ck_assert_int_eq(write_atomic(longest, "x", 0600), -EINVAL);
	memset(name, 'n', sizeof(name));
	name[231] = '\0';
	snprintf(longest, sizeof(longest), "%s/%s", dir, name);
	ck_assert_int_eq(write_atomic(longest, "x", 0600), -ENAMETOOLONG);
	name[230] = '\0';
	snprintf(longest, sizeof(longest), "%s/%s", dir, name);
	ck_assert_int_eq(write_atomic(longest, "x", 0600), 0);
	unlink(longest);
}
END_TEST

START_TEST(in_memory)
{
	char back[16];
	struct kho_err err = {};
	int fd = kho_file_in_memory("test", "content", 7, &err);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, back, sizeof(back), 0), 7);
	ck_assert_mem_eq(back, "content", 7);
	close(fd);
	fd = kho_file_in_memory("empty", "", 0, &err);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, back, sizeof(back), 0), 0);
	close(fd);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("file");
	TCase *file = tcase_create("file");

	tcase_add_checked_fixture(file, make_dir, remove_dir);
	tcase_add_test(file, read_up_to_the_limit);
	tcase_add_test(file, read_what_has_no_size);
	tcase_add_test(file, read_fails);
	tcase_add_test(file, read_text);
	tcase_add_test(file, read_numbers);
	tcase_add_test(file, write_text);
	tcase_add_test(file, replace);
	tcase_add_test(file, replace_by_a_bare_name);
	tcase_add_test(file, replace_fails);
	tcase_add_test(file, in_memory);
	suite_add_tcase(s, file);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
