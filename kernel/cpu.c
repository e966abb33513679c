// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lending CPUs.
 *
 *	        START                      (INIT-SIPI or mailbox)
 *	OFFLINE -------> LENT    runs the other kernel; onlining is refused
 *	   ^  ^           |  |
 *	   |  +-----------+  |
 *	   |      STOP       |   (INIT: whatever it did, it does no more)
 *	   +-----------------+
 *	           PARK          waits in a park loop; counts as offline
 *
 * A CPU hotplug callback keeps lent CPUs from being onlined: an INIT from this
 * kernel's own bring-up would pull them out from under the other one.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/module.h>
#include <linux/smp.h>
#include <asm/apic.h>
#include <asm/msr.h>

#include "mk.h"

#define TIMEOUT_MAX_MS	10000
#define NO_APIC_ID	(~0u)

/* region a CPU is lent to, by CPU number; 0: not lent */
static u32 lent_to[NR_CPUS];
/* APIC id of the machine's boot CPU, once it was seen online here */
static u32 boot_apic_id = NO_APIC_ID;
static enum cpuhp_state hotplug_state;

static int cpu_of(u32 apic_id)
{
	int cpu;

	for_each_present_cpu(cpu)
		if (cpu_physical_id(cpu) == apic_id)
			return cpu;
	return -ENOENT;
}

static int check_entry(const struct mk_cpu_start *req)
{
	if (req->flags & ~MK_CPU_MAILBOX || !req->timeout_ms || req->timeout_ms > TIMEOUT_MAX_MS)
		return -EINVAL;
	if (!mk_region_holds(req->region, req->entry, 1))
		return -ERANGE;
	if (req->flags & MK_CPU_MAILBOX)
		return mk_regions_hold(req->mailbox, PAGE_SIZE) ? 0 : -ERANGE;
	if (!mk_region_holds(req->region, req->pgtable, PAGE_SIZE))
		return -ERANGE;
	return req->apic_id == boot_apic_id ? -EPERM : 0;
}

/* Hotplug is held off meanwhile: the low trampoline belongs to us, too. */
static int make_jump(const struct mk_cpu_start *req, int cpu)
{
	int ret = -EBUSY;

	cpus_read_lock();
	if (!cpu_online(cpu))
		ret = req->flags & MK_CPU_MAILBOX ? mk_start_by_mailbox(req) :
						    mk_start_by_init(req);
	cpus_read_unlock();
	return ret;
}

static void set_lent(int cpu, u32 region)
{
	WRITE_ONCE(lent_to[cpu], region);
	mk_region_pin(region);
	__module_get(THIS_MODULE);
}

static void clear_lent(int cpu)
{
	mk_region_unpin(lent_to[cpu]);
	WRITE_ONCE(lent_to[cpu], 0);
	module_put(THIS_MODULE);
}

int mk_cpu_start(void *arg)
{
	const struct mk_cpu_start *req = arg;
	int cpu = cpu_of(req->apic_id), ret;

	if (cpu < 0)
		return cpu;
	ret = check_entry(req);
	if (ret)
		return ret;
	if (cpu_online(cpu) || lent_to[cpu])
		return -EBUSY;
	set_lent(cpu, req->region);
	ret = make_jump(req, cpu);
	if (ret)
		clear_lent(cpu);
	return ret;
}

int mk_cpu_park(void *arg)
{
	const struct mk_cpu_start *req = arg;
	int cpu = cpu_of(req->apic_id), ret;

	if (cpu < 0)
		return cpu;
	ret = check_entry(req);
	if (ret)
		return ret;
	if (cpu_online(cpu))
		return -EBUSY;
	ret = make_jump(req, cpu);
	if (!ret && lent_to[cpu])
		clear_lent(cpu);
	return ret;
}

int mk_cpu_stop(void *arg)
{
	const struct mk_cpu *req = arg;
	int cpu = cpu_of(req->apic_id);

	if (cpu < 0)
		return cpu;
	if (!lent_to[cpu])
		return -EINVAL;
	if (req->apic_id == boot_apic_id)
		return -EPERM;
	mk_send_init(req->apic_id);
	clear_lent(cpu);
	return 0;
}

int mk_cpu_state(void *arg)
{
	struct mk_cpu *req = arg;
	int cpu = cpu_of(req->apic_id);

	if (cpu < 0)
		return cpu;
	req->cpu = cpu;
	req->region = lent_to[cpu];
	req->state = cpu_online(cpu) ? MK_CPU_ONLINE : lent_to[cpu] ? MK_CPU_LENT : MK_CPU_OFFLINE;
	return 0;
}

unsigned int mk_cpu_nr_lent(void)
{
	unsigned int nr = 0;
	int cpu;

	for_each_present_cpu(cpu)
		nr += !!lent_to[cpu];
	return nr;
}

void mk_cpu_describe(struct mk_info *info)
{
	info->boot_apic_id = boot_apic_id;
	info->nr_lent_cpus = mk_cpu_nr_lent();
}

static int going_online(unsigned int cpu)
{
	return READ_ONCE(lent_to[cpu]) ? -EBUSY : 0;
}

/* Runs on the CPU itself. */
static void look_for_boot_flag(void *unused)
{
	u32 low, high;

	rdmsr(MSR_IA32_APICBASE, low, high);
	if (low & MSR_IA32_APICBASE_BSP)
		WRITE_ONCE(boot_apic_id, cpu_physical_id(smp_processor_id()));
}

static int came_online(unsigned int cpu)
{
	look_for_boot_flag(NULL);
	return 0;
}

static enum cpuhp_state online_state;

int mk_cpu_init(void)
{
	int ret = cpuhp_setup_state_nocalls(CPUHP_BP_PREPARE_DYN, "multikernel:prepare",
					    going_online, NULL);

	if (ret < 0)
		return ret;
	hotplug_state = ret;
	/* called for the CPUs that are online already, too */
	ret = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "multikernel:online", came_online, NULL);
	if (ret < 0) {
		cpuhp_remove_state_nocalls(hotplug_state);
		return ret;
	}
	online_state = ret;
	return 0;
}

void mk_cpu_exit(void)
{
	cpuhp_remove_state_nocalls(online_state);
	cpuhp_remove_state_nocalls(hotplug_state);
}
