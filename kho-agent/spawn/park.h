/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The park page: code for CPUs that are between two kernels.
 *
 * Parked CPUs wait in a loop for the ACPI wakeup mailbox to name them; so a CPU
 * that the old kernel gave up, one that the new kernel offlined, and the machine's
 * boot CPU are all woken the same way, without INIT. The boot stub is how the new
 * kernel's first CPU enters Linux. park.S says how both work.
 *
 * Entered in 64-bit mode, interrupts off or on, on any page tables that map the
 * page to itself. Nothing else is asked of the caller, registers included.
 */
#ifndef KHO_SPAWN_PARK_H
#define KHO_SPAWN_PARK_H

#include <stdint.h>

struct kho_err;

/* All physical. */
struct kho_park_spec {
	uint64_t page;			/* where it will run; page aligned */
	uint64_t mailbox;		/* ACPI wakeup mailbox, page aligned */
	uint64_t pml4;			/* identity page tables, 4 and 5 levels; */
	uint64_t pml5;			/* page aligned, may be above 4 GiB */
	uint64_t boot_params;
	uint64_t kernel_entry;		/* 64-bit entry of the loaded kernel */
};

/*
 * Writes all KHO_PARK_SIZE bytes of @page.
 * -EINVAL: an address is missing or not aligned.
 */
int kho_park_build(const struct kho_park_spec *spec, void *page, struct kho_err *err);

/* Physical addresses of the two entries of a park page at @page. */
uint64_t kho_park_entry(uint64_t page);
uint64_t kho_boot_stub_entry(uint64_t page);

#endif
