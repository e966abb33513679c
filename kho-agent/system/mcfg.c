// SPDX-License-Identifier: GPL-2.0-only
/* The ACPI table MCFG; mcfg.h has the layout and the contract. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "system/mcfg.h"

#define MCFG_HEADER	44
#define MCFG_ENTRY	16
#define MCFG_MAX	(64u << 10)
#define BUS_SHIFT	20
#define DEVFN_SHIFT	12

static uint64_t get_le(const uint8_t *at, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, at, size);
	return le64toh(value);
}

static uint8_t sum_of(const uint8_t *at, size_t size)
{
	uint8_t sum = 0;

	while (size--)
		sum = (uint8_t)(sum + *at++);
	return sum;
}

static int check_header(const uint8_t *table, size_t size, struct kho_err *err)
{
	uint64_t length;

	if (size < MCFG_HEADER || memcmp(table, "MCFG", 4) != 0)
		return kho_fail(err, -EBADMSG, "MCFG: %zu bytes without its signature or shorter "
				"than its header; update the firmware", size);
	length = get_le(table + 4, 4);
	if (length != size)
		return kho_fail(err, -EBADMSG, "MCFG: says it's %llu bytes long but is %zu; update "
				"the firmware", (unsigned long long)length, size);
	if (sum_of(table, size) != 0)
		return kho_fail(err, -EBADMSG, "MCFG: wrong checksum; update the firmware");
	if ((size - MCFG_HEADER) % MCFG_ENTRY != 0)
		return kho_fail(err, -EBADMSG, "MCFG: the last entry is incomplete; update the "
				"firmware");
	return 0;
}

static bool same_buses(const struct kho_ecam_segment *a, const struct kho_ecam_segment *b)
{
	return a->domain == b->domain && a->first_bus <= b->last_bus &&
	       b->first_bus <= a->last_bus;
}

static int add_segment(struct kho_ecam *ecam, const uint8_t *entry, struct kho_err *err)
{
	struct kho_ecam_segment segment = {
		.base = get_le(entry, 8),
		.domain = (uint16_t)get_le(entry + 8, 2),
		.first_bus = entry[10],
		.last_bus = entry[11],
	};
	size_t i;

	if (segment.first_bus > segment.last_bus || !segment.base ||
	    !kho_is_aligned(segment.base, 1ull << BUS_SHIFT) ||
	    segment.base > UINT64_MAX - (256ull << BUS_SHIFT))
		return kho_fail(err, -EBADMSG, "MCFG: buses %u to %u of segment %u at %#llx can't "
				"be; update the firmware", segment.first_bus, segment.last_bus,
				segment.domain, (unsigned long long)segment.base);
	for (i = 0; i < ecam->nr; i++)
		if (same_buses(&ecam->segments[i], &segment))
			return kho_fail(err, -EBADMSG, "MCFG: segment %u has a bus twice; update "
					"the firmware", segment.domain);
	ecam->segments[ecam->nr++] = segment;
	return 0;
}

int kho_mcfg_parse(const void *table, size_t size, struct kho_ecam *ret, struct kho_err *err)
{
	struct kho_ecam ecam = { 0 };
	const uint8_t *bytes = table;
	size_t nr, i;
	int r;

	r = check_header(bytes, size, err);
	if (r < 0)
		return r;
	nr = (size - MCFG_HEADER) / MCFG_ENTRY;
	if (!nr)
		return kho_fail(err, -ENODATA, "MCFG: it has no entry; enable PCI Express in the "
				"firmware");
	if (nr > KHO_ECAM_MAX)
		return kho_fail(err, -E2BIG, "MCFG: %zu entries, %d are supported; use a machine "
				"with fewer PCI segments", nr, KHO_ECAM_MAX);
	for (i = 0; i < nr; i++) {
		r = add_segment(&ecam, bytes + MCFG_HEADER + i * MCFG_ENTRY, err);
		if (r < 0)
			return r;
	}
	*ret = ecam;
	return 0;
}

int kho_ecam_read(const struct kho_sysroot *root, struct kho_ecam *ret, struct kho_err *err)
{
	_cleanup_free_ char *table = NULL;
	char path[KHO_SYSROOT_PATH];
	size_t size;
	int r;

	r = kho_sysroot_path(path, root->sys, err, "firmware/acpi/tables/MCFG");
	if (r < 0)
		return r;
	r = kho_file_read(path, MCFG_MAX, &table, &size, err);
	if (r == -ENOENT)
		return kho_fail(err, -EOPNOTSUPP, "this machine has no ACPI table MCFG, so its PCI "
				"functions can't be moved; use one with PCI Express (QEMU: q35)");
	return r < 0 ? r : kho_mcfg_parse(table, size, ret, err);
}

int kho_ecam_config(const struct kho_ecam *ecam, const struct kho_pci_addr *addr, uint64_t *ret,
		    struct kho_err *err)
{
	const struct kho_ecam_segment *segment;
	char name[KHO_PCI_TEXT];

	for (segment = ecam->segments; segment < ecam->segments + ecam->nr; segment++) {
		if (segment->domain != addr->domain || addr->bus < segment->first_bus ||
		    addr->bus > segment->last_bus)
			continue;
		*ret = segment->base + ((uint64_t)addr->bus << BUS_SHIFT) +
		       ((uint64_t)kho_pci_devfn(addr) << DEVFN_SHIFT);
		return 0;
	}
	kho_pci_format(addr, name);
	return kho_fail(err, -ENOENT, "%s: the firmware gives no configuration space for this bus; "
			"put the device on another one", name);
}
