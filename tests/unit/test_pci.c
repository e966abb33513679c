// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI functions on a fake tree: reading them, giving one up and taking it back
 * against a kernel that refuses at every step.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "system/pci.h"
#include "unit/fake_pci.h"
#include "unit/run.h"

static const struct kho_pci_addr disk = { .device = 4 };
static const struct kho_pci_addr nic = { .bus = 1 };
static const struct kho_pci_addr bridge = { .device = 1 };

/* What the fake kernel does not do as it should. */
static struct {
	int override_result;
	int unbind_result;
	int bind_result;
	int probe_result;
	bool unbind_lies;
	bool bind_lies;
	const char *probes;		/* which driver a probe binds; NULL: none */
} kernel;

static struct fake_tree tree;
static struct kho_err err;

static const char resource[] = FAKE_PCI_RESOURCE;

static void setup(void)
{
	memset(&kernel, 0, sizeof(kernel));
	err = (struct kho_err) { 0 };
	fake_tree_init(&tree);
	fake_pci_init(&tree);
}

static void teardown(void)
{
	fake_tree_done(&tree);
}

/* ---- reading ---- */

START_TEST(functions_are_read)
{
	_cleanup_(kho_pci_list_done) struct kho_pci_list list = { 0 };
	const struct kho_pci_function *f;

	fake_put(&tree, DEVICES DISK "/driver_override", "vfio-pci\n");
	ck_assert_msg(kho_pci_list_read(&tree.root, &list, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(list.nr, 3);
	ck_assert_ptr_eq(kho_pci_list_find(&list, &bridge), &list.functions[0]);
	f = kho_pci_list_find(&list, &disk);
	ck_assert_ptr_eq(f, &list.functions[1]);
	ck_assert_uint_eq(f->vendor, 0x1af4);
	ck_assert_uint_eq(f->device, 0x1042);
	ck_assert_uint_eq(f->class, 0x010000);
	ck_assert_int_eq(f->numa_node, -1);
	ck_assert(!f->bridge && list.functions[0].bridge);
	ck_assert(f->caps.msix && f->caps.power && !f->caps.msi && !f->caps.express);
	ck_assert_uint_eq(f->bars[0].start, 0xc000);
	ck_assert_uint_eq(f->bars[0].size, 0x80);
	ck_assert_uint_eq(f->bars[1].size, 0x1000);
	ck_assert_uint_eq(f->bars[2].size, 0);
	ck_assert_uint_eq(f->bars[4].start, 0xfe00000000);
	ck_assert_uint_eq(f->bars[4].flags, 0x14220c);
	ck_assert_str_eq(f->driver, "virtio-pci");
	ck_assert_str_eq(f->override, "vfio-pci");
	ck_assert_ptr_eq(kho_pci_list_find(&list, &nic), &list.functions[2]);
	ck_assert_int_eq(list.functions[2].numa_node, 1);
	ck_assert_str_eq(list.functions[2].driver, "");
	ck_assert_str_eq(list.functions[2].override, "");
	ck_assert_ptr_null(kho_pci_list_find(&list, &(struct kho_pci_addr) { .bus = 9 }));
}
END_TEST

START_TEST(functions_are_refused)
{
	struct kho_pci_function f = { .vendor = 77 };
	struct kho_pci_list list = { .nr = 77 };

	ck_assert_int_eq(kho_pci_read(&tree.root, &(struct kho_pci_addr) { .bus = 9 }, &f, &err),
			 -ENODEV);
	fake_put(&tree, DEVICES DISK "/vendor", "0x11af4\n");
	ck_assert_int_eq(kho_pci_read(&tree.root, &disk, &f, &err), -EBADMSG);
	fake_put(&tree, DEVICES DISK "/vendor", "virtio\n");
	ck_assert_int_eq(kho_pci_list_read(&tree.root, &list, &err), -EINVAL);
	fake_put(&tree, DEVICES DISK "/vendor", "0x1af4\n");
	fake_put(&tree, DEVICES DISK "/resource", "0x0 0x0\n");
	ck_assert_int_eq(kho_pci_read(&tree.root, &disk, &f, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "resource"));
	fake_remove(&tree, BUS "devices");
	ck_assert_int_eq(kho_pci_list_read(&tree.root, &list, &err), -EOPNOTSUPP);
	ck_assert_uint_eq(f.vendor, 77);
	ck_assert_uint_eq(list.nr, 77);
}
END_TEST

START_TEST(bars_cut_anywhere)
{
	struct kho_pci_bar bars[KHO_PCI_BARS];
	size_t size, six = 6 * 57;
	char *text;

	for (size = 0; size < strlen(resource); size++) {
		text = strndup(resource, size);
		ck_assert_int_eq(kho_pci_parse_bars(text, bars, &err), size < six ? -EBADMSG : 0);
		free(text);
	}
	ck_assert_int_eq(kho_pci_parse_bars("0x2 0x1 0x0\n", bars, &err), -EBADMSG);
	ck_assert_int_eq(kho_pci_parse_bars("0x0 0xffffffffffffffff 0x0\n", bars, &err), -EBADMSG);
	ck_assert_int_eq(kho_pci_parse_bars("0x00000000000000000000000001 0x1 0x0\n", bars, &err),
			 -EBADMSG);
}
END_TEST

START_TEST(caps_stay_within_the_space)
{
	struct kho_pci_caps caps;
	uint8_t config[256], *part;
	size_t size;

	memset(config, 0xff, sizeof(config));
	kho_pci_parse_caps(config, sizeof(config), &caps);
	ck_assert(!caps.msi && !caps.msix && !caps.express && !caps.power);
	/* a list that loops, and one with every capability */
	memset(config, 0, sizeof(config));
	config[0x06] = 0x10;
	config[0x34] = 0x43;		/* the low bits don't count */
	config[0x40] = 0x05;
	config[0x41] = 0xfc;
	config[0xfc] = 0x10;
	config[0xfd] = 0x40;
	kho_pci_parse_caps(config, sizeof(config), &caps);
	ck_assert(caps.msi && caps.express && !caps.msix && !caps.power);
	/* what points into the header ends the list */
	config[0x41] = 0x3c;
	kho_pci_parse_caps(config, sizeof(config), &caps);
	ck_assert(caps.msi && !caps.express);
	config[0x41] = 0xfc;
	for (size = 0; size <= sizeof(config); size++) {
		part = malloc(size ? size : 1);
		memcpy(part, config, size);
		kho_pci_parse_caps(part, size, &caps);
		ck_assert(caps.msi == (size > 0x41) && caps.express == (size > 0xfd));
		free(part);
	}
}
END_TEST

/* ---- hold, release ---- */

static int pci_kernel(struct fake_tree *t, const char *path, const char *value)
{
	if (strcmp(path, BUS "devices/" DISK "/driver_override") == 0) {
		if (kernel.override_result)
			return kernel.override_result;
		fake_put(t, path, strcmp(value, "\n") == 0 ? "(null)\n" : value);
		return 0;
	}
	ck_assert_str_eq(value, DISK);
	if (strstr(path, "/unbind")) {
		if (!kernel.unbind_result && !kernel.unbind_lies)
			fake_pci_set_driver(&tree, NULL);
		return kernel.unbind_result;
	}
	if (strcmp(path, BUS "drivers/multikernel/bind") == 0) {
		if (!kernel.bind_result && !kernel.bind_lies)
			fake_pci_set_driver(&tree, "multikernel");
		return kernel.bind_result;
	}
	ck_assert_str_eq(path, BUS "drivers_probe");
	if (!kernel.probe_result && kernel.probes)
		fake_pci_set_driver(&tree, kernel.probes);
	return kernel.probe_result;
}

static void assert_driver(const char *driver, const char *override)
{
	struct kho_pci_function f;

	ck_assert_int_eq(kho_pci_read(&tree.root, &disk, &f, NULL), 0);
	ck_assert_str_eq(f.driver, driver);
	ck_assert_str_eq(f.override, override);
}

START_TEST(hold_and_release)
{
	struct kho_pci_hold hold, again;

	tree.on_write = pci_kernel;
	kernel.probes = "virtio-pci";
	ck_assert_msg(kho_pci_hold(&tree.root, &disk, 1000, &hold, &err) == 0, "%s", err.msg);
	ck_assert_str_eq(hold.driver, "virtio-pci");
	ck_assert_str_eq(tree.log, BUS "devices/" DISK "/driver_override=multikernel\n"
			 BUS "drivers/virtio-pci/unbind=" DISK "\n"
			 BUS "drivers/multikernel/bind=" DISK "\n");
	assert_driver("multikernel", "multikernel");

	/* it's held: nothing to do, and no driver known to go back to */
	tree.log[0] = '\0';
	ck_assert_int_eq(kho_pci_hold(&tree.root, &disk, 1000, &again, &err), 0);
	ck_assert_str_eq(again.driver, "");
	ck_assert_str_eq(tree.log, "");

	ck_assert_int_eq(kho_pci_release(&tree.root, &hold, 1000, &err), 0);
	ck_assert_str_eq(tree.log, BUS "drivers/multikernel/unbind=" DISK "\n"
			 BUS "devices/" DISK "/driver_override=$\n"
			 BUS "drivers_probe=" DISK "\n");
	assert_driver("virtio-pci", "");
	/* released already: only the override is made sure of */
	ck_assert_int_eq(kho_pci_release(&tree.root, &hold, 1000, &err), 0);
}
END_TEST

START_TEST(hold_keeps_an_override)
{
	struct kho_pci_hold hold;

	tree.on_write = pci_kernel;
	fake_put(&tree, DEVICES DISK "/driver_override", "virtio-pci\n");
	ck_assert_int_eq(kho_pci_hold(&tree.root, &disk, 1000, &hold, &err), 0);
	kernel.probes = "virtio-pci";
	ck_assert_int_eq(kho_pci_release(&tree.root, &hold, 1000, &err), 0);
	assert_driver("virtio-pci", "virtio-pci");
}
END_TEST

START_TEST(hold_without_a_driver)
{
	struct kho_pci_hold hold;

	tree.on_write = pci_kernel;
	fake_pci_set_driver(&tree, NULL);
	ck_assert_int_eq(kho_pci_hold(&tree.root, &disk, 1000, &hold, &err), 0);
	ck_assert_str_eq(hold.driver, "");
	ck_assert_ptr_null(strstr(tree.log, "unbind"));
	/* and whoever takes it afterwards is right */
	ck_assert_int_eq(kho_pci_release(&tree.root, &hold, 1000, &err), 0);
	assert_driver("", "");
}
END_TEST

START_TEST(hold_is_refused)
{
	struct kho_pci_hold hold = { .driver = "untouched" };

	tree.on_write = pci_kernel;
	ck_assert_int_eq(kho_pci_hold(&tree.root, &bridge, 1000, &hold, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "bridge"));
	ck_assert_int_eq(kho_pci_hold(&tree.root, &(struct kho_pci_addr) { .bus = 9 }, 1000, &hold,
				      &err), -ENODEV);
	fake_remove(&tree, BUS "drivers/multikernel");
	ck_assert_int_eq(kho_pci_hold(&tree.root, &disk, 1000, &hold, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "modprobe multikernel"));
	ck_assert_str_eq(tree.log, "");
	ck_assert_str_eq(hold.driver, "untouched");
}
END_TEST

/* Whatever fails half way, the function ends up with its driver. */
START_TEST(hold_is_undone)
{
	struct kho_pci_hold hold = { .driver = "untouched" };

	tree.on_write = pci_kernel;
	kernel.probes = "virtio-pci";
	kernel.override_result = -EPERM;
	ck_assert_int_eq(kho_pci_hold(&tree.root, &disk, 1000, &hold, &err), -EPERM);
	assert_driver("virtio-pci", "");
	kernel.override_result = 0;

	kernel.unbind_result = -EBUSY;
	ck_assert_int_eq(kho_pci_hold(&tree.root, &disk, 1000, &hold, &err), -EBUSY);
	assert_driver("virtio-pci", "");
	kernel.unbind_result = 0;

	kernel.unbind_lies = true;
	ck_assert_int_eq(kho_pci_hold(&tree.root, &disk, 1000, &hold, &err), -EIO);
	assert_driver("virtio-pci", "");
	kernel.unbind_lies = false;

	kernel.bind_result = -ENODEV;
	ck_assert_int_eq(kho_pci_hold(&tree.root, &disk, 1000, &hold, &err), -ENODEV);
	ck_assert_ptr_nonnull(strstr(err.msg, DISK " can't be given up"));
	assert_driver("virtio-pci", "");
	kernel.bind_result = 0;

	kernel.bind_lies = true;
	ck_assert_int_eq(kho_pci_hold(&tree.root, &disk, 1000, &hold, &err), -EIO);
	assert_driver("virtio-pci", "");

	/* and if that fails as well, it's said */
	kernel.probe_result = -EIO;
	ck_assert_int_eq(kho_pci_hold(&tree.root, &disk, 1000, &hold, &err), -EIO);
	ck_assert_ptr_nonnull(strstr(err.msg, "has no driver now"));
	ck_assert_str_eq(hold.driver, "untouched");
}
END_TEST

START_TEST(release_is_refused)
{
	struct kho_pci_hold hold;

	tree.on_write = pci_kernel;
	ck_assert_int_eq(kho_pci_hold(&tree.root, &disk, 1000, &hold, &err), 0);
	kernel.probes = NULL;
	ck_assert_int_eq(kho_pci_release(&tree.root, &hold, 1000, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "virtio-pci"));
	kernel.probes = "uio";
	ck_assert_int_eq(kho_pci_release(&tree.root, &hold, 1000, &err), -ENOENT);
	tree.log[0] = '\0';
	ck_assert_int_eq(kho_pci_release(&tree.root, &hold, 1000, &err), -EBUSY);
	ck_assert_ptr_nonnull(strstr(err.msg, "driven by uio"));
	ck_assert_str_eq(tree.log, "");
	hold.addr.bus = 9;
	ck_assert_int_eq(kho_pci_release(&tree.root, &hold, 1000, &err), -ENODEV);
}
END_TEST

static unsigned int writes_left;

/* Of a process that's killed: what it would write then, its undo as well, never happens. */
static int until_killed(struct fake_tree *t, const char *path, const char *value)
{
	if (!writes_left)
		return -EINTR;
	writes_left--;
	return pci_kernel(t, path, value);
}

/* Whenever it's killed at a hold, or at the release after it, the next one can tell and put it right. */
START_TEST(killed_at_any_write)
{
	const struct kho_pci_hold unknown = { .addr = disk };
	struct kho_pci_function now;
	struct kho_pci_hold hold;
	bool ours;

	kernel.probes = "virtio-pci";
	for (unsigned int writes = 0; writes <= 5; writes++) {
		writes_left = writes;
		tree.on_write = until_killed;
		if (kho_pci_hold(&tree.root, &disk, 1000, &hold, &err) == 0)
			kho_pci_release(&tree.root, &hold, 1000, &err);
		ck_assert_uint_eq(writes_left, 0);
		ck_assert_int_eq(kho_pci_read(&tree.root, &disk, &now, &err), 0);
		ours = kho_pci_is_ours(&now);
		/* untouched, and after the override's end */
		ck_assert(ours == (writes > 0 && writes < 5));
		ck_assert(ours || writes == 0 || !now.driver[0]);
		tree.on_write = pci_kernel;
		ck_assert_int_eq(kho_pci_release(&tree.root, &unknown, 1000, &err),
				 writes ? 0 : -EBUSY);
		assert_driver("virtio-pci", "");
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pci");
	TCase *tc = tcase_create("pci");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, functions_are_read);
	tcase_add_test(tc, functions_are_refused);
	tcase_add_test(tc, bars_cut_anywhere);
	tcase_add_test(tc, caps_stay_within_the_space);
	tcase_add_test(tc, hold_and_release);
	tcase_add_test(tc, hold_keeps_an_override);
	tcase_add_test(tc, hold_without_a_driver);
	tcase_add_test(tc, hold_is_refused);
	tcase_add_test(tc, hold_is_undone);
	tcase_add_test(tc, release_is_refused);
	tcase_add_test(tc, killed_at_any_write);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
