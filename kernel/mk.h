/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of multikernel.ko offer each other.
 *
 * One mutex (mk_lock) serialises everything that user space asks for. Code that
 * the kernel calls back (notifiers, interrupts, hotplug) takes only the
 * spinlocks of its own part.
 */
#ifndef MK_H
#define MK_H

#include <linux/fs.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <uapi/multikernel.h>

#define MK_NAME "multikernel"
#undef pr_fmt
#define pr_fmt(fmt) MK_NAME ": " fmt

extern struct mutex mk_lock;

/* region.c */
struct mk_region_state;
int mk_region_init(void);
void mk_region_exit(void);
int mk_region_claim(void *arg);
int mk_region_info(void *arg);
int mk_region_release(void *arg);
int mk_region_trim(void *arg);
int mk_region_mmap(struct file *file, struct vm_area_struct *vma);
void mk_region_describe(struct mk_info *info);
/* Whether [addr, addr + size) is physical memory of region @id. */
bool mk_region_holds(u32 id, u64 addr, u64 size);
/* The same in any region. */
bool mk_regions_hold(u64 addr, u64 size);
/*
 * Maps part of a region (by region offset, in one range) for the kernel, and
 * pins the region until mk_region_unmap(). ERR_PTR(-ENOENT, -ERANGE, -ENOMEM).
 */
void *mk_region_map(u32 id, u64 offset, u64 size);
void mk_region_unmap(u32 id, void *mapping);
/* Pins: why a region can't be released. */
void mk_region_pin(u32 id);
void mk_region_unpin(u32 id);

/* kho.c, kho_none.c: pages that the handover tree preserves; -ENXIO if one isn't */
int mk_kho_take(const struct mk_range *range);
void mk_kho_give_back(const struct mk_range *range);

/* cpu.c */
int mk_cpu_init(void);
void mk_cpu_exit(void);
int mk_cpu_start(void *arg);
int mk_cpu_stop(void *arg);
int mk_cpu_park(void *arg);
int mk_cpu_state(void *arg);
void mk_cpu_describe(struct mk_info *info);
unsigned int mk_cpu_nr_lent(void);

/* start.c: how a CPU is made to jump; the caller knows that it may */
int mk_start_init(void);
int mk_start_by_init(const struct mk_cpu_start *req);
int mk_start_by_mailbox(const struct mk_cpu_start *req);
void mk_send_init(u32 apic_id);
void mk_lowmem_describe(struct mk_info *info);

/* ipi.c: nothing we send may reach the other kernel's CPUs */
int mk_ipi_init(void);
void mk_ipi_exit(void);
void mk_icr_write(u32 low, u32 apic_id);
/* By an interrupt to each; those that have interrupts off go on. */
void mk_ipi_stop_others(void);

/*
 * shorthand_block.c, shorthand_lists.c: no IPI by the shorthand "all but self", because the
 * kernel was asked for that, or by operations of ours in its smp_ops. Whoever changed smp_ops
 * puts them back.
 */
struct smp_ops;
void mk_shorthand_off(void);
void mk_shorthand_on(void);
/* Stops the other CPUs in a panic. @saved is what the kernel had. */
void mk_shorthand_panic(const struct smp_ops *saved);

/* link.c */
int mk_link_init(void);
void mk_link_exit(void);
int mk_link_set(void *arg);
int mk_link_unset(void *arg);
int mk_link_ring(void *arg);
void mk_link_set_state(u32 state);
bool mk_link_is_up(u32 region);
bool mk_link_peer_retired(void);
/* doorbell.c tells where this kernel can be rung, or 0 */
void mk_link_publish_doorbell(u64 word);
void mk_link_rung(void);

/* doorbell.c */
int mk_doorbell_init(void);
void mk_doorbell_exit(void);
int mk_doorbell_ring(u64 word);
u64 mk_doorbell_word(void);

/* console.c */
int mk_console_start(void *arg);
void mk_console_kick(void);
bool mk_console_is_on(u32 region);

/* pci_grant.c */
int mk_pci_grant(void *arg);
int mk_pci_revoke(void *arg);
unsigned int mk_pci_nr_granted(void);

/* pci_grant_kernel.c, or pci_grant_host.c where the kernel has no such function */
/* Scans a function and offers it to drivers; -EEXIST, -ENODEV, -EADDRINUSE (a BAR), -EBUSY, -ENOMEM. */
int mk_pci_show(const struct mk_pci *req);
/* Takes it from its driver; -ENOENT. */
int mk_pci_hide(const struct mk_pci *req);

/* pci_hold.c */
int mk_pci_hold_init(void);
void mk_pci_hold_exit(void);
unsigned int mk_pci_nr_held(void);
/* Silences every function that isn't held for the other kernel. */
void mk_pci_silence(void);

/* retire.c */
int mk_retire(void *arg);
bool mk_retire_armed(void);
/* Called on the last CPU, interrupts off: doesn't return. */
void __noreturn mk_retire_now(void);

/* absorb.c */
int mk_absorb(void *arg);
/* Whether this spawned kernel has outlived the one that spawned it. */
bool mk_absorb_is_sole(void);

/* power.c */
int mk_power_init(void);
void mk_power_exit(void);
int mk_power_set(void *arg);
void mk_power_describe(struct mk_power *power);
void mk_power_reset(void);

/* main.c */
bool mk_is_spawned(void);

#endif
