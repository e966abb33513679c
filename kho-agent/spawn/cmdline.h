/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The new kernel's command line: what a spawned kernel always needs, then what
 * the operator wants. Ours comes first, so that a "--" in theirs doesn't hide it.
 *
 *	no_ipi_broadcast=1   a broadcast would reach the other kernel's CPUs
 *	pci=off              no probing by port 0xcf8 under the other kernel's feet
 *	tsc_early_khz=N      there's no timer to calibrate the TSC against
 *	tsc=nowatchdog       nor one to watch it by, but the ticks: where some of those are late,
 *	                     as on any busy virtual machine, the kernel would give up its only
 *	                     clock and count ticks from there. And without a watch that it may
 *	                     trust it has no high-resolution timers
 *	maxcpus=N            CPUs that come later stay offline until they come
 *	swiotlb=8192         16 MiB to bounce DMA in, not 64: a region is small, and what it
 *	                     absorbs later can't be used for that. The operator may ask for more
 *	earlycon=memring,A   print to the console ring at A from the first lines on; kernels
 *	                     without kernel/patches/0002 pass it over without a word
 *	any_boot_cpu         there's no CPU in the ACPI tables to be left alone; for kernels with
 *	                     kernel/patches/0003 only
 *	kho=on               the kernel has KHO, and memory that the tree is to keep: it would use
 *	                     that memory for anything. Not for other kernels
 */
#ifndef KHO_SPAWN_CMDLINE_H
#define KHO_SPAWN_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kho_err;

struct kho_cmdline_spec {
	const char *user;		/* may be NULL; spaces and newlines at its end are cut */
	const char *extra;		/* further options of the agent, may be NULL */
	uint32_t tsc_khz;
	size_t nr_cpus;			/* the new kernel's own */
	uint64_t console;		/* physical address of the ring that it prints to */
	bool native;			/* it takes the tree in by itself */
	bool any_boot_cpu;		/* it knows that option */
	size_t limit;			/* longest text the kernel takes, without NUL */
};

/*
 * Writes the text and its NUL to @ret.
 *
 * -EINVAL  control characters, an unfinished quotation, or no TSC frequency
 * -EEXIST  an option that is set here was given as well
 * -E2BIG   longer than the kernel or @size allows
 */
int kho_cmdline_build(const struct kho_cmdline_spec *spec, char *ret, size_t size,
		      struct kho_err *err);

#endif
