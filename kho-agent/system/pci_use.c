// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who uses a PCI function; pci.h has the contract.
 *
 * Block devices and interfaces of a function are the members of their class whose
 * real path lies below the function's, which holds for virtio, SCSI and NVMe alike.
 * With NVMe multipath only a hidden path device (nvme0c0n1) does; what is mounted
 * is its head (nvme0n1), which is looked up by name.
 *
 * mountinfo shows this mount namespace only, and Btrfs names one device of many;
 * what these miss holds the device exclusively all the same, and is found by
 * trying to open it so.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "system/mountinfo.h"
#include "system/pci.h"

#define TABLE_MAX	(16u << 20)
#define DEV_MAX		32u
#define NET_FLAG_UP	1u

/* One look at a function. */
struct look {
	const struct kho_sysroot *root;
	char path[PATH_MAX];		/* of the function, without symlinks */
	char *mounts;			/* texts of procfs, owned; NULL: not there */
	char *swaps;
	char *routes;
	char *addrs6;
	struct kho_pci_uses *uses;
};

static void look_done(struct look *look)
{
	free(look->mounts);
	free(look->swaps);
	free(look->routes);
	free(look->addrs6);
}

__attribute__((format(printf, 4, 5)))
static void add_use(struct look *look, enum kho_pci_use_kind kind, const char *device,
		    const char *fmt, ...)
{
	struct kho_pci_uses *uses = look->uses;
	struct kho_pci_use *use;
	va_list args;

	if (kind != KHO_PCI_USE_NET)
		uses->nr_blocking++;
	if (uses->nr == KHO_PCI_USES_MAX)
		return;
	use = &uses->uses[uses->nr++];
	*use = (struct kho_pci_use) { .kind = kind };
	snprintf(use->device, sizeof(use->device), "%s", device);
	va_start(args, fmt);
	vsnprintf(use->detail, sizeof(use->detail), fmt, args);
	va_end(args);
}

/* ---- block devices ---- */

/* The name of the device that @name is below: "nvme0n1" for "nvme0c0n1". */
static bool multipath_head(const char *name, char *ret, size_t size)
{
	unsigned int subsystem, controller, space;
	int used = 0;

	if (sscanf(name, "nvme%9uc%9un%9u%n", &subsystem, &controller, &space, &used) != 3 ||
	    name[used])
		return false;
	return snprintf(ret, size, "nvme%un%u", subsystem, space) < (int)size;
}

/* Whether @name is @disk or, by the rule for names that end with a digit, part of it. */
static bool is_disk_or_part(const char *name, const char *disk)
{
	size_t size = strlen(disk);

	if (strncmp(name, disk, size) != 0)
		return false;
	return !name[size] || (name[size] == 'p' && name[size + 1]);
}

static bool is_dev_node(const struct kho_word *word, const char *name)
{
	return word->size > 5 && memcmp(word->data, "/dev/", 5) == 0 &&
	       word->size - 5 == strlen(name) && memcmp(word->data + 5, name, strlen(name)) == 0;
}

static void find_mounts(struct look *look, const char *name, const char *dev)
{
	const char *at = look->mounts ? look->mounts : "";
	struct kho_mount mount;
	struct kho_word line;

	while (kho_next_line(&at, &line)) {
		if (!kho_mount_parse(&line, &mount))
			continue;
		if (kho_word_is(&mount.device, dev) || is_dev_node(&mount.source, name))
			add_use(look, KHO_PCI_USE_MOUNT, name, "%.*s",
				(int)(mount.point.size < 100 ? mount.point.size : 100),
				mount.point.data);
	}
}

static void find_swap(struct look *look, const char *name)
{
	const char *at = look->swaps ? look->swaps : "";
	struct kho_word line, path;

	while (kho_next_line(&at, &line))
		if (kho_word_field(&line, 0, &path) && is_dev_node(&path, name))
			add_use(look, KHO_PCI_USE_SWAP, name, "swap");
}

static void find_holders(struct look *look, const char *name)
{
	_cleanup_(kho_names_done) struct kho_names holders = { 0 };
	char path[KHO_SYSROOT_PATH];
	size_t i;

	if (kho_sysroot_path(path, look->root->sys, NULL, "class/block/%s/holders", name) < 0 ||
	    kho_sysroot_list(path, &holders, NULL) < 0)
		return;
	for (i = 0; i < holders.nr; i++)
		add_use(look, KHO_PCI_USE_HOLDER, name, "%s", holders.names[i]);
}

/* The catch-all, for when nothing explains it better. */
static void find_claim(struct look *look, const char *name)
{
	char path[KHO_SYSROOT_PATH];

	if (kho_sysroot_path(path, look->root->dev, NULL, "%s", name) < 0)
		return;
	if (look->root->ops->try_exclusive(look->root->ctx, path) == -EBUSY)
		add_use(look, KHO_PCI_USE_CLAIMED, name, "held exclusively by an unknown user");
}

static int find_block_uses(struct look *look, const char *name, struct kho_err *err)
{
	_cleanup_free_ char *dev = NULL;
	size_t before = look->uses->nr_blocking;
	char path[KHO_SYSROOT_PATH];
	int r;

	r = kho_sysroot_path(path, look->root->sys, err, "class/block/%s/dev", name);
	if (r == 0)
		r = kho_file_read_string(path, DEV_MAX, &dev, err);
	if (r == -ENOENT)		/* hidden: nobody can use it but by its head */
		return 0;
	if (r < 0)
		return r;
	find_mounts(look, name, dev);
	find_swap(look, name);
	find_holders(look, name);
	if (look->uses->nr_blocking == before)
		find_claim(look, name);
	return 0;
}

/* ---- network interfaces ---- */

static size_t count_lines_of(const char *table, const char *name, bool last_field)
{
	const char *at = table ? table : "";
	struct kho_word line, word;
	size_t nr = 0;

	while (kho_next_line(&at, &line))
		if ((last_field ? kho_word_last_field(&line, &word) :
		     kho_word_field(&line, 0, &word)) && kho_word_is(&word, name))
			nr++;
	return nr;
}

static int find_net_use(struct look *look, const char *name, struct kho_err *err)
{
	char path[KHO_SYSROOT_PATH];
	uint64_t flags = 0;
	int r;

	r = kho_sysroot_path(path, look->root->sys, err, "class/net/%s/flags", name);
	if (r == 0)
		r = kho_file_read_u64(path, &flags, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	add_use(look, KHO_PCI_USE_NET, name, "%s, %zu IPv4 routes, %zu IPv6 addresses",
		flags & NET_FLAG_UP ? "up" : "down", count_lines_of(look->routes, name, false),
		count_lines_of(look->addrs6, name, true));
	return 0;
}

/* ---- members of a class that are below the function ---- */

typedef int (*member_fn)(struct look *look, const char *name, struct kho_err *err);

static bool is_below(const struct look *look, const char *class, const char *name)
{
	char path[KHO_SYSROOT_PATH], real[PATH_MAX];
	size_t size = strlen(look->path);

	if (kho_sysroot_path(path, look->root->sys, NULL, "class/%s/%s", class, name) < 0 ||
	    !realpath(path, real))
		return false;
	return strncmp(real, look->path, size) == 0 && real[size] == '/';
}

/* The head's and its partitions' uses, if @name is one path of several to a disk. */
static int visit_head(struct look *look, const struct kho_names *names, const char *name,
		      member_fn fn, struct kho_err *err)
{
	char head[KHO_PCI_NAME];
	size_t i;
	int r = 0;

	if (!multipath_head(name, head, sizeof(head)))
		return 0;
	for (i = 0; r == 0 && i < names->nr; i++)
		if (is_disk_or_part(names->names[i], head))
			r = fn(look, names->names[i], err);
	return r;
}

static int visit_class(struct look *look, const char *class, member_fn fn, struct kho_err *err)
{
	_cleanup_(kho_names_done) struct kho_names names = { 0 };
	char path[KHO_SYSROOT_PATH];
	size_t i;
	int r;

	r = kho_sysroot_path(path, look->root->sys, err, "class/%s", class);
	if (r == 0)
		r = kho_sysroot_list(path, &names, err);
	if (r == -ENOENT)		/* a kernel without such devices */
		return 0;
	for (i = 0; r == 0 && i < names.nr; i++) {
		if (!is_below(look, class, names.names[i]))
			continue;
		r = fn(look, names.names[i], err);
		if (r == 0)
			r = visit_head(look, &names, names.names[i], fn, err);
	}
	return r;
}

/* ---- the function itself ---- */

static void find_virtual(struct look *look)
{
	char path[KHO_SYSROOT_PATH];
	uint64_t nr;

	if (kho_sysroot_path(path, look->path, NULL, "sriov_numvfs") == 0 &&
	    kho_file_read_u64(path, &nr, NULL) == 0 && nr)
		add_use(look, KHO_PCI_USE_VIRTUAL, "", "%llu virtual functions",
			(unsigned long long)nr);
}

static void find_guest(struct look *look, const struct kho_pci_function *function)
{
	if (strncmp(function->driver, "vfio", 4) == 0 || strcmp(function->driver, "pciback") == 0)
		add_use(look, KHO_PCI_USE_GUEST, "", "driver %s", function->driver);
}

static int read_table(const char *base, const char *name, char **ret, struct kho_err *err)
{
	char path[KHO_SYSROOT_PATH];
	int r;

	r = kho_sysroot_path(path, base, err, "%s", name);
	return r < 0 ? r : kho_file_read(path, TABLE_MAX, ret, NULL, err);
}

/* As read_table(), of what a kernel without swap or IPv6 doesn't have. */
static int read_optional(const char *base, const char *name, char **ret, struct kho_err *err)
{
	int r = read_table(base, name, ret, err);

	return r == -ENOENT ? 0 : r;
}

static int open_look(struct look *look, const struct kho_pci_addr *addr, struct kho_err *err)
{
	const char *proc = look->root->proc;
	char path[KHO_SYSROOT_PATH], name[KHO_PCI_TEXT];
	int r;

	kho_pci_format(addr, name);
	r = kho_sysroot_path(path, look->root->sys, err, "bus/pci/devices/%s", name);
	if (r < 0)
		return r;
	if (!realpath(path, look->path))
		return kho_fail_errno(err, -errno, "%s can't be resolved", path);
	r = read_table(proc, "self/mountinfo", &look->mounts, err);
	if (r == 0)
		r = read_optional(proc, "swaps", &look->swaps, err);
	if (r == 0)
		r = read_optional(proc, "net/route", &look->routes, err);
	if (r == 0)
		r = read_optional(proc, "net/if_inet6", &look->addrs6, err);
	return r;
}

int kho_pci_find_uses(const struct kho_sysroot *root, const struct kho_pci_addr *addr,
		      struct kho_pci_uses *ret, struct kho_err *err)
{
	struct kho_pci_uses uses = { 0 };
	_cleanup_(look_done) struct look look = { .root = root, .uses = &uses };
	struct kho_pci_function function;
	int r;

	r = kho_pci_read(root, addr, &function, err);
	if (r == 0)
		r = open_look(&look, addr, err);
	if (r < 0)
		return r;
	find_virtual(&look);
	find_guest(&look, &function);
	r = visit_class(&look, "block", find_block_uses, err);
	if (r == 0)
		r = visit_class(&look, "net", find_net_use, err);
	if (r < 0)
		return r;
	*ret = uses;
	return 0;
}

/* ---- may it be given up? ---- */

static int fail_use(const char *name, const struct kho_pci_use *use, struct kho_err *err)
{
	switch (use->kind) {
	case KHO_PCI_USE_MOUNT:
		return kho_fail(err, -EBUSY, "%s: %s is mounted on %s; unmount it",
		name, use->device,
				use->detail);
	case KHO_PCI_USE_SWAP:
		return kho_fail(err, -EBUSY, "%s: %s is swap space; run swapoff /dev/%s", name,
				use->device, use->device);
	case KHO_PCI_USE_HOLDER:
		return kho_fail(err, -EBUSY, "%s: %s is part of %s; deactivate that volume", name,
				use->device, use->detail);
	case KHO_PCI_USE_CLAIMED:
		return kho_fail(err, -EBUSY, "%s: %s is held exclusively by another user, maybe in "
				"another mount namespace; stop it", name, use->device);
	case KHO_PCI_USE_VIRTUAL:
		return kho_fail(err, -EBUSY, "%s has %s; write 0 to its sriov_numvfs", name,
				use->detail);
	case KHO_PCI_USE_GUEST:
		return kho_fail(err, -EBUSY, "%s belongs to a virtual machine (%s); take it from "
				"there first", name, use->detail);
	case KHO_PCI_USE_NET:
		break;
	}
	return 0;
}

int kho_pci_check_free(const struct kho_sysroot *root, const struct kho_pci_addr *addr,
		       struct kho_err *err)
{
	struct kho_pci_uses uses;
	char name[KHO_PCI_TEXT];
	size_t i;
	int r;

	r = kho_pci_find_uses(root, addr, &uses, err);
	if (r < 0)
		return r;
	kho_pci_format(addr, name);
	for (i = 0; i < uses.nr; i++) {
		r = fail_use(name, &uses.uses[i], err);
		if (r < 0)
			return r;
	}
	if (uses.nr_blocking)
		return kho_fail(err, -EBUSY, "%s has %zu users; stop them", name, uses.nr_blocking);
	return 0;
}
