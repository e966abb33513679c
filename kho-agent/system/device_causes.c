// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors of /dev/multikernel in words. One row for every errno that
 * uapi/multikernel.h documents; a call's own rows go before the common ones.
 */
#include <errno.h>
#include <stddef.h>
#include <uapi/multikernel.h>

#include "base/bits.h"
#include "system/device_causes.h"

#define ANY_CALL	0ul

struct cause {
	unsigned long request;
	int code;
	const char *text;
};

static const struct cause causes[] = {
	{ MK_IOC_REGION_CLAIM, -EINVAL,
	  "a range is empty, unaligned or wraps around; give ranges of whole memory blocks" },
	{ MK_IOC_REGION_CLAIM, -EEXIST,
	  "a range overlaps another range or a claimed region; release that region first" },
	{ MK_IOC_REGION_CLAIM, -EBUSY,
	  "a page is RAM this kernel still uses; offline its memory block first" },
	{ MK_IOC_REGION_CLAIM, -ENXIO,
	  "a range is of the wrong kind of memory; claim RAM as offline and memory this kernel "
	  "was told to leave alone as reserved; what KHO preserved can be claimed once" },
	{ MK_IOC_REGION_CLAIM, -ENOSPC,
	  "all regions of the module are in use; release one" },
	{ MK_IOC_REGION_INFO, -ENOENT,
	  "there is no such region; ask for the list of regions" },
	{ MK_IOC_REGION_RELEASE, -ENOENT,
	  "there is no such region; ask for the list of regions" },
	{ MK_IOC_REGION_RELEASE, -EBUSY,
	  "it's mapped, has a link, or CPUs run in it; unmap it and stop its CPUs first" },

	{ MK_IOC_REGION_TRIM, -ENOENT,
	  "there is no such region; ask for the list of regions" },
	{ MK_IOC_REGION_TRIM, -EINVAL,
	  "it isn't a preserved region, or hasn't more ranges than that; look at it first" },
	{ MK_IOC_REGION_TRIM, -EBUSY,
	  "it's mapped, or the module uses what would go; unmap it first" },

	{ MK_IOC_CPU_START, -ENOENT,
	  "this machine has no such CPU; check the APIC id" },
	{ MK_IOC_CPU_START, -EBUSY,
	  "it's online here or lent already; offline it, or choose another one" },
	{ MK_IOC_CPU_START, -EPERM,
	  "it's the machine's boot CPU, which can't be given away (or the caller isn't root); "
	  "choose another one" },
	{ MK_IOC_CPU_START, -ERANGE,
	  "the entry point, page table or mailbox is outside the region; build the region's "
	  "contents again" },
	{ MK_IOC_CPU_START, -ETIMEDOUT,
	  "it didn't answer in time; try another CPU, and reset this one by onlining it" },
	{ MK_IOC_CPU_STOP, -ENOENT,
	  "this machine has no such CPU; check the APIC id" },
	{ MK_IOC_CPU_STOP, -EINVAL,
	  "it isn't lent to another kernel; there's nothing to take back" },
	{ MK_IOC_CPU_STOP, -EPERM,
	  "it's the machine's boot CPU, and INIT would reset the machine (or the caller isn't "
	  "root); retire the other kernel instead" },
	{ MK_IOC_CPU_PARK, -ENOENT,
	  "this machine has no such CPU; check the APIC id" },
	{ MK_IOC_CPU_PARK, -EBUSY,
	  "it's online here; offline it first" },
	{ MK_IOC_CPU_PARK, -EPERM,
	  "it's the machine's boot CPU, and INIT would reset the machine (or the caller isn't "
	  "root); wake it through the mailbox" },
	{ MK_IOC_CPU_PARK, -ERANGE,
	  "the park loop, page table or mailbox is outside the region; check the handover "
	  "tree's arenas" },
	{ MK_IOC_CPU_PARK, -ETIMEDOUT,
	  "it didn't answer in time; see that the other kernel has retired or is dead" },
	{ MK_IOC_CPU_STATE, -ENOENT,
	  "this machine has no such CPU; check the APIC id" },

	{ MK_IOC_LINK, -ENOENT,
	  "there is no such region; claim it first" },
	{ MK_IOC_LINK, -ERANGE,
	  "a status page is outside the region or not page aligned; correct the offsets" },
	{ MK_IOC_LINK, -EEXIST,
	  "the region has a link to other status pages, or another region has one; release "
	  "that region first" },
	{ MK_IOC_LINK, -EBADF,
	  "the descriptor for the doorbell is no eventfd; give an eventfd or -1" },
	{ MK_IOC_RING, -ENOTCONN,
	  "the region has no link; link it first" },
	{ MK_IOC_RING, -EAGAIN,
	  "the peer has no doorbell yet; it polls, so go on" },
	{ MK_IOC_RING, -EIO,
	  "the peer's doorbell word makes no sense; its kernel is broken, take it back" },
	{ MK_IOC_UNLINK, -ENOTCONN,
	  "the region has no link; there's nothing to drop" },
	{ MK_IOC_UNLINK, -EBUSY,
	  "retirement is armed, or the console is on it and the peer lives; disarm, or wait "
	  "until the peer has retired" },
	{ MK_IOC_CONSOLE, -ENOENT,
	  "there is no such region; claim it first" },
	{ MK_IOC_CONSOLE, -EEXIST,
	  "the console is registered already; use that one" },
	{ MK_IOC_CONSOLE, -ERANGE,
	  "a ring is outside the region; correct the offsets" },
	{ MK_IOC_CONSOLE, -EINVAL,
	  "a ring has no header with the right magic and size; set the rings up first" },

	{ MK_IOC_PCI_GRANT, -EEXIST,
	  "the function is granted already; revoke it first" },
	{ MK_IOC_PCI_GRANT, -ENOENT,
	  "there's no bridge to put the function behind; grant its bridges first" },
	{ MK_IOC_PCI_GRANT, -ENODEV,
	  "nothing answers at its configuration space; check the address, and that the old "
	  "kernel holds the function" },
	{ MK_IOC_PCI_GRANT, -EADDRINUSE,
	  "one of its BARs overlaps memory in use here; keep the function in the old kernel" },
	{ MK_IOC_PCI_GRANT, -EPERM,
	  "this kernel has PCI of its own, or the caller lacks CAP_SYS_ADMIN; grant only in a "
	  "kernel booted with pci=off, as root" },
	{ MK_IOC_PCI_REVOKE, -ENOENT,
	  "the function isn't granted; there's nothing to revoke" },
	{ MK_IOC_PCI_REVOKE, -EPERM,
	  "this kernel has PCI of its own, or the caller lacks CAP_SYS_ADMIN; revoke only in a "
	  "kernel booted with pci=off, as root" },

	{ MK_IOC_RETIRE, -EALREADY,
	  "it's so already; there's nothing to change" },
	{ MK_IOC_RETIRE, -EBUSY,
	  "other CPUs are still online; offline all but one first" },
	{ MK_IOC_RETIRE, -ENOTCONN,
	  "the region has no link to say goodbye on; link it first" },
	{ MK_IOC_RETIRE, -ERANGE,
	  "the park loop or a page table is outside the region; build the region's contents "
	  "again" },
	{ MK_IOC_ABSORB, -EBUSY,
	  "the other kernel has not retired; wait until its last CPU is parked" },
	{ MK_IOC_RETIRE, -EALREADY,
	  "it's as asked for already; nothing is to be done" },
	{ MK_IOC_POWER, -ENOTCONN,
	  "the region has no link; link it first" },
	{ MK_IOC_POWER, -EPERM,
	  "this kernel was not spawned and knows its machine (or the caller isn't root); tell "
	  "only a spawned kernel" },
	{ MK_IOC_POWER, -ENOTCONN,
	  "the region has no link; link it first" },

	{ ANY_CALL, -EPERM,
	  "the caller lacks CAP_SYS_ADMIN; run as root" },
	{ ANY_CALL, -EPROTONOSUPPORT,
	  "the module speaks another version; install module and agent of one release" },
	{ ANY_CALL, -EINVAL,
	  "the module found a field it doesn't know or can't accept; install module and agent "
	  "of one release" },
	{ ANY_CALL, -E2BIG,
	  "the module is older than the agent and lacks what was asked for; update the module" },
	{ ANY_CALL, -EFAULT,
	  "the argument couldn't be read or written; this is a defect of the agent, report it" },
	{ ANY_CALL, -ENOTTY,
	  "the device doesn't know this call; update the multikernel module" },
};

static const char *find(unsigned long request, int code)
{
	size_t i;

	for (i = 0; i < KHO_ARRAY_SIZE(causes); i++)
		if (causes[i].request == request && causes[i].code == code)
			return causes[i].text;
	return NULL;
}

const char *kho_device_cause(unsigned long request, int code)
{
	const char *text = find(request, code);

	return text ? text : find(ANY_CALL, code);
}
