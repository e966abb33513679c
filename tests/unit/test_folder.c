// SPDX-License-Identifier: GPL-2.0-only
/* Folders are emptied of what programs leave in them that were killed. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/folder.h"
#include "unit/run.h"

static char dir[] = "/tmp/kho-test-folder-XXXXXX";
static char path[96];

static const char *in(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void make(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

/* Empty, or it fails. */
static void remove_dir(void)
{
	ck_assert_msg(rmdir(dir) == 0, "%s: %s", dir, strerror(errno));
	snprintf(dir, sizeof(dir), "/tmp/kho-test-folder-XXXXXX");
}

static void put(const char *name)
{
	int fd = creat(in(name), 0600);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

START_TEST(files)
{
	put("pages-1.img");
	put(".hidden");
	ck_assert_int_eq(symlink("/etc/passwd", in("parent")), 0);
	ck_assert_int_eq(mkdir(in("empty"), 0700), 0);
	kho_folder_clear(dir);
	kho_folder_clear(in("not-there"));
}
END_TEST

/* What's in a folder is nobody's that it's known of. */
START_TEST(full_folders_stay)
{
	ck_assert_int_eq(mkdir(in("full"), 0700), 0);
	put("full/file");
	kho_folder_clear(dir);
	ck_assert_int_eq(access(in("full/file"), F_OK), 0);
	ck_assert_int_eq(unlink(in("full/file")), 0);
	ck_assert_int_eq(rmdir(in("full")), 0);
}
END_TEST

/* CRIU was killed while it looked at cgroups. */
START_TEST(mounts)
{
	ck_assert_int_eq(unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mkdir(in(".criu.cgmounts.x"), 0700), 0);
	ck_assert_int_eq(mount("none", path, "tmpfs", 0, NULL), 0);
	put(".criu.cgmounts.x/file");
	kho_folder_clear(dir);
}
END_TEST

static Suite *folder_suite(void)
{
	Suite *suite = suite_create("folder");
	TCase *tc = tcase_create("clear");

	tcase_add_checked_fixture(tc, make, remove_dir);
	tcase_add_test(tc, files);
	tcase_add_test(tc, full_folders_stay);
	tcase_add_test(tc, mounts);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(folder_suite());
}
