// SPDX-License-Identifier: GPL-2.0-only
/*
 * Refused images: what is noted is found again, damage never lets an image pass, and there
 * are never too many notes. And how an image looks by all that.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "image/look.h"
#include "image/refused.h"
#include "unit/fake_tree.h"
#include "unit/run.h"
#include "unit/signed.h"

static struct fake_tree tree;
static char folder[128];
static struct kho_refused note, found;
static struct kho_err err;

static void setup(void)
{
	umask(022);
	fake_tree_init(&tree);
	snprintf(folder, sizeof(folder), "%s/state/refused", tree.dir);
	note = (struct kho_refused){
		.cause = KHO_REFUSED_NO_HELLO,
		.time = "2026-11-26T01:20:00Z",
		.name = "next",
		.release = "7.3.4+deb13-cloud-amd64",
		.reason = "the new kernel's agent did not say hello in time",
	};
	memset(note.digest, 0xab, sizeof(note.digest));
	found = (struct kho_refused){};
	err = (struct kho_err){};
}

static void teardown(void)
{
	fake_tree_done(&tree);
}

static void add(void)
{
	ck_assert_msg(kho_refused_add(folder, &note, &err) == 0, "%s", err.msg);
}

static int find(void)
{
	return kho_refused_find(folder, note.digest, &found, &err);
}

static const char *path_of(const uint8_t digest[KHO_SHA256_SIZE])
{
	static char path[128];
	char text[KHO_SHA256_TEXT];

	kho_sha256_format(digest, text);
	snprintf(path, sizeof(path), "state/refused/%s", text);
	return path;
}

START_TEST(noted_and_found)
{
	ck_assert_int_eq(find(), 0);
	add();
	ck_assert_int_eq(find(), 1);
	ck_assert_mem_eq(&found, &note, sizeof(note));
	note.digest[31] ^= 1;
	ck_assert_int_eq(find(), 0);
}
END_TEST

START_TEST(noted_again)
{
	add();
	note.cause = KHO_REFUSED_PANICKED;
	snprintf(note.reason, sizeof(note.reason), "another one");
	add();
	ck_assert_int_eq(find(), 1);
	ck_assert_int_eq(found.cause, KHO_REFUSED_PANICKED);
	ck_assert_str_eq(found.reason, "another one");
}
END_TEST

/* What a dead kernel said is in there: it can't add lines, nor reach a terminal. */
START_TEST(hostile_texts)
{
	snprintf(note.reason, sizeof(note.reason), "a\nCause=signature\n\x1b[2J\\");
	snprintf(note.name, sizeof(note.name), "\\");
	add();
	ck_assert_int_eq(find(), 1);
	ck_assert_int_eq(found.cause, KHO_REFUSED_NO_HELLO);
	ck_assert_str_eq(found.reason, "a?Cause=signature??[2J?");
	ck_assert_str_eq(found.name, "?");
	ck_assert_str_eq(found.release, note.release);
}
END_TEST

static void expect_unreadable(void)
{
	ck_assert_int_eq(find(), 1);
	ck_assert_int_eq(found.cause, KHO_REFUSED_UNKNOWN);
	ck_assert_mem_eq(found.digest, note.digest, sizeof(note.digest));
	ck_assert_str_eq(found.reason, "the note that says why can't be read");
}

START_TEST(damaged_notes_refuse_all_the_same)
{
	static char large[KHO_REFUSED_FILE_MAX + 2];
	char path[256];

	add();
	fake_put(&tree, path_of(note.digest), "");
	expect_unreadable();
	fake_put(&tree, path_of(note.digest), "garbage");
	expect_unreadable();
	fake_put(&tree, path_of(note.digest), "[Refused]\nDigest=abcd\n");
	expect_unreadable();
	fake_put(&tree, path_of(note.digest), "[Refused]\nDigest=00000000000000000000000000000000"
		 "00000000000000000000000000000000\nReason=of another one\n");
	expect_unreadable();
	memset(large, '#', sizeof(large) - 1);
	fake_put(&tree, path_of(note.digest), large);
	expect_unreadable();
	fake_remove(&tree, path_of(note.digest));
	fake_dir(&tree, path_of(note.digest));
	expect_unreadable();
	fake_remove(&tree, path_of(note.digest));
	fake_link(&tree, path_of(note.digest), "/no/such/file");
	expect_unreadable();
	fake_remove(&tree, path_of(note.digest));
	snprintf(path, sizeof(path), "%s/%s", tree.dir, path_of(note.digest));
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	expect_unreadable();
}
END_TEST

/* A folder that can't be looked into doesn't let anything pass either. */
START_TEST(a_folder_that_is_none)
{
	fake_put(&tree, "state/refused", "x");
	ck_assert_int_eq(find(), -ENOTDIR);
	ck_assert_int_lt(kho_refused_add(folder, &note, &err), 0);
}
END_TEST

START_TEST(lists)
{
	_cleanup_free_ struct kho_refused *list = NULL;
	size_t nr = 77;

	ck_assert_int_eq(kho_refused_list(folder, &list, &nr, &err), 0);
	ck_assert_uint_eq(nr, 0);
	free(TAKE_PTR(list));
	add();
	note.digest[0] = 0;
	add();
	fake_put(&tree, "state/refused/README", "x");
	fake_put(&tree, "state/refused/.x", "x");
	fake_dir(&tree, "state/refused/abcd");
	ck_assert_int_eq(kho_refused_list(folder, &list, &nr, &err), 0);
	ck_assert_uint_eq(nr, 2);
	ck_assert_uint_eq(list[0].digest[0], 0xab);
	ck_assert_uint_eq(list[1].digest[0], 0);
	ck_assert_str_eq(list[1].name, "next");
}
END_TEST

START_TEST(the_oldest_goes)
{
	const struct timespec past[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	_cleanup_free_ struct kho_refused *list = NULL;
	char path[256];
	size_t nr;

	for (int i = 0; i < KHO_REFUSED_MAX; i++) {
		note.digest[0] = (uint8_t)i;
		add();
	}
	note.digest[0] = 5;
	snprintf(path, sizeof(path), "%s/%s", tree.dir, path_of(note.digest));
	ck_assert_int_eq(utimensat(AT_FDCWD, path, past, 0), 0);
	note.digest[0] = 7;		/* one that's there needs no room */
	add();
	note.digest[0] = 5;
	ck_assert_int_eq(find(), 1);
	note.digest[0] = 200;
	add();
	ck_assert_int_eq(find(), 1);
	note.digest[0] = 5;
	ck_assert_int_eq(find(), 0);
	ck_assert_int_eq(kho_refused_list(folder, &list, &nr, &err), 0);
	ck_assert_uint_eq(nr, KHO_REFUSED_MAX);
}
END_TEST

/* More than there may be, put there by somebody: all of them refuse. */
START_TEST(more_than_there_may_be)
{
	_cleanup_free_ struct kho_refused *list = NULL;
	size_t nr;

	add();
	for (int i = 0; i < 2 * KHO_REFUSED_MAX; i++) {
		note.digest[0] = (uint8_t)i;
		fake_put(&tree, path_of(note.digest), "x");
	}
	ck_assert_int_eq(kho_refused_list(folder, &list, &nr, &err), 0);
	ck_assert_uint_eq(nr, KHO_REFUSED_MAX);
	for (int i = 0; i < 2 * KHO_REFUSED_MAX; i++) {
		note.digest[0] = (uint8_t)i;
		ck_assert_int_eq(find(), 1);
	}
}
END_TEST

START_TEST(clearing)
{
	add();
	note.digest[31] = 1;
	add();
	ck_assert_int_eq(kho_refused_clear(folder, "abababa", &err), -EINVAL);
	ck_assert_int_eq(kho_refused_clear(folder, "../../etc/passwd", &err), -EINVAL);
	ck_assert_int_eq(kho_refused_clear(folder, "abababab", &err), -ENOTUNIQ);
	ck_assert_int_eq(kho_refused_clear(folder, "cdcdcdcd", &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "; see khoctl image list"));
	ck_assert_int_eq(kho_refused_clear(folder, "abababababababababababababababab"
					   "ababababababababababababababab01", &err), 0);
	ck_assert_int_eq(find(), 0);
	ck_assert_int_eq(kho_refused_clear(folder, "abababab", &err), 0);
	note.digest[31] = 0xab;
	ck_assert_int_eq(find(), 0);
}
END_TEST

/* ---- an image as a whole ---- */

/* An image of @kernel, at images/@name. */
static void put_image(const char *name, const struct signed_file *kernel)
{
	struct kho_manifest manifest = {
		.release = "7.3.4", .created = "now", .created_by = "test", .compression = "none",
	};
	struct kho_sink_memory text;
	char path[128];

	snprintf(manifest.name, sizeof(manifest.name), "%s", name);
	manifest.files[KHO_IMAGE_KERNEL].size = kernel->size;
	ck_assert_int_eq(kho_sha256(kernel->data, kernel->size,
				    manifest.files[KHO_IMAGE_KERNEL].sha256, &err), 0);
	kho_sink_memory_init(&text, KHO_MANIFEST_MAX);
	ck_assert_int_eq(kho_manifest_write(&manifest, &text.sink, &err), 0);
	snprintf(path, sizeof(path), "images/%s/manifest", name);
	fake_put_data(&tree, path, text.data, text.size);
	kho_sink_memory_done(&text);
	snprintf(path, sizeof(path), "images/%s/vmlinuz", name);
	fake_put_data(&tree, path, kernel->data, kernel->size);
}

static void look(const char *name, struct kho_image_look *ret)
{
	struct kho_keyring *keyring;
	char path[128];

	snprintf(path, sizeof(path), "%s/keys", tree.dir);
	ck_assert_int_eq(kho_keyring_load(path, &keyring, &err), 0);
	snprintf(path, sizeof(path), "%s/images/%s", tree.dir, name);
	ck_assert_msg(kho_image_look(path, keyring, folder, ret, &err) == 0, "%s", err.msg);
	kho_keyring_free(keyring);
}

START_TEST(looks)
{
	struct kho_image_look l;
	struct signed_file file;

	signed_read("ca.pem", &file);
	fake_put_data(&tree, "keys/ca.pem", file.data, file.size);
	signed_read("signer.efi", &file);
	put_image("good", &file);
	look("good", &l);
	ck_assert_str_eq(kho_image_look_verdict(&l), "good");
	ck_assert_str_eq(l.signature.signer, "Test Signer");
	ck_assert(!l.is_refused);
	ck_assert_int_eq(kho_sha256_parse(l.digest, note.digest), 0);
	add();
	file.data[0x300] ^= 1;
	put_image("tampered", &file);
	look("tampered", &l);
	ck_assert_str_eq(kho_image_look_verdict(&l), "bad");
	ck_assert(!l.is_refused);
	look("good", &l);
	ck_assert(l.is_refused);
	ck_assert_str_eq(l.refused.reason, note.reason);
	signed_read("self.efi", &file);
	put_image("self", &file);
	look("self", &l);
	ck_assert_str_eq(kho_image_look_verdict(&l), "unknown-signer");
	fake_remove(&tree, "keys/ca.pem");
	signed_read("self.pem", &file);
	fake_put_data(&tree, "keys/self.pem", file.data, file.size);
	signed_read("two.efi", &file);
	put_image("two", &file);
	look("two", &l);
	ck_assert_str_eq(kho_image_look_verdict(&l), "good");
	ck_assert_str_eq(l.signature.signer, "Test Machine Owner");
	ck_assert_str_eq(kho_image_look_folder(&l), "two");
	signed_read("plain.efi", &file);
	put_image("plain", &file);
	look("plain", &l);
	ck_assert_str_eq(kho_image_look_verdict(&l), "unsigned");
}
END_TEST

/* A kernel that isn't what was built is no image, whatever it's signed with. */
START_TEST(digest_comes_first)
{
	char path[128];
	struct kho_image_look l;
	struct kho_keyring *keyring;
	struct signed_file file;

	signed_read("plain.efi", &file);
	put_image("a", &file);
	signed_read("signer.efi", &file);
	fake_put_data(&tree, "images/a/vmlinuz", file.data, file.size);
	ck_assert_int_eq(kho_keyring_load("/none", &keyring, &err), 0);
	snprintf(path, sizeof(path), "%s/images/a", tree.dir);
	ck_assert_int_eq(kho_image_look(path, keyring, folder, &l, &err), -EBADMSG);
	kho_keyring_free(keyring);
}
END_TEST

static int gather(void *ctx, const char *path, struct kho_err *e)
{
	char *all = ctx;

	(void)e;
	strncat(all, strrchr(path, '/'), 100);
	return strstr(path, "/stop") ? -ECANCELED : 0;
}

START_TEST(each_folder)
{
	char all[256] = "", path[128];

	snprintf(path, sizeof(path), "%s/images", tree.dir);
	ck_assert_int_eq(kho_image_each(path, gather, all, &err), 0);
	fake_dir(&tree, "images/b");
	fake_dir(&tree, "images/a");
	fake_dir(&tree, "images/.a.new");
	fake_put(&tree, "images/file", "");
	fake_link(&tree, "images/link", "a");
	ck_assert_int_eq(kho_image_each(path, gather, all, &err), 0);
	ck_assert_str_eq(all, "/a/b");
	fake_dir(&tree, "images/stop");
	fake_dir(&tree, "images/z");
	all[0] = '\0';
	ck_assert_int_eq(kho_image_each(path, gather, all, &err), -ECANCELED);
	ck_assert_str_eq(all, "/a/b/stop");
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, noted_and_found);
	tcase_add_test(tc, noted_again);
	tcase_add_test(tc, hostile_texts);
	tcase_add_test(tc, damaged_notes_refuse_all_the_same);
	tcase_add_test(tc, a_folder_that_is_none);
	tcase_add_test(tc, lists);
	tcase_add_test(tc, the_oldest_goes);
	tcase_add_test(tc, more_than_there_may_be);
	tcase_add_test(tc, clearing);
	tcase_add_test(tc, looks);
	tcase_add_test(tc, digest_comes_first);
	tcase_add_test(tc, each_folder);
}

int main(void)
{
	Suite *suite = suite_create("refused");
	TCase *tc = tcase_create("refused");

	add_tests(tc);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
