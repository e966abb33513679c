// SPDX-License-Identifier: GPL-2.0-only
/* PCI functions in sysfs: reading; pci.h has the contract. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "system/pci.h"

#define PCI_DEVICES	"bus/pci/devices"
#define RESOURCE_MAX	4096u
#define CONFIG_MAX	256		/* what follows is express only, and not needed */

#define PCI_STATUS		0x06
#define PCI_STATUS_CAP_LIST	0x10
#define PCI_CAPABILITY_LIST	0x34
#define PCI_CAP_ID_PM		0x01
#define PCI_CAP_ID_MSI		0x05
#define PCI_CAP_ID_EXP		0x10
#define PCI_CAP_ID_MSIX		0x11
#define PCI_CAPS_MAX		48	/* 192 bytes of 4 each: more is a loop */
#define PCI_BASE_CLASS_BRIDGE	0x06

/* ---- parsing ---- */

void kho_pci_parse_caps(const uint8_t *config, size_t size, struct kho_pci_caps *ret)
{
	struct kho_pci_caps caps = { 0 };
	unsigned int at, i;

	*ret = caps;
	if (size <= PCI_CAPABILITY_LIST || !(config[PCI_STATUS] & PCI_STATUS_CAP_LIST))
		return;
	at = config[PCI_CAPABILITY_LIST] & ~3u;
	for (i = 0; i < PCI_CAPS_MAX && at >= 0x40 && at + 1 < size; i++) {
		switch (config[at]) {
		case PCI_CAP_ID_PM:
			caps.power = true;
			break;
		case PCI_CAP_ID_MSI:
			caps.msi = true;
			break;
		case PCI_CAP_ID_EXP:
			caps.express = true;
			break;
		case PCI_CAP_ID_MSIX:
			caps.msix = true;
			break;
		}
		at = config[at + 1] & ~3u;
	}
	*ret = caps;
}

/* Takes a hex number and the character behind it, which has to be @tail. */
static int scan_hex(const char **at, char tail, uint64_t *ret)
{
	size_t size = strcspn(*at, " \n");
	char text[24];

	if (size >= sizeof(text) || (*at)[size] != tail)
		return -EBADMSG;
	memcpy(text, *at, size);
	text[size] = '\0';
	if (kho_parse_hex64(text, ret, NULL) < 0)
		return -EBADMSG;
	*at += size + 1;
	return 0;
}

static int scan_bar(const char **at, struct kho_pci_bar *ret)
{
	uint64_t start, end, flags;

	if (scan_hex(at, ' ', &start) < 0 || scan_hex(at, ' ', &end) < 0 ||
	    scan_hex(at, '\n', &flags) < 0)
		return -EBADMSG;
	if (!start && !end)
		return 0;
	if (end < start || end - start == UINT64_MAX)
		return -EBADMSG;
	*ret = (struct kho_pci_bar) { .start = start, .size = end - start + 1, .flags = flags };
	return 0;
}

int kho_pci_parse_bars(const char *text, struct kho_pci_bar ret[KHO_PCI_BARS],
		       struct kho_err *err)
{
	struct kho_pci_bar bars[KHO_PCI_BARS] = { 0 };
	size_t i;

	for (i = 0; i < KHO_PCI_BARS; i++)
		if (scan_bar(&text, &bars[i]) < 0)
			return kho_fail(err, -EBADMSG, "BAR %zu can't be read; see that sysfs is "
					"mounted there", i);
	memcpy(ret, bars, sizeof(bars));
	return 0;
}

/* ---- one function ---- */

static int read_number(const char *dir, const char *name, uint64_t max, uint64_t *ret,
		       struct kho_err *err)
{
	char path[KHO_SYSROOT_PATH];
	uint64_t value;
	int r;

	r = kho_sysroot_path(path, dir, err, "%s", name);
	if (r == 0)
		r = kho_file_read_u64(path, &value, err);
	if (r < 0)
		return r;
	if (value > max)
		return kho_fail(err, -EBADMSG, "%s: %#llx is too large; see that sysfs is mounted "
				"there", path, (unsigned long long)value);
	*ret = value;
	return 0;
}

static int read_ids(const char *dir, struct kho_pci_function *function, struct kho_err *err)
{
	uint64_t vendor, device, class;
	int r;

	r = read_number(dir, "vendor", UINT16_MAX, &vendor, err);
	if (r == 0)
		r = read_number(dir, "device", UINT16_MAX, &device, err);
	if (r == 0)
		r = read_number(dir, "class", 0xffffff, &class, err);
	if (r < 0)
		return r;
	function->vendor = (uint16_t)vendor;
	function->device = (uint16_t)device;
	function->class = (uint32_t)class;
	function->bridge = class >> 16 == PCI_BASE_CLASS_BRIDGE;
	return 0;
}

static int read_bars(const char *dir, struct kho_pci_function *function, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[KHO_SYSROOT_PATH];
	int r;

	r = kho_sysroot_path(path, dir, err, "resource");
	if (r == 0)
		r = kho_file_read(path, RESOURCE_MAX, &text, NULL, err);
	if (r < 0)
		return r;
	r = kho_pci_parse_bars(text, function->bars, err);
	return r < 0 ? kho_wrap(err, r, "%s", path) : 0;
}

/* Only the standard header and capabilities: reading on is not harmless everywhere. */
static void read_caps(const char *dir, struct kho_pci_function *function)
{
	_cleanup_close_ int fd = -EBADF;
	char path[KHO_SYSROOT_PATH];
	uint8_t config[CONFIG_MAX];
	ssize_t n;

	if (kho_sysroot_path(path, dir, NULL, "config") < 0)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : pread(fd, config, sizeof(config), 0);
	if (n > 0)
		kho_pci_parse_caps(config, (size_t)n, &function->caps);
}

static void read_node(const char *dir, struct kho_pci_function *function)
{
	uint64_t node;

	/* "-1" is no number to read_number(), and means the same as none. */
	function->numa_node = -1;
	if (read_number(dir, "numa_node", INT32_MAX, &node, NULL) == 0)
		function->numa_node = (int32_t)node;
}

static int read_driver(const char *dir, struct kho_pci_function *function, struct kho_err *err)
{
	char path[KHO_SYSROOT_PATH];
	int r;

	r = kho_sysroot_path(path, dir, err, "driver");
	if (r < 0)
		return r;
	r = kho_sysroot_link_name(path, function->driver, sizeof(function->driver));
	if (r < 0 && r != -ENOENT)
		return kho_fail_errno(err, r, "%s can't be read", path);
	return 0;
}

/* An unset one reads as "(null)". Old kernels, and builds without it, have none. */
static void read_override(const char *dir, struct kho_pci_function *function)
{
	_cleanup_free_ char *text = NULL;
	char path[KHO_SYSROOT_PATH];

	if (kho_sysroot_path(path, dir, NULL, "driver_override") < 0 ||
	    kho_file_read_string(path, KHO_PCI_NAME - 1, &text, NULL) < 0 ||
	    strcmp(text, "(null)") == 0)
		return;
	memcpy(function->override, text, strlen(text) + 1);
}

int kho_pci_read(const struct kho_sysroot *root, const struct kho_pci_addr *addr,
		 struct kho_pci_function *ret, struct kho_err *err)
{
	struct kho_pci_function function = { .addr = *addr };
	char dir[KHO_SYSROOT_PATH], name[KHO_PCI_TEXT];
	int r;

	kho_pci_format(addr, name);
	r = kho_sysroot_path(dir, root->sys, err, PCI_DEVICES "/%s", name);
	if (r < 0)
		return r;
	if (!kho_sysroot_exists(dir))
		return kho_fail(err, -ENODEV, "there's no PCI function %s; list them", name);
	r = read_ids(dir, &function, err);
	if (r == 0)
		r = read_bars(dir, &function, err);
	if (r == 0)
		r = read_driver(dir, &function, err);
	if (r < 0)
		return r;
	read_caps(dir, &function);
	read_node(dir, &function);
	read_override(dir, &function);
	*ret = function;
	return 0;
}

/* ---- all functions ---- */

static int read_functions(const struct kho_sysroot *root, const struct kho_names *names,
			  struct kho_pci_list *list, struct kho_err *err)
{
	struct kho_pci_addr addr;
	size_t i;
	int r;

	for (i = 0; i < names->nr; i++) {
		if (kho_parse_pci(names->names[i], &addr, NULL) < 0)
			continue;
		r = kho_pci_read(root, &addr, &list->functions[list->nr], err);
		if (r == -ENODEV)	/* removed meanwhile */
			continue;
		if (r < 0)
			return r;
		list->nr++;
	}
	return 0;
}

int kho_pci_list_read(const struct kho_sysroot *root, struct kho_pci_list *ret,
		      struct kho_err *err)
{
	_cleanup_(kho_names_done) struct kho_names names = { 0 };
	_cleanup_(kho_pci_list_done) struct kho_pci_list list = { 0 };
	char path[KHO_SYSROOT_PATH];
	int r;

	r = kho_sysroot_path(path, root->sys, err, PCI_DEVICES);
	if (r < 0)
		return r;
	r = kho_sysroot_list(path, &names, err);
	if (r == -ENOENT)
		return kho_fail(err, -EOPNOTSUPP, "this kernel shows no PCI; use one with "
				"CONFIG_PCI");
	if (r < 0)
		return r;
	list.functions = calloc(names.nr + 1, sizeof(*list.functions));
	if (!list.functions)
		return kho_fail(err, -ENOMEM, "no memory for the list of PCI functions; free some");
	r = read_functions(root, &names, &list, err);
	if (r < 0)
		return r;
	*ret = list;
	list = (struct kho_pci_list) { 0 };
	return 0;
}

void kho_pci_list_done(struct kho_pci_list *list)
{
	free(list->functions);
	*list = (struct kho_pci_list) { 0 };
}

const struct kho_pci_function *kho_pci_list_find(const struct kho_pci_list *list,
						 const struct kho_pci_addr *addr)
{
	size_t i;

	for (i = 0; i < list->nr; i++)
		if (list->functions[i].addr.domain == addr->domain &&
		    list->functions[i].addr.bus == addr->bus &&
		    kho_pci_devfn(&list->functions[i].addr) == kho_pci_devfn(addr))
			return &list->functions[i];
	return NULL;
}
