// SPDX-License-Identifier: GPL-2.0-only
/*
 * The archive writer: its bytes (golden file), what it makes by itself, what it
 * refuses, and that cpio(1), where there is one, reads it.
 */
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "image/cpio.h"
#include "unit/golden.h"
#include "unit/read_cpio.h"
#include "unit/run.h"

static struct kho_sink_memory memory;
static struct kho_cpio cpio;
static struct kho_err err;

static void setup(void)
{
	kho_sink_memory_init(&memory, 1 << 20);
	kho_cpio_init(&cpio, &memory.sink);
	err = (struct kho_err){ 0 };
}

static void teardown(void)
{
	kho_cpio_done(&cpio);
	kho_sink_memory_done(&memory);
}

static int add_file(const char *path, uint32_t perm, const char *text)
{
	struct kho_cpio_entry entry = {
		.path = path, .mode = S_IFREG | perm, .data = text, .size = strlen(text),
	};

	return kho_cpio_add(&cpio, &entry, &err);
}

static int add_node(const char *path, uint32_t mode, uint32_t dev_major, uint32_t dev_minor)
{
	struct kho_cpio_entry entry = {
		.path = path, .mode = mode, .dev_major = dev_major, .dev_minor = dev_minor,
	};

	return kho_cpio_add(&cpio, &entry, &err);
}

/* One of each kind. */
static void add_all(void)
{
	ck_assert_int_eq(kho_cpio_add_dir(&cpio, "/dev", 0755, &err), 0);
	ck_assert_int_eq(add_node("/dev/console", S_IFCHR | 0600, 5, 1), 0);
	ck_assert_int_eq(add_node("dev/vda", S_IFBLK | 0660, 254, 16), 0);
	ck_assert_int_eq(kho_cpio_add_link(&cpio, "/bin", "usr/bin", &err), 0);
	ck_assert_int_eq(add_file("usr/bin/tool", 0755, "#!/bin/sh\n"), 0);
	ck_assert_int_eq(kho_cpio_add_text(&cpio, "/etc/empty", "", &err), 0);
	ck_assert_int_eq(kho_cpio_finish(&cpio, &err), 0);
}

START_TEST(golden)
{
	add_all();
	ck_assert_uint_eq(cpio.size, memory.size);
	golden_compare("initramfs.cpio", memory.data, memory.size);
}
END_TEST

START_TEST(entries_read_back)
{
	static const struct {
		const char *path;
		uint32_t mode, nlink;
		size_t size;
	} expected[] = {
		{ "dev", S_IFDIR | 0755, 2, 0 },
		{ "dev/console", S_IFCHR | 0600, 1, 0 },
		{ "dev/vda", S_IFBLK | 0660, 1, 0 },
		{ "bin", S_IFLNK | 0777, 1, 7 },
		{ "usr", S_IFDIR | 0755, 2, 0 },
		{ "usr/bin", S_IFDIR | 0755, 2, 0 },
		{ "usr/bin/tool", S_IFREG | 0755, 1, 10 },
		{ "etc", S_IFDIR | 0755, 2, 0 },
		{ "etc/empty", S_IFREG | 0644, 1, 0 },
	};
	struct cpio_entry entry;
	size_t offset = 0, i;

	add_all();
	for (i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		ck_assert(cpio_next(memory.data, memory.size, &offset, &entry));
		ck_assert_str_eq(entry.path, expected[i].path);
		ck_assert_uint_eq(entry.mode, expected[i].mode);
		ck_assert_uint_eq(entry.nlink, expected[i].nlink);
		ck_assert_uint_eq(entry.size, expected[i].size);
		ck_assert_uint_eq(entry.ino, i + 1);
		ck_assert_uint_eq(entry.uid | entry.gid | entry.mtime, 0);
	}
	ck_assert(!cpio_next(memory.data, memory.size, &offset, &entry));
	ck_assert_uint_eq(offset, memory.size);
	ck_assert(cpio_find(memory.data, memory.size, "dev/vda", &entry));
	ck_assert_uint_eq(entry.dev_major, 254);
	ck_assert_uint_eq(entry.dev_minor, 16);
	cpio_expect_link(memory.data, memory.size, "bin", "usr/bin");
	cpio_expect_text(memory.data, memory.size, "usr/bin/tool", "#!/bin/sh\n");
}
END_TEST

START_TEST(directories_come_once)
{
	struct cpio_entry entry;

	ck_assert_int_eq(add_file("a/b/c", 0644, "x"), 0);
	ck_assert_int_eq(kho_cpio_add_dir(&cpio, "/a/b", 0700, &err), 0);
	ck_assert_int_eq(add_file("a/b/d", 0644, "y"), 0);
	ck_assert_int_eq(kho_cpio_finish(&cpio, &err), 0);
	ck_assert(cpio_find(memory.data, memory.size, "a/b", &entry));
	ck_assert_uint_eq(entry.mode, S_IFDIR | 0755);
	ck_assert_uint_eq(cpio.paths.nr, 4);
}
END_TEST

START_TEST(type_of_what_is_there)
{
	ck_assert_int_eq(add_file("a/b", 0644, "x"), 0);
	ck_assert_uint_eq(kho_cpio_type(&cpio, "/a"), S_IFDIR);
	ck_assert_uint_eq(kho_cpio_type(&cpio, "a/b"), S_IFREG);
	ck_assert_uint_eq(kho_cpio_type(&cpio, "a/c"), 0);
}
END_TEST

static const char *const bad_paths[] = {
	"", "/", "//a", "a//b", "a/", ".", "..", "a/./b", "a/../b", "/..", "TRAILER!!!",
};

START_TEST(unclean_paths_are_refused)
{
	ck_assert_int_eq(add_file(bad_paths[_i], 0644, "x"), -EINVAL);
	ck_assert_int_eq(err.code, -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "no plain path"));
	ck_assert_uint_eq(memory.size, 0);
}
END_TEST

START_TEST(dots_within_names_are_fine)
{
	ck_assert_int_eq(add_file("a/..b/c./...", 0644, "x"), 0);
}
END_TEST

START_TEST(a_path_comes_once)
{
	ck_assert_int_eq(add_file("a", 0644, "x"), 0);
	ck_assert_int_eq(add_file("/a", 0644, "x"), -EEXIST);
	ck_assert_int_eq(kho_cpio_add_dir(&cpio, "a", 0755, &err), -EEXIST);
	ck_assert_int_eq(err.code, -EEXIST);
}
END_TEST

START_TEST(parents_have_to_be_directories)
{
	ck_assert_int_eq(kho_cpio_add_link(&cpio, "lib", "usr/lib", &err), 0);
	ck_assert_int_eq(add_file("lib/x", 0644, "x"), -ENOTDIR);
	ck_assert_ptr_nonnull(strstr(err.msg, "/lib is not a directory"));
	ck_assert_int_eq(add_file("f", 0644, "x"), 0);
	ck_assert_int_eq(add_file("f/x", 0644, "x"), -ENOTDIR);
}
END_TEST

START_TEST(types_without_a_place_are_refused)
{
	ck_assert_int_eq(add_node("s", S_IFSOCK | 0644, 0, 0), -EINVAL);
	ck_assert_int_eq(add_node("p", S_IFIFO | 0644, 0, 0), -EINVAL);
	ck_assert_int_eq(add_node("n", 0644, 0, 0), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "only directories, files, links and devices"));
}
END_TEST

START_TEST(sizes_have_limits)
{
	struct kho_cpio_entry huge = { .path = "h", .mode = S_IFREG, .data = "",
				       .size = (size_t)UINT32_MAX + 1 };
	struct kho_cpio_entry dir = { .path = "d", .mode = S_IFDIR, .data = "x", .size = 1 };
	char path[PATH_MAX + 2];

	ck_assert_int_eq(kho_cpio_add(&cpio, &huge, &err), -EFBIG);
	ck_assert_int_eq(kho_cpio_add(&cpio, &dir, &err), -EINVAL);
	ck_assert_int_eq(kho_cpio_add_link(&cpio, "l", "", &err), -EINVAL);
	memset(path, 'a', sizeof(path));
	path[PATH_MAX] = '\0';
	ck_assert_int_eq(add_file(path, 0644, "x"), -ENAMETOOLONG);
	ck_assert_int_eq(kho_cpio_add_link(&cpio, "l", path, &err), -ENAMETOOLONG);
	path[PATH_MAX - 1] = '\0';
	ck_assert_int_eq(kho_cpio_add_link(&cpio, "l", path, &err), 0);
	ck_assert_int_eq(add_file(path, 0644, "x"), 0);
	ck_assert_int_eq(kho_cpio_finish(&cpio, &err), 0);
	cpio_expect_text(memory.data, memory.size, path, "x");
}
END_TEST

START_TEST(nothing_after_the_end)
{
	ck_assert_int_eq(kho_cpio_finish(&cpio, &err), 0);
	ck_assert_int_eq(add_file("a", 0644, "x"), -EINVAL);
	ck_assert_int_eq(kho_cpio_finish(&cpio, &err), -EINVAL);
	ck_assert_uint_eq(memory.size, 124);
}
END_TEST

/* Whatever the sink has room for: its error comes up, and never a success. */
START_TEST(the_sinks_error_comes_up)
{
	size_t limit, whole;

	add_all();
	whole = memory.size;
	for (limit = 0; limit < whole; limit++) {
		int r;

		teardown();
		setup();
		memory.limit = limit;
		r = kho_cpio_add_dir(&cpio, "/dev", 0755, &err);
		r = r < 0 ? r : add_node("/dev/console", S_IFCHR | 0600, 5, 1);
		r = r < 0 ? r : add_node("dev/vda", S_IFBLK | 0660, 254, 16);
		r = r < 0 ? r : kho_cpio_add_link(&cpio, "/bin", "usr/bin", &err);
		r = r < 0 ? r : add_file("usr/bin/tool", 0755, "#!/bin/sh\n");
		r = r < 0 ? r : kho_cpio_add_text(&cpio, "/etc/empty", "", &err);
		r = r < 0 ? r : kho_cpio_finish(&cpio, &err);
		ck_assert_int_eq(r, -EFBIG);
		ck_assert_int_eq(err.code, -EFBIG);
	}
}
END_TEST

START_TEST(cpio_program_reads_it)
{
	char path[] = "/tmp/kho-test-cpio-XXXXXX", command[128], line[128];
	_cleanup_close_ int fd = mkstemp(path);
	FILE *list;
	size_t nr = 0;
	int status;

	add_all();
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, memory.data, memory.size), (ssize_t)memory.size);
	snprintf(command, sizeof(command), "cpio -it --quiet <%s 2>/dev/null", path);
	list = popen(command, "r");
	ck_assert_ptr_nonnull(list);
	while (fgets(line, sizeof(line), list))
		nr++;
	status = pclose(list);
	unlink(path);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return;		/* there's none on this machine */
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(nr, cpio.paths.nr);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cpio");
	TCase *tc = tcase_create("cpio");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, golden);
	tcase_add_test(tc, entries_read_back);
	tcase_add_test(tc, directories_come_once);
	tcase_add_test(tc, type_of_what_is_there);
	tcase_add_loop_test(tc, unclean_paths_are_refused, 0,
			    sizeof(bad_paths) / sizeof(bad_paths[0]));
	tcase_add_test(tc, dots_within_names_are_fine);
	tcase_add_test(tc, a_path_comes_once);
	tcase_add_test(tc, parents_have_to_be_directories);
	tcase_add_test(tc, types_without_a_place_are_refused);
	tcase_add_test(tc, sizes_have_limits);
	tcase_add_test(tc, nothing_after_the_end);
	tcase_add_test(tc, the_sinks_error_comes_up);
	tcase_add_test(tc, cpio_program_reads_it);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
