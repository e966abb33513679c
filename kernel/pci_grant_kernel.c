// SPDX-License-Identifier: GPL-2.0-only
/*
 * Granted PCI functions where the kernel itself takes them in (kernel/patches/0004).
 *
 * There its own accessors know of them, and BARs are in its resource tree.
 *
 * pci_grant_host.c stands in for this file in all other kernels.
 */
#include <linux/pci.h>

#include "mk.h"

int mk_pci_show(const struct mk_pci *req)
{
	return pci_grant_function(req->domain, req->bus, req->devfn, req->config);
}

int mk_pci_hide(const struct mk_pci *req)
{
	return pci_revoke_function(req->domain, req->bus, req->devfn);
}
