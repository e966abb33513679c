// SPDX-License-Identifier: GPL-2.0-only
/*
 * Closure of kernel modules: names, aliases, hard and soft dependencies, what's
 * built in; texts that depmod can't have written; and the patterns of aliases.
 */
#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "image/glob.h"
#include "image/modules.h"
#include "unit/run.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define TEXT(s) { s, sizeof(s) - 1 }

static const char dep[] =
	"kernel/drivers/net/virtio_net.ko.xz: kernel/drivers/net/net_failover.ko.xz "
	"kernel/net/core/failover.ko.xz\n"
	"kernel/net/core/failover.ko.xz:\n"
	"kernel/drivers/net/net_failover.ko.xz: kernel/net/core/failover.ko.xz\n"
	"kernel/drivers/char/hw_random/virtio-rng.ko.xz:\n"
	"kernel/fs/xfs/xfs.ko.zst: kernel/lib/libcrc32c.ko.zst\n"
	"kernel/lib/libcrc32c.ko.zst:\n"
	"kernel/arch/x86/crypto/crc32c-intel.ko:\n"
	"kernel/crypto/crc32c_generic.ko.gz:\n"
	"updates/broken.ko: kernel/not/there.ko\n"
	"kernel/a/loop_a.ko: kernel/a/loop_b.ko\n"
	"kernel/a/loop_b.ko: kernel/a/loop_a.ko\n"
	"kernel/old/failover.ko:\n";
static const char builtin[] = "kernel/fs/ext4/ext4.ko\nkernel/drivers/nvme/host/nvme-core.ko\n";
static const char builtin_info[] =
	"ext4.license=GPL\0ext4.alias=fs-ext4\0nvme_core.alias=pci:v*d*sv*sd*bc01sc08i02*\0"
	"nvme_core.description=a = b\0";
static const char alias[] =
	"# Aliases extracted from modules themselves.\n"
	"alias virtio:d00000001v* virtio_net\n"
	"alias virtio:d00000004v* virtio_rng\n"
	"alias crc32c crc32c_intel\n"
	"alias crc32c crc32c_generic\n"
	"alias cpu-type:x[86-]y xfs\n"
	"alias gone-thing not_listed\n";
static const char softdep[] =
	"# Soft dependencies extracted from modules themselves.\n"
	"softdep libcrc32c pre: crc32c\n"
	"softdep virtio-rng pre: failover post: not_listed\n";

static struct kho_modules_text text;
static struct kho_modules *modules;
static struct kho_err err;

static void setup(void)
{
	text = (struct kho_modules_text){
		.dep = TEXT(dep),
		.builtin = TEXT(builtin),
		.builtin_info = TEXT(builtin_info),
		.alias = TEXT(alias),
		.softdep = TEXT(softdep),
	};
	err = (struct kho_err){ 0 };
	ck_assert_int_eq(kho_modules_parse(&text, &modules, &err), 0);
}

static void teardown(void)
{
	kho_modules_free(modules);
	modules = NULL;
}

/* The wanted ones, in order. */
static void expect_wanted(const char *const *paths, size_t nr)
{
	size_t i;

	ck_assert_uint_eq(kho_modules_nr_wanted(modules), nr);
	for (i = 0; i < nr; i++)
		ck_assert_str_eq(kho_modules_wanted(modules, i), paths[i]);
	ck_assert_ptr_null(kho_modules_wanted(modules, nr));
}

START_TEST(dependencies_come_along)
{
	static const char *const paths[] = {
		"kernel/drivers/net/virtio_net.ko.xz",
		"kernel/drivers/net/net_failover.ko.xz",
		"kernel/net/core/failover.ko.xz",
	};

	ck_assert_int_eq(kho_modules_want(modules, "virtio_net", &err), 0);
	expect_wanted(paths, ARRAY_SIZE(paths));
	ck_assert_int_eq(kho_modules_want(modules, "virtio-net", &err), 0);
	ck_assert_int_eq(kho_modules_want(modules, "failover", &err), 0);
	expect_wanted(paths, ARRAY_SIZE(paths));
}
END_TEST

START_TEST(soft_dependencies_come_by_alias)
{
	static const char *const paths[] = {
		"kernel/fs/xfs/xfs.ko.zst",
		"kernel/lib/libcrc32c.ko.zst",
		"kernel/arch/x86/crypto/crc32c-intel.ko",
		"kernel/crypto/crc32c_generic.ko.gz",
	};

	ck_assert_int_eq(kho_modules_want(modules, "xfs", &err), 0);
	expect_wanted(paths, ARRAY_SIZE(paths));
}
END_TEST

START_TEST(soft_dependencies_may_be_missing)
{
	static const char *const paths[] = {
		"kernel/drivers/char/hw_random/virtio-rng.ko.xz",
		"kernel/net/core/failover.ko.xz",
	};

	ck_assert_int_eq(kho_modules_want(modules, "virtio_rng", &err), 0);
	expect_wanted(paths, ARRAY_SIZE(paths));
}
END_TEST

START_TEST(dependencies_in_a_circle)
{
	static const char *const paths[] = { "kernel/a/loop_a.ko", "kernel/a/loop_b.ko" };

	ck_assert_int_eq(kho_modules_want(modules, "loop_a", &err), 0);
	expect_wanted(paths, ARRAY_SIZE(paths));
}
END_TEST

START_TEST(devices_by_modalias)
{
	ck_assert_int_eq(kho_modules_want_alias(modules, "virtio:d00000001v00001AF4", &err), 0);
	ck_assert_str_eq(kho_modules_wanted(modules, 0), "kernel/drivers/net/virtio_net.ko.xz");
	ck_assert_int_eq(kho_modules_want_alias(modules, "virtio:d00000009v00001AF4", &err),
			 -ENOENT);
	ck_assert_int_eq(err.code, -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "no module for device virtio:d00000009v00001AF4"));
	/* the alias is there, the module isn't */
	ck_assert_int_eq(kho_modules_want_alias(modules, "gone-thing", &err), -ENOENT);
}
END_TEST

START_TEST(what_is_built_in_needs_no_file)
{
	static const char device[] = "pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02";

	ck_assert_int_eq(kho_modules_want(modules, "ext4", &err), 0);
	ck_assert_int_eq(kho_modules_want(modules, "fs-ext4", &err), 0);
	ck_assert_int_eq(kho_modules_want_alias(modules, device, &err), 0);
	ck_assert_uint_eq(kho_modules_nr_wanted(modules), 0);
	ck_assert(kho_modules_is_builtin(modules, "nvme-core"));
	ck_assert(kho_modules_is_builtin(modules, "nvme_core"));
	ck_assert(!kho_modules_is_builtin(modules, "xfs"));
}
END_TEST

START_TEST(hyphens_within_brackets_stay)
{
	ck_assert_int_eq(kho_modules_want_alias(modules, "cpu_type:x-y", &err), -ENOENT);
	ck_assert_int_eq(kho_modules_want_alias(modules, "cpu-type:x7y", &err), -ENOENT);
	ck_assert_int_eq(kho_modules_want_alias(modules, "cpu_type:x8y", &err), 0);
}
END_TEST

START_TEST(unknown_names)
{
	ck_assert_int_eq(kho_modules_want(modules, "nonesuch", &err), -ENOENT);
	ck_assert_int_eq(err.code, -ENOENT);
	ck_assert_str_eq(err.msg, "this kernel has no module nonesuch; check the name, or install "
			 "the package that has it");
	ck_assert_int_eq(kho_modules_want(modules, "", &err), -ENOENT);
}
END_TEST

START_TEST(a_dependency_without_a_line)
{
	ck_assert_int_eq(kho_modules_want(modules, "broken", &err), -EBADMSG);
	ck_assert_str_eq(err.msg, "modules.dep: updates/broken.ko needs kernel/not/there.ko, which "
			 "has no line; run depmod");
}
END_TEST

static int join(void *ctx, const char *word, struct kho_err *ignored)
{
	char *all = ctx;
	size_t used = strlen(all);

	(void)ignored;
	snprintf(all + used, 256 - used, "%s ", word);
	return strcmp(word, "ext4") == 0 ? -ECANCELED : 0;
}

/* Patterns of what's marked and of what's built in; or of all. */
START_TEST(what_can_be_driven)
{
	char all[256] = "";
	const struct kho_modules_each each = { join, all };

	ck_assert_int_eq(kho_modules_want(modules, "virtio_rng", &err), 0);
	ck_assert_int_eq(kho_modules_each_alias(modules, "virtio:", false, &each, &err), 0);
	ck_assert_int_eq(kho_modules_each_alias(modules, "pci:", false, &each, &err), 0);
	ck_assert_str_eq(all, "virtio:d00000004v* pci:v*d*sv*sd*bc01sc08i02* ");
	all[0] = '\0';
	ck_assert_int_eq(kho_modules_each_alias(modules, "virtio:", true, &each, &err), 0);
	ck_assert_str_eq(all, "virtio:d00000001v* virtio:d00000004v* ");
	/* a callback's no ends it */
	all[0] = '\0';
	ck_assert_int_eq(kho_modules_each_builtin(modules, &each, &err), -ECANCELED);
	ck_assert_str_eq(all, "ext4 ");
	ck_assert(kho_modules_alias_fits("cpu_type:x*", "cpu-type:x8"));
	ck_assert(!kho_modules_alias_fits("cpu_type:y*", "cpu-type:x8"));
}
END_TEST

START_TEST(paths_by_name)
{
	ck_assert_str_eq(kho_modules_path(modules, "virtio_rng"),
			 "kernel/drivers/char/hw_random/virtio-rng.ko.xz");
	/* the first line of a name counts */
	ck_assert_str_eq(kho_modules_path(modules, "failover"), "kernel/net/core/failover.ko.xz");
	ck_assert_ptr_null(kho_modules_path(modules, "ext4"));
	ck_assert_uint_eq(kho_modules_nr_wanted(modules), 0);
}
END_TEST

START_TEST(trimmed_modules_dep)
{
	static const char expected[] =
		"kernel/drivers/net/virtio_net.ko.xz: kernel/drivers/net/net_failover.ko.xz "
		"kernel/net/core/failover.ko.xz\n"
		"kernel/net/core/failover.ko.xz:\n"
		"kernel/drivers/net/net_failover.ko.xz: kernel/net/core/failover.ko.xz\n";
	struct kho_sink_memory memory;

	kho_sink_memory_init(&memory, 4096);
	ck_assert_int_eq(kho_modules_write_dep(modules, &memory.sink, &err), 0);
	ck_assert_uint_eq(memory.size, 0);
	ck_assert_int_eq(kho_modules_want(modules, "virtio_net", &err), 0);
	ck_assert_int_eq(kho_modules_write_dep(modules, &memory.sink, &err), 0);
	ck_assert_uint_eq(memory.size, sizeof(expected) - 1);
	ck_assert_mem_eq(memory.data, expected, memory.size);
	memory.limit = memory.size;
	ck_assert_int_eq(kho_modules_write_dep(modules, &memory.sink, &err), -EFBIG);
	kho_sink_memory_done(&memory);
}
END_TEST

static const struct {
	struct kho_modules_text text;
	const char *message;
} bad_texts[] = {
	{ { .dep = TEXT("kernel/a.ko:\nkernel/b.ko\n") }, "modules.dep: line 2 " },
	{ { .dep = TEXT("../../etc/x.ko:\n") }, "modules.dep: line 1 " },
	{ { .dep = TEXT("/etc/x.ko:\n") }, "modules.dep: line 1 " },
	{ { .dep = TEXT("kernel/x:\n") }, "modules.dep: line 1 " },
	{ { .dep = TEXT("kernel/.ko:\n") }, "modules.dep: line 1 " },
	{ { .dep = TEXT(":\n") }, "modules.dep: line 1 " },
	{ { .dep = TEXT("k/a0123456789012345678901234567890"
			"123456789012345678901234567890123.ko:") },
	  "modules.dep: line 1 " },
	{ { .dep = TEXT("kernel/a.ko:\0\n") }, "modules.dep has a NUL" },
	{ { .builtin = TEXT("\n\nkernel/\n") }, "modules.builtin: line 3 " },
	{ { .builtin_info = TEXT("a.b=c\0nodot\0") }, "modules.builtin.modinfo: line 2 " },
	{ { .alias = TEXT("alias a b\nalias a\n") }, "modules.alias: line 2 " },
	{ { .alias = TEXT("alias\n") }, "modules.alias: line 1 " },
	{ { .alias = TEXT("# x\nother a b\n") }, "modules.alias: line 2 " },
	{ { .softdep = TEXT("softdep\n") }, "modules.softdep: line 1 " },
	{ { .softdep = TEXT("options a b\n") }, "modules.softdep: line 1 " },
};

START_TEST(texts_not_of_depmod)
{
	struct kho_modules *untouched = modules;

	ck_assert_int_eq(kho_modules_parse(&bad_texts[_i].text, &untouched, &err), -EBADMSG);
	ck_assert_ptr_eq(untouched, modules);
	ck_assert_int_eq(err.code, -EBADMSG);
	ck_assert_msg(strstr(err.msg, bad_texts[_i].message), "'%s' isn't in '%s'",
		      bad_texts[_i].message, err.msg);
	ck_assert_ptr_nonnull(strstr(err.msg, "run depmod"));
}
END_TEST

START_TEST(no_text_at_all)
{
	struct kho_modules *empty;

	ck_assert_int_eq(kho_modules_parse(&(struct kho_modules_text){ 0 }, &empty, &err), 0);
	ck_assert_int_eq(kho_modules_want(empty, "a", &err), -ENOENT);
	kho_modules_free(empty);
}
END_TEST

/* Every prefix of every text: an error or a result that can be asked. */
START_TEST(every_truncation)
{
	struct kho_text *texts[] = {
		&text.dep, &text.builtin, &text.builtin_info, &text.alias, &text.softdep,
	};
	size_t i, whole;

	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		whole = texts[i]->size;
		for (texts[i]->size = 0; texts[i]->size < whole; texts[i]->size++) {
			_cleanup_free_ char *copy = malloc(texts[i]->size + 1);
			const char *original = texts[i]->data;
			struct kho_modules *ret = NULL;
			int r;

			memcpy(copy, original, texts[i]->size);
			texts[i]->data = copy;
			r = kho_modules_parse(&text, &ret, &err);
			texts[i]->data = original;
			ck_assert(r == 0 || r == -EBADMSG);
			if (r == 0)
				(void)kho_modules_want(ret, "virtio_net", &err);
			kho_modules_free(ret);
		}
	}
}
END_TEST

/* ---- patterns ---- */

static const struct {
	const char *pattern, *text;
	bool match;
} patterns[] = {
	{ "", "", true }, { "", "a", false }, { "a", "", false }, { "abc", "abc", true },
	{ "abc", "abcd", false }, { "*", "", true }, { "*", "a/b", true }, { "a*c", "abbc", true },
	{ "a*c", "abcb", false }, { "*a*b*", "xxaxxbxx", true }, { "*a*b*", "xxbxxaxx", false },
	{ "a?c", "abc", true }, { "a?c", "ac", false }, { "?", "", false },
	{ "[abc]", "b", true }, { "[abc]", "d", false }, { "[a-c]x", "bx", true },
	{ "[!a-c]x", "bx", false }, { "[^a-c]x", "dx", true }, { "[]]", "]", true },
	{ "[a", "[a", true }, { "[a", "a", false }, { "[a-]", "-", true }, { "[!]]", "a", true },
	{ "**", "a", true }, { "*[0-9]*", "abc5d", true }, { "*[0-9]", "abc5d", false },
	{ "pci:v00001AF4d*sv*", "pci:v00001AF4d00001041sv1", true },
};

START_TEST(patterns_match)
{
	ck_assert_msg(kho_glob_match(patterns[_i].pattern, patterns[_i].text) ==
		      patterns[_i].match, "'%s' and '%s'", patterns[_i].pattern,
		      patterns[_i].text);
}
END_TEST

/* Would take for ever if each star could be gone back to. */
START_TEST(patterns_take_bounded_time)
{
	char pattern[401], string[4001];
	size_t i;

	for (i = 0; i < 400; i += 2) {
		pattern[i] = '*';
		pattern[i + 1] = 'a';
	}
	pattern[399] = 'b';
	pattern[400] = '\0';
	memset(string, 'a', 4000);
	string[4000] = '\0';
	ck_assert(!kho_glob_match(pattern, string));
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, dependencies_come_along);
	tcase_add_test(tc, soft_dependencies_come_by_alias);
	tcase_add_test(tc, soft_dependencies_may_be_missing);
	tcase_add_test(tc, dependencies_in_a_circle);
	tcase_add_test(tc, devices_by_modalias);
	tcase_add_test(tc, what_is_built_in_needs_no_file);
	tcase_add_test(tc, hyphens_within_brackets_stay);
	tcase_add_test(tc, unknown_names);
	tcase_add_test(tc, a_dependency_without_a_line);
	tcase_add_test(tc, what_can_be_driven);
	tcase_add_test(tc, paths_by_name);
	tcase_add_test(tc, trimmed_modules_dep);
	tcase_add_loop_test(tc, texts_not_of_depmod, 0, ARRAY_SIZE(bad_texts));
	tcase_add_test(tc, no_text_at_all);
	tcase_add_test(tc, every_truncation);
	tcase_add_loop_test(tc, patterns_match, 0, ARRAY_SIZE(patterns));
	tcase_add_test(tc, patterns_take_bounded_time);
}

int main(void)
{
	Suite *suite = suite_create("modules");
	TCase *tc = tcase_create("modules");

	add_tests(tc);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
