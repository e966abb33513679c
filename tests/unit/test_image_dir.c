// SPDX-License-Identifier: GPL-2.0-only
/*
 * Target images on disk: written as a whole or not at all, and never used unless
 * they are what was written.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/dir.h"
#include "image/store.h"
#include "unit/fake_tree.h"
#include "unit/run.h"

static const char *const contents[KHO_IMAGE_NR_FILES] = {
	[KHO_IMAGE_KERNEL] = "kernel bytes",
	[KHO_IMAGE_INITRAMFS] = "initramfs bytes",
	[KHO_IMAGE_CMDLINE] = "console=ttyMK0 quiet\n",
};

static struct fake_tree tree;
static char images[128], image[160];
static struct kho_image_dir dir;
static struct kho_err err;

/* The manifest of @contents, put into the tree. */
static void put_manifest(const char *path)
{
	struct kho_manifest manifest = {
		.name = "img", .release = "7.3.4", .created = "now", .created_by = "test",
		.compression = "none",
	};
	struct kho_sink_memory text;
	size_t i;

	for (i = 0; i < KHO_IMAGE_NR_FILES; i++) {
		manifest.files[i].size = strlen(contents[i]);
		ck_assert_int_eq(kho_sha256(contents[i], strlen(contents[i]),
					    manifest.files[i].sha256, &err), 0);
	}
	kho_sink_memory_init(&text, KHO_MANIFEST_MAX);
	ck_assert_int_eq(kho_manifest_write(&manifest, &text.sink, &err), 0);
	fake_put_data(&tree, path, text.data, text.size);
	kho_sink_memory_done(&text);
}

static void set_mode(const char *path, mode_t mode)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", tree.dir, path);
	ck_assert_int_eq(chmod(full, mode), 0);
}

static void setup(void)
{
	umask(022);
	fake_tree_init(&tree);
	snprintf(images, sizeof(images), "%s/images", tree.dir);
	snprintf(image, sizeof(image), "%s/img", images);
	fake_put(&tree, "images/img/vmlinuz", contents[KHO_IMAGE_KERNEL]);
	fake_put(&tree, "images/img/initramfs.img", contents[KHO_IMAGE_INITRAMFS]);
	fake_put(&tree, "images/img/cmdline", contents[KHO_IMAGE_CMDLINE]);
	put_manifest("images/img/manifest");
	err = (struct kho_err){ 0 };
}

static void teardown(void)
{
	fake_tree_done(&tree);
}

static void open_dir(void)
{
	ck_assert_msg(kho_image_dir_open(image, &dir, &err) == 0, "%s", err.msg);
}

/* ---- reading ---- */

START_TEST(good_image)
{
	_cleanup_free_ char *cmdline = NULL;
	_cleanup_free_ void *data = NULL;
	size_t size;

	open_dir();
	ck_assert_str_eq(dir.manifest.release, "7.3.4");
	ck_assert_int_eq(kho_image_dir_verify(&dir, &err), 0);
	ck_assert_int_eq(kho_image_dir_load(&dir, KHO_IMAGE_KERNEL, &data, &size, &err), 0);
	ck_assert_uint_eq(size, 12);
	ck_assert_str_eq(data, "kernel bytes");
	ck_assert_int_eq(kho_image_dir_cmdline(&dir, &cmdline, &err), 0);
	ck_assert_str_eq(cmdline, "console=ttyMK0 quiet");
	kho_image_dir_done(&dir);
	kho_image_dir_done(&dir);
}
END_TEST

START_TEST(digest_names_the_image)
{
	uint8_t first[KHO_SHA256_SIZE];

	open_dir();
	memcpy(first, dir.digest, sizeof(first));
	kho_image_dir_done(&dir);
	open_dir();
	ck_assert_mem_eq(first, dir.digest, sizeof(first));
	kho_image_dir_done(&dir);
}
END_TEST

static void expect_bad_file(enum kho_image_file file, int code, const char *text)
{
	void *data = &data;
	size_t size = 77;

	open_dir();
	ck_assert_int_eq(kho_image_dir_load(&dir, file, &data, &size, &err), code);
	ck_assert_int_eq(err.code, code);
	ck_assert_msg(strstr(err.msg, text), "'%s' isn't in '%s'", text, err.msg);
	ck_assert_ptr_eq(data, &data);
	ck_assert_uint_eq(size, 77);
	ck_assert_int_eq(kho_image_dir_verify(&dir, &err), code);
	kho_image_dir_done(&dir);
}

START_TEST(changed_files_are_refused)
{
	fake_put(&tree, "images/img/vmlinuz", "kernel bytez");
	expect_bad_file(KHO_IMAGE_KERNEL, -EBADMSG, "is not what was built");
	fake_put(&tree, "images/img/vmlinuz", "kernel byte");
	expect_bad_file(KHO_IMAGE_KERNEL, -EBADMSG, "has 11 bytes, its manifest says 12");
	fake_put(&tree, "images/img/vmlinuz", "kernel bytes!");
	expect_bad_file(KHO_IMAGE_KERNEL, -EBADMSG, "has 13 bytes, its manifest says 12");
	fake_remove(&tree, "images/img/vmlinuz");
	expect_bad_file(KHO_IMAGE_KERNEL, -ENOENT, "vmlinuz can't be opened");
	fake_dir(&tree, "images/img/vmlinuz");
	expect_bad_file(KHO_IMAGE_KERNEL, -EBADMSG, "is not a regular file");
	fake_remove(&tree, "images/img/vmlinuz");
	fake_put(&tree, "kernel", contents[KHO_IMAGE_KERNEL]);
	fake_link(&tree, "images/img/vmlinuz", "../../kernel");
	expect_bad_file(KHO_IMAGE_KERNEL, -ELOOP, "vmlinuz can't be opened");
}
END_TEST

START_TEST(files_of_others_are_refused)
{
	set_mode("images/img/initramfs.img", 0664);
	expect_bad_file(KHO_IMAGE_INITRAMFS, -EPERM, "can be changed by others");
	set_mode("images/img/manifest", 0666);
	ck_assert_int_eq(kho_image_dir_open(image, &dir, &err), -EPERM);
	set_mode("images/img/manifest", 0644);
	set_mode("images/img", 0777);
	ck_assert_int_eq(kho_image_dir_open(image, &dir, &err), -EPERM);
	ck_assert_ptr_nonnull(strstr(err.msg, "chown it to root"));
}
END_TEST

START_TEST(what_is_no_image)
{
	ck_assert_int_eq(kho_image_dir_open("/no/such/image", &dir, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "target image /no/such/image can't be opened"));
	fake_put(&tree, "images/img/manifest", "[image]\n");
	ck_assert_int_eq(kho_image_dir_open(image, &dir, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "/images/img: manifest: it's incomplete"));
	fake_remove(&tree, "images/img/manifest");
	ck_assert_int_eq(kho_image_dir_open(image, &dir, &err), -ENOENT);
}
END_TEST

START_TEST(sizes_have_limits)
{
	open_dir();
	dir.manifest.files[KHO_IMAGE_KERNEL].size = (256u << 20) + 1;
	ck_assert_int_eq(kho_image_dir_verify(&dir, &err), -EFBIG);
	ck_assert_ptr_nonnull(strstr(err.msg, "268435457 bytes by its manifest"));
	kho_image_dir_done(&dir);
}
END_TEST

START_TEST(command_line_of_two_lines)
{
	char *cmdline;
	size_t i;

	fake_put(&tree, "images/img/cmdline", "a\nb");
	open_dir();
	dir.manifest.files[KHO_IMAGE_CMDLINE].size = 3;
	ck_assert_int_eq(kho_sha256("a\nb", 3, dir.manifest.files[KHO_IMAGE_CMDLINE].sha256,
				    &err), 0);
	ck_assert_int_eq(kho_image_dir_cmdline(&dir, &cmdline, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "not one plain line"));
	fake_put(&tree, "images/img/cmdline", "");
	dir.manifest.files[KHO_IMAGE_CMDLINE].size = 0;
	i = KHO_IMAGE_CMDLINE;
	ck_assert_int_eq(kho_sha256("", 0, dir.manifest.files[i].sha256, &err), 0);
	ck_assert_int_eq(kho_image_dir_cmdline(&dir, &cmdline, &err), 0);
	ck_assert_str_eq(cmdline, "");
	free(cmdline);
	kho_image_dir_done(&dir);
}
END_TEST

/* ---- writing ---- */

static void write_file(struct kho_image_store *store, const char *name, const char *text)
{
	int fd;

	ck_assert_int_eq(kho_image_store_create(store, name, 0640, &fd, &err), 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void expect_file(const char *path, const char *text, mode_t mode)
{
	char full[256], back[64] = "";
	_cleanup_fclose_ FILE *f = NULL;
	struct stat st;

	snprintf(full, sizeof(full), "%s/%s", tree.dir, path);
	f = fopen(full, "re");
	ck_assert_msg(f, "%s isn't there", full);
	ck_assert_uint_eq(fread(back, 1, sizeof(back), f), strlen(text));
	ck_assert_mem_eq(back, text, strlen(text));
	ck_assert_int_eq(fstat(fileno(f), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, mode);
}

static void expect_dir(const char *path, mode_t mode)
{
	char full[256];
	struct stat st;

	snprintf(full, sizeof(full), "%s/%s", tree.dir, path);
	ck_assert_int_eq(stat(full, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | mode);
}

START_TEST(a_new_image)
{
	struct kho_image_store store;

	umask(022);
	snprintf(images, sizeof(images), "%s/new", tree.dir);	/* is made */
	ck_assert_int_eq(kho_image_store_begin(images, "x", &store, &err), 0);
	write_file(&store, "f", "text");
	ck_assert(!fake_has(&tree, "new/x"));
	ck_assert(fake_has(&tree, "new/.x.new/f"));
	ck_assert_int_eq(kho_image_store_commit(&store, false, &err), 0);
	kho_image_store_done(&store);
	expect_file("new/x/f", "text", 0640);
	expect_dir("new", 0700);
	expect_dir("new/x", 0700);
	ck_assert(!fake_has(&tree, "new/.x.new"));
	kho_image_store_done(&store);
}
END_TEST

START_TEST(an_image_given_up)
{
	struct kho_image_store store;

	ck_assert_int_eq(kho_image_store_begin(images, "x", &store, &err), 0);
	write_file(&store, "f", "text");
	kho_image_store_done(&store);
	ck_assert(!fake_has(&tree, "images/x"));
	ck_assert(!fake_has(&tree, "images/.x.new"));
}
END_TEST

START_TEST(an_image_replaced)
{
	struct kho_image_store store;

	ck_assert_int_eq(kho_image_store_begin(images, "img", &store, &err), 0);
	write_file(&store, "f", "text");
	ck_assert_int_eq(kho_image_store_commit(&store, false, &err), -EEXIST);
	ck_assert_ptr_nonnull(strstr(err.msg, "replace it, or choose another name"));
	ck_assert(fake_has(&tree, "images/img/vmlinuz"));
	ck_assert_int_eq(kho_image_store_commit(&store, true, &err), 0);
	kho_image_store_done(&store);
	ck_assert(!fake_has(&tree, "images/img/vmlinuz"));
	ck_assert(!fake_has(&tree, "images/.img.new"));
	expect_file("images/img/f", "text", 0640);
}
END_TEST

START_TEST(an_image_removed)
{
	struct kho_image_store store;

	ck_assert_int_eq(kho_image_store_remove(images, "none", &err), -ENOENT);
	ck_assert_int_eq(kho_image_store_begin(images, "img", &store, &err), 0);
	ck_assert_int_eq(kho_image_store_remove(images, "img", &err), -EBUSY);
	kho_image_store_done(&store);
	ck_assert(fake_has(&tree, "images/img/vmlinuz"));
	ck_assert_int_eq(kho_image_store_remove(images, "img", &err), 0);
	ck_assert(!fake_has(&tree, "images/img"));
	ck_assert(!fake_has(&tree, "images/.img.new"));
}
END_TEST

START_TEST(leftovers_are_removed)
{
	struct kho_image_store store;

	fake_put(&tree, "images/.x.new/old", "x");
	ck_assert_int_eq(kho_image_store_begin(images, "x", &store, &err), 0);
	ck_assert(!fake_has(&tree, "images/.x.new/old"));
	kho_image_store_done(&store);
	fake_put(&tree, "images/.y.new/sub/old", "x");
	ck_assert_int_eq(kho_image_store_begin(images, "y", &store, &err), -EISDIR);
	ck_assert_ptr_nonnull(strstr(err.msg, "remove it by hand"));
}
END_TEST

START_TEST(one_build_at_a_time)
{
	struct kho_image_store store, other;

	ck_assert_int_eq(kho_image_store_begin(images, "x", &store, &err), 0);
	write_file(&store, "f", "text");
	ck_assert_int_eq(kho_image_store_begin(images, "x", &other, &err), -EBUSY);
	ck_assert_ptr_nonnull(strstr(err.msg, "another build writes to"));
	ck_assert(fake_has(&tree, "images/.x.new/f"));
	kho_image_store_done(&store);
	ck_assert_int_eq(kho_image_store_begin(images, "x", &other, &err), 0);
	kho_image_store_done(&other);
}
END_TEST

START_TEST(names_and_places_that_fail)
{
	struct kho_image_store store = { .parent = 77 };
	int fd;

	ck_assert_int_eq(kho_image_store_begin(images, "../x", &store, &err), -EINVAL);
	ck_assert_int_eq(kho_image_store_begin("/no/such/place", "x", &store, &err), -ENOENT);
	ck_assert_int_eq(store.parent, 77);
	ck_assert_int_eq(kho_image_store_begin(images, "x", &store, &err), 0);
	write_file(&store, "f", "text");
	ck_assert_int_eq(kho_image_store_create(&store, "f", 0644, &fd, &err), -EEXIST);
	kho_image_store_done(&store);
	fake_put(&tree, "images/file", "x");
	ck_assert_int_eq(kho_image_store_begin(images, "file", &store, &err), 0);
	ck_assert_int_eq(kho_image_store_commit(&store, false, &err), -EEXIST);
	kho_image_store_done(&store);
	expect_file("images/file", "x", 0644);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, good_image);
	tcase_add_test(tc, digest_names_the_image);
	tcase_add_test(tc, changed_files_are_refused);
	tcase_add_test(tc, files_of_others_are_refused);
	tcase_add_test(tc, what_is_no_image);
	tcase_add_test(tc, sizes_have_limits);
	tcase_add_test(tc, command_line_of_two_lines);
	tcase_add_test(tc, a_new_image);
	tcase_add_test(tc, an_image_given_up);
	tcase_add_test(tc, an_image_replaced);
	tcase_add_test(tc, leftovers_are_removed);
	tcase_add_test(tc, an_image_removed);
	tcase_add_test(tc, one_build_at_a_time);
	tcase_add_test(tc, names_and_places_that_fail);
}

int main(void)
{
	Suite *suite = suite_create("image_dir");
	TCase *tc = tcase_create("image_dir");

	add_tests(tc);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
