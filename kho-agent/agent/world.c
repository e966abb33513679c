// SPDX-License-Identifier: GPL-2.0-only
/*
 * Filling a region: gathers what the new kernel has to be told (handover tree) and
 * what it starts from (spawn/world.h), and formats what both sides share.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>

#include "agent/spawn.h"
#include "base/bits.h"
#include "base/version.h"
#include "image/dir.h"
#include "spawn/image.h"
#include "spawn/layout.h"
#include "upgrade/owner.h"
#include "system/mcfg.h"
#include "system/memmap.h"

#define CLOCK_ROUNDS	64
#define PID_BASE_STEP	1000000u
#define PID_BASES	3
#define APIC_IDS	4096	/* ids that are asked for */
/* the kernel's own image, and room for it to unpack its initramfs and live */
#define MIN_ROOM	(64 * KHO_MIB)

void kho_build_done(struct kho_build *build)
{
	free(build->kernel);
	free(build->initramfs);
	free(build->cmdline);
	build->kernel = build->initramfs = NULL;
	build->cmdline = NULL;
}

static char *join(const char *a, const char *b)
{
	char *text;

	return asprintf(&text, "%s%s%s", a, *a && b && *b ? " " : "", b ?: "") < 0 ? NULL : text;
}

static int load_files(struct kho_build *build, struct kho_image_dir *dir, struct kho_err *err)
{
	char *line = NULL;
	int r;

	r = kho_image_dir_load(dir, KHO_IMAGE_KERNEL, &build->kernel, &build->kernel_size, err);
	if (r >= 0)
		r = kho_image_dir_load(dir, KHO_IMAGE_INITRAMFS, &build->initramfs,
				       &build->initramfs_size, err);
	if (r >= 0)
		r = kho_image_dir_cmdline(dir, &line, err);
	if (r < 0)
		return r;
	build->cmdline = join(line, build->request->cmdline);
	free(line);
	return build->cmdline ? 0 : kho_fail(err, -ENOMEM, "no memory for a command line");
}

int kho_build_is_native(const struct kho_manifest *manifest, bool *ret, struct kho_err *err)
{
	const char *kho = manifest->kho;

	if (kho[0] && strcmp(kho, KHO_VERSION_NONE) != 0 && strcmp(kho, KHO_TREE_COMPATIBLE) != 0)
		return kho_fail(err, -EPROTONOSUPPORT, "its kernel has KHO of version %s and this agent "
				"hands over as " KHO_TREE_COMPATIBLE "; build the image of a kernel that "
				"speaks that or has no KHO, or use an agent that knows the kernel's", kho);
	*ret = strcmp(kho, KHO_TREE_COMPATIBLE) == 0;
	return 0;
}

uint64_t kho_build_contiguous(uint64_t alignment, uint64_t init_size)
{
	return KHO_CONTROL_AREA_SIZE + alignment + init_size + MIN_ROOM;
}

int kho_build_load(struct kho_build *build, struct kho_err *err)
{
	struct kho_image_dir dir = { .fd = -EBADF };
	struct kho_image image;
	int r = kho_image_dir_open(build->request->image, &dir, err);

	if (r < 0)
		return kho_wrap(err, r, "target image");
	r = kho_build_is_native(&dir.manifest, &build->native, err);
	if (r >= 0)
		r = load_files(build, &dir, err);
	build->any_boot_cpu = strcmp(dir.manifest.boot_cpu, KHO_BOOT_CPU_ANY) == 0;
	memcpy(build->digest, dir.digest, sizeof(build->digest));
	memcpy(build->name, dir.manifest.name, sizeof(build->name));
	kho_image_dir_done(&dir);
	if (r >= 0)
		r = kho_image_parse(build->kernel, build->kernel_size, &image, err);
	if (r < 0)
		return kho_wrap(err, r, "target image %s", build->request->image);
	memcpy(build->release, image.release, sizeof(build->release));
	build->contiguous = kho_build_contiguous(image.alignment, image.init_size);
	/* scratch memory lies between the kernel and the initramfs */
	if (build->native)
		build->contiguous += MIN_ROOM + build->initramfs_size;
	return 0;
}

/* ---- what the new kernel is told ---- */

static void add_arena(struct kho_handover *h, const char *name, uint64_t offset, uint64_t size)
{
	struct kho_handover_arena *arena = &h->arenas[h->nr_arenas++];

	snprintf(arena->name, sizeof(arena->name), "%s", name);
	arena->offset = offset;
	arena->size = size;
}

static void add_arenas(struct kho_handover *h)
{
	add_arena(h, "status-old", KHO_OFF_STATUS_OLD, KHO_STATUS_SIZE);
	add_arena(h, "status-new", KHO_OFF_STATUS_NEW, KHO_STATUS_SIZE);
	add_arena(h, "owners", KHO_OFF_OWNERS, KHO_OWNERS_SIZE);
	add_arena(h, "park", KHO_OFF_PARK, KHO_PARK_SIZE);
	add_arena(h, "mailbox", KHO_OFF_MAILBOX, KHO_MAILBOX_SIZE);
	add_arena(h, "pgtable", KHO_OFF_PGTABLE, KHO_PGTABLE_SIZE);
	add_arena(h, "console-out", KHO_OFF_CONSOLE_OUT, KHO_CONSOLE_OUT_SIZE);
	add_arena(h, "console-in", KHO_OFF_CONSOLE_IN, KHO_CONSOLE_IN_SIZE);
	add_arena(h, "tree", KHO_OFF_TREE, KHO_TREE_SIZE);
	add_arena(h, "control-0", KHO_OFF_CONTROL, KHO_CONTROL_LANE_SIZE);
	add_arena(h, "control-1", KHO_OFF_CONTROL + KHO_CONTROL_LANE_SIZE, KHO_CONTROL_LANE_SIZE);
	add_arena(h, "bulk-0", KHO_OFF_BULK, KHO_BULK_LANE_SIZE);
	add_arena(h, "bulk-1", KHO_OFF_BULK + KHO_BULK_LANE_SIZE, KHO_BULK_LANE_SIZE);
}

static bool is_given(const struct kho_reserved *reserved, uint32_t apic_id)
{
	for (uint32_t i = 0; i < reserved->nr_cpus; i++)
		if (reserved->apic_ids[i] == apic_id)
			return true;
	return false;
}

static int add_cpus(struct kho_agent *agent, const struct kho_reserved *reserved,
		    struct kho_handover *h, struct kho_err *err)
{
	struct kho_cpu_list list;
	int r = kho_cpu_list_read(&agent->root, &list, err);

	if (r < 0)
		return r;
	/* those that are offline too: they idle in this kernel's memory */
	r = kho_cpu_list_resolve(&list, &agent->device, APIC_IDS, err);
	if (r < 0)
		return r;
	h->boot_apic_id = agent->info.boot_apic_id;
	h->nr_own_cpus = reserved->nr_cpus;
	memcpy(h->own_cpus, reserved->apic_ids, sizeof(uint32_t) * reserved->nr_cpus);
	for (size_t i = 0; i < list.nr; i++)
		if (!is_given(reserved, list.cpus[i].apic_id))
			h->later_cpus[h->nr_later_cpus++] = list.cpus[i].apic_id;
	return 0;
}

static int add_memory_of_first(struct kho_agent *agent, struct kho_handover *h,
			       struct kho_err *err)
{
	struct kho_fw_map map = {};
	int r = kho_fw_map_read(&agent->root, &map, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < map.nr && r >= 0; i++)
		if (map.ranges[i].type == KHO_FW_RAM)
			r = kho_handover_add_ram(h, map.ranges[i].start, map.ranges[i].size, err);
	kho_fw_map_done(&map);
	return r;
}

static int add_segments_of_first(struct kho_agent *agent, struct kho_handover *h,
				 struct kho_err *err)
{
	struct kho_ecam ecam = {};
	struct kho_err why;
	int r = 0;

	/* a machine without ECAM can be upgraded, but moves no functions */
	if (kho_ecam_read(&agent->root, &ecam, &why) < 0)
		kho_agent_progress(agent, "no PCI function will move: %s", why.msg);
	for (size_t i = 0; i < ecam.nr && r >= 0; i++) {
		const struct kho_handover_ecam segment = {
			.address = ecam.segments[i].base,
			.domain = ecam.segments[i].domain,
			.start_bus = ecam.segments[i].first_bus,
			.end_bus = ecam.segments[i].last_bus,
		};

		r = kho_handover_add_ecam(h, &segment, err);
	}
	return r;
}

/* The first kernel asks firmware; a spawned one passes on what it was told. */
static int add_machine_of_first(struct kho_agent *agent, struct kho_handover *h,
				struct kho_err *err)
{
	int r = add_memory_of_first(agent, h, err);

	return r < 0 ? r : add_segments_of_first(agent, h, err);
}

static void add_machine_of_spawned(const struct kho_handover *own, struct kho_handover *h)
{
	h->nr_ram = own->nr_ram;
	memcpy(h->ram, own->ram, sizeof(h->ram));
	h->nr_ecam = own->nr_ecam;
	memcpy(h->ecam, own->ecam, sizeof(h->ecam));
}

/* Neighbours in the chain take the two windows in turns. */
static void add_low_windows(struct kho_agent *agent, struct kho_handover *h)
{
	uint64_t own = KHO_LOW_WINDOW_A, other = KHO_LOW_WINDOW_B;

	if (agent->spawned && agent->own.low_own.start == KHO_LOW_WINDOW_A) {
		own = KHO_LOW_WINDOW_B;
		other = KHO_LOW_WINDOW_A;
	}
	h->low_own = (struct mk_range){ own, KHO_LOW_WINDOW_SIZE };
	h->nr_low_later = 1;
	h->low_later[0] = (struct mk_range){ other, KHO_LOW_WINDOW_SIZE };
}

static int check_low_windows(struct kho_agent *agent, struct kho_err *err)
{
	uint64_t start = agent->info.lowmem_used_start;
	uint64_t end = start + agent->info.lowmem_used_size;

	if (agent->spawned || end <= KHO_LOW_WINDOW_A ||
	    start >= KHO_LOW_WINDOW_B + KHO_LOW_WINDOW_SIZE)
		return 0;
	return kho_fail(err, -EBUSY, "this kernel's real-mode code lies at 0x%llx, where a new "
			"kernel's has to be; boot once more, or report this machine",
			(unsigned long long)start);
}

static int sample_clock(struct kho_agent *agent, struct kho_handover *h, struct kho_err *err)
{
	struct kho_clock_sample sample;
	int r = kho_clock_sample(&agent->clock, CLOCK_ROUNDS, &sample, err);

	if (r < 0)
		return r;
	h->clock.tsc = sample.tsc;
	h->clock.realtime_ns = sample.realtime_ns;
	h->clock.monotonic_ns = sample.monotonic_ns;
	h->clock.window = sample.window;
	h->clock.tsc_khz = agent->info.tsc_khz;
	return 0;
}

static int fill_handover(struct kho_agent *agent, struct kho_build *build, struct kho_err *err)
{
	struct kho_handover *h = &build->handover;
	struct utsname name;
	int r = check_low_windows(agent, err);

	if (r < 0)
		return r;
	if (getrandom(h->upgrade_id, sizeof(h->upgrade_id), 0) != sizeof(h->upgrade_id))
		return kho_fail(err, -EIO, "no random numbers");
	uname(&name);
	h->epoch = agent->spawned ? agent->own.epoch + 1 : 1;
	h->instance = agent->spawned ? agent->own.instance + 1 : 1;
	snprintf(h->source_release, sizeof(h->source_release), "%s", name.release);
	snprintf(h->source_agent, sizeof(h->source_agent), "%s", KHO_VERSION);
	h->nr_ranges = build->reserved->nr_ranges;
	memcpy(h->ranges, build->reserved->ranges, sizeof(h->ranges));
	h->power = agent->spawned ? agent->own.power : agent->info.power;
	add_arenas(h);
	add_low_windows(agent, h);
	r = add_cpus(agent, build->reserved, h, err);
	if (r < 0)
		return r;
	if (agent->spawned)
		add_machine_of_spawned(&agent->own, h);
	else
		r = add_machine_of_first(agent, h, err);
	return r < 0 ? r : sample_clock(agent, h, err);
}

/* ---- the region's bytes ---- */

static int format_lanes(void *data, struct kho_err *err)
{
	char *base = data;
	const struct kho_channel_lanes lanes = {
		.control_out = base + KHO_OFF_CONTROL,
		.control_in = base + KHO_OFF_CONTROL + KHO_CONTROL_LANE_SIZE,
		.control_size = KHO_CONTROL_LANE_SIZE,
		.bulk_out = base + KHO_OFF_BULK,
		.bulk_in = base + KHO_OFF_BULK + KHO_BULK_LANE_SIZE,
		.bulk_size = KHO_BULK_LANE_SIZE,
	};

	return kho_channel_format(&lanes, err);
}

/* @scratch: of a kernel that takes the tree in by itself, else NULL. */
static int build_tree(struct kho_build *build, void *data, const struct mk_range *scratch,
		      struct kho_tree *ret, struct kho_err *err)
{
	const struct mk_range shared = {
		.start = build->handover.ranges[0].start + KHO_OFF_TREE,
		.size = KHO_CONTROL_AREA_SIZE - KHO_OFF_TREE,
	};
	const struct kho_tree_spec spec = {
		.handover = &build->handover,
		.preserve = &shared,
		.nr_preserve = !!scratch,
		.by_page = true,
		.scratch = scratch,
		.nr_scratch = !!scratch,
	};
	const struct kho_tree_area area = {
		.data = (char *)data + KHO_OFF_TREE,
		.size = KHO_TREE_SIZE,
		.phys = build->handover.ranges[0].start + KHO_OFF_TREE,
	};

	return kho_tree_build(&spec, &area, ret, err);
}

static uint64_t end_of_memory(const struct kho_handover *h)
{
	uint64_t end = 4 * KHO_GIB;

	for (uint32_t i = 0; i < h->nr_ram; i++)
		if (h->ram[i].start + h->ram[i].size > end)
			end = h->ram[i].start + h->ram[i].size;
	return end;
}

/*
 * Processes that move keep their PIDs, so each kernel of a chain numbers its own from
 * another base: 1, 2 or 3 million, which leaves the first kernel's alone.
 */
uint32_t kho_build_pid_base(uint32_t instance)
{
	return PID_BASE_STEP * (1 + (instance - 1) % PID_BASES);
}

uint32_t kho_build_pid_base_number(uint32_t base)
{
	return base / PID_BASE_STEP;
}

/* All but the tree, which depends on where the kernel goes. */
static struct kho_world_spec world_spec(struct kho_agent *agent, const struct kho_build *build)
{
	const struct kho_handover *h = &build->handover;

	return (struct kho_world_spec){
		.region = { .ranges = h->ranges, .nr_ranges = h->nr_ranges },
		.low_window = h->low_own.start,
		.phys_end = end_of_memory(h),
		.use_1g_pages = agent->info.flags & MK_INFO_PDPE1GB,
		.cpus = h->own_cpus,
		.nr_cpus = h->nr_own_cpus,
		.later_cpus = h->later_cpus,
		.nr_later_cpus = h->nr_later_cpus,
		.kernel = build->kernel,
		.kernel_size = build->kernel_size,
		.initramfs = build->initramfs,
		.initramfs_size = build->initramfs_size,
		.cmdline = build->cmdline,
		.tsc_khz = h->clock.tsc_khz,
		.clock = {
			.tsc = h->clock.tsc,
			.realtime_ns = h->clock.realtime_ns,
			.monotonic_ns = h->clock.monotonic_ns,
			.tsc_khz = h->clock.tsc_khz,
		},
		.native = build->native,
		.any_boot_cpu = build->any_boot_cpu,
	};
}

static int build_world(struct kho_agent *agent, struct kho_build *build,
		       const struct kho_mapping *map, struct kho_err *err)
{
	struct kho_world_spec spec = world_spec(agent, build);
	struct mk_range scratch;
	struct kho_tree tree;
	char options[32];
	int r = 0;

	snprintf(options, sizeof(options), KHO_PID_BASE "=%u",
		 kho_build_pid_base(build->handover.instance));
	spec.extra_options = options;
	if (build->native) {
		r = kho_world_plan(&spec, map->size, &build->world, err);
		if (r >= 0)
			r = kho_world_scratch(&spec.region, &build->world, &scratch, err);
	}
	if (r >= 0)
		r = build_tree(build, map->data, build->native ? &scratch : NULL, &tree, err);
	if (r < 0)
		return r;
	spec.tree_offset = KHO_OFF_TREE;
	spec.tree_size = tree.fdt_size;
	spec.scratch_addr = tree.scratch_phys;
	spec.scratch_size = tree.scratch_size;
	if (getrandom(spec.rng_seed, sizeof(spec.rng_seed), 0) != sizeof(spec.rng_seed))
		return kho_fail(err, -EIO, "no random numbers");
	return kho_world_build(&spec, map->data, map->size, &build->world, err);
}

int kho_build_region(struct kho_agent *agent, struct kho_build *build,
		     const struct kho_mapping *map, struct kho_err *err)
{
	int r = fill_handover(agent, build, err);

	if (r < 0)
		return r;
	/* nothing of an earlier kernel may be taken for this one's, its log for one */
	memset(map->data, 0, map->size);
	kho_console_format(map->data);
	kho_owner_format((char *)map->data + KHO_OFF_OWNERS, build->handover.epoch);
	r = format_lanes(map->data, err);
	if (r >= 0)
		r = build_world(agent, build, map, err);
	return r;
}
