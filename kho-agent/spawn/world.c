// SPDX-License-Identifier: GPL-2.0-only
/*
 * World builder: plan first, then write.
 *
 * struct plan is the whole outcome of the checks; the writers below it take
 * nothing else, so that nothing they do can depend on something unchecked.
 */
#include "spawn/world.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "base/err.h"
#include "spawn/acpi.h"
#include "spawn/bootparams.h"
#include "spawn/cmdline.h"
#include "spawn/e820.h"
#include "spawn/image.h"
#include "spawn/layout.h"
#include "spawn/park.h"
#include "spawn/pgtable.h"

#define SCRATCH_ALIGN	(4 * KHO_MIB)
#define SCRATCH_MIN	(64 * KHO_MIB)
#define SCRATCH_SHARE	16		/* of the memory, for what describes it */

struct plan {
	uint64_t base;			/* physical: the control area */
	struct kho_image image;
	struct kho_e820 e820;
	struct kho_pgtable_spec pgtable;
	struct kho_acpi_spec acpi;
	struct kho_world world;
	uint64_t kernel_offset;		/* in the region */
	uint64_t initrd_offset;
	char cmdline[KHO_CMDLINE_SIZE];
};

static int check_tree(const struct kho_world_spec *spec, struct kho_err *err)
{
	const struct mk_range *first = &spec->region.ranges[0];
	uint64_t offset;

	if (!spec->tree_size)
		return 0;
	if (!kho_is_aligned(spec->tree_offset, KHO_PAGE_SIZE) ||
	    !kho_within(spec->tree_offset, spec->tree_size, first->size))
		return kho_fail(err, -EINVAL,
				"handover tree: 0x%" PRIx64 " bytes at offset 0x%" PRIx64 " aren't "
				"page aligned within the first range; build it at its own place",
				spec->tree_size, spec->tree_offset);
	if (spec->scratch_size && !kho_region_offset(&spec->region, spec->scratch_addr,
						     spec->scratch_size, &offset))
		return kho_fail(err, -EINVAL, "handover tree: the scratch list at 0x%" PRIx64
				" isn't in the region; build the tree again", spec->scratch_addr);
	return 0;
}

static int check_spec(const struct kho_world_spec *spec, size_t size, struct kho_err *err)
{
	int r;

	r = kho_region_check(&spec->region, size, err);
	if (r < 0)
		return r;
	if (spec->low_window != KHO_LOW_WINDOW_A && spec->low_window != KHO_LOW_WINDOW_B)
		return kho_fail(err, -EINVAL, "low window: 0x%" PRIx64 " is neither 0x%llx nor "
				"0x%llx; use the one the running kernel doesn't use",
				spec->low_window, KHO_LOW_WINDOW_A, KHO_LOW_WINDOW_B);
	return check_tree(spec, err);
}

static int plan_places(const struct kho_world_spec *spec, struct plan *plan, struct kho_err *err)
{
	struct kho_world *world = &plan->world;
	uint64_t initrd_size = spec->initramfs_size;
	int r;

	r = kho_place_kernel(&spec->region, &plan->image, &world->kernel_load, err);
	if (r < 0)
		return r;
	world->kernel_size = plan->image.init_size;
	r = kho_place_initrd(&spec->region, world->kernel_load + world->kernel_size,
			     initrd_size, &world->initrd_load, err);
	if (r < 0)
		return r;
	world->initrd_size = initrd_size;
	if (!kho_region_offset(&spec->region, world->kernel_load, world->kernel_size,
			       &plan->kernel_offset) ||
	    !kho_region_offset(&spec->region, world->initrd_load, initrd_size,
			       &plan->initrd_offset))
		return kho_fail(err, -ERANGE, "region: kernel or initramfs were placed outside; "
				"this is a bug, report it with the region's ranges");
	return 0;
}

static int plan_cmdline(const struct kho_world_spec *spec, struct plan *plan,
			struct kho_err *err)
{
	const struct kho_cmdline_spec cmdline = {
		.user = spec->cmdline,
		.extra = spec->extra_options,
		.tsc_khz = spec->tsc_khz,
		.nr_cpus = spec->nr_cpus,
		.console = spec->region.ranges[0].start + KHO_OFF_CONSOLE_OUT,
		.native = spec->native,
		.any_boot_cpu = spec->any_boot_cpu,
		.limit = plan->image.cmdline_size,
	};

	return kho_cmdline_build(&cmdline, plan->cmdline, sizeof(plan->cmdline), err);
}

static int plan_e820(const struct kho_world_spec *spec, struct plan *plan, struct kho_err *err)
{
	const struct kho_e820_spec e820 = {
		.ranges = spec->region.ranges,
		.nr_ranges = spec->region.nr_ranges,
		.control_size = spec->native ? KHO_OFF_TREE : KHO_CONTROL_AREA_SIZE,
		.low_start = spec->low_window,
		.low_size = KHO_LOW_WINDOW_SIZE,
	};

	return kho_e820_build(&e820, &plan->e820, err);
}

static int plan_pgtable(const struct kho_world_spec *spec, struct plan *plan,
			struct kho_err *err)
{
	struct kho_pgtable tables;
	uint64_t end = kho_region_end(&spec->region);
	int r;

	plan->pgtable = (struct kho_pgtable_spec){
		.phys = plan->base + KHO_OFF_PGTABLE,
		.phys_end = spec->phys_end > end ? spec->phys_end : end,
		.use_1g_pages = spec->use_1g_pages,
	};
	r = kho_pgtable_plan(&plan->pgtable, KHO_PGTABLE_SIZE, &tables, err);
	if (r < 0)
		return r;
	plan->world.pml4 = tables.pml4;
	plan->world.pml5 = tables.pml5;
	return 0;
}

static int plan_cpus(const struct kho_world_spec *spec, struct plan *plan, struct kho_err *err)
{
	struct kho_world *world = &plan->world;

	world->mailbox = plan->base + KHO_OFF_MAILBOX;
	world->park_entry = kho_park_entry(plan->base + KHO_OFF_PARK);
	world->boot_entry = kho_boot_stub_entry(plan->base + KHO_OFF_PARK);
	plan->acpi = (struct kho_acpi_spec){
		.phys = plan->base + KHO_OFF_ACPI,
		.cpus = spec->cpus,
		.nr_cpus = spec->nr_cpus,
		.later_cpus = spec->later_cpus,
		.nr_later_cpus = spec->nr_later_cpus,
		.mailbox = world->mailbox,
		.park_entry = world->park_entry,
		.any_boot_cpu = spec->any_boot_cpu,
	};
	return kho_acpi_check_cpus(&plan->acpi, err);
}

static int make_plan(const struct kho_world_spec *spec, size_t size, struct plan *plan,
		     struct kho_err *err)
{
	static int (*const steps[])(const struct kho_world_spec *, struct plan *,
				    struct kho_err *) = {
		plan_cpus, plan_places, plan_cmdline, plan_e820, plan_pgtable,
	};
	int r;

	r = check_spec(spec, size, err);
	if (r < 0)
		return r;
	r = kho_image_parse(spec->kernel, spec->kernel_size, &plan->image, err);
	if (r < 0)
		return r;
	plan->base = spec->region.ranges[0].start;
	plan->world.boot_params = plan->base + KHO_OFF_BOOT_PARAMS;
	plan->world.ram_size = size - KHO_CONTROL_AREA_SIZE;
	memcpy(plan->world.release, plan->image.release, sizeof(plan->world.release));
	for (size_t i = 0; i < KHO_ARRAY_SIZE(steps); i++) {
		r = steps[i](spec, plan, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int kho_world_plan(const struct kho_world_spec *spec, size_t size, struct kho_world *ret,
		   struct kho_err *err)
{
	struct plan plan = { .base = 0 };
	int r;

	r = make_plan(spec, size, &plan, err);
	if (r < 0)
		return r;
	*ret = plan.world;
	return 0;
}

int kho_world_scratch(const struct kho_region *region, const struct kho_world *world,
		      struct mk_range *ret, struct kho_err *err)
{
	const struct mk_range *first = &region->ranges[0];
	uint64_t beside = SCRATCH_MIN + world->ram_size / SCRATCH_SHARE;
	uint64_t start = world->kernel_load / SCRATCH_ALIGN * SCRATCH_ALIGN;
	uint64_t end = first->start + first->size;
	uint64_t wanted = kho_align_up(2 * world->kernel_size + beside, SCRATCH_ALIGN);

	if (world->initrd_load >= first->start && world->initrd_load < end)
		end = world->initrd_load;
	end = end / SCRATCH_ALIGN * SCRATCH_ALIGN;
	if (start + wanted < end)
		end = start + wanted;
	if (start < first->start + KHO_CONTROL_AREA_SIZE || end < start + world->kernel_size ||
	    end - start - world->kernel_size < beside / 2)
		return kho_fail(err, -E2BIG, "region: a kernel with KHO needs %" PRIu64 " MiB beside "
				"its image in the first range, and they aren't there; give the region "
				"more memory in one piece", beside / 2 / (uint64_t)KHO_MIB);
	*ret = (struct mk_range){ start, end - start };
	return 0;
}

static int write_setup_data(const struct kho_world_spec *spec, const struct plan *plan,
			    uint8_t *region, uint64_t *ret_head, struct kho_err *err)
{
	const struct kho_setup_kho kho = {
		.fdt_addr = plan->base + spec->tree_offset,
		.fdt_size = spec->tree_size,
		.scratch_addr = spec->scratch_addr,
		.scratch_size = spec->scratch_size,
	};
	const struct kho_setup_control control = {
		.start = plan->base,
		.keep = KHO_OFF_CONTROL,
		.size = KHO_CONTROL_AREA_SIZE,
	};
	struct kho_setup_chain chain;
	int r;

	memset(region + KHO_OFF_SETUP_DATA, 0, KHO_SETUP_DATA_SIZE);
	kho_setup_chain_init(&chain, region + KHO_OFF_SETUP_DATA, KHO_SETUP_DATA_SIZE,
			     plan->base + KHO_OFF_SETUP_DATA);
	r = kho_setup_chain_add(&chain, KHO_SETUP_TYPE_RNG_SEED, spec->rng_seed,
				sizeof(spec->rng_seed), err);
	if (r < 0)
		return r;
	r = kho_setup_chain_add_clock(&chain, &spec->clock, err);
	if (r < 0)
		return r;
	if (spec->tree_size) {
		r = kho_setup_chain_add(&chain, KHO_SETUP_TYPE_KHO, &kho, sizeof(kho), err);
		if (r < 0)
			return r;
	}
	if (spec->native) {
		r = kho_setup_chain_add_control(&chain, &control, err);
		if (r < 0)
			return r;
	}
	*ret_head = kho_setup_chain_head(&chain);
	return 0;
}

static int write_cpu_parts(const struct plan *plan, uint8_t *region, uint64_t *ret_rsdp,
			   struct kho_err *err)
{
	const struct kho_park_spec park = {
		.page = plan->base + KHO_OFF_PARK,
		.mailbox = plan->world.mailbox,
		.pml4 = plan->world.pml4,
		.pml5 = plan->world.pml5,
		.boot_params = plan->world.boot_params,
		.kernel_entry = plan->world.kernel_load + KHO_IMAGE_ENTRY_64,
	};
	struct kho_pgtable tables;
	int r;

	r = kho_pgtable_build(&plan->pgtable, region + KHO_OFF_PGTABLE, KHO_PGTABLE_SIZE,
			      &tables, err);
	if (r < 0)
		return r;
	memset(region + KHO_OFF_MAILBOX, 0, KHO_MAILBOX_SIZE);
	r = kho_park_build(&park, region + KHO_OFF_PARK, err);
	if (r < 0)
		return r;
	return kho_acpi_build(&plan->acpi, region + KHO_OFF_ACPI, KHO_ACPI_SIZE, ret_rsdp, err);
}

int kho_world_build(const struct kho_world_spec *spec, void *region, size_t size,
		    struct kho_world *ret, struct kho_err *err)
{
	struct plan plan = { .base = 0 };
	struct kho_bootparams_spec boot = { .image = &plan.image, .e820 = &plan.e820 };
	uint8_t *bytes = region;
	int r;

	r = make_plan(spec, size, &plan, err);
	if (r < 0)
		return r;
	r = write_cpu_parts(&plan, bytes, &boot.rsdp, err);
	if (r < 0)
		return r;
	r = write_setup_data(spec, &plan, bytes, &boot.setup_data, err);
	if (r < 0)
		return r;
	boot.cmdline = plan.base + KHO_OFF_CMDLINE;
	boot.initrd = plan.world.initrd_load;
	boot.initrd_size = plan.world.initrd_size;
	memcpy(bytes + KHO_OFF_CMDLINE, plan.cmdline, sizeof(plan.cmdline));
	memcpy(bytes + plan.kernel_offset, plan.image.data + plan.image.setup_size,
	       plan.image.kernel_size);
	memcpy(bytes + plan.initrd_offset, spec->initramfs, spec->initramfs_size);
	r = kho_bootparams_build(&boot, (struct boot_params *)(bytes + KHO_OFF_BOOT_PARAMS), err);
	if (r < 0)
		return r;
	*ret = plan.world;
	return 0;
}
