// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which network interface a PCI function has. sysfs shows it in a folder "net"
 * in the function's own folder, or some levels below where the driver has a bus
 * of its own (virtio: 0000:00:04.0/virtio2/net/eth0).
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/net/address.h"

#define DEPTH_MAX	4
#define PATH_SIZE	512

struct search {
	char folder[PATH_SIZE];		/* of the interface that was found */
	unsigned int found;
};

/* Interfaces in @path, a folder called "net". */
static int take_interfaces(const char *path, struct search *search)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	const struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if ((size_t)snprintf(search->folder, PATH_SIZE, "%s/%s", path, entry->d_name) >=
		    PATH_SIZE)
			return -ENAMETOOLONG;
		search->found++;
	}
	return 0;
}

/* Folders proper only: links lead to buses, drivers and other devices. */
static bool is_folder(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int look(const char *path, unsigned int depth, struct search *search)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	const struct dirent *entry;
	struct kho_pci_addr below;
	char sub[PATH_SIZE];
	int r = 0;

	if (!dir)
		return -errno;
	while (r >= 0 && (entry = readdir(dir))) {
		/* Functions behind a bridge are other functions */
		if (entry->d_name[0] == '.' || kho_parse_pci(entry->d_name, &below, NULL) == 0)
			continue;
		if ((size_t)snprintf(sub, sizeof(sub), "%s/%s", path, entry->d_name) >= sizeof(sub))
			return -ENAMETOOLONG;
		if (!is_folder(sub))
			continue;
		if (strcmp(entry->d_name, "net") == 0)
			r = take_interfaces(sub, search);
		else if (depth < DEPTH_MAX)
			r = look(sub, depth + 1, search);
	}
	return r;
}

static int read_number(const char *folder, const char *name, uint64_t *ret, struct kho_err *err)
{
	char path[PATH_SIZE + 32];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return kho_file_read_u64(path, ret, err);
}

static int read_mac(const char *folder, uint8_t ret[KHO_MAC_SIZE], struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	unsigned int b[KHO_MAC_SIZE], i;
	char path[PATH_SIZE + 32];
	int r, end = 0;

	snprintf(path, sizeof(path), "%s/address", folder);
	r = kho_file_read_string(path, 64, &text, err);
	if (r < 0)
		return r;
	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		   &end) != KHO_MAC_SIZE || text[end] != '\0')
		return kho_fail(err, -EINVAL, "%s: no Ethernet address; only Ethernet NICs can "
				"have service addresses", path);
	for (i = 0; i < KHO_MAC_SIZE; i++)
		ret[i] = (uint8_t)b[i];
	return 0;
}

static int describe(const char *folder, struct kho_nic *ret, struct kho_err *err)
{
	uint64_t ifindex, mtu, flags, carrier = 0;
	const char *name = strrchr(folder, '/') + 1;
	struct kho_nic nic = { 0 };
	int r;

	if (strlen(name) >= sizeof(nic.name))
		return kho_fail(err, -EINVAL, "%s: no name of an interface", folder);
	memcpy(nic.name, name, strlen(name) + 1);
	r = read_number(folder, "ifindex", &ifindex, err);
	if (r >= 0)
		r = read_number(folder, "mtu", &mtu, err);
	if (r >= 0)
		r = read_number(folder, "flags", &flags, err);
	if (r >= 0)
		r = read_mac(folder, nic.mac, err);
	if (r < 0)
		return r;
	/* -EINVAL while it's down */
	(void)read_number(folder, "carrier", &carrier, NULL);
	nic.ifindex = (unsigned int)ifindex;
	nic.mtu = (uint32_t)mtu;
	nic.up = (flags & IFF_UP) != 0;
	nic.carrier = nic.up && carrier == 1;
	*ret = nic;
	return 0;
}

int kho_nic_find(const char *sysfs, const struct kho_pci_addr *function, struct kho_nic *ret,
		 struct kho_err *err)
{
	struct search search = { .found = 0 };
	char path[PATH_SIZE], text[KHO_PCI_TEXT];
	int r;

	kho_pci_format(function, text);
	if ((size_t)snprintf(path, sizeof(path), "%s/bus/pci/devices/%s", sysfs, text) >=
	    sizeof(path))
		return kho_fail(err, -ENAMETOOLONG, "path of sysfs is too long");
	r = look(path, 0, &search);
	if (r == -ENOENT)
		return kho_fail(err, -ENODEV, "PCI function %s isn't there; grant it first", text);
	if (r < 0)
		return kho_fail_errno(err, r, "%s", path);
	if (search.found == 0)
		return kho_fail(err, -ENODEV, "PCI function %s has no network interface; load its "
				"driver", text);
	if (search.found > 1)
		return kho_fail(err, -EUSERS, "PCI function %s has %u network interfaces; give one "
				"that has one", text, search.found);
	r = describe(search.folder, ret, err);
	/* udev gives a new interface its name while we look */
	return r == -ENOENT ? kho_fail(err, -ENODEV, "the interface of PCI function %s changed its "
				       "name just now; try again", text) : r;
}
