// SPDX-License-Identifier: GPL-2.0-only
/*
 * No IPI by shorthand, in kernels that can't be asked for that: the operations
 * that may use it are replaced. So are those that stop the others in a panic, since
 * what they'd send is an NMI to all but self.
 */
#include <asm/apic.h>
#include <asm/irq_vectors.h>
#include <asm/smp.h>

#include "mk.h"

static void call_func_by_list(const struct cpumask *mask)
{
	apic->send_IPI_mask(mask, CALL_FUNCTION_VECTOR);
}

void mk_shorthand_off(void)
{
	smp_ops.send_call_func_ipi = call_func_by_list;
	smp_ops.crash_stop_other_cpus = mk_ipi_stop_others;
}

/* smp_ops are the kernel's own again. */
void mk_shorthand_on(void)
{
}

void mk_shorthand_panic(const struct smp_ops *saved)
{
	mk_ipi_stop_others();
}
