// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI in a spawned kernel: what its agent asks for.
 *
 * A spawned kernel boots with pci=off, or it would probe the bus under the old
 * kernel's feet. Each function that's granted brings its own 4 KiB of configuration
 * space (ECAM); nothing else is seen of PCI.
 *
 * The module can't be unloaded while functions are granted.
 */
#include <linux/align.h>
#include <linux/module.h>
#include <linux/pci_regs.h>

#include "mk.h"

static unsigned int nr_granted;

int mk_pci_grant(void *arg)
{
	const struct mk_pci *req = arg;
	int ret;

	if (req->reserved || !IS_ALIGNED(req->config, PCI_CFG_SPACE_EXP_SIZE))
		return -EINVAL;
	if (!mk_is_spawned())
		return -EPERM;
	ret = mk_pci_show(req);
	if (ret)
		return ret;
	nr_granted++;
	__module_get(THIS_MODULE);
	return 0;
}

int mk_pci_revoke(void *arg)
{
	int ret = mk_pci_hide(arg);

	if (ret)
		return ret;
	nr_granted--;
	module_put(THIS_MODULE);
	return 0;
}

unsigned int mk_pci_nr_granted(void)
{
	return nr_granted;
}
