/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * setup_data: a chain of records that boot_params points to. Linux shows each
 * one under /sys/kernel/boot_params/setup_data/N/{type,data}, whatever its type,
 * which is how the new kernel's agent finds ours.
 *
 *	 0         8       12       16
 *	+---------+--------+--------+----------+
 *	| next    | type   | length | data ... |	records start on 16-byte boundaries
 *	+---------+--------+--------+----------+
 *
 * Clock record (type KHO_SETUP_TYPE_CLOCK): one instant, in three clocks.
 *
 *	 0        4         8      16        24        32        36       40
 *	+--------+---------+------+---------+---------+---------+--------+
 *	| magic  | version | tsc  | real ns | mono ns | tsc kHz | crc32c |
 *	+--------+---------+------+---------+---------+---------+--------+
 *
 * Control record (type KHO_SETUP_TYPE_CONTROL), for a kernel that takes the tree in by
 * itself: where the control area is, since the memory map calls only its start reserved.
 *
 *	 0        4         8       16      24      32    36       40
 *	+--------+---------+-------+-------+-------+-----+--------+
 *	| magic  | version | start | keep  | size  |  0  | crc32c |
 *	+--------+---------+-------+-------+-------+-----+--------+
 *
 * All integers are little-endian; the CRC covers the 36 bytes before it.
 */
#ifndef KHO_SPAWN_SETUP_DATA_H
#define KHO_SPAWN_SETUP_DATA_H

#include <stddef.h>
#include <stdint.h>

struct kho_err;

#define KHO_SETUP_TYPE_RNG_SEED	9		/* Linux: SETUP_RNG_SEED */
#define KHO_SETUP_TYPE_KHO	10		/* Linux: SETUP_KEXEC_KHO */
#define KHO_SETUP_TYPE_CLOCK	0x4d4b		/* ours */

#define KHO_SETUP_TYPE_CONTROL	0x4d4c		/* ours */

#define KHO_SETUP_CONTROL_MAGIC	0x41434b4du	/* "MKCA" */
#define KHO_SETUP_CONTROL_VERSION 1
#define KHO_SETUP_CLOCK_MAGIC	0x4b434b4du	/* "MKCK" */
#define KHO_SETUP_CLOCK_VERSION	1

/* Linux's struct kho_data. */
struct kho_setup_kho {
	uint64_t fdt_addr;		/* physical, page aligned */
	uint64_t fdt_size;		/* bytes */
	uint64_t scratch_addr;		/* physical: array of {u64 address, u64 size} */
	uint64_t scratch_size;		/* bytes of that array */
};

struct kho_setup_clock {
	uint64_t tsc;
	int64_t realtime_ns;		/* CLOCK_REALTIME at that TSC */
	int64_t monotonic_ns;		/* CLOCK_MONOTONIC of the old kernel at that TSC */
	uint32_t tsc_khz;
};

/* Physical address and bytes, page aligned. */
struct kho_setup_control {
	uint64_t start;
	uint64_t keep;			/* from start: what a kernel needs for as long as it runs */
	uint64_t size;			/* of all; what's behind keep only serves the link */
};

/* A chain under construction in @area, which the new kernel sees at @phys. */
struct kho_setup_chain {
	uint8_t *area;			/* the caller's */
	size_t size;			/* bytes of @area */
	uint64_t phys;			/* multiple of 16 */
	size_t used;			/* bytes */
	size_t last;			/* offset of the last record */
};

void kho_setup_chain_init(struct kho_setup_chain *chain, void *area, size_t size, uint64_t phys);

/* Appends a record; the data is copied. -ENOSPC: no room, nothing was written. */
int kho_setup_chain_add(struct kho_setup_chain *chain, uint32_t type, const void *data,
			size_t size, struct kho_err *err);

/* Encodes @clock and appends it. */
int kho_setup_chain_add_clock(struct kho_setup_chain *chain, const struct kho_setup_clock *clock,
			      struct kho_err *err);

/* Likewise @control. */
int kho_setup_chain_add_control(struct kho_setup_chain *chain,
				const struct kho_setup_control *control, struct kho_err *err);

/* Physical address of the first record, 0: there's none. */
uint64_t kho_setup_chain_head(const struct kho_setup_chain *chain);

/*
 * Readers of a record's data, as found in sysfs.
 *
 * -EBADMSG          wrong size, magic or CRC, or values that can't be
 * -EPROTONOSUPPORT  a clock or control record of another version
 */
int kho_setup_clock_parse(const void *data, size_t size, struct kho_setup_clock *ret,
			  struct kho_err *err);
int kho_setup_kho_parse(const void *data, size_t size, struct kho_setup_kho *ret,
			struct kho_err *err);
int kho_setup_control_parse(const void *data, size_t size, struct kho_setup_control *ret,
			    struct kho_err *err);

#endif
