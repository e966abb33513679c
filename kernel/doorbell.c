// SPDX-License-Identifier: GPL-2.0-only
/*
 * The doorbell: one device interrupt vector that no device owns.
 *
 * An interrupt allocated in a child of the x86 vector domain has a vector and
 * the APIC id of the CPU that it goes to; a fixed-mode IPI with those two, sent
 * by the other kernel, is that interrupt. Both change when its CPU goes offline
 * or its affinity is set, so every change is published in the status page. A
 * ring sent to the old place meanwhile is lost: the other side polls now and
 * then, too.
 */
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <asm/apic.h>
#include <asm/hw_irq.h>
#include <asm/irqdomain.h>

#include "mk.h"

static struct irq_domain *domain;
static struct fwnode_handle *fwnode;
static int virq;

static u64 word_of(struct irq_data *data)
{
	struct irq_cfg *cfg = irqd_cfg(data);

	return cfg && cfg->vector ? MK_DOORBELL(cfg->vector, cfg->dest_apicid) : 0;
}

u64 mk_doorbell_word(void)
{
	return virq > 0 ? word_of(irq_get_irq_data(virq)) : 0;
}

static int set_affinity(struct irq_data *data, const struct cpumask *mask, bool force)
{
	struct irq_data *parent = data->parent_data;
	int ret = parent->chip->irq_set_affinity(parent, mask, force);

	if (ret >= 0)
		mk_link_publish_doorbell(word_of(data));
	return ret;
}

static struct irq_chip chip = {
	.name = "MULTIKERNEL",
	.irq_ack = irq_chip_ack_parent,
	.irq_set_affinity = set_affinity,
	.irq_retrigger = irq_chip_retrigger_hierarchy,
	.flags = IRQCHIP_SKIP_SET_WAKE,
};

static int domain_alloc(struct irq_domain *d, unsigned int irq, unsigned int nr, void *arg)
{
	int ret = irq_domain_alloc_irqs_parent(d, irq, nr, arg);

	if (!ret)
		irq_domain_set_info(d, irq, 0, &chip, NULL, handle_edge_irq, NULL, "edge");
	return ret;
}

static void domain_free(struct irq_domain *d, unsigned int irq, unsigned int nr)
{
	irq_domain_free_irqs_common(d, irq, nr);
}

static const struct irq_domain_ops domain_ops = {
	.alloc = domain_alloc,
	.free = domain_free,
};

static irqreturn_t rung(int irq, void *unused)
{
	mk_link_rung();
	return IRQ_HANDLED;
}

static int make_irq(void)
{
	struct irq_alloc_info info = {};
	int ret;

	virq = irq_domain_alloc_irqs(domain, 1, NUMA_NO_NODE, &info);
	if (virq < 0)
		return virq;
	ret = request_irq(virq, rung, 0, MK_NAME, &chip);
	if (ret) {
		irq_dispose_mapping(virq);
		virq = 0;
	}
	return ret;
}

int mk_doorbell_init(void)
{
	int ret = -ENOMEM;

	fwnode = irq_domain_alloc_named_fwnode(MK_NAME);
	if (!fwnode)
		return ret;
	domain = irq_domain_create_hierarchy(x86_vector_domain, 0, 1, fwnode, &domain_ops, NULL);
	if (domain)
		ret = make_irq();
	if (!ret)
		return 0;
	/* works without: the agents poll */
	pr_warn("no doorbell (%d), polling\n", ret);
	mk_doorbell_exit();
	return 0;
}

void mk_doorbell_exit(void)
{
	if (virq > 0) {
		free_irq(virq, &chip);
		irq_dispose_mapping(virq);
	}
	virq = 0;
	if (domain)
		irq_domain_remove(domain);
	domain = NULL;
	if (fwnode)
		irq_domain_free_fwnode(fwnode);
	fwnode = NULL;
}

static bool is_ours(u32 apic_id)
{
	int cpu;

	for_each_online_cpu(cpu)
		if (cpu_physical_id(cpu) == apic_id)
			return true;
	return false;
}

/* @word was written by the other kernel: anything may stand there. */
int mk_doorbell_ring(u64 word)
{
	u8 vector = MK_DOORBELL_VECTOR(word);
	u32 apic_id = MK_DOORBELL_APIC_ID(word);

	if (!(word & MK_DOORBELL_VALID))
		return -EAGAIN;
	if (vector < FIRST_EXTERNAL_VECTOR || vector >= FIRST_SYSTEM_VECTOR || is_ours(apic_id))
		return -EIO;
	/* nor all CPUs at once: ~0 is that in x2APIC mode, 0xff in xAPIC mode */
	if (apic_id == ~0u || (!x2apic_enabled() && apic_id > 0xfe))
		return -EIO;
	mk_icr_write(APIC_DM_FIXED | APIC_DEST_PHYSICAL | vector, apic_id);
	return 0;
}
