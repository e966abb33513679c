// SPDX-License-Identifier: GPL-2.0-only
/* Judgement of facts about a machine; preflight.h has the contract. */
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "image/modules.h"
#include "upgrade/preflight.h"

#define MIN_MAJOR	6
#define MIN_MINOR	12

/* ---- the machine ---- */

static void judge_version(const struct kho_machine *machine, struct kho_findings *findings)
{
	unsigned int major, minor;

	if (!kho_release_numbers(machine->release, &major, &minor))
		kho_found_warning(findings, KHO_FINDING_KERNEL_VERSION, "", "this kernel's release "
				  "\"%.40s\" doesn't begin with its version; %d.%d is needed",
				  machine->release, MIN_MAJOR, MIN_MINOR);
	else if (major < MIN_MAJOR || (major == MIN_MAJOR && minor < MIN_MINOR))
		kho_found(findings, KHO_FINDING_KERNEL_VERSION, 0, "", "this kernel is %.40s: before "
			  "%d.%d interrupts between CPUs may be answered by both kernels'",
			  machine->release, MIN_MAJOR, MIN_MINOR);
}

/* "tsc-early" is the same in the first seconds of a kernel. */
static void judge_clock(const struct kho_machine *machine, struct kho_findings *findings)
{
	bool in_use = strcmp(machine->clocksource, "tsc") == 0 ||
		      strcmp(machine->clocksource, "tsc-early") == 0;

	if (!in_use)
		kho_found(findings, KHO_FINDING_CLOCK, 0, "",
			  "the clocksource in use is %.40s, not tsc, which is the only one that a "
			  "spawned kernel has",
			  *machine->clocksource ? machine->clocksource : "not known");
	else if (!machine->constant_tsc || !machine->nonstop_tsc)
		kho_found_warning(findings, KHO_FINDING_CLOCK, "",
				  "the TSC is in use, but CPUs don't say that it's invariant (no%s%s)",
				  machine->constant_tsc ? "" : " constant_tsc",
				  machine->nonstop_tsc ? "" : " nonstop_tsc");
}

static void judge_iommu(const struct kho_machine *machine, struct kho_findings *findings)
{
	const char *table = machine->has_dmar ? " (by the table DMAR)" :
			    machine->has_ivrs ? " (by the table IVRS)" : "";

	if (machine->nr_iommus)
		kho_found(findings, KHO_FINDING_IOMMU, 0, machine->iommu,
			  "%u IOMMU%s in use%s, and the new kernel doesn't know of any",
			  machine->nr_iommus, machine->nr_iommus == 1 ? " is" : "s are", table);
	if (machine->remapped)
		kho_found(findings, KHO_FINDING_INTERRUPT_REMAPPING, 0, "/proc/interrupts",
			  "interrupts are remapped%s, and the new kernel can't do that", table);
}

static void judge_restart(const struct kho_machine *machine, struct kho_findings *findings)
{
	if (machine->reboot_force)
		kho_found(findings, KHO_FINDING_REBOOT_FORCE, 0, "", "reboot=force: a restart of "
			  "this kernel doesn't stop CPUs first, so it would reset the machine "
			  "instead of retiring");
	if (machine->kexec_loaded)
		kho_found(findings, KHO_FINDING_KEXEC, 0, "", "a kernel is loaded for kexec, which "
			  "systemctl reboot, and so retirement, would boot over the new one");
	if (machine->crash_loaded)
		kho_found_warning(findings, KHO_FINDING_KDUMP, "", "a kernel for crash dumps is "
				  "loaded: a dump would lack registers, and booting it ends the "
				  "new kernel, too");
}

/* A module that is loaded was let in; the next agent may have to load it again. */
static void judge_trust(const struct kho_machine *machine, struct kho_findings *findings)
{
	static const char *const modes[] = {
		[KHO_LOCKDOWN_NONE] = "none",
		[KHO_LOCKDOWN_INTEGRITY] = "integrity",
		[KHO_LOCKDOWN_CONFIDENTIALITY] = "confidentiality",
	};
	const struct kho_trust *trust = &machine->trust;

	if (!machine->module_loaded && trust->signed_modules)
		kho_found(findings, KHO_FINDING_LOCKDOWN, 0, "multikernel.ko",
			  "it isn't loaded, and this kernel takes signed modules only (lockdown: %s)",
			  modes[trust->lockdown]);
	else if (!machine->module_loaded)
		kho_found(findings, KHO_FINDING_MODULE, 0, "multikernel.ko", "it isn't loaded");
	else if (trust->lockdown != KHO_LOCKDOWN_NONE)
		kho_found_warning(findings, KHO_FINDING_LOCKDOWN, "/sys/kernel/security/lockdown",
				  "this kernel is locked down (%s): multikernel.ko is loaded now, and "
				  "would be refused later unless it's signed", modes[trust->lockdown]);
}

void kho_judge_machine(const struct kho_machine *machine, struct kho_findings *findings)
{
	judge_version(machine, findings);
	judge_clock(machine, findings);
	judge_iommu(machine, findings);
	judge_restart(machine, findings);
	judge_trust(machine, findings);
}

/* ---- room ---- */

static void too_little(const struct kho_room_need *need, struct kho_findings *findings,
		       const char *cause)
{
	if (need->warning)
		kho_found_warning(findings, KHO_FINDING_SPACE, need->path, "%s", cause);
	else
		kho_found(findings, KHO_FINDING_SPACE, 0, need->path, "%s", cause);
}

void kho_judge_room(const struct kho_room *room, const struct kho_room_need *need,
		    struct kho_findings *findings)
{
	char cause[KHO_FINDING_CAUSE];

	if (room->known && room->bytes < need->bytes) {
		snprintf(cause, sizeof(cause), "%llu KiB are free, %s takes %llu",
			 (unsigned long long)(room->bytes / KHO_KIB), need->what,
			 (unsigned long long)(need->bytes / KHO_KIB));
		too_little(need, findings, cause);
	}
	if (room->known && room->has_inodes && room->inodes < need->inodes) {
		snprintf(cause, sizeof(cause), "%llu inodes are free, %s takes %llu",
			 (unsigned long long)room->inodes, need->what,
			 (unsigned long long)need->inodes);
		too_little(need, findings, cause);
	}
}

/* ---- CPUs and memory ---- */

static void warn_of(const struct kho_cpus *cpus, const char *cause, struct kho_findings *findings)
{
	char text[KHO_CPUS_TEXT], where[48];

	if (!kho_cpus_count(cpus))
		return;
	kho_cpus_format(cpus, text, sizeof(text));
	snprintf(where, sizeof(where), "CPUs %.40s", text);
	kho_found_warning(findings, KHO_FINDING_CPUS, where, "%s", cause);
}

void kho_judge_cpus(const struct kho_cpu_list *list, struct kho_findings *findings)
{
	struct kho_cpus offline = {}, fixed = {};

	for (const struct kho_cpu *cpu = list->cpus; cpu < list->cpus + list->nr; cpu++) {
		if (!cpu->online)
			kho_cpus_add(&offline, cpu->cpu);
		else if (!cpu->hotpluggable && cpu->cpu != 0)
			kho_cpus_add(&fixed, cpu->cpu);
	}
	warn_of(&offline, "offline already: they can't be lent, and stay offline in the new kernel "
		"until somebody wants them", findings);
	warn_of(&fixed, "this kernel has no switch to offline them, so they can't be lent",
		findings);
}

void kho_lendable_count(const struct kho_mem_map *map, struct kho_lendable *ret)
{
	uint64_t spare = ret->available > ret->kept ? ret->available - ret->kept : 0;
	size_t movable;

	ret->blocks = kho_memplan_count(map, &movable) * map->block_size;
	ret->movable = movable * map->block_size;
	spare -= spare % map->block_size;
	ret->most = spare < ret->blocks ? spare : ret->blocks;
}

/* ---- drivers ---- */

static bool has_module(const struct kho_manifest *manifest, const char *name)
{
	char wanted[KHO_MODULES_NAME], plain[KHO_MODULES_NAME];

	if (!kho_modules_plain_name(name, wanted))
		return false;
	if (kho_strset_find(&manifest->builtin, wanted) != KHO_STRSET_NONE)
		return true;
	for (size_t i = 0; i < manifest->modules.nr; i++)
		if (kho_modules_plain_name(manifest->modules.items[i].text, plain) &&
		    strcmp(plain, wanted) == 0)
			return true;
	return false;
}

/*
 * By its patterns, or because the driver that has it here is there as well: some kernels
 * (6.12) have no patterns of what's built into them.
 */
static bool is_driven(const struct kho_manifest *manifest, const struct kho_device_need *need)
{
	for (size_t i = 0; i < manifest->devices.nr; i++)
		if (kho_modules_alias_fits(manifest->devices.items[i].text, need->modalias))
			return true;
	return *need->driver && has_module(manifest, need->driver);
}

/* The first thing on a function that has no driver there; NULL: all is well. */
static const struct kho_device_need *find_undriven(const struct kho_manifest *manifest,
						   const struct kho_given *given)
{
	const struct kho_device_need *need = given->needs.list;

	for (; need < given->needs.list + given->needs.nr; need++)
		/* what nobody drives here isn't missed at the end */
		if ((given->granted || *need->driver) && !is_driven(manifest, need))
			return need;
	return NULL;
}

static const char *driver_of(const struct kho_device_need *need)
{
	return *need->driver ? need->driver : "none";
}

/* "0000:00:03.0 (virtio_rng), ..." of those that come at the end: how many they are. */
static size_t list_undriven(const struct kho_manifest *manifest, const struct kho_given *given,
			    size_t nr, char *text, size_t size)
{
	const struct kho_device_need *need;
	size_t used = 0, found = 0;

	for (size_t i = 0; i < nr; i++) {
		need = given[i].granted ? NULL : find_undriven(manifest, &given[i]);
		if (!need)
			continue;
		if (used < size)
			used += (size_t)snprintf(text + used, size - used, "%s%s (%s)",
						 found ? ", " : "", given[i].name, driver_of(need));
		found++;
	}
	return found;
}

void kho_judge_drivers(const struct kho_manifest *manifest, const struct kho_given *given,
		       size_t nr, const char *where, struct kho_findings *findings)
{
	const struct kho_device_need *need;
	char text[128];
	size_t found;

	if (!manifest->has_devices) {
		kho_found_warning(findings, KHO_FINDING_IMAGE_DRIVER, where, "which devices it has "
				  "drivers for isn't known: it was built by an older khoctl");
		return;
	}
	for (size_t i = 0; i < nr; i++) {
		need = given[i].granted ? find_undriven(manifest, &given[i]) : NULL;
		if (need)
			kho_found(findings, KHO_FINDING_IMAGE_DRIVER, 0, where, "has no driver for "
				  "%s, which moves with a workload (%.80s, here: %s)",
				  given[i].name, need->modalias, driver_of(need));
	}
	found = list_undriven(manifest, given, nr, text, sizeof(text));
	if (found)
		kho_found_warning(findings, KHO_FINDING_IMAGE_DRIVER, where, "has no driver for %zu "
				  "function%s that it gets when this kernel retires: %s", found,
				  found == 1 ? "" : "s", text);
}
