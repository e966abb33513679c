// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making an offlined CPU jump somewhere else.
 *
 * By INIT and SIPI it starts in real mode below 1 MiB. Linux keeps all of the
 * first MiB to itself and uses little of it: its own real-mode code, which ends
 * with a signature. Four pages away from that are ours: the trampoline, and page
 * tables that map just the first 2 MiB, with which it enters 64-bit mode before
 * it loads the caller's. The trampoline acknowledges in its own page.
 *
 * A spawned kernel's offlined CPUs poll an ACPI wakeup mailbox instead.
 */
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/iopoll.h>
#include <linux/mm.h>
#include <asm/apic.h>
#include <asm/realmode.h>

#include "mk.h"
#include "trampoline.h"

#define LOW_FIRST	0x8000UL	/* leaves alone what firmware keeps at the start */
#define LOW_END		0x9c000UL
#define LOW_PAGES	4UL
/* arch/x86/realmode/rm/header.S puts it at the end of the blob */
#define BLOB_SIGNATURE	0x65a22c82u
#define BLOB_MAX	0x10000UL	/* real-mode code can't be longer than a segment */

/* ACPI 6.4, 5.2.12.19 */
struct acpi_mailbox {
	u16 command;
	u16 reserved;
	u32 apic_id;
	u64 wakeup_vector;
};
#define MAILBOX_WAKEUP	1

static unsigned long low_page;			/* physical; 0: none found */
static unsigned long blob_start, blob_end;	/* Linux's own real-mode code */

static bool is_low_ram(unsigned long addr, unsigned long size)
{
	for (unsigned long at = addr; at < addr + size; at += PAGE_SIZE)
		if (!page_is_ram(PFN_DOWN(at)))
			return false;
	return true;
}

/* The last one counts: memory may hold the blob of an earlier boot, too. */
static void find_blob(void)
{
	for (unsigned long page = PAGE_SIZE; page < LOW_END + BLOB_MAX / 4; page += PAGE_SIZE) {
		if (!page_is_ram(PFN_DOWN(page)))
			continue;
		for (unsigned long at = page; at < page + PAGE_SIZE; at += sizeof(u32)) {
			if (READ_ONCE(*(u32 *)__va(at)) != BLOB_SIGNATURE)
				continue;
			blob_end = PAGE_ALIGN(at + 1);
			blob_start = blob_end > BLOB_MAX ? blob_end - BLOB_MAX : 0;
		}
	}
}

static bool hits_blob(unsigned long addr, unsigned long size)
{
	return addr < blob_end && blob_start < addr + size;
}

int mk_start_init(void)
{
	unsigned long size = LOW_PAGES * PAGE_SIZE;

	find_blob();
	for (unsigned long at = LOW_FIRST; at + size <= LOW_END; at += PAGE_SIZE) {
		if (is_low_ram(at, size) && !hits_blob(at, size)) {
			low_page = at;
			return 0;
		}
	}
	/* a spawned kernel can do without; START then says so */
	pr_warn("no free memory below 1 MiB to start CPUs from\n");
	return 0;
}

void mk_lowmem_describe(struct mk_info *info)
{
	info->lowmem_used_start = blob_start;
	info->lowmem_used_size = blob_end - blob_start;
}

static u32 low_addr(const char *symbol)
{
	return low_page + (symbol - mk_trampoline_start);
}

static void *low_virt(const char *symbol)
{
	return __va(low_addr(symbol));
}

static void build_low_tables(void)
{
	u64 *pml4 = __va(low_page + PAGE_SIZE);
	u64 *pdpt = __va(low_page + 2 * PAGE_SIZE);
	u64 *pd = __va(low_page + 3 * PAGE_SIZE);

	memset(pml4, 0, 3 * PAGE_SIZE);
	pml4[0] = __pa(pdpt) | _PAGE_PRESENT | _PAGE_RW;
	pdpt[0] = __pa(pd) | _PAGE_PRESENT | _PAGE_RW;
	pd[0] = _PAGE_PRESENT | _PAGE_RW | _PAGE_PSE;
}

static struct mk_trampoline_params *build_trampoline(const struct mk_cpu_start *req)
{
	struct mk_trampoline_params *params;

	memcpy(__va(low_page), mk_trampoline_start, mk_trampoline_end - mk_trampoline_start);
	*(u32 *)(low_virt(mk_trampoline_gdtr) + 2) = low_addr(mk_trampoline_gdt);
	*(u32 *)low_virt(mk_trampoline_to32) = low_addr(mk_trampoline_32);
	*(u32 *)low_virt(mk_trampoline_to64) = low_addr(mk_trampoline_64);
	*(u32 *)low_virt(mk_trampoline_base) = low_page;
	build_low_tables();

	params = low_virt(mk_trampoline_params);
	params->low_cr3 = low_page + PAGE_SIZE;
	params->cr3 = req->pgtable;
	params->entry = req->entry;
	params->arg = req->arg;
	params->started = 0;
	/* the other CPU reads all this without any lock */
	wmb();
	return params;
}

void mk_send_init(u32 apic_id)
{
	mk_icr_write(APIC_INT_LEVELTRIG | APIC_INT_ASSERT | APIC_DM_INIT, apic_id);
	fsleep(10000);		/* the MP specification's time for INIT */
	mk_icr_write(APIC_INT_LEVELTRIG | APIC_DM_INIT, apic_id);
}

static void send_startup(u32 apic_id)
{
	mk_icr_write(APIC_DM_STARTUP | (low_page >> PAGE_SHIFT), apic_id);
}

int mk_start_by_init(const struct mk_cpu_start *req)
{
	struct mk_trampoline_params *params;
	u32 started;
	int ret;

	if (!low_page)
		return -ENOMEM;
	params = build_trampoline(req);
	mk_send_init(req->apic_id);
	udelay(10);
	send_startup(req->apic_id);
	/* a second SIPI is ignored by a CPU that runs */
	udelay(300);
	send_startup(req->apic_id);
	ret = read_poll_timeout(READ_ONCE, started, started, 100,
				req->timeout_ms * USEC_PER_MSEC, false, params->started);
	if (ret)
		mk_send_init(req->apic_id);
	return ret;
}

int mk_start_by_mailbox(const struct mk_cpu_start *req)
{
	struct acpi_mailbox *mailbox = memremap(req->mailbox, PAGE_SIZE, MEMREMAP_WB);
	u16 command;
	int ret;

	if (!mailbox)
		return -ENOMEM;
	mailbox->apic_id = req->apic_id;
	mailbox->wakeup_vector = req->entry;
	smp_store_release(&mailbox->command, MAILBOX_WAKEUP);
	/* the park loop clears the command when it takes it */
	ret = read_poll_timeout(READ_ONCE, command, !command, 100,
				req->timeout_ms * USEC_PER_MSEC, false, mailbox->command);
	if (ret)
		WRITE_ONCE(mailbox->command, 0);
	memunmap(mailbox);
	return ret;
}
