// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/multikernel: argument checks and dispatch.
 *
 * Every call has one row in a table. The row's size is that of the structure
 * this module was built with; callers built with an older or newer header are
 * served as the UAPI header promises. Handlers run under mk_lock, one at a time.
 */
#include <linux/acpi.h>
#include <linux/capability.h>
#include <linux/cpuhotplug.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/apic.h>
#include <asm/hypervisor.h>
#include <asm/pgtable.h>
#include <asm/tsc.h>

#include "mk.h"

DEFINE_MUTEX(mk_lock);

/*
 * A spawned kernel has no interrupt controller but its local APICs, since its
 * ACPI tables are hardware-reduced and ours. The agent may have to run in a
 * spawned kernel whose module is newer than the one that spawned it, so this is
 * read from the machine rather than passed in.
 */
bool mk_is_spawned(void)
{
	return (acpi_gbl_FADT.flags & ACPI_FADT_HW_REDUCED) &&
	       !memcmp(acpi_gbl_FADT.header.oem_id, MK_ACPI_OEM_ID,
		       sizeof(MK_ACPI_OEM_ID) - 1);
}

static int info(void *arg)
{
	struct mk_info *out = arg;
	struct mk_hdr hdr = out->hdr;

	memset(out, 0, sizeof(*out));
	out->hdr = hdr;
	if (x2apic_enabled())
		out->flags |= MK_INFO_X2APIC;
	if (pgtable_l5_enabled())
		out->flags |= MK_INFO_LA57;
	if (boot_cpu_has(X86_FEATURE_GBPAGES))
		out->flags |= MK_INFO_PDPE1GB;
	if (mk_is_spawned())
		out->flags |= MK_INFO_SPAWNED;
	if (mk_retire_armed())
		out->flags |= MK_INFO_RETIRE_ARMED;
	out->tsc_khz = tsc_khz;
	out->phys_bits = boot_cpu_data.x86_phys_bits;
	mk_region_describe(out);
	mk_cpu_describe(out);
	mk_lowmem_describe(out);
	mk_power_describe(&out->power);
	out->nr_pci_granted = mk_pci_nr_granted();
	out->nr_pci_held = mk_pci_nr_held();
	return 0;
}

struct mk_call {
	unsigned int cmd;
	int (*handler)(void *arg);
};

static const struct mk_call calls[] = {
	{ MK_IOC_INFO, info },
	{ MK_IOC_REGION_CLAIM, mk_region_claim },
	{ MK_IOC_REGION_INFO, mk_region_info },
	{ MK_IOC_REGION_RELEASE, mk_region_release },
	{ MK_IOC_REGION_TRIM, mk_region_trim },
	{ MK_IOC_CPU_START, mk_cpu_start },
	{ MK_IOC_CPU_STOP, mk_cpu_stop },
	{ MK_IOC_CPU_STATE, mk_cpu_state },
	{ MK_IOC_CPU_PARK, mk_cpu_park },
	{ MK_IOC_LINK, mk_link_set },
	{ MK_IOC_RING, mk_link_ring },
	{ MK_IOC_UNLINK, mk_link_unset },
	{ MK_IOC_CONSOLE, mk_console_start },
	{ MK_IOC_PCI_GRANT, mk_pci_grant },
	{ MK_IOC_PCI_REVOKE, mk_pci_revoke },
	{ MK_IOC_RETIRE, mk_retire },
	{ MK_IOC_ABSORB, mk_absorb },
	{ MK_IOC_POWER, mk_power_set },
};

/* By type and number alone: the size in the command may be another version's. */
static const struct mk_call *find_call(unsigned int cmd)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (_IOC_TYPE(cmd) == MK_IOC_MAGIC && _IOC_NR(cmd) == _IOC_NR(calls[i].cmd))
			return &calls[i];
	return NULL;
}

static int check_header(const struct mk_hdr *hdr, size_t known)
{
	if (hdr->abi != MK_ABI)
		return -EPROTONOSUPPORT;
	if (hdr->reserved || hdr->size < known)
		return -EINVAL;
	if (hdr->size > PAGE_SIZE)
		return -E2BIG;
	return 0;
}

static long mk_ioctl(struct file *file, unsigned int cmd, unsigned long uptr)
{
	const struct mk_call *call = find_call(cmd);
	void __user *user = (void __user *)uptr;
	void *arg __free(kfree) = NULL;
	struct mk_hdr hdr;
	size_t known;
	int ret;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (!call)
		return -ENOTTY;
	if (copy_from_user(&hdr, user, sizeof(hdr)))
		return -EFAULT;
	known = _IOC_SIZE(call->cmd);
	ret = check_header(&hdr, known);
	if (ret)
		return ret;
	arg = kzalloc(known, GFP_KERNEL);
	if (!arg)
		return -ENOMEM;
	ret = copy_struct_from_user(arg, known, user, hdr.size);
	if (ret)
		return ret;
	/* what was checked is what counts, whatever user space does meanwhile */
	*(struct mk_hdr *)arg = hdr;

	mutex_lock(&mk_lock);
	ret = call->handler(arg);
	mutex_unlock(&mk_lock);
	if (ret)
		return ret;
	return copy_to_user(user, arg, known) ? -EFAULT : 0;
}

static const struct file_operations mk_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = mk_ioctl,
	.mmap = mk_region_mmap,
};

static struct miscdevice mk_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = MK_NAME,
	.fops = &mk_fops,
	.mode = 0600,
};

struct mk_part {
	int (*init)(void);
	void (*exit)(void);
};

static int misc_init(void)
{
	return misc_register(&mk_misc);
}

static void misc_exit(void)
{
	misc_deregister(&mk_misc);
}

/* In order of dependence; the device comes last, when all the rest is ready. */
static const struct mk_part parts[] = {
	{ mk_start_init, NULL },
	{ mk_ipi_init, mk_ipi_exit },
	{ mk_region_init, mk_region_exit },
	{ mk_cpu_init, mk_cpu_exit },
	{ mk_link_init, mk_link_exit },
	{ mk_doorbell_init, mk_doorbell_exit },
	{ mk_pci_hold_init, mk_pci_hold_exit },
	{ mk_power_init, mk_power_exit },
	{ misc_init, misc_exit },
};

static void exit_parts(size_t nr)
{
	while (nr--)
		if (parts[nr].exit)
			parts[nr].exit();
}

static int __init mk_init(void)
{
	int ret;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		ret = parts[i].init ? parts[i].init() : 0;
		if (ret) {
			exit_parts(i);
			return ret;
		}
	}
	pr_info("ready, %s kernel\n", mk_is_spawned() ? "spawned" : "first");
	return 0;
}

static void __exit mk_exit(void)
{
	exit_parts(ARRAY_SIZE(parts));
}

module_init(mk_init);
module_exit(mk_exit);
MODULE_DESCRIPTION("A second kernel beside the running one");
MODULE_LICENSE("GPL");
