/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the old kernel tells the new one, as one structure.
 *
 * tree.h writes it into a region and reads it back; this file says what it means
 * and what is allowed in it. kho_handover_check() holds for both directions: what
 * the builder accepts is what the reader gives, and nothing else.
 *
 * Addresses are physical, sizes are bytes, region offsets count through the
 * region's ranges in their order. Arrays hold their first nr_... elements.
 */
#ifndef KHO_SPAWN_HANDOVER_H
#define KHO_SPAWN_HANDOVER_H

#include <stdint.h>
#include <uapi/multikernel.h>

#include "base/err.h"
#include "base/parse.h"

/*
 * Version of what is in the tree. A reader takes any minor of its own major: it
 * ignores what it doesn't know, and a higher minor only ever adds.
 */
#define KHO_HANDOVER_MAJOR		1
#define KHO_HANDOVER_MINOR		0

#define KHO_HANDOVER_MAX_ARENAS		32
#define KHO_HANDOVER_MAX_CPUS		512	/* own and later ones together */
#define KHO_HANDOVER_MAX_LOW		4
#define KHO_HANDOVER_MAX_RAM		128
#define KHO_HANDOVER_MAX_ECAM		16
#define KHO_HANDOVER_NAME_SIZE		32	/* terminator included */
#define KHO_HANDOVER_TEXT_SIZE		65	/* as struct utsname's fields */

/*
 * A part of the region with one purpose: what layout.h calls status page, console
 * ring, control lane. Page aligned, within one range, overlapping no other.
 * Names: "status-old", "status-new", "owners", "console-out", "console-in",
 * "control-0" (old to new), "control-1", "bulk-0", "bulk-1", "park", "mailbox".
 * Others may come; nobody minds those he doesn't know.
 */
struct kho_handover_arena {
	char name[KHO_HANDOVER_NAME_SIZE];	/* a-z, 0-9, '-'; starts with a letter */
	uint64_t offset;		/* region offset */
	uint64_t size;
};

/* A pair of clocks beside the TSC, which both kernels read alike. */
struct kho_handover_clock {
	uint64_t tsc;
	int64_t realtime_ns;		/* since 1970-01-01 UTC */
	int64_t monotonic_ns;		/* of the old kernel */
	uint64_t window;		/* ticks; tsc is right to half of this */
	uint32_t tsc_khz;		/* never 0 */
};

/* A piece of the machine's memory, as its firmware reported it. */
struct kho_handover_ram {
	uint64_t start;
	uint64_t size;
	uint32_t type;			/* as in e820: 1 is RAM */
	uint32_t reserved;		/* 0 */
};

/* A PCI segment's configuration space (ACPI MCFG). */
struct kho_handover_ecam {
	uint64_t address;		/* of bus 0, even if start_bus isn't */
	uint16_t domain;
	uint8_t start_bus;
	uint8_t end_bus;		/* inclusive */
	uint32_t reserved;		/* 0 */
};

struct kho_handover {
	uint32_t major;			/* set by the reader, ignored by the builder */
	uint32_t minor;

	uint8_t upgrade_id[KHO_UUID_SIZE];
	uint64_t epoch;			/* of ownership */
	uint32_t instance;		/* place in the chain: 0 was booted by firmware */
	char source_release[KHO_HANDOVER_TEXT_SIZE];	/* old kernel's uname -r */
	char source_agent[KHO_HANDOVER_TEXT_SIZE];	/* old agent's version */

	uint32_t nr_ranges;		/* 1 or more; the region, in its order */
	struct mk_range ranges[MK_MAX_RANGES];
	uint32_t nr_arenas;
	struct kho_handover_arena arenas[KHO_HANDOVER_MAX_ARENAS];

	uint32_t boot_apic_id;		/* the machine's boot CPU, ~0: unknown */
	uint32_t nr_own_cpus;		/* 1 or more; the first one boots */
	uint32_t own_cpus[KHO_HANDOVER_MAX_CPUS];	/* APIC ids */
	uint32_t nr_later_cpus;		/* those the old kernel keeps for now */
	uint32_t later_cpus[KHO_HANDOVER_MAX_CPUS];

	struct mk_range low_own;	/* window below 1 MiB */
	uint32_t nr_low_later;		/* windows for kernels this one may spawn */
	struct mk_range low_later[KHO_HANDOVER_MAX_LOW];

	struct kho_handover_clock clock;
	struct mk_power power;
	uint32_t nr_ram;
	struct kho_handover_ram ram[KHO_HANDOVER_MAX_RAM];
	uint32_t nr_ecam;
	struct kho_handover_ecam ecam[KHO_HANDOVER_MAX_ECAM];
};

/*
 * Whether all of it makes sense: counts, alignment, bounds, overlaps, texts.
 * 0, or -EINVAL and a message that names what doesn't.
 */
int kho_handover_check(const struct kho_handover *handover, struct kho_err *err);

/*
 * Add what the machine has. -E2BIG: more than fits; that's a machine that can't be
 * upgraded, since the new kernel would never get the rest.
 */
int kho_handover_add_ram(struct kho_handover *handover, uint64_t start, uint64_t size,
			 struct kho_err *err);
int kho_handover_add_ecam(struct kho_handover *handover, const struct kho_handover_ecam *ecam,
			  struct kho_err *err);

/* NULL if there's none of that name. */
const struct kho_handover_arena *kho_handover_arena(const struct kho_handover *handover,
						    const char *name);

/* The physical address of a region offset, or ~0 if it's outside. */
uint64_t kho_handover_phys(const struct kho_handover *handover, uint64_t offset);

#endif
