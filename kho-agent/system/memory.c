// SPDX-License-Identifier: GPL-2.0-only
/* Memory blocks in sysfs: reading, offlining, onlining; memory.h has the contract. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/parse.h"
#include "system/memory.h"

#define MEM_DIR		"devices/system/memory"
#define MEMINFO_MAX	(64u << 10)
#define WORD_MAX	128u
#define ONLINE_MS	10000

/* ---- reading ---- */

static int read_block_size(const struct kho_sysroot *root, uint64_t *ret, struct kho_err *err)
{
	char path[KHO_SYSROOT_PATH];
	uint64_t size;
	int r;

	r = kho_sysroot_path(path, root->sys, err, MEM_DIR "/block_size_bytes");
	if (r < 0)
		return r;
	r = kho_file_read_hex64(path, &size, err);
	if (r == -ENOENT)
		return kho_fail(err, -EOPNOTSUPP, "this kernel can't offline memory; use one with "
				"CONFIG_MEMORY_HOTREMOVE");
	if (r < 0)
		return r;
	if (size < KHO_PAGE_SIZE || (size & (size - 1)))
		return kho_fail(err, -EBADMSG, "%s: %#llx is no size of memory blocks; see that "
				"sysfs is mounted there", path, (unsigned long long)size);
	*ret = size;
	return 0;
}

static int read_word(const struct kho_sysroot *root, uint64_t index, const char *name,
		     char **ret, struct kho_err *err)
{
	char path[KHO_SYSROOT_PATH];
	int r;

	r = kho_sysroot_path(path, root->sys, err, MEM_DIR "/memory%llu/%s",
			     (unsigned long long)index, name);
	return r < 0 ? r : kho_file_read_string(path, WORD_MAX, ret, err);
}

static int parse_state(const char *text, enum kho_mem_state *ret)
{
	if (strcmp(text, "online") == 0)
		*ret = KHO_MEM_ONLINE;
	else if (strcmp(text, "offline") == 0)
		*ret = KHO_MEM_OFFLINE;
	else if (strcmp(text, "going-offline") == 0)
		*ret = KHO_MEM_CHANGING;
	else
		return -EBADMSG;
	return 0;
}

static int read_state(const struct kho_sysroot *root, uint64_t index, enum kho_mem_state *ret,
		      struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	int r;

	r = read_word(root, index, "state", &text, err);
	if (r < 0)
		return r;
	if (parse_state(text, ret) < 0)
		return kho_fail(err, -EBADMSG, "memory%llu: state \"%.32s\" means nothing to this "
				"version; update the agent", (unsigned long long)index, text);
	return 0;
}

/* The first zone named: the block's own if it's online, else the default one. */
static enum kho_mem_zone parse_zone(const char *text)
{
	static const struct {
		const char *name;
		enum kho_mem_zone zone;
	} zones[] = {
		{ "DMA", KHO_ZONE_DMA },
		{ "DMA32", KHO_ZONE_DMA32 },
		{ "Normal", KHO_ZONE_NORMAL },
		{ "Movable", KHO_ZONE_MOVABLE },
		{ "Device", KHO_ZONE_DEVICE },
	};
	size_t i, size = strcspn(text, " ");

	for (i = 0; i < KHO_ARRAY_SIZE(zones); i++)
		if (strlen(zones[i].name) == size && memcmp(text, zones[i].name, size) == 0)
			return zones[i].zone;
	return KHO_ZONE_NONE;
}

static int read_block(const struct kho_sysroot *root, uint64_t index, struct kho_mem_block *ret,
		      struct kho_err *err)
{
	_cleanup_free_ char *zones = NULL, *removable = NULL;
	struct kho_mem_block block = { .index = index };
	int r;

	r = read_state(root, index, &block.state, err);
	if (r == 0)
		r = read_word(root, index, "valid_zones", &zones, err);
	if (r < 0)
		return r;
	block.zone = parse_zone(zones);
	/* Kernels may drop this file: it has said 1 for every block since 5.7. */
	block.removable = read_word(root, index, "removable", &removable, NULL) < 0 ||
			  strcmp(removable, "1") == 0;
	*ret = block;
	return 0;
}

static int by_index(const void *left, const void *right)
{
	const struct kho_mem_block *a = left, *b = right;

	return (a->index > b->index) - (a->index < b->index);
}

/* @name as "memoryN"; false for whatever else lies there. */
static bool parse_block_name(const char *name, uint64_t *ret)
{
	return strncmp(name, "memory", 6) == 0 && kho_parse_u64(name + 6, ret, NULL) == 0;
}

static int read_blocks(const struct kho_sysroot *root, const struct kho_names *names,
		       struct kho_mem_map *map, struct kho_err *err)
{
	uint64_t index;
	size_t i;
	int r;

	for (i = 0; i < names->nr; i++) {
		if (!parse_block_name(names->names[i], &index))
			continue;
		if (index > UINT64_MAX / map->block_size - 1)
			return kho_fail(err, -EBADMSG, "%s is beyond the address space; see that "
					"sysfs is mounted there", names->names[i]);
		r = read_block(root, index, &map->blocks[map->nr], err);
		if (r == -ENOENT)	/* removed meanwhile */
			continue;
		if (r < 0)
			return r;
		map->nr++;
	}
	qsort(map->blocks, map->nr, sizeof(*map->blocks), by_index);
	return 0;
}

int kho_memory_read(const struct kho_sysroot *root, struct kho_mem_map *ret,
		    struct kho_err *err)
{
	_cleanup_(kho_names_done) struct kho_names names = { 0 };
	_cleanup_(kho_mem_map_done) struct kho_mem_map map = { 0 };
	char path[KHO_SYSROOT_PATH];
	int r;

	r = read_block_size(root, &map.block_size, err);
	if (r == 0)
		r = kho_sysroot_path(path, root->sys, err, MEM_DIR);
	if (r == 0)
		r = kho_sysroot_list(path, &names, err);
	if (r < 0)
		return r;
	map.blocks = calloc(names.nr + 1, sizeof(*map.blocks));
	if (!map.blocks)
		return kho_fail(err, -ENOMEM, "no memory for the list of memory blocks; free some");
	r = read_blocks(root, &names, &map, err);
	if (r < 0)
		return r;
	*ret = map;
	map = (struct kho_mem_map) { 0 };
	return 0;
}

/* "MemAvailable:   123456 kB" */
static int parse_available(const char *text, uint64_t *ret)
{
	static const char key[] = "\nMemAvailable:";
	const char *at = strstr(text, key);
	char number[24];
	size_t size;

	if (!at)
		return -EBADMSG;
	at += strlen(key);
	at += strspn(at, " ");
	size = strcspn(at, " \n");
	if (size >= sizeof(number) || strncmp(at + size, " kB", 3) != 0)
		return -EBADMSG;
	memcpy(number, at, size);
	number[size] = '\0';
	if (kho_parse_u64(number, ret, NULL) < 0 || *ret > UINT64_MAX / KHO_KIB)
		return -EBADMSG;
	*ret *= KHO_KIB;
	return 0;
}

int kho_memory_available(const struct kho_sysroot *root, uint64_t *ret, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[KHO_SYSROOT_PATH];
	uint64_t available;
	int r;

	r = kho_sysroot_path(path, root->proc, err, "meminfo");
	if (r == 0)
		r = kho_file_read(path, MEMINFO_MAX, &text, NULL, err);
	if (r < 0)
		return r;
	if (parse_available(text, &available) < 0)
		return kho_fail(err, -EBADMSG, "%s has no MemAvailable; see that procfs is mounted "
				"there", path);
	*ret = available;
	return 0;
}

/* ---- offline, online ---- */

/* Writes to a block's state and sees that it became what was wanted. */
static int set_state(const struct kho_sysroot *root, uint64_t index, const char *value,
		     unsigned int timeout_ms, struct kho_err *err)
{
	bool offline = strcmp(value, "offline") == 0;
	char path[KHO_SYSROOT_PATH];
	enum kho_mem_state state;
	int r;

	r = kho_sysroot_path(path, root->sys, err, MEM_DIR "/memory%llu/state",
			     (unsigned long long)index);
	if (r == 0)
		r = kho_sysroot_write(root, path, value, timeout_ms, err);
	if (r == 0)
		r = read_state(root, index, &state, err);
	if (r < 0)
		return r;
	if (state != (offline ? KHO_MEM_OFFLINE : KHO_MEM_ONLINE))
		return kho_fail(err, -EIO, "memory%llu isn't %s, though the kernel accepted the "
				"change; see the kernel log", (unsigned long long)index,
				offline ? "offline" : "online");
	return 0;
}

int kho_memory_offline(const struct kho_sysroot *root, uint64_t index, unsigned int timeout_ms,
		       struct kho_err *err)
{
	enum kho_mem_state state;
	int r;

	r = read_state(root, index, &state, err);
	if (r < 0 || state == KHO_MEM_OFFLINE)
		return r;
	r = set_state(root, index, "offline", timeout_ms, err);
	/* A child that was given up on may have succeeded in its last moment. */
	if (r == -ETIMEDOUT && read_state(root, index, &state, NULL) == 0 &&
	    state == KHO_MEM_OFFLINE)
		return 0;
	return r;
}

int kho_memory_online(const struct kho_sysroot *root, uint64_t index, enum kho_mem_zone zone,
		      struct kho_err *err)
{
	enum kho_mem_state state;
	const char *value = "online_kernel";
	int r;

	if (zone == KHO_ZONE_NONE)
		value = "online";
	else if (zone == KHO_ZONE_MOVABLE)
		value = "online_movable";
	r = read_state(root, index, &state, err);
	if (r < 0 || state == KHO_MEM_ONLINE)
		return r;
	r = set_state(root, index, value, ONLINE_MS, err);
	if (r == -EBUSY || r == -EPERM)
		return kho_fail(err, r, "memory%llu can't be onlined: the multikernel module still "
				"claims it, or root is needed; release its region first",
				(unsigned long long)index);
	return r;
}

static bool in_ranges(const struct kho_mem_ranges *ranges, uint64_t start, uint64_t size)
{
	size_t i;

	for (i = 0; i < ranges->nr; i++)
		if (start >= ranges->ranges[i].start &&
		    kho_within(start - ranges->ranges[i].start, size, ranges->ranges[i].size))
			return true;
	return false;
}

int kho_memory_online_ranges(const struct kho_sysroot *root, const struct kho_mem_ranges *ranges,
			     uint64_t *ret_size, struct kho_err *err)
{
	_cleanup_(kho_mem_map_done) struct kho_mem_map map = { 0 };
	const struct kho_mem_block *block;
	int r;

	*ret_size = 0;
	r = kho_memory_read(root, &map, err);
	if (r < 0)
		return r;
	for (block = map.blocks; block < map.blocks + map.nr; block++) {
		if (block->state != KHO_MEM_OFFLINE ||
		    !in_ranges(ranges, block->index * map.block_size, map.block_size))
			continue;
		r = kho_memory_online(root, block->index, ranges->zone, err);
		if (r < 0)
			return r;
		*ret_size += map.block_size;
	}
	return 0;
}

/* ---- memory to come ---- */

int kho_memory_set_policy(const struct kho_sysroot *root, const char *policy,
			  char ret_before[KHO_MEM_POLICY], struct kho_err *err)
{
	_cleanup_free_ char *before = NULL;
	char path[KHO_SYSROOT_PATH];
	int r;

	r = kho_sysroot_path(path, root->sys, err, MEM_DIR "/auto_online_blocks");
	if (r >= 0)
		r = kho_file_read_string(path, KHO_MEM_POLICY - 1, &before, err);
	if (r >= 0)
		r = kho_sysroot_write(root, path, policy, 0, err);
	if (r >= 0 && ret_before)
		snprintf(ret_before, KHO_MEM_POLICY, "%s", before);
	return r;
}
