// SPDX-License-Identifier: GPL-2.0-only
/* The system in a file: nobody else's to read at any time, and gone when its build is over. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/system.h"
#include "image/system_file.h"
#include "unit/fake_tree.h"
#include "unit/run.h"

static struct fake_tree tree;
static struct kho_system_file file;
static char images[128];
static struct kho_err err;

static void setup(void)
{
	umask(0);
	fake_tree_init(&tree);
	snprintf(images, sizeof(images), "%s/images", tree.dir);
}

static void teardown(void)
{
	kho_system_file_done(&file);
	fake_tree_done(&tree);
}

static void make(const char *name)
{
	ck_assert_msg(kho_system_file_make(images, name, &file, &err) == 0, "%s", err.msg);
}

static void expect_mode(const char *path, mode_t mode)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode, mode);
}

START_TEST(its_owners_alone)
{
	char root[160];
	const struct kho_image_system system = {
		.root = root, .release = "7.3.4", .output = file.path,
	};

	snprintf(root, sizeof(root), "%s/root", tree.dir);
	fake_put(&tree, "root/etc/shadow", "secret");
	fake_put(&tree, "root/usr/lib/modules/7.3.4/modules.dep", "");
	make("x");
	expect_mode(images, S_IFDIR | 0700);
	expect_mode(file.path, S_IFREG | 0600);
	ck_assert_msg(kho_image_make_system(&system, &err) == 0, "%s", err.msg);
	expect_mode(file.path, S_IFREG | 0600);
	ck_assert_int_gt(lseek(file.fd, 0, SEEK_END), 0);	/* mksquashfs wrote to this one */
	kho_system_file_done(&file);
	ck_assert(!fake_has(&tree, "images/.x.squashfs"));
}
END_TEST

START_TEST(what_was_left_goes)
{
	fake_put(&tree, "images/.x.squashfs", "of a killed build");
	fake_put(&tree, "images/.7.3.4+deb14-amd64.squashfs", "of another");
	fake_put(&tree, "images/.squashfs", "whatever this is");
	fake_put(&tree, "images/..x.squashfs", "no image has this name");
	fake_put(&tree, "images/y.squashfs", "somebody's");
	fake_put(&tree, "images/.z.squashfs/file", "in a folder");
	make("x");
	expect_mode(file.path, S_IFREG | 0600);
	ck_assert_int_eq(lseek(file.fd, 0, SEEK_END), 0);
	ck_assert(!fake_has(&tree, "images/.7.3.4+deb14-amd64.squashfs"));
	ck_assert(fake_has(&tree, "images/.squashfs"));
	ck_assert(fake_has(&tree, "images/..x.squashfs"));
	ck_assert(fake_has(&tree, "images/y.squashfs"));
	ck_assert(fake_has(&tree, "images/.z.squashfs/file"));
}
END_TEST

START_TEST(what_is_in_use_stays)
{
	struct kho_system_file other = { .dir = 77 };

	make("x");
	ck_assert_int_eq(kho_system_file_make(images, "x", &other, &err), -EBUSY);
	ck_assert_int_eq(other.dir, 77);
	ck_assert(fake_has(&tree, "images/.x.squashfs"));
	ck_assert_int_eq(kho_system_file_make(images, "y", &other, &err), 0);
	ck_assert(fake_has(&tree, "images/.x.squashfs"));
	kho_system_file_done(&other);
	ck_assert(!fake_has(&tree, "images/.y.squashfs"));
	ck_assert(fake_has(&tree, "images/.x.squashfs"));
}
END_TEST

/* Nothing is written to what a link leads to. */
START_TEST(a_link_in_the_way)
{
	fake_put(&tree, "target", "text");
	fake_dir(&tree, "images");
	fake_link(&tree, "images/.x.squashfs", "../target");
	ck_assert_int_eq(kho_system_file_make(images, "x", &file, &err), -EBUSY);
	ck_assert(fake_has(&tree, "target"));
}
END_TEST

START_TEST(names_and_places_that_fail)
{
	ck_assert_int_eq(kho_system_file_make(images, "../x", &file, &err), -EINVAL);
	ck_assert_int_eq(kho_system_file_make("/no/such/place", "x", &file, &err), -ENOENT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("system_file");
	TCase *tc = tcase_create("system_file");

	file = (struct kho_system_file){ .dir = -EBADF, .fd = -EBADF };
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, its_owners_alone);
	tcase_add_test(tc, what_was_left_goes);
	tcase_add_test(tc, what_is_in_use_stays);
	tcase_add_test(tc, a_link_in_the_way);
	tcase_add_test(tc, names_and_places_that_fail);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
