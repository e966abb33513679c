// SPDX-License-Identifier: GPL-2.0-only
/*
 * The firmware's memory map; memmap.h has the contract. Each entry is a directory
 * with three files; end is the last byte, not the one behind it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "system/memmap.h"

#define TYPE_MAX	64u

static enum kho_fw_type parse_type(const char *text)
{
	static const struct {
		const char *name;
		enum kho_fw_type type;
	} types[] = {
		{ "System RAM", KHO_FW_RAM },
		{ "ACPI Tables", KHO_FW_ACPI },
		{ "ACPI Non-volatile Storage", KHO_FW_NVS },
		{ "Unusable memory", KHO_FW_UNUSABLE },
		{ "Persistent Memory", KHO_FW_PMEM },
	};
	size_t i;

	for (i = 0; i < KHO_ARRAY_SIZE(types); i++)
		if (strcmp(text, types[i].name) == 0)
			return types[i].type;
	return KHO_FW_RESERVED;
}

static int read_field(const char *dir, const char *name, uint64_t *ret, struct kho_err *err)
{
	char path[KHO_SYSROOT_PATH];
	int r;

	r = kho_sysroot_path(path, dir, err, "%s", name);
	return r < 0 ? r : kho_file_read_u64(path, ret, err);
}

static int read_range(const char *dir, struct kho_fw_range *ret, struct kho_err *err)
{
	_cleanup_free_ char *type = NULL;
	char path[KHO_SYSROOT_PATH];
	uint64_t start, end;
	int r;

	r = read_field(dir, "start", &start, err);
	if (r == 0)
		r = read_field(dir, "end", &end, err);
	if (r == 0)
		r = kho_sysroot_path(path, dir, err, "type");
	if (r == 0)
		r = kho_file_read_string(path, TYPE_MAX, &type, err);
	if (r < 0)
		return r;
	if (end < start || end - start == UINT64_MAX)
		return kho_fail(err, -EBADMSG, "%s: a range from %#llx to %#llx can't be; the "
				"firmware's memory map is broken, update the firmware", dir,
				(unsigned long long)start, (unsigned long long)end);
	*ret = (struct kho_fw_range) {
		.start = start,
		.size = end - start + 1,
		.type = parse_type(type),
	};
	return 0;
}

static int by_start(const void *left, const void *right)
{
	const struct kho_fw_range *a = left, *b = right;

	return (a->start > b->start) - (a->start < b->start);
}

static int read_ranges(const char *base, const struct kho_names *names, struct kho_fw_map *map,
		       struct kho_err *err)
{
	char dir[KHO_SYSROOT_PATH];
	size_t i;
	int r;

	for (i = 0; i < names->nr; i++) {
		r = kho_sysroot_path(dir, base, err, "%s", names->names[i]);
		if (r == 0)
			r = read_range(dir, &map->ranges[map->nr], err);
		if (r < 0)
			return r;
		map->nr++;
	}
	qsort(map->ranges, map->nr, sizeof(*map->ranges), by_start);
	return 0;
}

static int list_entries(const char *base, struct kho_names *ret, struct kho_err *err)
{
	int r;

	r = kho_sysroot_list(base, ret, err);
	if (r == -ENOENT)
		return kho_fail(err, -EOPNOTSUPP, "%s isn't there; use a kernel with "
				"CONFIG_FIRMWARE_MEMMAP", base);
	if (r == 0 && ret->nr > KHO_FW_RANGES_MAX)
		return kho_fail(err, -E2BIG, "%s has %zu entries where at most %d are believed; "
				"see that sysfs is mounted there",
				base, ret->nr, KHO_FW_RANGES_MAX);
	return r;
}

int kho_fw_map_read(const struct kho_sysroot *root, struct kho_fw_map *ret, struct kho_err *err)
{
	_cleanup_(kho_names_done) struct kho_names names = { 0 };
	_cleanup_(kho_fw_map_done) struct kho_fw_map map = { 0 };
	char base[KHO_SYSROOT_PATH];
	int r;

	r = kho_sysroot_path(base, root->sys, err, "firmware/memmap");
	if (r == 0)
		r = list_entries(base, &names, err);
	if (r < 0)
		return r;
	map.ranges = calloc(names.nr + 1, sizeof(*map.ranges));
	if (!map.ranges)
		return kho_fail(err, -ENOMEM, "no memory for the firmware's memory map; free some");
	r = read_ranges(base, &names, &map, err);
	if (r < 0)
		return r;
	*ret = map;
	map = (struct kho_fw_map) { 0 };
	return 0;
}

void kho_fw_map_done(struct kho_fw_map *map)
{
	free(map->ranges);
	*map = (struct kho_fw_map) { 0 };
}
