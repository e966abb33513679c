// SPDX-License-Identifier: GPL-2.0-only
/* Three PCI functions in a fake tree; fake_pci.h has the contract. */
#include <stdio.h>
#include <string.h>

#include "unit/fake_pci.h"

static const char resource[] = FAKE_PCI_RESOURCE;

static const char *at(const char *dir, const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void put_function(struct fake_tree *tree, const char *dir, const char *name,
			 const char *class)
{
	char link[128], target[128];

	fake_put(tree, at(dir, "vendor"), "0x1af4\n");
	fake_put(tree, at(dir, "device"), "0x1042\n");
	fake_put(tree, at(dir, "class"), class);
	fake_put(tree, at(dir, "resource"), resource);
	fake_put(tree, at(dir, "driver_override"), "(null)\n");
	fake_put(tree, at(dir, "numa_node"), "-1\n");
	snprintf(link, sizeof(link), BUS "devices/%s", name);
	snprintf(target, sizeof(target), "../../../devices/%s", dir + strlen("sys/devices/"));
	fake_link(tree, link, target);
}

void fake_pci_init(struct fake_tree *tree)
{
	uint8_t config[256] = { [0x06] = 0x10, [0x34] = 0x98, [0x98] = 0x11, [0x99] = 0x40,
				[0x40] = 0x09, [0x41] = 0x50, [0x50] = 0x01, [0x51] = 0 };

	put_function(tree, DEVICES DISK, DISK, "0x010000\n");
	put_function(tree, DEVICES BRIDGE, BRIDGE, "0x060400\n");
	put_function(tree, DEVICES BRIDGE "/" NIC, NIC, "0x020000\n");
	fake_put_data(tree, DEVICES DISK "/config", config, sizeof(config));
	fake_put(tree, DEVICES BRIDGE "/" NIC "/numa_node", "1\n");
	fake_dir(tree, BUS "drivers/virtio-pci");
	fake_dir(tree, BUS "drivers/multikernel");
	fake_pci_set_driver(tree, "virtio-pci");
	fake_dir(tree, BUS "devices/10000:e1:00.0");
}

void fake_pci_set_driver(struct fake_tree *tree, const char *name)
{
	char target[64];

	if (fake_has(tree, BUS "devices/" DISK "/driver"))
		fake_remove(tree, BUS "devices/" DISK "/driver");
	if (!name)
		return;
	snprintf(target, sizeof(target), "../../../../bus/pci/drivers/%s", name);
	fake_link(tree, BUS "devices/" DISK "/driver", target);
}
