// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI in the kernel that gives a function away.
 *
 * The driver "multikernel" matches nothing by itself; a function is bound to it
 * through driver_override. While it is, the function stays powered and silent on
 * this side, and every bridge above it stays awake, decoding and forwarding,
 * even when this kernel's own shutdown would disable it: the other kernel drives
 * the function through them. Unbinding is refused to nobody; the agent unbinds
 * only what was revoked on the other side.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>

#include "mk.h"

static atomic_t nr_held;

/* An enable count of ours keeps the bridge from being disabled at shutdown. */
static int hold_bridges(struct pci_dev *dev)
{
	struct pci_dev *bridge;
	int ret;

	for (bridge = pci_upstream_bridge(dev); bridge; bridge = pci_upstream_bridge(bridge)) {
		pm_runtime_get_sync(&bridge->dev);
		ret = pci_enable_device(bridge);
		if (ret)
			return ret;
		pci_set_master(bridge);
	}
	return 0;
}

static void let_bridges_go(struct pci_dev *dev)
{
	struct pci_dev *bridge;

	for (bridge = pci_upstream_bridge(dev); bridge; bridge = pci_upstream_bridge(bridge)) {
		pci_disable_device(bridge);
		pm_runtime_put(&bridge->dev);
	}
}

static int hold(struct pci_dev *dev, const struct pci_device_id *id)
{
	int ret;

	pm_runtime_get_sync(&dev->dev);
	pci_clear_master(dev);
	ret = hold_bridges(dev);
	if (ret) {
		pci_err(dev, "a bridge above can't be enabled: %d\n", ret);
		pm_runtime_put(&dev->dev);
		return ret;
	}
	atomic_inc(&nr_held);
	return 0;
}

/* Whoever drove it may be dead and its buffers ours again: no more DMA. */
static void let_go(struct pci_dev *dev)
{
	pci_clear_master(dev);
	let_bridges_go(dev);
	pm_runtime_put(&dev->dev);
	atomic_dec(&nr_held);
}

/* On the way down, the function is the other kernel's: nothing to do for us. */
static void shut_down(struct pci_dev *dev)
{
}

static struct pci_driver hold_driver = {
	.name = MK_NAME,
	.id_table = NULL,
	.probe = hold,
	.remove = let_go,
	.shutdown = shut_down,
	.driver_managed_dma = true,
};

static void silence(struct pci_dev *dev)
{
	u16 command;

	if (dev->driver == &hold_driver || dev->hdr_type != PCI_HEADER_TYPE_NORMAL)
		return;
	pci_read_config_word(dev, PCI_COMMAND, &command);
	command &= ~PCI_COMMAND_MASTER;
	command |= PCI_COMMAND_INTX_DISABLE;
	pci_write_config_word(dev, PCI_COMMAND, command);
	if (dev->msi_cap)
		pci_clear_and_set_config_dword(dev, dev->msi_cap, PCI_MSI_FLAGS_ENABLE << 16, 0);
	if (dev->msix_cap)
		pci_clear_and_set_config_dword(dev, dev->msix_cap, PCI_MSIX_FLAGS_ENABLE << 16, 0);
}

void mk_pci_silence(void)
{
	struct pci_dev *dev = NULL;

	for_each_pci_dev(dev)
		silence(dev);
}

unsigned int mk_pci_nr_held(void)
{
	return atomic_read(&nr_held);
}

int mk_pci_hold_init(void)
{
	return pci_register_driver(&hold_driver);
}

void mk_pci_hold_exit(void)
{
	pci_unregister_driver(&hold_driver);
}
