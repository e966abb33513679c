// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hangs a kernel for good: every CPU spins with interrupts off. Nothing but INIT
 * gets them out of it, which is what the lab wants to see done.
 */
#include <linux/module.h>
#include <linux/stop_machine.h>

static int spin(void *unused)
{
	local_irq_disable();
	for (;;)
		cpu_relax();
	return 0;
}

static int __init lab_hang_init(void)
{
	pr_emerg("lab_hang: hanging now\n");
	return stop_machine(spin, NULL, cpu_online_mask);
}

module_init(lab_hang_init);
MODULE_DESCRIPTION("Hangs the kernel, for tests");
MODULE_LICENSE("GPL");
