/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether a machine is one that a kernel can be upgraded on, and has what that takes: facts
 * go in, findings come out. Pure; who gathers the facts is agent/preflight.h.
 *
 *	machine (system/machine.h) ---> must not be used at all: khoctl check, spawn, upgrade
 *	room in file systems ---------> khoctl check, spawn, upgrade
 *	CPUs, memory blocks ----------> khoctl check, upgrade; what a spawn does finds out itself
 *	functions and a manifest -----> khoctl check, upgrade
 *
 * A blocker is refused; a warning is only to be known. What isn't known is a warning, unless
 * it's that nothing of the machine can be read.
 */
#ifndef KHO_UPGRADE_PREFLIGHT_H
#define KHO_UPGRADE_PREFLIGHT_H

#include "image/manifest.h"
#include "migrate/workload/inspect.h"
#include "system/cpus.h"
#include "system/machine.h"
#include "system/memplan.h"

void kho_judge_machine(const struct kho_machine *machine, struct kho_findings *findings);

struct kho_room_need {
	const char *path;
	const char *what;		/* it's for, in words */
	uint64_t bytes, inodes;
	bool warning;			/* nothing depends on it now */
};

void kho_judge_room(const struct kho_room *room, const struct kho_room_need *need,
		    struct kho_findings *findings);

/* CPUs that nobody can be lent, though others may do: only warnings. */
void kho_judge_cpus(const struct kho_cpu_list *list, struct kho_findings *findings);

/* What of the machine's memory could be lent at most. */
struct kho_lendable {
	uint64_t available;		/* MemAvailable */
	uint64_t kept;			/* of it by the old kernel, whatever is asked for */
	uint64_t blocks;		/* of those that may go offline */
	uint64_t movable;		/* of those in ZONE_MOVABLE, which nearly always go */
	uint64_t most;			/* bytes that follow from these */
};

/* From what is in @ret->available and @ret->kept. */
void kho_lendable_count(const struct kho_mem_map *map, struct kho_lendable *ret);

/* A function that the new kernel would get. */
struct kho_given {
	char name[KHO_PCI_TEXT];
	bool granted;			/* a workload needs it: else it only comes at the end */
	struct kho_device_needs needs;
};

/*
 * Whether an image has drivers for @nr functions; @where: its folder. Those that only come
 * at the end are one warning; so is a manifest that doesn't say what its image can drive.
 */
void kho_judge_drivers(const struct kho_manifest *manifest, const struct kho_given *given,
		       size_t nr, const char *where, struct kho_findings *findings);

#endif
