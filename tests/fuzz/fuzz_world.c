// SPDX-License-Identifier: GPL-2.0-only
/*
 * World builder on arbitrary input: the first bytes are the specification's
 * numbers, a line of text follows, the rest is the kernel's file. What is built
 * must lie within the region and not on top of itself.
 *
 *	0 ranges and their layout, 1 CPUs, 2 flags, 3 initramfs size (64 KiB units),
 *	4... command line up to a NUL, kernel image
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "base/err.h"
#include "spawn/layout.h"
#include "spawn/world.h"

#define REGION_SIZE	(96 * KHO_MIB)
#define MAX_RANGES	4u
#define MAX_CPUS	16u
#define INITRD_MAX	(255 * 65536u)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	struct mk_range ranges[MAX_RANGES];
	uint32_t cpus[MAX_CPUS];
	struct kho_world_spec spec;
	size_t region_size;
};

static void require(int condition)
{
	if (!condition)
		abort();
}

/* Memory that costs nothing until it's touched. */
static uint8_t *reserve(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	require(p != MAP_FAILED);
	return p;
}

static void choose_ranges(struct input *in, uint8_t byte)
{
	size_t nr = byte % (MAX_RANGES + 1);
	uint64_t start = byte & 0x80 ? 0x100000000ULL : 0x40000000ULL;

	for (size_t i = 0; i < nr; i++) {
		in->ranges[i].start = start;
		in->ranges[i].size = REGION_SIZE / (i ? 8 : 2);
		in->region_size += in->ranges[i].size;
		start += byte & 0x40 ? in->ranges[i].size : 0x8000000;
	}
	in->spec.region = (struct kho_region){ in->ranges, nr };
}

static void choose_cpus(struct input *in, uint8_t byte)
{
	for (uint32_t i = 0; i < MAX_CPUS; i++)
		in->cpus[i] = i * (byte & 0x80 ? 37 : 1) + (byte & 0x40 ? 250 : 0);
	in->spec.cpus = in->cpus;
	in->spec.nr_cpus = byte & 7;
	in->spec.later_cpus = in->cpus + (byte & 0x20 ? 0 : in->spec.nr_cpus);
	in->spec.nr_later_cpus = byte >> 3 & 3;
}

static void choose_rest(struct input *in, const uint8_t *data)
{
	struct kho_world_spec *spec = &in->spec;

	spec->low_window = data[2] & 1 ? KHO_LOW_WINDOW_A : KHO_LOW_WINDOW_B;
	spec->use_1g_pages = data[2] & 2;
	spec->phys_end = (uint64_t)(data[2] >> 2) * 8 * KHO_GIB;
	spec->initramfs_size = data[3] * 65536u;
	spec->tsc_khz = 2000000;
	spec->tree_offset = KHO_OFF_TREE;
	spec->tree_size = KHO_PAGE_SIZE;
}

static void check_world(const struct input *in, const struct kho_world *world)
{
	const struct kho_region *region = &in->spec.region;
	uint64_t kernel;
	uint64_t initrd;

	require(kho_region_offset(region, world->kernel_load, world->kernel_size, &kernel));
	require(kho_region_offset(region, world->initrd_load, world->initrd_size, &initrd));
	require(kernel >= KHO_CONTROL_AREA_SIZE && initrd >= KHO_CONTROL_AREA_SIZE);
	require(kernel + world->kernel_size <= initrd || initrd + world->initrd_size <= kernel);
	require(kho_is_aligned(world->initrd_load, KHO_PAGE_SIZE));
	require(world->pml4 == region->ranges[0].start + KHO_OFF_PGTABLE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t *memory;
	static uint8_t *initramfs;
	struct input in = { .region_size = 0 };
	struct kho_world world;
	struct kho_err err = {};
	const uint8_t *text;
	int r;

	if (size < 5)
		return 0;
	text = memchr(data + 4, 0, size - 4);
	if (!text)
		return 0;
	if (!memory) {
		memory = reserve(REGION_SIZE);
		initramfs = reserve(INITRD_MAX);
	}
	choose_ranges(&in, data[0]);
	choose_cpus(&in, data[1]);
	choose_rest(&in, data);
	in.spec.cmdline = (const char *)data + 4;
	in.spec.initramfs = initramfs;
	in.spec.kernel = text + 1;
	in.spec.kernel_size = size - (size_t)(text + 1 - data);
	r = kho_world_build(&in.spec, memory, in.region_size, &world, &err);
	if (r < 0)
		require(err.code == r && err.msg[0]);
	else
		check_world(&in, &world);
	return 0;
}
