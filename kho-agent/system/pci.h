/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI functions of the running kernel: what there is, who drives it, what it's
 * used for, and giving one up.
 *
 * A function is given up by binding it to the driver "multikernel", which keeps it
 * still. driver_override is set before the old driver lets go, so that nobody else
 * can take it in between; and is taken back before the function is released.
 *
 * Domains beyond 16 bits (Intel VMD) can't be moved and aren't listed.
 */
#ifndef KHO_SYSTEM_PCI_H
#define KHO_SYSTEM_PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/parse.h"
#include "system/sysroot.h"

#define KHO_PCI_DRIVER		"multikernel"
#define KHO_PCI_BARS		6
#define KHO_PCI_NAME		64	/* bytes of a driver's name, with terminator */

struct kho_pci_bar {
	uint64_t start;			/* physical; both 0: there's no such BAR */
	uint64_t size;
	uint64_t flags;			/* IORESOURCE_* of the kernel */
};

struct kho_pci_caps {
	bool msi;
	bool msix;
	bool express;
	bool power;
};

struct kho_pci_function {
	struct kho_pci_addr addr;
	uint16_t vendor;
	uint16_t device;
	uint32_t class;			/* 24 bits: base class, sub-class, interface */
	int32_t numa_node;		/* -1: none */
	bool bridge;			/* host, ISA or PCI bridge: can't be given up */
	struct kho_pci_caps caps;	/* all false without root */
	struct kho_pci_bar bars[KHO_PCI_BARS];
	char driver[KHO_PCI_NAME];	/* "": none */
	char override[KHO_PCI_NAME];	/* driver_override; "": none */
};

struct kho_pci_list {
	size_t nr;
	struct kho_pci_function *functions;	/* ascending by address; owned */
};

/*
 * The capabilities in the first @size bytes of a configuration space. Pure; a list
 * that loops or leaves the space ends there.
 */
void kho_pci_parse_caps(const uint8_t *config, size_t size, struct kho_pci_caps *ret);

/*
 * The BARs of a sysfs "resource" file: a line each of start, end, flags. Pure.
 * -EBADMSG if it has another form.
 */
int kho_pci_parse_bars(const char *text, struct kho_pci_bar ret[KHO_PCI_BARS],
		       struct kho_err *err);

/* All functions. -EOPNOTSUPP if this kernel has no PCI. */
int kho_pci_list_read(const struct kho_sysroot *root, struct kho_pci_list *ret,
		      struct kho_err *err);
void kho_pci_list_done(struct kho_pci_list *list);
const struct kho_pci_function *kho_pci_list_find(const struct kho_pci_list *list,
						 const struct kho_pci_addr *addr);

/* One function. -ENODEV: there's none at this address. */
int kho_pci_read(const struct kho_sysroot *root, const struct kho_pci_addr *addr,
		 struct kho_pci_function *ret, struct kho_err *err);

/* ---- giving a function up (pci_bind.c) ---- */

/* Our driver has it. */
bool kho_pci_is_held(const struct kho_pci_function *function);

/* Held, or on its way there or back: whoever was at it may have been killed. */
bool kho_pci_is_ours(const struct kho_pci_function *function);

/* A function given up, and what to give it back to. */
struct kho_pci_hold {
	struct kho_pci_addr addr;
	char driver[KHO_PCI_NAME];	/* "": it had none, or we held it already */
	char override[KHO_PCI_NAME];
};

/*
 * Takes a function from its driver and binds it to "multikernel". It does not look
 * whether anybody uses it: kho_pci_check_free() does. On failure the function is
 * given back to its driver. A function that is held already is no error.
 *   -ENODEV     no such function
 *   -EINVAL     it's a bridge
 *   -ENOENT     the multikernel module isn't loaded
 *   -ETIMEDOUT  its driver didn't let go within @timeout_ms
 *   -EIO        it isn't bound, though the kernel said yes
 */
int kho_pci_hold(const struct kho_sysroot *root, const struct kho_pci_addr *addr,
		 unsigned int timeout_ms, struct kho_pci_hold *ret, struct kho_err *err);

/*
 * Gives it back to the driver it came from, or to whichever takes it if that
 * isn't known. Also one that's ours without being held.
 *   -ENODEV  no such function
 *   -EBUSY   another driver than "multikernel" has it
 *   -ENOENT  the driver it came from didn't take it
 */
int kho_pci_release(const struct kho_sysroot *root, const struct kho_pci_hold *hold,
		    unsigned int timeout_ms, struct kho_err *err);

/* ---- who uses a function (pci_use.c) ---- */

enum kho_pci_use_kind {
	KHO_PCI_USE_MOUNT,		/* a file system on it is mounted */
	KHO_PCI_USE_SWAP,
	KHO_PCI_USE_HOLDER,		/* device mapper, RAID, ... stand on it */
	KHO_PCI_USE_CLAIMED,		/* something else has it exclusively */
	KHO_PCI_USE_VIRTUAL,		/* its virtual functions exist */
	KHO_PCI_USE_GUEST,		/* a virtual machine may have it */
	KHO_PCI_USE_NET,		/* a network interface; blocks nothing */
};

struct kho_pci_use {
	enum kho_pci_use_kind kind;
	char device[KHO_PCI_NAME];	/* vda1, eth0; "": the function itself */
	char detail[128];		/* mount point, holder, addresses */
};

#define KHO_PCI_USES_MAX	32

struct kho_pci_uses {
	size_t nr;			/* of those below; more aren't noted */
	size_t nr_blocking;		/* all that forbid to give it up */
	struct kho_pci_use uses[KHO_PCI_USES_MAX];
};

/* Looks at everything known to use a function. -ENODEV: there's none here. */
int kho_pci_find_uses(const struct kho_sysroot *root, const struct kho_pci_addr *addr,
		      struct kho_pci_uses *ret, struct kho_err *err);

/* -EBUSY, with the first blocking use and its remedy, if it can't be given up. */
int kho_pci_check_free(const struct kho_sysroot *root, const struct kho_pci_addr *addr,
		       struct kho_err *err);

#endif
