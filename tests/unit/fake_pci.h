/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fake tree's PCI: a disk, a bridge, and an interface behind it. The disk has MSI-X
 * and power management, and is driven by virtio-pci; the drivers virtio-pci and
 * multikernel exist. There's also a function in a domain beyond 16 bits.
 */
#ifndef TESTS_FAKE_PCI_H
#define TESTS_FAKE_PCI_H

#include "unit/fake_tree.h"

#define DISK		"0000:00:04.0"
#define NIC		"0000:01:00.0"
#define BRIDGE		"0000:00:01.0"
#define DEVICES		"sys/devices/pci0000:00/"
#define BUS		"sys/bus/pci/"

/* The "resource" file of each function. */
#define FAKE_PCI_RESOURCE \
	"0x000000000000c000 0x000000000000c07f 0x0000000000040101\n" \
	"0x00000000febd1000 0x00000000febd1fff 0x0000000000040200\n" \
	"0x0000000000000000 0x0000000000000000 0x0000000000000000\n" \
	"0x0000000000000000 0x0000000000000000 0x0000000000000000\n" \
	"0x000000fe00000000 0x000000fe00003fff 0x000000000014220c\n" \
	"0x0000000000000000 0x0000000000000000 0x0000000000000000\n" \
	"0x0000000000000000 0x0000000000000000 0x0000000000000000\n"

void fake_pci_init(struct fake_tree *tree);

/* Binds the disk to a driver; NULL: to none. */
void fake_pci_set_driver(struct fake_tree *tree, const char *name);

#endif
