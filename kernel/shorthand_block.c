// SPDX-License-Identifier: GPL-2.0-only
/*
 * No IPI by shorthand, where the kernel can be asked for that (kernel/patches/0001).
 *
 * Then all that the kernel does by itself to stop other CPUs is right as it is: in a
 * panic those that don't react get an NMI, and kdump gets their registers.
 *
 * shorthand_lists.c stands in for this file in all other kernels.
 */
#include <asm/apic.h>
#include <asm/smp.h>

#include "mk.h"

void mk_shorthand_off(void)
{
	apic_block_ipi_shorthand();
}

void mk_shorthand_on(void)
{
	apic_unblock_ipi_shorthand();
}

void mk_shorthand_panic(const struct smp_ops *saved)
{
	saved->stop_other_cpus(0);
}
