// SPDX-License-Identifier: GPL-2.0-only
/*
 * Granted PCI functions on host bridges of ours, where the kernel has none for them.
 *
 * Configuration cycles for anything but a granted function are answered as by an empty
 * slot. There's one root bus for each (domain, bus) with granted functions: the bridges
 * above them stay as the old kernel, or the firmware, set them up, and aren't seen. BARs
 * are claimed where they are.
 *
 * Anybody may read configuration space at any time, and on x86 the kernel takes no
 * lock for that: functions are found under RCU. Lists are changed under mk_lock.
 *
 * pci_grant_kernel.c stands in for this file in kernels with kernel/patches/0004.
 */
#include <linux/io.h>
#include <linux/list.h>
#include <linux/pci.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <asm/pci.h>

#include "mk.h"

struct function {
	struct list_head list;
	u8 devfn;
	u8 __iomem *config;
};

struct host {
	struct list_head list;
	struct pci_sysdata sysdata;
	u8 busnr;
	struct pci_bus *bus;
	struct resource busn, mem, prefetch, io;
	struct list_head functions;
};

static LIST_HEAD(hosts);

static struct function *find_function(struct host *host, unsigned int devfn)
{
	struct function *fn;

	list_for_each_entry_rcu(fn, &host->functions, list, lockdep_is_held(&mk_lock))
		if (fn->devfn == devfn)
			return fn;
	return NULL;
}

static struct host *host_of(struct pci_bus *bus)
{
	return container_of(bus->sysdata, struct host, sysdata);
}

/* The caller is done with it before it ends its RCU section. */
static u8 __iomem *config_at(struct pci_bus *bus, unsigned int devfn, int reg, int len)
{
	struct host *host = host_of(bus);
	struct function *fn = bus->number == host->busnr ? find_function(host, devfn) : NULL;

	return fn && reg >= 0 && reg + len <= PCI_CFG_SPACE_EXP_SIZE ? fn->config + reg : NULL;
}

static int config_read(struct pci_bus *bus, unsigned int devfn, int reg, int len, u32 *value)
{
	u8 __iomem *at;

	guard(rcu)();
	at = config_at(bus, devfn, reg, len);
	if (!at) {
		*value = ~0;
		return PCIBIOS_DEVICE_NOT_FOUND;
	}
	*value = len == 1 ? readb(at) : len == 2 ? readw(at) : readl(at);
	return PCIBIOS_SUCCESSFUL;
}

static int config_write(struct pci_bus *bus, unsigned int devfn, int reg, int len, u32 value)
{
	u8 __iomem *at;

	guard(rcu)();
	at = config_at(bus, devfn, reg, len);
	if (!at)
		return PCIBIOS_DEVICE_NOT_FOUND;
	if (len == 1)
		writeb(value, at);
	else if (len == 2)
		writew(value, at);
	else
		writel(value, at);
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops config_ops = { .read = config_read, .write = config_write };

static struct host *find_host(u16 domain, u8 busnr)
{
	struct host *host;

	list_for_each_entry(host, &hosts, list)
		if (host->sysdata.domain == domain && host->busnr == busnr)
			return host;
	return NULL;
}

/*
 * BARs were placed by others, so any address may hold one. The windows aren't in
 * the resource tree: they'd cover all memory.
 */
static void set_windows(struct host *host, struct list_head *windows)
{
	host->mem = (struct resource)DEFINE_RES_NAMED(0, ~0ULL, MK_NAME " mem", IORESOURCE_MEM);
	host->mem.end = ~0ULL - 1;
	host->prefetch = host->mem;
	host->prefetch.flags |= IORESOURCE_PREFETCH | IORESOURCE_MEM_64;
	host->io = (struct resource)DEFINE_RES_NAMED(0, 0x10000, MK_NAME " io", IORESOURCE_IO);
	host->busn = (struct resource)DEFINE_RES_NAMED(host->busnr, 1, MK_NAME " bus",
						       IORESOURCE_BUS);
	pci_add_resource(windows, &host->mem);
	pci_add_resource(windows, &host->prefetch);
	pci_add_resource(windows, &host->io);
	pci_add_resource(windows, &host->busn);
}

static struct host *make_host(u16 domain, u8 busnr)
{
	struct host *host = kzalloc(sizeof(*host), GFP_KERNEL);
	LIST_HEAD(windows);

	if (!host)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&host->functions);
	host->sysdata.domain = domain;
	host->sysdata.node = NUMA_NO_NODE;
	host->busnr = busnr;
	set_windows(host, &windows);
	host->bus = pci_create_root_bus(NULL, busnr, &config_ops, &host->sysdata, &windows);
	if (!host->bus) {
		pci_free_resource_list(&windows);
		kfree(host);
		return ERR_PTR(-ENODEV);
	}
	list_add(&host->list, &hosts);
	return host;
}

static void drop_host(struct host *host)
{
	if (!list_empty(&host->functions))
		return;
	pci_stop_root_bus(host->bus);
	pci_remove_root_bus(host->bus);
	list_del(&host->list);
	kfree(host);
}

static int claim_bars(struct pci_dev *dev)
{
	for (int i = 0; i <= PCI_ROM_RESOURCE; i++) {
		struct resource *res = &dev->resource[i];

		if (!resource_size(res) || !res->start || res->parent)
			continue;
		/* an expansion ROM that isn't decoded may lie anywhere */
		if (pci_claim_resource(dev, i) && i != PCI_ROM_RESOURCE)
			return -EADDRINUSE;
	}
	return 0;
}

static int show(struct host *host, struct function *fn)
{
	struct pci_dev *dev = pci_scan_single_device(host->bus, fn->devfn);
	int ret;

	if (!dev)
		return -ENODEV;
	ret = claim_bars(dev);
	if (ret) {
		pci_stop_and_remove_bus_device(dev);
		return ret;
	}
	pci_bus_add_device(dev);
	return 0;
}

static struct function *add_function(struct host *host, const struct mk_pci *req)
{
	struct function *fn = kzalloc(sizeof(*fn), GFP_KERNEL);

	if (!fn)
		return ERR_PTR(-ENOMEM);
	fn->devfn = req->devfn;
	fn->config = ioremap(req->config, PCI_CFG_SPACE_EXP_SIZE);
	if (!fn->config) {
		kfree(fn);
		return ERR_PTR(-ENOMEM);
	}
	list_add_rcu(&fn->list, &host->functions);
	return fn;
}

static void drop_function(struct function *fn)
{
	list_del_rcu(&fn->list);
	synchronize_rcu();
	iounmap(fn->config);
	kfree(fn);
}

static int grant(struct host *host, const struct mk_pci *req)
{
	struct function *fn;
	int ret;

	if (find_function(host, req->devfn))
		return -EEXIST;
	fn = add_function(host, req);
	if (IS_ERR(fn))
		return PTR_ERR(fn);
	ret = show(host, fn);
	if (ret)
		drop_function(fn);
	return ret;
}

int mk_pci_show(const struct mk_pci *req)
{
	struct host *host;
	int ret;

	pci_lock_rescan_remove();
	host = find_host(req->domain, req->bus) ?: make_host(req->domain, req->bus);
	if (IS_ERR(host)) {
		ret = PTR_ERR(host);
	} else {
		ret = grant(host, req);
		drop_host(host);
	}
	pci_unlock_rescan_remove();
	return ret;
}

int mk_pci_hide(const struct mk_pci *req)
{
	struct host *host = find_host(req->domain, req->bus);
	struct function *fn = host ? find_function(host, req->devfn) : NULL;
	struct pci_dev *dev;

	if (!fn)
		return -ENOENT;
	pci_lock_rescan_remove();
	dev = pci_get_slot(host->bus, req->devfn);
	if (dev) {
		pci_stop_and_remove_bus_device(dev);
		pci_clear_master(dev);
		pci_dev_put(dev);
	}
	drop_function(fn);
	drop_host(host);
	pci_unlock_rescan_remove();
	return 0;
}
