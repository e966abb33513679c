/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine's CPUs as this kernel numbers them, and which of them can be spared.
 *
 * CPU numbers differ from kernel to kernel; between kernels a CPU is its APIC id.
 * The kernel tells APIC ids of online CPUs only: read the list before offlining
 * any, or ask the module (kho_cpu_list_resolve()).
 *
 * A list is a plain value without owned memory, about 10 KiB.
 */
#ifndef KHO_SYSTEM_CPUS_H
#define KHO_SYSTEM_CPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/parse.h"
#include "system/device.h"
#include "system/sysroot.h"

#define KHO_APIC_UNKNOWN	UINT32_MAX

struct kho_cpu {
	uint32_t cpu;			/* number in this kernel */
	uint32_t apic_id;		/* or KHO_APIC_UNKNOWN */
	int32_t package;		/* -1: not known, as for most offline CPUs */
	int32_t core;			/* unique within its package only */
	bool online;
	bool hotpluggable;		/* can be offlined and onlined */
};

struct kho_cpu_list {
	size_t nr;
	struct kho_cpu cpus[KHO_CPUS_MAX];	/* ascending by number */
};

/* APIC ids of the CPUs that /proc/cpuinfo names. */
struct kho_cpuinfo {
	struct kho_cpus known;
	uint32_t apic_ids[KHO_CPUS_MAX];	/* of the known ones */
};

/*
 * Parses the text of /proc/cpuinfo, which need not be terminated. Pure.
 *   -EBADMSG  a field is no number, or a CPU or APIC id comes twice
 *   -ERANGE   a CPU number of KHO_CPUS_MAX or more
 *   -ENODATA  it names no CPU with an APIC id
 */
int kho_cpuinfo_parse(const char *text, size_t size, struct kho_cpuinfo *ret,
		      struct kho_err *err);

/* Reads the present CPUs. -ERANGE: more than KHO_CPUS_MAX; others as read. */
int kho_cpu_list_read(const struct kho_sysroot *root, struct kho_cpu_list *ret,
		      struct kho_err *err);

/* By number or by APIC id; NULL if there's none. */
const struct kho_cpu *kho_cpu_list_find(const struct kho_cpu_list *list, uint32_t cpu);
const struct kho_cpu *kho_cpu_list_find_apic(const struct kho_cpu_list *list, uint32_t apic_id);

/*
 * Fills in the APIC ids that are still unknown by asking the module for each id
 * below @apic_ids. -ENODATA if some stay unknown: they're named in the message.
 */
int kho_cpu_list_resolve(struct kho_cpu_list *list, const struct kho_device *device,
			 uint32_t apic_ids, struct kho_err *err);

struct kho_spare {
	unsigned int nr;		/* how many are wanted, at least 1 */
	unsigned int min_left;		/* how many must stay online; 0 counts as 1 */
	uint32_t boot_apic_id;		/* from struct mk_info; ~0 if not known */
};

/*
 * Chooses online CPUs to give away: never CPU 0 nor the machine's boot CPU, none
 * that can't be offlined or whose APIC id isn't known. Whole cores first, so that
 * two kernels don't share one, and high numbers first. Pure.
 *   -EINVAL  none was asked for
 *   -ENOSPC  there aren't so many; the message says how many there are
 */
int kho_cpu_choose_spare(const struct kho_cpu_list *list, const struct kho_spare *spare,
			 struct kho_cpus *ret, struct kho_err *err);

/*
 * Offlines (onlines) a CPU and sees that it is. A CPU in that state already is no
 * error.
 *   -EINVAL     it's CPU 0, or the only one online (offline)
 *   -ENOENT     there's no such CPU
 *   -EOPNOTSUPP it can't be offlined
 *   -EBUSY      the kernel refused, for @timeout_ms
 *   -ETIMEDOUT  it took longer than @timeout_ms
 *   -EIO        the kernel said yes and nothing happened
 */
int kho_cpu_offline(const struct kho_sysroot *root, uint32_t cpu, unsigned int timeout_ms,
		    struct kho_err *err);
int kho_cpu_online(const struct kho_sysroot *root, uint32_t cpu, unsigned int timeout_ms,
		   struct kho_err *err);

#endif
