// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/multikernel, typed; device.h has the contract.
 *
 * Every call goes through call(), which knows no structure: it takes the request,
 * the argument and a text that says what was tried, and puts the cause behind it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "system/device.h"
#include "system/device_causes.h"

#define HDR(type)	{ .size = sizeof(type), .abi = MK_ABI }
#define WHAT_MAX	96

/* ---- the real device ---- */

static int real_open(void *ctx, const char *path)
{
	int fd;

	(void)ctx;
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void real_close(void *ctx, int fd)
{
	(void)ctx;
	close(fd);
}

static int real_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	(void)ctx;
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

static int real_map(void *ctx, int fd, uint64_t offset, size_t size, void **ret)
{
	void *data;

	(void)ctx;
	data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
	if (data == MAP_FAILED)
		return -errno;
	*ret = data;
	return 0;
}

static void real_unmap(void *ctx, void *mapping, size_t size)
{
	(void)ctx;
	munmap(mapping, size);
}

static const struct kho_device_ops real_ops = {
	.open = real_open,
	.close = real_close,
	.ioctl = real_ioctl,
	.map = real_map,
	.unmap = real_unmap,
};

/* ---- open, info ---- */

__attribute__((format(printf, 5, 6)))
static int call(const struct kho_device *device, unsigned long request, void *arg,
		struct kho_err *err, const char *fmt, ...)
{
	char what[WHAT_MAX];
	const char *cause;
	va_list args;
	int r;

	r = device->ops->ioctl(device->ctx, device->fd, request, arg);
	if (r >= 0)
		return 0;
	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	cause = kho_device_cause(request, r);
	if (cause)
		return kho_fail(err, r, "%s: %s", what, cause);
	return kho_fail_errno(err, r, "%s: the multikernel module failed; see the kernel log",
			      what);
}

static int fail_open(const char *path, int code, struct kho_err *err)
{
	switch (code) {
	case -ENOENT:
	case -ENODEV:
	case -ENXIO:
		return kho_fail(err, code, "%s: no such device, since the multikernel module isn't "
				"loaded; load it with modprobe multikernel", path);
	case -EACCES:
	case -EPERM:
		return kho_fail(err, code, "%s: access denied; run as root", path);
	case -EBUSY:
		return kho_fail(err, code, "%s: another program has it open; stop the other agent",
				path);
	default:
		return kho_fail_errno(err, code, "%s: can't be opened", path);
	}
}

static int check_info(const struct mk_info *info, struct kho_err *err)
{
	if (info->hdr.abi != MK_ABI)
		return kho_fail(err, -EPROTONOSUPPORT, "the multikernel module speaks version %u "
				"and this program version %u; install module and agent of one "
				"release", info->hdr.abi, MK_ABI);
	if (info->nr_regions > MK_MAX_REGIONS)
		return kho_fail(err, -EPROTO, "the multikernel module reports %u regions where at "
				"most %u can be; reload it", info->nr_regions, MK_MAX_REGIONS);
	if (!info->memory_block_size ||
	    (info->memory_block_size & (info->memory_block_size - 1)))
		return kho_fail(err, -EPROTO, "the multikernel module reports memory blocks of "
				"%llu bytes, which is no power of two; reload it",
				info->memory_block_size);
	return 0;
}

int kho_device_info(const struct kho_device *device, struct mk_info *ret, struct kho_err *err)
{
	struct mk_info info = { .hdr = HDR(info) };
	int r;

	r = call(device, MK_IOC_INFO, &info, err, "ask the multikernel module what it is");
	if (r == 0)
		r = check_info(&info, err);
	if (r == 0)
		*ret = info;
	return r;
}

int kho_device_open(const char *path, const struct kho_device_ops *ops, void *ctx,
		    struct kho_device *ret, struct kho_err *err)
{
	struct kho_device device = { .ops = ops ? ops : &real_ops, .ctx = ctx };
	struct mk_info info;
	int r;

	if (!path)
		path = MK_DEVICE;
	device.fd = device.ops->open(ctx, path);
	if (device.fd < 0)
		return fail_open(path, device.fd, err);
	r = kho_device_info(&device, &info, err);
	if (r < 0) {
		kho_device_close(&device);
		return kho_wrap(err, r, "%s", path);
	}
	*ret = device;
	return 0;
}

void kho_device_close(struct kho_device *device)
{
	if (device->ops && device->fd >= 0)
		device->ops->close(device->ctx, device->fd);
	device->fd = -EBADF;
}

/* ---- regions ---- */

/* Copies @nr ranges where MK_MAX_RANGES fit. */
static int put_ranges(struct mk_range *to, const struct mk_range *from, size_t nr,
		      const char *what, struct kho_err *err)
{
	if (!nr)
		return kho_fail(err, -EINVAL, "%s: no memory range was given; give at least one",
		what);
	if (nr > MK_MAX_RANGES)
		return kho_fail(err, -EINVAL, "%s: %zu memory ranges are too many; give at most "
				"%d, by choosing adjacent memory blocks", what, nr, MK_MAX_RANGES);
	memcpy(to, from, nr * sizeof(*to));
	return 0;
}

/* What is told of a region sizes our mapping: it has to be consistent. */
static int check_region(const struct mk_region *region, struct kho_err *err)
{
	uint64_t size = 0;
	uint32_t i;

	if (!region->id || !region->nr_ranges || region->nr_ranges > MK_MAX_RANGES)
		return kho_fail(err, -EPROTO, "the multikernel module reports region %u with %u "
				"ranges; reload it", region->id, region->nr_ranges);
	for (i = 0; i < region->nr_ranges; i++)
		if (__builtin_add_overflow(size, region->ranges[i].size, &size))
			break;
	if (i < region->nr_ranges || !size || size != region->size)
		return kho_fail(err, -EPROTO, "the multikernel module reports region %u of %llu "
				"bytes, which isn't the sum of its ranges; reload it", region->id,
				region->size);
	return 0;
}

int kho_device_claim(const struct kho_device *device, const struct kho_claim *claim,
		     struct mk_region *ret, struct kho_err *err)
{
	struct mk_region region = { .hdr = HDR(region), .kind = claim->kind };
	int r;

	r = put_ranges(region.ranges, claim->ranges, claim->nr_ranges, "claim region", err);
	if (r < 0)
		return r;
	region.nr_ranges = (uint32_t)claim->nr_ranges;
	r = call(device, MK_IOC_REGION_CLAIM, &region, err, "claim region of %zu ranges from "
		 "%#llx", claim->nr_ranges, claim->ranges[0].start);
	if (r == 0)
		r = check_region(&region, err);
	if (r == 0)
		*ret = region;
	return r;
}

int kho_device_region(const struct kho_device *device, uint32_t id, struct mk_region *ret,
		      struct kho_err *err)
{
	struct mk_region region = { .hdr = HDR(region), .id = id };
	int r;

	r = call(device, MK_IOC_REGION_INFO, &region, err, "look at region %u", id);
	if (r == 0)
		r = check_region(&region, err);
	if (r == 0)
		*ret = region;
	return r;
}

int kho_device_release(const struct kho_device *device, uint32_t id, struct kho_err *err)
{
	struct mk_region region = { .hdr = HDR(region), .id = id };

	return call(device, MK_IOC_REGION_RELEASE, &region, err, "release region %u", id);
}

int kho_device_trim(const struct kho_device *device, uint32_t id, uint32_t nr_ranges,
		    struct kho_err *err)
{
	struct mk_region region = { .hdr = HDR(region), .id = id, .nr_ranges = nr_ranges };

	return call(device, MK_IOC_REGION_TRIM, &region, err, "trim region %u to %u ranges", id,
		    nr_ranges);
}

int kho_device_map(const struct kho_device *device, const struct mk_region *region,
		   struct kho_mapping *ret, struct kho_err *err)
{
	struct kho_mapping mapping = { .size = region->size };
	int r;

	if (!region->size || !kho_is_aligned(region->mmap_offset, KHO_PAGE_SIZE) ||
	    region->mmap_offset > INT64_MAX || region->size > INT64_MAX - region->mmap_offset)
		return kho_fail(err, -EINVAL, "map region %u: %#llx bytes at offset %#llx can't be "
				"mapped; ask the module for the region again", region->id,
				region->size, region->mmap_offset);
	r = device->ops->map(device->ctx, device->fd, region->mmap_offset, mapping.size,
			     &mapping.data);
	if (r == -ENOMEM)
		return kho_fail(err, r, "map region %u: no address space for %llu bytes; raise "
				"the agent's limits", region->id, region->size);
	if (r < 0)
		return kho_fail_errno(err, r, "map region %u: the module refused; see that the "
				      "region is still claimed", region->id);
	*ret = mapping;
	return 0;
}

void kho_device_unmap(const struct kho_device *device, struct kho_mapping *mapping)
{
	if (mapping->data)
		device->ops->unmap(device->ctx, mapping->data, mapping->size);
	*mapping = (struct kho_mapping) { 0 };
}

/* ---- CPUs ---- */

int kho_device_cpu_start(const struct kho_device *device, const struct mk_cpu_start *start,
			 struct kho_err *err)
{
	struct mk_cpu_start arg = *start;

	arg.hdr = (struct mk_hdr) HDR(arg);
	return call(device, MK_IOC_CPU_START, &arg, err, "start CPU with APIC id %u in region %u",
		    arg.apic_id, arg.region);
}

int kho_device_cpu_park(const struct kho_device *device, const struct mk_cpu_start *park,
			struct kho_err *err)
{
	struct mk_cpu_start arg = *park;

	arg.hdr = (struct mk_hdr) HDR(arg);
	return call(device, MK_IOC_CPU_PARK, &arg, err, "park CPU with APIC id %u", arg.apic_id);
}

int kho_device_cpu_stop(const struct kho_device *device, uint32_t apic_id, struct kho_err *err)
{
	struct mk_cpu arg = { .hdr = HDR(arg), .apic_id = apic_id };

	return call(device, MK_IOC_CPU_STOP, &arg, err, "take back CPU with APIC id %u", apic_id);
}

int kho_device_cpu_state(const struct kho_device *device, uint32_t apic_id, struct mk_cpu *ret,
			 struct kho_err *err)
{
	struct mk_cpu arg = { .hdr = HDR(arg), .apic_id = apic_id };
	int r;

	r = call(device, MK_IOC_CPU_STATE, &arg, err, "look at CPU with APIC id %u", apic_id);
	if (r < 0)
		return r;
	if (arg.state > MK_CPU_LENT)
		return kho_fail(err, -EPROTO, "the multikernel module reports state %u of the CPU "
				"with APIC id %u, which means nothing; reload it",
				arg.state, apic_id);
	*ret = arg;
	return 0;
}

/* ---- link and console ---- */

int kho_device_link(const struct kho_device *device, const struct mk_link *link,
		    struct kho_err *err)
{
	struct mk_link arg = *link;

	arg.hdr = (struct mk_hdr) HDR(arg);
	return call(device, MK_IOC_LINK, &arg, err, "link region %u", arg.region);
}

int kho_device_unlink(const struct kho_device *device, uint32_t region, struct kho_err *err)
{
	struct mk_ring arg = { .hdr = HDR(arg), .region = region };

	return call(device, MK_IOC_UNLINK, &arg, err, "drop the link of region %u", region);
}

int kho_device_ring(const struct kho_device *device, uint32_t region, struct kho_err *err)
{
	struct mk_ring arg = { .hdr = HDR(arg), .region = region };

	return call(device, MK_IOC_RING, &arg, err, "ring the peer of region %u", region);
}

int kho_device_console(const struct kho_device *device, const struct mk_console *console,
		       struct kho_err *err)
{
	struct mk_console arg = *console;

	arg.hdr = (struct mk_hdr) HDR(arg);
	return call(device, MK_IOC_CONSOLE, &arg, err, "console in region %u", arg.region);
}

/* ---- PCI ---- */

static struct mk_pci pci_arg(const struct kho_pci_addr *addr, uint64_t config)
{
	return (struct mk_pci) {
		.hdr = HDR(struct mk_pci),
		.domain = addr->domain,
		.bus = addr->bus,
		.devfn = kho_pci_devfn(addr),
		.config = config,
	};
}

int kho_device_pci_grant(const struct kho_device *device, const struct kho_pci_addr *addr,
			 uint64_t config, struct kho_err *err)
{
	struct mk_pci arg = pci_arg(addr, config);
	char name[KHO_PCI_TEXT];

	kho_pci_format(addr, name);
	return call(device, MK_IOC_PCI_GRANT, &arg, err, "grant %s", name);
}

int kho_device_pci_revoke(const struct kho_device *device, const struct kho_pci_addr *addr,
			  struct kho_err *err)
{
	struct mk_pci arg = pci_arg(addr, 0);
	char name[KHO_PCI_TEXT];

	kho_pci_format(addr, name);
	return call(device, MK_IOC_PCI_REVOKE, &arg, err, "revoke %s", name);
}

/* ---- retire, absorb, power ---- */

int kho_device_retire(const struct kho_device *device, const struct mk_retire *retire,
		      struct kho_err *err)
{
	struct mk_retire arg = *retire;

	arg.hdr = (struct mk_hdr) HDR(arg);
	return call(device, MK_IOC_RETIRE, &arg, err, "%s retirement into region %u",
		    arg.action == MK_RETIRE_DISARM ? "disarm" : "arm", arg.region);
}

int kho_device_absorb(const struct kho_device *device, const struct kho_absorb *absorb,
		      uint64_t *ret_added, struct kho_err *err)
{
	struct mk_absorb arg = { .hdr = HDR(arg), .region = absorb->region };
	int r;

	r = put_ranges(arg.ranges, absorb->ranges, absorb->nr_ranges, "absorb memory", err);
	if (r < 0)
		return r;
	arg.nr_ranges = (uint32_t)absorb->nr_ranges;
	r = call(device, MK_IOC_ABSORB, &arg, err, "absorb memory of the peer of region %u",
		 absorb->region);
	if (r == 0)
		*ret_added = arg.added;
	return r;
}

int kho_device_power(const struct kho_device *device, uint32_t region,
		     const struct mk_power *power, struct kho_err *err)
{
	struct mk_power_set arg = { .hdr = HDR(arg), .region = region, .power = *power };

	return call(device, MK_IOC_POWER, &arg, err,
		    "tell the kernel how the machine is switched off");
}
