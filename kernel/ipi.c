// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keeping interprocessor interrupts at home.
 *
 * A local APIC's shorthand "all but self" reaches every CPU of the machine, the
 * other kernel's included. A stray reschedule or function call does nothing
 * there; a stray reboot vector or NMI stops it. So while the module is loaded
 * all goes through destination lists (shorthand_*.c). (A spawned kernel has
 * no_ipi_broadcast=1 on its command line as well, for the time before the module
 * comes.)
 *
 * Stopping the other CPUs is also the last thing an orderly shutdown does
 * before it would reset the machine, after all drivers are quiet. That makes it
 * the place where a kernel that retires leaves, and where one that may not reset
 * the machine stops.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/reboot.h>
#include <linux/smp.h>
#include <asm/apic.h>
#include <asm/irq_vectors.h>
#include <asm/smp.h>

#include "mk.h"

#define ICR_IDLE_US	100000
#define STOP_TIMEOUT_US	1000000

static struct smp_ops saved;

/*
 * The xAPIC's ICR is two registers and busy until the message is accepted; an
 * interrupt between them could use it, too.
 */
void mk_icr_write(u32 low, u32 apic_id)
{
	unsigned long flags;

	local_irq_save(flags);
	if (!x2apic_enabled())
		for (int us = 0; us < ICR_IDLE_US && apic->read(APIC_ICR) & APIC_ICR_BUSY; us++)
			udelay(1);
	apic->icr_write(low, apic_id);
	local_irq_restore(flags);
}

static void send_to_others(const struct cpumask *mask, int vector)
{
	int cpu, self = smp_processor_id();

	for_each_cpu(cpu, mask)
		if (cpu != self && cpu_online(cpu))
			apic->send_IPI(cpu, vector);
}

/* A stopped CPU takes itself off the online mask. */
void mk_ipi_stop_others(void)
{
	send_to_others(cpu_online_mask, REBOOT_VECTOR);
	for (int us = 0; us < STOP_TIMEOUT_US && num_online_cpus() > 1; us++)
		udelay(1);
}

static bool machine_is_shared(void)
{
	return mk_is_spawned() && !mk_absorb_is_sole() && !mk_link_peer_retired();
}

/*
 * @wait is set on the way to a restart or power-off, and clear in a panic,
 * which goes on with its own messages afterwards.
 */
static void stop_or_leave(int wait)
{
	if (!wait) {
		mk_shorthand_panic(&saved);
		return;
	}
	mk_ipi_stop_others();
	local_irq_disable();
	if (system_state == SYSTEM_RESTART && mk_retire_armed())
		mk_retire_now();
	if (machine_is_shared()) {
		pr_emerg("the machine isn't this kernel's to reset or switch off: stopped\n");
		mk_link_set_state(MK_STATE_STOPPED);
		for (;;)
			asm volatile("cli; hlt");
	}
	if (system_state == SYSTEM_RESTART && mk_is_spawned())
		mk_power_reset();
}

int mk_ipi_init(void)
{
	saved = smp_ops;
	smp_ops.stop_other_cpus = stop_or_leave;
	mk_shorthand_off();
	return 0;
}

void mk_ipi_exit(void)
{
	smp_ops = saved;
	mk_shorthand_on();
}
