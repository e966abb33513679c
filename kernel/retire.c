// SPDX-License-Identifier: GPL-2.0-only
/*
 * Retirement: this kernel's last act.
 *
 * Armed, the next orderly restart ends here instead of in a machine reset
 * (ipi.c): user space is gone, file systems are unmounted, every driver has shut
 * down. What may still make noise is silenced, the peer is told, and this CPU,
 * the last one, leaves for the park loop in the peer's memory. It can't be
 * stopped by INIT like the others: it may be the machine's boot CPU.
 *
 * The way out needs page tables that map both where it comes from (this kernel's
 * half) and where it goes (identity): they're made when retirement is armed, so
 * that nothing can fail afterwards.
 */
#include <linux/cpu.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/objtool.h>
#include <asm/apic.h>
#include <asm/nospec-branch.h>
#include <asm/pgtable.h>
#include <asm/special_insns.h>

#include "mk.h"

static u64 *bridge_pgd;			/* non-NULL: armed */
static u64 park_entry;
static u32 armed_region;

static int build_bridge(const struct mk_retire *req)
{
	u64 *current_pgd = __va(read_cr3_pa()), *pgd, *identity;

	identity = memremap(pgtable_l5_enabled() ? req->pgtable5 : req->pgtable, PAGE_SIZE,
			    MEMREMAP_WB);
	if (!identity)
		return -ENOMEM;
	pgd = (u64 *)get_zeroed_page(GFP_KERNEL);
	if (pgd) {
		memcpy(pgd, identity, PAGE_SIZE / 2);
		memcpy(pgd + PTRS_PER_PGD / 2, current_pgd + PTRS_PER_PGD / 2, PAGE_SIZE / 2);
	}
	memunmap(identity);
	if (!pgd)
		return -ENOMEM;
	bridge_pgd = pgd;
	return 0;
}

static int arm(const struct mk_retire *req)
{
	u32 region = req->region;
	int ret;

	if (bridge_pgd)
		return -EALREADY;
	if (!mk_link_is_up(region))
		return -ENOTCONN;
	if (!mk_region_holds(region, req->park_entry, 1) ||
	    !mk_region_holds(region, req->pgtable, PAGE_SIZE) ||
	    !mk_region_holds(region, req->pgtable5, PAGE_SIZE))
		return -ERANGE;
	if (num_online_cpus() != 1)
		return -EBUSY;
	ret = build_bridge(req);
	if (ret)
		return ret;
	park_entry = req->park_entry;
	armed_region = region;
	mk_region_pin(region);
	__module_get(THIS_MODULE);
	return 0;
}

static int disarm(void)
{
	if (!bridge_pgd)
		return -EALREADY;
	free_page((unsigned long)bridge_pgd);
	bridge_pgd = NULL;
	mk_region_unpin(armed_region);
	module_put(THIS_MODULE);
	return 0;
}

int mk_retire(void *arg)
{
	const struct mk_retire *req = arg;

	switch (req->action) {
	case MK_RETIRE_ARM:
		return arm(req);
	case MK_RETIRE_DISARM:
		return disarm();
	default:
		return -EINVAL;
	}
}

bool mk_retire_armed(void)
{
	return bridge_pgd;
}

/* Their interrupts would find the other kernel's descriptors. */
static void silence_interrupts(void)
{
	outb(0xff, 0x21);		/* both 8259s, which ISA devices reach by LINT0 */
	outb(0xff, 0xa1);
	apic->write(APIC_LVTT, APIC_LVT_MASKED);
	apic->write(APIC_LVTPC, APIC_LVT_MASKED);
	apic->write(APIC_LVT0, APIC_LVT_MASKED);
	apic->write(APIC_LVT1, APIC_LVT_MASKED);
}

void __noreturn mk_retire_now(void)
{
	u64 cr3 = __pa(bridge_pgd);

	mk_pci_silence();
	silence_interrupts();
	pr_emerg("retired: this CPU is the other kernel's now\n");
	mk_link_set_state(MK_STATE_RETIRED);
	asm volatile("mov %0, %%cr3\n\t"
		     ANNOTATE_RETPOLINE_SAFE "\n\t"
		     "jmp *%1"
		     : : "r" (cr3), "r" (park_entry) : "memory");
	__builtin_unreachable();
}
/* leaves with whatever stack there is, and for good */
STACK_FRAME_NON_STANDARD(mk_retire_now);
