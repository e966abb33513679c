// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who uses a PCI function: mounts, swap, volumes, interfaces and whatever else
 * a fake tree shows; and the parsers of the tables that say so.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "system/mountinfo.h"
#include "system/pci.h"
#include "unit/fake_pci.h"
#include "unit/run.h"

static const struct kho_pci_addr disk = { .device = 4 };

static struct fake_tree tree;
static struct kho_err err;

static const char *at(const char *dir, const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void setup(void)
{
	err = (struct kho_err) { 0 };
	fake_tree_init(&tree);
	fake_pci_init(&tree);
	fake_put(&tree, "proc/self/mountinfo",
		 "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n");
}

static void teardown(void)
{
	fake_tree_done(&tree);
}

static void put_block(const char *dir, const char *name, const char *dev)
{
	char path[256], link[128], target[320];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (dev)
		fake_put(&tree, at(path, "dev"), dev);
	fake_dir(&tree, at(path, "holders"));
	snprintf(link, sizeof(link), "sys/class/block/%s", name);
	snprintf(target, sizeof(target), "../../../%s", path);
	fake_link(&tree, link, target);
}

/* A disk with two partitions on the function, and one elsewhere. */
static void put_blocks(void)
{
	put_block(DEVICES DISK "/virtio1/block", "vdb", "254:16\n");
	put_block(DEVICES DISK "/virtio1/block/vdb", "vdb1", "254:17\n");
	put_block(DEVICES DISK "/virtio1/block/vdb", "vdb2", "254:18\n");
	put_block(DEVICES "0000:00:04.00/virtio2/block", "vda", "254:0\n");
}

static void assert_use(enum kho_pci_use_kind kind, const char *device, const char *detail)
{
	struct kho_pci_uses uses;

	ck_assert_msg(kho_pci_find_uses(&tree.root, &disk, &uses, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(uses.nr, 1);
	ck_assert_uint_eq(uses.nr_blocking, kind != KHO_PCI_USE_NET);
	ck_assert_int_eq(uses.uses[0].kind, kind);
	ck_assert_str_eq(uses.uses[0].device, device);
	ck_assert_str_eq(uses.uses[0].detail, detail);
	ck_assert_int_eq(kho_pci_check_free(&tree.root, &disk, &err),
			 kind == KHO_PCI_USE_NET ? 0 : -EBUSY);
	if (kind != KHO_PCI_USE_NET)
		ck_assert_msg(strchr(err.msg, ';') != NULL, "%s", err.msg);
}

START_TEST(unused)
{
	struct kho_pci_uses uses;

	ck_assert_int_eq(kho_pci_find_uses(&tree.root, &disk, &uses, &err), 0);
	ck_assert_uint_eq(uses.nr, 0);
	put_blocks();
	ck_assert_int_eq(kho_pci_find_uses(&tree.root, &disk, &uses, &err), 0);
	ck_assert_uint_eq(uses.nr, 0);
	ck_assert_int_eq(kho_pci_check_free(&tree.root, &disk, &err), 0);
	/* no mounts to read is no licence */
	fake_remove(&tree, "proc/self/mountinfo");
	uses.nr = 77;
	ck_assert_int_eq(kho_pci_find_uses(&tree.root, &disk, &uses, &err), -ENOENT);
	ck_assert_uint_eq(uses.nr, 77);
	ck_assert_int_eq(kho_pci_check_free(&tree.root, &(struct kho_pci_addr) { .bus = 9 }, &err),
			 -ENODEV);
}
END_TEST

START_TEST(used_by_mounts)
{
	put_blocks();
	fake_put(&tree, "proc/self/mountinfo",
		 "22 1 254:0 / / rw shared:1 - ext4 /dev/vda rw\n"
		 "23 22 254:17 / /srv rw shared:2 master:3 - ext4 /dev/mapper/x rw\n");
	assert_use(KHO_PCI_USE_MOUNT, "vdb1", "/srv");
	ck_assert_ptr_nonnull(strstr(err.msg, "vdb1 is mounted on /srv; unmount it"));
	/* Btrfs has device numbers of its own */
	fake_put(&tree, "proc/self/mountinfo",
		 "24 22 0:43 / /data rw - btrfs /dev/vdb2 rw,subvolid=5\n");
	assert_use(KHO_PCI_USE_MOUNT, "vdb2", "/data");
	/* lines of no known form */
	fake_put(&tree, "proc/self/mountinfo",
		 "\n24 22 254:17\n24 22 254:17 / /data rw\n24 22 254:17 / /data rw - btrfs\n");
	ck_assert_int_eq(kho_pci_check_free(&tree.root, &disk, &err), 0);
}
END_TEST

START_TEST(used_otherwise)
{
	put_blocks();
	fake_put(&tree, "proc/swaps", "Filename\t\t\tType\t\tSize\tUsed\tPriority\n"
		 "/dev/vdb2                               partition\t1048572\t0\t-2\n");
	assert_use(KHO_PCI_USE_SWAP, "vdb2", "swap");
	fake_remove(&tree, "proc/swaps");

	fake_link(&tree, DEVICES DISK "/virtio1/block/vdb/vdb1/holders/dm-0", "../nowhere");
	assert_use(KHO_PCI_USE_HOLDER, "vdb1", "dm-0");
	/* it explains the claim, so that isn't told as well */
	tree.busy = "vdb1";
	assert_use(KHO_PCI_USE_HOLDER, "vdb1", "dm-0");
	fake_remove(&tree, DEVICES DISK "/virtio1/block/vdb/vdb1/holders/dm-0");
	assert_use(KHO_PCI_USE_CLAIMED, "vdb1", "held exclusively by an unknown user");
	tree.busy = NULL;

	fake_put(&tree, DEVICES DISK "/sriov_numvfs", "0\n");
	ck_assert_int_eq(kho_pci_check_free(&tree.root, &disk, &err), 0);
	fake_put(&tree, DEVICES DISK "/sriov_numvfs", "4\n");
	assert_use(KHO_PCI_USE_VIRTUAL, "", "4 virtual functions");
	fake_remove(&tree, DEVICES DISK "/sriov_numvfs");
	fake_pci_set_driver(&tree, "vfio-pci");
	assert_use(KHO_PCI_USE_GUEST, "", "driver vfio-pci");
}
END_TEST

START_TEST(used_as_nvme)
{
	put_block(DEVICES DISK "/nvme/nvme0", "nvme0c0n1", NULL);
	put_block("sys/devices/virtual/nvme-subsystem/nvme-subsys0", "nvme0n1", "259:0\n");
	put_block("sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1", "nvme0n1p2",
		  "259:2\n");
	put_block("sys/devices/virtual/nvme-subsystem/nvme-subsys0", "nvme0n12", "259:9\n");
	fake_put(&tree, "proc/self/mountinfo", "2 1 259:2 / /var rw - xfs /dev/nvme0n1p2 rw\n"
		 "3 1 259:9 / /other rw - xfs /dev/nvme0n12 rw\n");
	assert_use(KHO_PCI_USE_MOUNT, "nvme0n1p2", "/var");
}
END_TEST

START_TEST(used_by_interfaces)
{
	fake_put(&tree, DEVICES DISK "/virtio1/net/eth0/flags", "0x1003\n");
	fake_link(&tree, "sys/class/net/eth0",
		  "../../devices/pci0000:00/" DISK "/virtio1/net/eth0");
	fake_put(&tree, "sys/class/net/lo/flags", "0x9\n");
	assert_use(KHO_PCI_USE_NET, "eth0", "up, 0 IPv4 routes, 0 IPv6 addresses");
	fake_put(&tree, "proc/net/route", "Iface\tDestination\tGateway\n"
		 "eth0\t00000000\t0202000A\neth0\t0002000A\t00000000\neth01\t0\t0\n");
	fake_put(&tree, "proc/net/if_inet6",
		 "00000000000000000000000000000001 01 80 10 80       lo\n"
		 "fe80000000000000505400fffe123456 02 40 20 80     eth0\n");
	assert_use(KHO_PCI_USE_NET, "eth0", "up, 2 IPv4 routes, 1 IPv6 addresses");
	fake_put(&tree, DEVICES DISK "/virtio1/net/eth0/flags", "0x1002\n");
	assert_use(KHO_PCI_USE_NET, "eth0", "down, 2 IPv4 routes, 1 IPv6 addresses");
}
END_TEST

START_TEST(more_uses_than_fit)
{
	struct kho_pci_uses uses;
	char text[4096];
	size_t i, used = 0;

	put_blocks();
	for (i = 0; i < 40; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "%zu 22 254:17 / /srv/%zu rw - ext4 /dev/vdb1 rw\n", i, i);
	fake_put(&tree, "proc/self/mountinfo", text);
	ck_assert_int_eq(kho_pci_find_uses(&tree.root, &disk, &uses, &err), 0);
	ck_assert_uint_eq(uses.nr, KHO_PCI_USES_MAX);
	ck_assert_uint_eq(uses.nr_blocking, 40);
	ck_assert_str_eq(uses.uses[31].detail, "/srv/31");
}
END_TEST

START_TEST(mount_lines_cut_anywhere)
{
	static const char line[] = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw";
	struct kho_mount mount;
	struct kho_word word;
	size_t size;
	char *text;

	for (size = 0; size < sizeof(line); size++) {
		text = malloc(size ? size : 1);
		memcpy(text, line, size);
		word = (struct kho_word) { .data = text, .size = size };
		ck_assert(kho_mount_parse(&word, &mount) == (size > strlen(line) - 12));
		free(text);
	}
	word = (struct kho_word) { .data = line, .size = strlen(line) };
	ck_assert(kho_mount_parse(&word, &mount));
	ck_assert(kho_word_is(&mount.device, "98:0"));
	ck_assert(kho_word_is(&mount.point, "/mnt2"));
	ck_assert(kho_word_is(&mount.source, "/dev/root"));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("pci_use");
	TCase *tc = tcase_create("pci_use");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, unused);
	tcase_add_test(tc, used_by_mounts);
	tcase_add_test(tc, used_otherwise);
	tcase_add_test(tc, used_as_nvme);
	tcase_add_test(tc, used_by_interfaces);
	tcase_add_test(tc, more_uses_than_fit);
	tcase_add_test(tc, mount_lines_cut_anywhere);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
