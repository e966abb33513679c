// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking files from another root: lookups that stay in it, the libraries that
 * programs need, and the modaliases of a device.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "image/libs.h"
#include "image/modalias.h"
#include "image/rootfs.h"
#include "unit/fake_elf.h"
#include "unit/fake_tree.h"
#include "unit/run.h"

static struct fake_tree tree;
static struct kho_rootfs root;
static struct kho_err err;
static char links[1024];

static void setup(void)
{
	fake_tree_init(&tree);
	err = (struct kho_err){ 0 };
	links[0] = '\0';
	ck_assert_int_eq(kho_rootfs_open(tree.dir, &root, &err), 0);
	fake_dir(&tree, "usr/lib64");
	fake_dir(&tree, "usr/lib/x86_64-linux-gnu");
	fake_link(&tree, "lib", "usr/lib");
	fake_link(&tree, "lib64", "usr/lib64");
}

static void teardown(void)
{
	kho_rootfs_done(&root);
	fake_tree_done(&tree);
}

/* ---- lookups ---- */

static int found_link(void *ctx, const char *path, const char *target, struct kho_err *e)
{
	size_t used = strlen(links);

	(void)e;
	snprintf(links + used, sizeof(links) - used, "%s>%s ", path, target);
	return ctx ? *(int *)ctx : 0;
}

static int find(const char *path, struct kho_rootfs_entry *ret)
{
	struct kho_rootfs_links l = { .found = found_link };

	return kho_rootfs_find(&root, path, &l, ret, &err);
}

static void expect_find(const char *path, const char *real)
{
	struct kho_rootfs_entry entry;

	links[0] = '\0';
	ck_assert_msg(find(path, &entry) == 0, "%s: %s", path, err.msg);
	ck_assert_str_eq(entry.path, real);
}

START_TEST(plain_paths)
{
	fake_put(&tree, "etc/passwd", "x");
	expect_find("/etc/passwd", "/etc/passwd");
	expect_find("etc//./passwd", "/etc/passwd");
	expect_find("/etc/../etc/passwd", "/etc/passwd");
	expect_find("/", "/");
	expect_find("", "/");
	expect_find("/../../etc", "/etc");
	ck_assert_str_eq(links, "");
}
END_TEST

START_TEST(links_are_followed_and_told)
{
	fake_put(&tree, "usr/lib/x86_64-linux-gnu/libx.so.1.2", "x");
	fake_link(&tree, "usr/lib/x86_64-linux-gnu/libx.so.1", "libx.so.1.2");
	expect_find("/lib/x86_64-linux-gnu/libx.so.1", "/usr/lib/x86_64-linux-gnu/libx.so.1.2");
	ck_assert_str_eq(links, "/lib>usr/lib "
			 "/usr/lib/x86_64-linux-gnu/libx.so.1>libx.so.1.2 ");
}
END_TEST

START_TEST(links_never_lead_out)
{
	fake_put(&tree, "etc/passwd", "inside");
	fake_link(&tree, "abs", "/etc/passwd");
	fake_link(&tree, "up", "../../../../../../etc/passwd");
	expect_find("/abs", "/etc/passwd");
	expect_find("/up", "/etc/passwd");
}
END_TEST

static void expect_no_find(const char *path, int code, const char *text)
{
	struct kho_rootfs_entry entry = { .path = "untouched" };

	ck_assert_int_eq(find(path, &entry), code);
	ck_assert_int_eq(err.code, code);
	ck_assert_msg(strstr(err.msg, text), "'%s' isn't in '%s'", text, err.msg);
	ck_assert_str_eq(entry.path, "untouched");
}

START_TEST(what_cannot_be_found)
{
	char path[PATH_MAX + 1];

	fake_put(&tree, "file", "x");
	fake_link(&tree, "dangling", "nowhere");
	fake_link(&tree, "loop", "loop");
	expect_no_find("/no/such", -ENOENT, "/no can't be found");
	expect_no_find("/dangling", -ENOENT, "/nowhere can't be found");
	expect_no_find("/file/x", -ENOTDIR, "/file is not a directory");
	expect_no_find("/loop", -ELOOP, "more than 40 links");
	memset(path, 'a', sizeof(path));
	path[PATH_MAX] = '\0';
	expect_no_find(path, -ENAMETOOLONG, "longer than 4095");
	path[PATH_MAX - 1] = '\0';
	expect_no_find(path, -ENAMETOOLONG, "can't be found");	/* longer than any name */
	ck_assert(!kho_rootfs_has_file(&root, "/usr"));
	ck_assert(!kho_rootfs_has_file(&root, "/no"));
	ck_assert(kho_rootfs_has_file(&root, "/file"));
}
END_TEST

START_TEST(links_that_blow_up)
{
	char target[1001], path[3505] = "/l";
	size_t i;

	for (i = 0; i < 1000; i += 2)
		memcpy(target + i, "./", 3);
	for (i = 2; i < 3500; i += 2)
		memcpy(path + i, "/.", 3);
	fake_link(&tree, "l", target);
	expect_no_find(path, -ENAMETOOLONG, "longer than 4095");
	path[3002] = '\0';
	expect_find(path, "/");
}
END_TEST

START_TEST(the_visitor_can_stop)
{
	struct kho_rootfs_entry entry;
	int code = -EXDEV;
	struct kho_rootfs_links l = { .found = found_link, .ctx = &code };

	ck_assert_int_eq(kho_rootfs_find(&root, "/lib", &l, &entry, &err), -EXDEV);
}
END_TEST

START_TEST(no_root)
{
	struct kho_rootfs other;

	ck_assert_int_eq(kho_rootfs_open("/no/such/root", &other, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "give the directory of an installed system"));
}
END_TEST

/* ---- contents ---- */

START_TEST(files_are_read_whole)
{
	struct kho_rootfs_file file;

	fake_put_data(&tree, "f", "a\0b", 3);
	ck_assert_int_eq(kho_rootfs_read(&root, "/f", 3, &file, &err), 0);
	ck_assert_uint_eq(file.size, 3);
	ck_assert_mem_eq(file.data, "a\0b", 4);
	kho_rootfs_file_done(&file);
	ck_assert_int_eq(kho_rootfs_read(&root, "/f", 2, &file, &err), -EFBIG);
	ck_assert_int_eq(kho_rootfs_read(&root, "/usr", 2, &file, &err), -EINVAL);
	ck_assert_int_eq(kho_rootfs_read(&root, "/g", 2, &file, &err), -ENOENT);
}
END_TEST

START_TEST(names_come_sorted)
{
	struct kho_strset names = { 0 };

	fake_put(&tree, "d/b", "");
	fake_put(&tree, "d/a", "");
	fake_dir(&tree, "d/.c");
	ck_assert_int_eq(kho_rootfs_list(&root, "/d", &names, &err), 0);
	ck_assert_uint_eq(names.nr, 3);
	ck_assert_str_eq(names.items[0].text, ".c");
	ck_assert_str_eq(names.items[1].text, "a");
	ck_assert_str_eq(names.items[2].text, "b");
	kho_strset_done(&names);
	ck_assert_int_eq(kho_rootfs_list(&root, "/d/a", &names, &err), -ENOTDIR);
	ck_assert_int_eq(kho_rootfs_list(&root, "/e", &names, &err), -ENOENT);
}
END_TEST

/* ---- libraries ---- */

static void put_elf(const char *path, const struct fake_elf_spec *spec)
{
	struct fake_elf elf;

	fake_elf_init(&elf, spec);
	fake_put_data(&tree, path, elf.data, elf.size);
}

static void put_library(const char *path, const char *needs)
{
	const char *needed[] = { needs, NULL };

	put_elf(path, &(struct fake_elf_spec){ .needed = needed });
}

static int add(const char *path, char files[1024])
{
	struct kho_libs libs;
	size_t i, used = 0;
	int r;

	ck_assert_int_eq(kho_libs_init(&libs, &root, &err), 0);
	r = kho_libs_add(&libs, path, &err);
	files[0] = '\0';
	for (i = 0; i < libs.files.nr; i++)
		used += (size_t)snprintf(files + used, 1024 - used, "%s ",
					 libs.files.items[i].text);
	kho_libs_done(&libs);
	return r;
}

static void expect_files(const char *path, const char *expected)
{
	char files[1024];

	ck_assert_msg(add(path, files) == 0, "%s", err.msg);
	ck_assert_str_eq(files, expected);
}

START_TEST(libraries_of_libraries)
{
	static const char *const needed[] = { "liba.so.1", "libb.so.1", NULL };

	put_elf("usr/bin/p", &(struct fake_elf_spec){ .interp = "/lib64/ld.so", .needed = needed });
	put_elf("usr/lib64/ld.so", &(struct fake_elf_spec){ 0 });
	put_library("usr/lib/x86_64-linux-gnu/liba.so.1", "libb.so.1");
	put_library("usr/lib/x86_64-linux-gnu/libb.so.1", "libc.so.6");
	put_library("usr/lib/x86_64-linux-gnu/libc.so.6", NULL);
	expect_files("/usr/bin/p", "/usr/bin/p /lib64/ld.so /lib/x86_64-linux-gnu/liba.so.1 "
		     "/lib/x86_64-linux-gnu/libb.so.1 /lib/x86_64-linux-gnu/libc.so.6 ");
}
END_TEST

START_TEST(a_missing_library_is_named)
{
	char files[1024];

	put_library("usr/bin/p", "libgone.so.1");
	ck_assert_int_eq(add("/usr/bin/p", files), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "/usr/bin/p needs libgone.so.1, which is in no "
				     "library directory; install"));
}
END_TEST

START_TEST(run_paths_come_first)
{
	static const char *const needed[] = { "liba.so.1", NULL };

	put_elf("opt/app/bin/p", &(struct fake_elf_spec){
		.runpath = "/none:${ORIGIN}/../lib:$LIB/x", .needed = needed });
	put_library("opt/app/lib/liba.so.1", NULL);
	put_library("usr/lib/x86_64-linux-gnu/liba.so.1", NULL);
	fake_link(&tree, "usr/bin/p", "../../opt/app/bin/p");
	expect_files("/usr/bin/p", "/usr/bin/p /opt/app/bin/../lib/liba.so.1 ");
}
END_TEST

START_TEST(ld_so_conf_is_read)
{
	fake_put(&tree, "etc/ld.so.conf", "# x\ninclude /etc/ld.so.conf.d/*.conf\n/opt/late # y\n");
	fake_put(&tree, "etc/ld.so.conf.d/a.conf", "  /opt/first\nrelative\nhwcap 0 x\n");
	fake_put(&tree, "etc/ld.so.conf.d/a.txt", "/opt/never\n");
	fake_put(&tree, "etc/ld.so.conf.d/loop.conf", "include /etc/ld.so.conf\n");
	put_library("usr/bin/p", "liba.so.1");
	put_library("opt/never/liba.so.1", NULL);
	put_library("opt/late/liba.so.1", "libb.so.1");
	put_library("opt/first/libb.so.1", NULL);
	expect_files("/usr/bin/p", "/usr/bin/p /opt/late/liba.so.1 /opt/first/libb.so.1 ");
}
END_TEST

START_TEST(other_machines_libraries_are_passed_over)
{
	struct fake_elf elf;

	fake_elf_init(&elf, &(struct fake_elf_spec){ 0 });
	elf.data[4] = 1;	/* 32-bit */
	fake_put_data(&tree, "usr/lib/x86_64-linux-gnu/liba.so.1", elf.data, elf.size);
	fake_put(&tree, "usr/lib64/liba.so.1", "/* GNU ld script */");
	put_library("usr/lib/liba.so.1", NULL);
	put_library("usr/bin/p", "liba.so.1");
	expect_files("/usr/bin/p", "/usr/bin/p /lib/liba.so.1 ");
}
END_TEST

START_TEST(a_damaged_library_is_no_way_out)
{
	char files[1024];

	fake_put_data(&tree, "usr/lib/x86_64-linux-gnu/liba.so.1", "\177ELF", 4);
	put_library("usr/lib/liba.so.1", NULL);
	put_library("usr/bin/p", "liba.so.1");
	ck_assert_int_eq(add("/usr/bin/p", files), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "/lib/x86_64-linux-gnu/liba.so.1: ELF: "));
}
END_TEST

START_TEST(what_may_be_opened_later_comes_if_it_is_there)
{
	put_elf("usr/bin/p", &(struct fake_elf_spec){ .dlopen_json =
		"[{\"priority\":\"recommended\",\"soname\":[\"liba.so.1\"]},"
		"{\"priority\":\"required\",\"soname\":[\"libgone.so.1\"]}]" });
	put_library("usr/lib/liba.so.1", NULL);
	expect_files("/usr/bin/p", "/usr/bin/p /lib/liba.so.1 ");
}
END_TEST

START_TEST(scripts_need_their_interpreter)
{
	char files[1024];

	put_elf("usr/bin/perl", &(struct fake_elf_spec){ 0 });
	fake_put(&tree, "usr/bin/s", "#! /usr/bin/perl -w\nexit;\n");
	expect_files("/usr/bin/s", "/usr/bin/s /usr/bin/perl ");
	fake_put(&tree, "usr/bin/s", "#!perl\n");
	ck_assert_int_eq(add("/usr/bin/s", files), -ENOEXEC);
	fake_put(&tree, "usr/bin/s", "#!\n");
	ck_assert_int_eq(add("/usr/bin/s", files), -ENOEXEC);
	fake_put(&tree, "usr/bin/s", "text\n");
	ck_assert_int_eq(add("/usr/bin/s", files), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(err.msg, "/usr/bin/s: not an ELF file"));
	ck_assert_int_eq(add("/usr/bin/none", files), -ENOENT);
}
END_TEST

/* ---- modaliases ---- */

static const struct kho_pci_addr slot4 = { .device = 4 };

START_TEST(a_function_and_what_is_on_it)
{
	struct kho_strset found = { 0 };

	fake_put(&tree, "sys/devices/pci0000:00/0000:00:04.0/modalias", "pci:v00001AF4\n");
	fake_put(&tree, "sys/devices/pci0000:00/0000:00:04.0/virtio2/modalias", "virtio:d2\n");
	fake_put(&tree, "sys/devices/pci0000:00/0000:00:04.0/virtio2/block/vda/size", "1\n");
	fake_put(&tree, "sys/devices/pci0000:00/0000:00:04.0/empty/modalias", "\n");
	fake_put(&tree, "sys/devices/pci0000:00/0000:00:05.0/modalias", "pci:other\n");
	fake_link(&tree, "sys/devices/pci0000:00/0000:00:04.0/other", "../0000:00:05.0");
	fake_link(&tree, "sys/bus/pci/devices/0000:00:04.0",
		  "../../../devices/pci0000:00/0000:00:04.0");
	ck_assert_int_eq(kho_modalias_collect(tree.sys, &slot4, &found, &err), 0);
	ck_assert_uint_eq(found.nr, 2);
	ck_assert_uint_ne(kho_strset_find(&found, "pci:v00001AF4"), KHO_STRSET_NONE);
	ck_assert_uint_ne(kho_strset_find(&found, "virtio:d2"), KHO_STRSET_NONE);
	kho_strset_done(&found);
}
END_TEST

START_TEST(no_such_function)
{
	struct kho_strset found = { 0 };

	fake_dir(&tree, "sys/bus/pci/devices");
	ck_assert_int_eq(kho_modalias_collect(tree.sys, &slot4, &found, &err), -ENOENT);
	ck_assert_str_eq(err.msg, "there's no PCI function 0000:00:04.0; lspci -D lists those "
			 "there are");
	ck_assert_uint_eq(found.nr, 0);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, plain_paths);
	tcase_add_test(tc, links_are_followed_and_told);
	tcase_add_test(tc, links_never_lead_out);
	tcase_add_test(tc, what_cannot_be_found);
	tcase_add_test(tc, links_that_blow_up);
	tcase_add_test(tc, the_visitor_can_stop);
	tcase_add_test(tc, no_root);
	tcase_add_test(tc, files_are_read_whole);
	tcase_add_test(tc, names_come_sorted);
	tcase_add_test(tc, libraries_of_libraries);
	tcase_add_test(tc, a_missing_library_is_named);
	tcase_add_test(tc, run_paths_come_first);
	tcase_add_test(tc, ld_so_conf_is_read);
	tcase_add_test(tc, other_machines_libraries_are_passed_over);
	tcase_add_test(tc, a_damaged_library_is_no_way_out);
	tcase_add_test(tc, what_may_be_opened_later_comes_if_it_is_there);
	tcase_add_test(tc, scripts_need_their_interpreter);
	tcase_add_test(tc, a_function_and_what_is_on_it);
	tcase_add_test(tc, no_such_function);
}

int main(void)
{
	Suite *suite = suite_create("rootfs");
	TCase *tc = tcase_create("rootfs");

	add_tests(tc);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
