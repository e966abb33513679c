/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /dev/multikernel, typed: one function for each call of uapi/multikernel.h,
 * which documents what the calls do and when they fail. Here the header of every
 * argument is filled in, what the module gives back is checked before anyone
 * uses it, and each errno becomes a message that says what is wrong and what to
 * do about it.
 *
 * What is claimed belongs to the module and outlives the descriptor: closing
 * releases nothing. A mapping is the caller's until kho_device_unmap(); children
 * don't inherit it (the module sees to that), so none can keep a region mapped.
 *
 * All functions return 0 or a negative errno: those of the UAPI header, and
 *   -EPROTO  the module answered with something that can't be
 */
#ifndef KHO_SYSTEM_DEVICE_H
#define KHO_SYSTEM_DEVICE_H

#include <stddef.h>
#include <stdint.h>
#include <uapi/multikernel.h>

#include "base/err.h"
#include "base/parse.h"

/* How the device is reached. Each returns a negative errno on failure. */
struct kho_device_ops {
	int (*open)(void *ctx, const char *path);
	void (*close)(void *ctx, int fd);
	int (*ioctl)(void *ctx, int fd, unsigned long request, void *arg);
	int (*map)(void *ctx, int fd, uint64_t offset, size_t size, void **ret);
	void (*unmap)(void *ctx, void *mapping, size_t size);
};

struct kho_device {
	const struct kho_device_ops *ops;
	void *ctx;
	int fd;
};

/* A whole region in our address space; ranges follow each other without gaps. */
struct kho_mapping {
	void *data;
	size_t size;
};

/*
 * Opens @path (NULL: MK_DEVICE) and checks that its module speaks our ABI. @ops
 * may be NULL: the real device.
 *   -ENOENT           the module isn't loaded
 *   -EPROTONOSUPPORT  it's of another version
 */
int kho_device_open(const char *path, const struct kho_device_ops *ops, void *ctx,
		    struct kho_device *ret, struct kho_err *err);
void kho_device_close(struct kho_device *device);

int kho_device_info(const struct kho_device *device, struct mk_info *ret, struct kho_err *err);

/* ---- regions ---- */

struct kho_claim {
	uint32_t kind;			/* MK_REGION_* */
	const struct mk_range *ranges;
	size_t nr_ranges;
};

/* *@ret is the claimed region, with its id, size and mmap offset. */
int kho_device_claim(const struct kho_device *device, const struct kho_claim *claim,
		     struct mk_region *ret, struct kho_err *err);
int kho_device_region(const struct kho_device *device, uint32_t id, struct mk_region *ret,
		      struct kho_err *err);
int kho_device_release(const struct kho_device *device, uint32_t id, struct kho_err *err);

/* Releases all but the first @nr_ranges of a preserved region. */
int kho_device_trim(const struct kho_device *device, uint32_t id, uint32_t nr_ranges,
		    struct kho_err *err);

/* Maps the whole of @region, readable and writable. */
int kho_device_map(const struct kho_device *device, const struct mk_region *region,
		   struct kho_mapping *ret, struct kho_err *err);
/* Takes an empty mapping too, and leaves it empty. */
void kho_device_unmap(const struct kho_device *device, struct kho_mapping *mapping);

/* ---- CPUs ---- */

/* @start and @park are filled in but for their headers. */
int kho_device_cpu_start(const struct kho_device *device, const struct mk_cpu_start *start,
			 struct kho_err *err);
int kho_device_cpu_park(const struct kho_device *device, const struct mk_cpu_start *park,
			struct kho_err *err);
int kho_device_cpu_stop(const struct kho_device *device, uint32_t apic_id, struct kho_err *err);
int kho_device_cpu_state(const struct kho_device *device, uint32_t apic_id, struct mk_cpu *ret,
			 struct kho_err *err);

/* ---- link and console ---- */

/* @link is filled in but for its header. */
int kho_device_link(const struct kho_device *device, const struct mk_link *link,
		    struct kho_err *err);
/* -ENOTCONN: it wasn't linked. */
int kho_device_unlink(const struct kho_device *device, uint32_t region, struct kho_err *err);
/* -EAGAIN is no failure of anything: the peer polls. */
int kho_device_ring(const struct kho_device *device, uint32_t region, struct kho_err *err);
/* @console is filled in but for its header. */
int kho_device_console(const struct kho_device *device, const struct mk_console *console,
		       struct kho_err *err);

/* ---- PCI ---- */

/* @config: physical address of the function's ECAM page, see kho_ecam_config(). */
int kho_device_pci_grant(const struct kho_device *device, const struct kho_pci_addr *addr,
			 uint64_t config, struct kho_err *err);
int kho_device_pci_revoke(const struct kho_device *device, const struct kho_pci_addr *addr,
			  struct kho_err *err);

/* ---- retire, absorb, power ---- */

/* @retire is filled in but for its header; its action says which of both. */
int kho_device_retire(const struct kho_device *device, const struct mk_retire *retire,
		      struct kho_err *err);

struct kho_absorb {
	uint32_t region;
	const struct mk_range *ranges;
	size_t nr_ranges;
};

/* *@ret_added: bytes that were added. */
int kho_device_absorb(const struct kho_device *device, const struct kho_absorb *absorb,
		      uint64_t *ret_added, struct kho_err *err);
int kho_device_power(const struct kho_device *device, uint32_t region,
		     const struct mk_power *power, struct kho_err *err);

#endif
