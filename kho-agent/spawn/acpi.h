/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ACPI tables for a kernel that owns CPUs and memory and nothing else.
 *
 *	0x000 RSDP   0x040 XSDT   0x080 FADT   0x1a0 DSDT   0x200 MADT ...
 *
 * The FADT says "hardware-reduced": no PIC, PIT, IO-APIC, CMOS clock or VGA, for
 * those are the other kernel's. The DSDT is empty. The MADT lists every CPU of
 * the machine and, in place of INIT and SIPI, a mailbox by which parked CPUs are
 * woken and to which offlined ones return (Multiprocessor Wakeup structure).
 */
#ifndef KHO_SPAWN_ACPI_H
#define KHO_SPAWN_ACPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uapi/multikernel.h>

struct kho_err;

#define KHO_ACPI_MAX_CPUS	512

struct kho_acpi_spec {
	uint64_t phys;			/* of the area; page aligned */
	const uint32_t *cpus;		/* APIC ids of the new kernel's own CPUs, */
	size_t nr_cpus;			/* the one it boots on first */
	const uint32_t *later_cpus;	/* those it may get when the old kernel retires */
	size_t nr_later_cpus;
	uint64_t mailbox;		/* physical, 4 KiB aligned */
	uint64_t park_entry;		/* physical: where offlined CPUs go */
	const struct mk_power *power;	/* how to reset the machine; NULL: it can't */
	bool any_boot_cpu;		/* the kernel is told that it may have been booted on any */
};

/*
 * Builds all tables in @area; what's behind them is zeroed. @ret_rsdp is the
 * physical address for boot_params.
 *
 * -EINVAL  no CPU, an impossible APIC id, or one twice
 * -E2BIG   more than KHO_ACPI_MAX_CPUS CPUs
 * -ENOSPC  the tables don't fit @size
 */
int kho_acpi_build(const struct kho_acpi_spec *spec, void *area, size_t size,
		   uint64_t *ret_rsdp, struct kho_err *err);

/* The checks of kho_acpi_build() that concern CPUs: -EINVAL, -E2BIG. */
int kho_acpi_check_cpus(const struct kho_acpi_spec *spec, struct kho_err *err);

#endif
