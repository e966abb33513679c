// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kernel modules with a fake modprobe and fake system calls; lockdown and Secure
 * Boot on a fake tree.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "system/kmod.h"
#include "unit/fake_tree.h"
#include "unit/run.h"

#define EFIVAR	"sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

static struct fake_tree tree;
static struct kho_err err;
static char modprobe[128];
static struct kho_kmod kmod;
static struct {
	int result;
	char params[64];
	char name[64];
} fake;

static int fake_load(void *ctx, int fd, const char *params)
{
	(void)ctx;
	ck_assert_int_ge(fd, 0);
	snprintf(fake.params, sizeof(fake.params), "%s", params);
	return fake.result;
}

static int fake_unload(void *ctx, const char *name)
{
	(void)ctx;
	snprintf(fake.name, sizeof(fake.name), "%s", name);
	return fake.result;
}

static const struct kho_kmod_ops ops = { .load = fake_load, .unload = fake_unload };

static void put_modprobe(const char *script)
{
	fake_put(&tree, "modprobe", script);
	snprintf(modprobe, sizeof(modprobe), "%s/modprobe", tree.dir);
	ck_assert_int_eq(chmod(modprobe, 0700), 0);
}

static void setup(void)
{
	memset(&fake, 0, sizeof(fake));
	err = (struct kho_err) { 0 };
	fake_tree_init(&tree);
	put_modprobe("#!/bin/sh\necho \"$@\" >\"${0%/*}/args\"\n");
	kmod = (struct kho_kmod) { .root = &tree.root, .ops = &ops, .modprobe = modprobe };
}

static void teardown(void)
{
	fake_tree_done(&tree);
}

START_TEST(loaded)
{
	ck_assert(!kho_kmod_loaded(&kmod, "multikernel"));
	fake_put(&tree, "sys/module/multikernel/initstate", "coming\n");
	ck_assert(!kho_kmod_loaded(&kmod, "multikernel"));
	fake_put(&tree, "sys/module/multikernel/initstate", "live\n");
	ck_assert(kho_kmod_loaded(&kmod, "multikernel"));
	fake_dir(&tree, "sys/module/virtio_pci");
	ck_assert(kho_kmod_loaded(&kmod, "virtio-pci"));
	ck_assert(!kho_kmod_loaded(&kmod, "../module/virtio_pci"));
}
END_TEST

START_TEST(load_by_name)
{
	char text[64] = "", path[128];
	FILE *f;

	ck_assert_msg(kho_kmod_load(&kmod, "sch-plug", 10000, &err) == 0, "%s", err.msg);
	snprintf(path, sizeof(path), "%s/args", tree.dir);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
	fclose(f);
	ck_assert_str_eq(text, "-- sch-plug\n");

	put_modprobe("#!/bin/sh\necho 'modprobe: FATAL: Module x not found.' >&2\nexit 1\n");
	ck_assert_int_eq(kho_kmod_load(&kmod, "x", 10000, &err), -EIO);
	ck_assert_ptr_nonnull(strstr(err.msg, "load module x: "));
	ck_assert_ptr_nonnull(strstr(err.msg, "not found."));
	/* what's loaded isn't loaded again */
	fake_dir(&tree, "sys/module/x");
	ck_assert_int_eq(kho_kmod_load(&kmod, "x", 10000, &err), 0);
	put_modprobe("#!/bin/sh\nexec sleep 100\n");
	ck_assert_int_eq(kho_kmod_load(&kmod, "y", 100, &err), -ETIMEDOUT);
	kmod.modprobe = "/nonexistent/modprobe";
	ck_assert_int_eq(kho_kmod_load(&kmod, "y", 100, &err), -ENOENT);
}
END_TEST

START_TEST(names_are_checked)
{
	static const char *const bad[] = {
		"", "a/b", "..", "a.ko", "-r", "a b", "a\n", "a;b", "\xc3\xa4",
		"12345678901234567890123456789012345678901234567890123456",
	};
	size_t i;

	for (i = 0; i < KHO_ARRAY_SIZE(bad); i++) {
		ck_assert_int_eq(kho_kmod_load(&kmod, bad[i], 1000, &err), -EINVAL);
		ck_assert_int_eq(kho_kmod_unload(&kmod, bad[i], &err), -EINVAL);
	}
	ck_assert_str_eq(fake.name, "");
	ck_assert(!fake_has(&tree, "args"));
	ck_assert_int_eq(kho_kmod_unload(&kmod,
			 "1234567890123456789012345678901234567890123456789012345", &err), 0);
}
END_TEST

START_TEST(load_a_file)
{
	static const struct {
		int code;
		const char *says;
	} cases[] = {
		{ -EEXIST, "loaded already" }, { -ENOEXEC, "headers" },
		{ -EKEYREJECTED, "signature" }, { -ENOKEY, "signature" }, { -EPERM, "lockdown" },
		{ -ENOENT, "symbols" }, { -ENOMEM, "Cannot allocate" },
	};
	size_t i;

	ck_assert_int_eq(kho_kmod_load_file(&kmod, modprobe, "a=1", &err), 0);
	ck_assert_str_eq(fake.params, "a=1");
	for (i = 0; i < KHO_ARRAY_SIZE(cases); i++) {
		fake.result = cases[i].code;
		ck_assert_int_eq(kho_kmod_load_file(&kmod, modprobe, "", &err), cases[i].code);
		ck_assert_msg(strstr(err.msg, cases[i].says) != NULL, "%s", err.msg);
	}
	fake.result = 0;
	ck_assert_int_eq(kho_kmod_load_file(&kmod, "/nonexistent.ko", "", &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "can't open module"));
}
END_TEST

START_TEST(unload)
{
	static const struct {
		int code;
		const char *says;
	} cases[] = {
		{ -ENOENT, "isn't loaded" }, { -EWOULDBLOCK, "in use" }, { -EBUSY, "try again" },
		{ -EPERM, "CAP_SYS_MODULE" }, { -EFAULT, "Bad address" },
	};
	size_t i;

	ck_assert_int_eq(kho_kmod_unload(&kmod, "virtio-pci", &err), 0);
	ck_assert_str_eq(fake.name, "virtio_pci");
	for (i = 0; i < KHO_ARRAY_SIZE(cases); i++) {
		fake.result = cases[i].code;
		ck_assert_int_eq(kho_kmod_unload(&kmod, "x", &err), cases[i].code);
		ck_assert_msg(strstr(err.msg, cases[i].says) != NULL, "%s", err.msg);
	}
}
END_TEST

START_TEST(trust_is_read)
{
	struct kho_trust trust;

	ck_assert_int_eq(kho_trust_read(&tree.root, &trust, &err), 0);
	ck_assert_int_eq(trust.lockdown, KHO_LOCKDOWN_NONE);
	ck_assert(!trust.secure_boot && !trust.signed_modules);

	fake_put(&tree, "sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
	fake_put_data(&tree, EFIVAR, "\6\0\0\0\0", 5);
	fake_put(&tree, "sys/module/module/parameters/sig_enforce", "N\n");
	ck_assert_int_eq(kho_trust_read(&tree.root, &trust, &err), 0);
	ck_assert_int_eq(trust.lockdown, KHO_LOCKDOWN_NONE);
	ck_assert(!trust.secure_boot && !trust.signed_modules);

	fake_put(&tree, "sys/module/module/parameters/sig_enforce", "Y\n");
	fake_put_data(&tree, EFIVAR, "\6\0\0\0\1", 5);
	ck_assert_int_eq(kho_trust_read(&tree.root, &trust, &err), 0);
	ck_assert(trust.secure_boot && trust.signed_modules);

	fake_put(&tree, "sys/module/module/parameters/sig_enforce", "N\n");
	fake_put(&tree, "sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
	ck_assert_int_eq(kho_trust_read(&tree.root, &trust, &err), 0);
	ck_assert_int_eq(trust.lockdown, KHO_LOCKDOWN_INTEGRITY);
	ck_assert(trust.signed_modules);
	fake_put(&tree, "sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
	ck_assert_int_eq(kho_trust_read(&tree.root, &trust, &err), 0);
	ck_assert_int_eq(trust.lockdown, KHO_LOCKDOWN_CONFIDENTIALITY);
}
END_TEST

START_TEST(trust_makes_no_sense)
{
	struct kho_trust trust = { .secure_boot = true };

	fake_put(&tree, "sys/kernel/security/lockdown", "none integrity\n");
	ck_assert_int_eq(kho_trust_read(&tree.root, &trust, &err), -EBADMSG);
	fake_remove(&tree, "sys/kernel/security/lockdown");
	fake_put_data(&tree, EFIVAR, "\6\0\0\0", 4);
	ck_assert_int_eq(kho_trust_read(&tree.root, &trust, &err), -EBADMSG);
	fake_put_data(&tree, EFIVAR, "\6\0\0\0\1\1", 6);
	ck_assert_int_eq(kho_trust_read(&tree.root, &trust, &err), -EFBIG);
	ck_assert(trust.secure_boot);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("kmod");
	TCase *tc = tcase_create("kmod");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, loaded);
	tcase_add_test(tc, load_by_name);
	tcase_add_test(tc, names_are_checked);
	tcase_add_test(tc, load_a_file);
	tcase_add_test(tc, unload);
	tcase_add_test(tc, trust_is_read);
	tcase_add_test(tc, trust_makes_no_sense);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
