/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * /dev/multikernel - the mechanism by which two kernels share one machine.
 *
 * Theory of operation
 *
 * The same module runs in both kernels. In the *old* kernel it lends offlined
 * memory and CPUs to another kernel; in the *new* one it adopts the memory they
 * share, shows granted PCI functions and finally absorbs what the old one left.
 * It holds no policy and parses nothing: no kernel image, no ACPI table, no
 * device tree. User space builds those in a mapped region.
 *
 * What is claimed belongs to the module, not to the file descriptor: an agent
 * that is killed and started again asks for what there is (MK_IOC_INFO,
 * MK_IOC_REGION_INFO, MK_IOC_CPU_STATE) and goes on. The module can't be
 * unloaded while anything is claimed, lent or granted.
 *
 * Every argument starts with struct mk_hdr. The size is that of the structure
 * the caller was compiled with; what the module doesn't know must be zero.
 *
 * Errors common to all calls:
 *   -EPERM            the caller lacks CAP_SYS_ADMIN
 *   -EPROTONOSUPPORT  hdr.abi is not MK_ABI
 *   -EINVAL           hdr.size is too small, or a reserved field isn't zero
 *   -E2BIG            hdr.size is larger than known and the rest isn't zero
 *   -EFAULT           the argument isn't readable or writable
 *
 * All addresses are physical, all sizes are bytes, all integers are in the
 * machine's byte order (x86-64 only).
 */
#ifndef _UAPI_MULTIKERNEL_H
#define _UAPI_MULTIKERNEL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define MK_ABI			1
#define MK_DEVICE		"/dev/multikernel"
#define MK_MAX_RANGES		32
#define MK_MAX_REGIONS		4
/* OEM id of the ACPI tables that a spawned kernel gets: how it's told apart */
#define MK_ACPI_OEM_ID		"MKERNL"

struct mk_hdr {
	__u32 size;		/* sizeof the whole argument */
	__u16 abi;		/* MK_ABI */
	__u16 reserved;
};

struct mk_range {
	__u64 start;
	__u64 size;
};

/*
 * How this machine is switched off and reset, as its firmware said. A spawned
 * kernel can't know: its own ACPI tables are hardware-reduced.
 */
#define MK_POWER_OFF_VALID	(1u << 0)	/* pm1 fields */
#define MK_POWER_RESET_VALID	(1u << 1)	/* reset fields */
struct mk_power {
	__u32 flags;
	__u16 pm1a_port;	/* PM1a control, I/O port */
	__u16 pm1b_port;	/* 0: there's none */
	__u8 slp_typ_a;		/* SLP_TYP value of S5 */
	__u8 slp_typ_b;
	__u8 reset_value;
	__u8 reset_space;	/* ACPI address space: 0 memory, 1 I/O */
	__u32 reserved;
	__u64 reset_address;
};

/* ---- MK_IOC_INFO: what this kernel and its module are ---- */

#define MK_INFO_X2APIC		(1u << 0)	/* local APICs are in x2APIC mode */
#define MK_INFO_LA57		(1u << 1)	/* this kernel uses 5-level paging */
#define MK_INFO_SPAWNED		(1u << 2)	/* a spawned kernel: CPUs by mailbox */
#define MK_INFO_RETIRE_ARMED	(1u << 3)
#define MK_INFO_PDPE1GB		(1u << 4)	/* CPUs know 1 GiB pages */

struct mk_info {
	struct mk_hdr hdr;
	__u32 flags;			/* out: MK_INFO_* */
	__u32 tsc_khz;			/* out: this kernel's best knowledge */
	__u32 boot_apic_id;		/* out: machine's boot CPU; ~0 if unknown */
	__u32 nr_regions;		/* out */
	__u64 memory_block_size;	/* out: granule of offlining and absorbing */
	__u64 lowmem_used_start;	/* out: this kernel's real-mode code, below 1 MiB */
	__u64 lowmem_used_size;		/* out: 0 if it was not found */
	__u32 region_ids[MK_MAX_REGIONS];	/* out: 0 = free slot */
	__u32 phys_bits;		/* out: physical address bits in use */
	__u32 nr_lent_cpus;		/* out */
	__u32 nr_pci_granted;		/* out: functions shown by our host bridges */
	__u32 nr_pci_held;		/* out: functions our stub driver keeps still */
	struct mk_power power;		/* out */
};

/* ---- regions ---- */

/*
 * MK_REGION_OFFLINE: every memory block of every range is RAM of this kernel
 * and offline. Nobody can online these blocks until the region is released.
 * MK_REGION_RESERVED: memory this kernel was told to leave alone (reserved in
 * its memory map): what a spawned kernel shares with the one that spawned it.
 * MK_REGION_PRESERVED: the same in a kernel that took its handover tree in by
 * itself (KHO): each range is either reserved in its memory map, or RAM whose
 * pages the tree preserves one by one. Those become the module's.
 *
 * -EINVAL   no range, or one that's empty, unaligned or wraps around
 * -EEXIST   ranges overlap each other or a claimed region
 * -EBUSY    a page is RAM in use by this kernel (OFFLINE: still online, or going to be)
 * -ENXIO    OFFLINE: not RAM; RESERVED: it's RAM of this kernel; PRESERVED: a
 *           range is RAM in parts, or a page isn't preserved, or was taken before
 * -ENOMEM   a range that isn't RAM can't be mapped
 * -ENOSPC   MK_MAX_REGIONS are claimed
 */
#define MK_REGION_OFFLINE	0
#define MK_REGION_RESERVED	1
#define MK_REGION_PRESERVED	2

struct mk_region {
	struct mk_hdr hdr;
	__u32 kind;			/* MK_REGION_* */
	__u32 id;			/* CLAIM: out; else in. Never 0 */
	__u64 mmap_offset;		/* out: offset for mmap() of the first byte */
	__u64 size;			/* out: sum of the ranges */
	__u32 nr_ranges;		/* CLAIM, TRIM: in; INFO: out */
	__u32 nr_maps;			/* INFO: out: user mappings now */
	struct mk_range ranges[MK_MAX_RANGES];	/* region offsets count through them */
};

/*
 * RELEASE: -ENOENT no such region; -EBUSY it's mapped, has a link, or CPUs run in it.
 * Preserved pages are this kernel's to use then.
 * TRIM: releases the last ranges of a region of kind PRESERVED, so that @nr_ranges
 * are left. The rest stays as it is. -ENOENT; -EINVAL another kind, or not fewer than
 * there are and at least one; -EBUSY it's mapped, or the module uses what would go.
 */

/* ---- CPUs ---- */

/*
 * MK_IOC_CPU_START lends an offlined CPU: it jumps, in 64-bit mode, interrupts
 * off, to @entry with RSI = @arg, on the identity-mapped 4-level page tables at
 * @pgtable. By INIT and SIPI; with MK_CPU_MAILBOX by the ACPI mailbox at
 * @mailbox, where the offlined CPUs of a spawned kernel wait: then RSI and the
 * page tables are those of the park loop (identity-mapped, 4- or 5-level), and
 * @entry must be a stub that loads its own.
 *
 * MK_IOC_CPU_STOP takes a lent CPU back, whatever it does, by INIT. It can be
 * onlined then, unless this is a spawned kernel, which can't wake what doesn't
 * wait at its mailbox: that takes MK_IOC_CPU_PARK.
 *
 * MK_IOC_CPU_PARK makes an offline or lent CPU wait in the park loop at @entry
 * (as START, but it counts as offline afterwards). A spawned kernel fetches the
 * CPUs of a retired one this way.
 *
 * -ENOENT    no such CPU
 * -EBUSY     it's online here; START: lent already
 * -EPERM     by INIT: it's the machine's boot CPU, INIT would reset the machine
 * -EINVAL    STOP: it isn't lent
 * -ERANGE    @entry isn't inside @region, or @mailbox isn't in a claimed region
 * -ETIMEDOUT it did not answer
 */
#define MK_CPU_MAILBOX		(1u << 0)

struct mk_cpu_start {
	struct mk_hdr hdr;
	__u32 apic_id;
	__u32 flags;			/* MK_CPU_MAILBOX */
	__u32 region;
	__u32 timeout_ms;		/* 1 to 10000 */
	__u64 pgtable;
	__u64 entry;
	__u64 arg;
	__u64 mailbox;
};

#define MK_CPU_ONLINE		0	/* runs this kernel */
#define MK_CPU_OFFLINE		1	/* offline: can be lent or onlined */
#define MK_CPU_LENT		2	/* runs something else: onlining is refused */

struct mk_cpu {
	struct mk_hdr hdr;
	__u32 apic_id;
	__u32 state;			/* CPU_STATE: out */
	__u32 region;			/* CPU_STATE: out, if lent */
	__s32 cpu;			/* CPU_STATE: out: number in this kernel */
};

/* ---- link: status pages, doorbell ---- */

/*
 * Each kernel of a pair has one status page in the region, written by its own
 * module only; the other side only reads it. state only ever goes forward. The
 * pulse goes up about twice a second, whatever the agent does: a kernel that has
 * one and whose agent says nothing is busy, not dead.
 */
#define MK_STATUS_MAGIC		0x5441545348434b4dULL	/* "MKCHSTAT" */
#define MK_STATE_NONE		0	/* nothing was written yet */
#define MK_STATE_RUNNING	1
#define MK_STATE_STOPPED	2	/* halted, rebooted or powered off in order */
#define MK_STATE_PANICKED	3
#define MK_STATE_RETIRED	4	/* its last CPU is parked */

/* doorbell word: bit 63 valid, bits 32-39 vector, bits 0-31 APIC id */
#define MK_DOORBELL_VALID	(1ULL << 63)
#define MK_DOORBELL(vector, apic_id) \
	(MK_DOORBELL_VALID | (__u64)(vector) << 32 | (__u32)(apic_id))
#define MK_DOORBELL_VECTOR(word)	((__u8)((word) >> 32))
#define MK_DOORBELL_APIC_ID(word)	((__u32)(word))

struct mk_status_page {
	__u64 magic;
	__u32 state;			/* MK_STATE_* */
	__u32 reserved;
	__u64 doorbell;			/* where this kernel wants to be rung */
	__u64 vmcoreinfo;		/* address of this kernel's vmcoreinfo note, 0: none */
	__u64 vmcoreinfo_size;
	char release[64];		/* utsname()->release */
	char panic[256];		/* last words */
	__u64 pulse;			/* goes up while this kernel's timers run; 0: not told */
};

/*
 * MK_IOC_LINK: names the two status pages of a region and, if @event_fd isn't
 * -1, an eventfd to signal when the doorbell rings. A second call replaces the
 * eventfd; the pages can't change. -ENOENT no such region; -ERANGE a page isn't
 * inside it or isn't page aligned; -EEXIST another link is there;
 * -EBADF @event_fd is no eventfd.
 */
struct mk_link {
	struct mk_hdr hdr;
	__u32 region;
	__s32 event_fd;
	__u64 own_status;		/* region offset */
	__u64 peer_status;		/* region offset */
};

/*
 * MK_IOC_RING: rings the peer's doorbell. -ENOTCONN no link;
 * -EAGAIN the peer has none (yet): poll; -EIO the peer's word is not sane.
 * MK_IOC_UNLINK: drops the link. -ENOTCONN no link; -EBUSY retirement is armed,
 * or this kernel's console is on it and the peer lives.
 */
struct mk_ring {
	struct mk_hdr hdr;
	__u32 region;
	__u32 reserved;
};

/* ---- console of a spawned kernel ---- */

/*
 * One ring each way. head and tail count bytes for ever; the writer overwrites
 * nothing in the input ring, and what the reader hasn't taken in the output
 * ring: the reader then sees head - tail > size and what was lost. size is a
 * power of two. data follows the header.
 */
#define MK_CONSOLE_MAGIC	0x454c4f534e4f434bULL	/* "KCONSOLE" */
struct mk_console_ring {
	__u64 magic;
	__u32 size;			/* of data */
	__u32 reserved;
	__u64 head;			/* bytes ever written */
	__u64 tail;			/* bytes ever read; written by the reader */
	__u8 pad[32];
	__u8 data[];
};

/*
 * MK_IOC_CONSOLE: registers the printk console and /dev/ttyMK0 on two rings of
 * a region, set up by the caller. What was logged before is replayed,
 * unless the kernel has an early console that wrote it there.
 * -EEXIST it's there; -ERANGE outside the region; -EINVAL magic or size.
 */
struct mk_console {
	struct mk_hdr hdr;
	__u32 region;
	__u32 reserved;
	__u64 out_ring;			/* region offset */
	__u64 in_ring;			/* region offset */
};

/* ---- PCI ---- */

/*
 * MK_IOC_PCI_GRANT: in a spawned kernel, shows one function, whose 4 KiB of
 * configuration space (ECAM) are at @config, to drivers. BARs are claimed as
 * they are, never moved. MK_IOC_PCI_REVOKE: takes it from its driver, quiesces
 * and hides it. In the old kernel, a function is given up by binding it to the
 * driver "multikernel" (driver_override), which keeps it still and its bridges
 * awake. -EEXIST, -ENOENT as expected; -ENODEV nothing answers at @config;
 * -EADDRINUSE a BAR can't be claimed; -EPERM this kernel has PCI of its own.
 */
struct mk_pci {
	struct mk_hdr hdr;
	__u16 domain;
	__u8 bus;
	__u8 devfn;
	__u32 reserved;
	__u64 config;
};

/* ---- retire and absorb ---- */

/*
 * MK_IOC_RETIRE: arms or disarms retirement. Once armed, the next orderly
 * restart of this kernel (reboot(RB_AUTOBOOT), `systemctl reboot`) doesn't reset
 * the machine: after user space and all drivers have shut down, devices are
 * silenced and this last CPU jumps to @park_entry, on the identity page tables
 * @pgtable (4-level) or @pgtable5 (5-level), whichever fits its mode.
 * -EBUSY other CPUs are online; -ENOTCONN no link to say goodbye on;
 * -ERANGE an address isn't inside the region; -EALREADY it's as asked for.
 */
#define MK_RETIRE_ARM		1
#define MK_RETIRE_DISARM	0
struct mk_retire {
	struct mk_hdr hdr;
	__u32 region;
	__u32 action;			/* MK_RETIRE_* */
	__u64 park_entry;
	__u64 pgtable;
	__u64 pgtable5;
};

/*
 * MK_IOC_ABSORB: adds memory that a retired kernel left. Ranges are rounded
 * inwards to memory blocks; the blocks are offline and named by sysfs. @added
 * says how much. -EBUSY the peer of @region has not retired.
 */
struct mk_absorb {
	struct mk_hdr hdr;
	__u32 region;
	__u32 nr_ranges;
	__u64 added;			/* out: bytes */
	struct mk_range ranges[MK_MAX_RANGES];
};

/*
 * MK_IOC_POWER: tells a spawned kernel how the machine is switched off. Until
 * then, and until its peer has retired, its own power-off or restart stops
 * only itself and never resets the machine. -EPERM this kernel was booted by
 * firmware and knows; -ENOTCONN no link; -EINVAL the record makes no sense.
 */
struct mk_power_set {
	struct mk_hdr hdr;
	__u32 region;
	__u32 reserved;
	struct mk_power power;
};

#define MK_IOC_MAGIC		0xB7
#define MK_IOC_INFO		_IOWR(MK_IOC_MAGIC, 0x00, struct mk_info)
#define MK_IOC_REGION_CLAIM	_IOWR(MK_IOC_MAGIC, 0x10, struct mk_region)
#define MK_IOC_REGION_INFO	_IOWR(MK_IOC_MAGIC, 0x11, struct mk_region)
#define MK_IOC_REGION_RELEASE	_IOWR(MK_IOC_MAGIC, 0x12, struct mk_region)
#define MK_IOC_REGION_TRIM	_IOWR(MK_IOC_MAGIC, 0x13, struct mk_region)
#define MK_IOC_CPU_START	_IOWR(MK_IOC_MAGIC, 0x20, struct mk_cpu_start)
#define MK_IOC_CPU_STOP		_IOWR(MK_IOC_MAGIC, 0x21, struct mk_cpu)
#define MK_IOC_CPU_STATE	_IOWR(MK_IOC_MAGIC, 0x22, struct mk_cpu)
#define MK_IOC_CPU_PARK		_IOWR(MK_IOC_MAGIC, 0x23, struct mk_cpu_start)
#define MK_IOC_LINK		_IOWR(MK_IOC_MAGIC, 0x30, struct mk_link)
#define MK_IOC_RING		_IOWR(MK_IOC_MAGIC, 0x31, struct mk_ring)
#define MK_IOC_UNLINK		_IOWR(MK_IOC_MAGIC, 0x32, struct mk_ring)
#define MK_IOC_CONSOLE		_IOWR(MK_IOC_MAGIC, 0x40, struct mk_console)
#define MK_IOC_PCI_GRANT	_IOWR(MK_IOC_MAGIC, 0x50, struct mk_pci)
#define MK_IOC_PCI_REVOKE	_IOWR(MK_IOC_MAGIC, 0x51, struct mk_pci)
#define MK_IOC_RETIRE		_IOWR(MK_IOC_MAGIC, 0x60, struct mk_retire)
#define MK_IOC_ABSORB		_IOWR(MK_IOC_MAGIC, 0x61, struct mk_absorb)
#define MK_IOC_POWER		_IOWR(MK_IOC_MAGIC, 0x62, struct mk_power_set)

#endif /* _UAPI_MULTIKERNEL_H */
