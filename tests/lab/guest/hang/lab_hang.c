// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hangs a kernel for good: every CPU spins with interrupts off. Nothing but INIT
 * gets them out of it, which is what the lab wants to see done.
 *
 * With then_panic=1 one of them does so, and another one panics: nothing but an NMI
 * stops the first one then.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/smp.h>
#include <linux/stop_machine.h>

static bool then_panic;
module_param(then_panic, bool, 0);

static int spin(void *unused)
{
	local_irq_disable();
	for (;;)
		cpu_relax();
	return 0;
}

static void spin_alone(void *unused)
{
	spin(NULL);
}

static void panic_beside_one(void)
{
	int cpu = get_cpu();

	smp_call_function_single(cpumask_any_but(cpu_online_mask, cpu), spin_alone, NULL, 0);
	mdelay(100);
	panic("lab_hang: beside a CPU with interrupts off");
}

static int __init lab_hang_init(void)
{
	if (then_panic)
		panic_beside_one();
	pr_emerg("lab_hang: hanging now\n");
	return stop_machine(spin, NULL, cpu_online_mask);
}

module_init(lab_hang_init);
MODULE_DESCRIPTION("Hangs the kernel, for tests");
MODULE_LICENSE("GPL");
