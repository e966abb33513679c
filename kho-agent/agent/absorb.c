// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking the machine that a retired kernel left: how to switch it off, CPUs, memory,
 * PCI functions. Each step can be repeated; one that fails for some part doesn't
 * keep the others from being taken.
 */
#include <errno.h>
#include <string.h>

#include "agent/join.h"
#include "agent/pci.h"
#include "base/bits.h"
#include "spawn/park.h"
#include "system/memory.h"
#include "upgrade/takeover.h"

#define CPU_TIMEOUT_MS		5000
#define MAX_PIECES		256

/* ---- CPUs ---- */

/* The boot CPU came by itself; the others still run the retired kernel's idle loop. */
static int fetch_cpu(void *ctx, uint32_t apic_id, struct kho_err *err)
{
	struct kho_agent *agent = ctx;
	const struct kho_handover *own = &agent->own;
	const struct mk_cpu_start park = {
		.apic_id = apic_id,
		.region = agent->own_region,
		.timeout_ms = CPU_TIMEOUT_MS,
		.pgtable = kho_handover_phys(own, kho_handover_arena(own, "pgtable")->offset),
		.entry = kho_park_entry(kho_handover_phys(own,
			kho_handover_arena(own, "park")->offset)),
	};
	struct mk_cpu cpu;
	int r = kho_device_cpu_state(&agent->device, apic_id, &cpu, err);

	if (r < 0 || cpu.state == MK_CPU_ONLINE || apic_id == own->boot_apic_id)
		return r;
	return kho_device_cpu_park(&agent->device, &park, err);
}

static int online_cpu(void *ctx, uint32_t apic_id, struct kho_err *err)
{
	struct kho_agent *agent = ctx;
	struct mk_cpu cpu;
	int r = kho_device_cpu_state(&agent->device, apic_id, &cpu, err);

	if (r < 0 || cpu.state == MK_CPU_ONLINE)
		return r;
	kho_agent_is_alive();
	return kho_cpu_online(&agent->root, cpu.cpu, KHO_CPU_HOTPLUG_MS, err);
}

static int take_cpus(struct kho_agent *agent, size_t *ret_stuck, struct kho_err *err)
{
	static const struct kho_take_cpu_ops ops = { .fetch = fetch_cpu, .online = online_cpu };
	const struct kho_take_cpus cpus = {
		.apic_ids = agent->own.later_cpus,
		.nr = agent->own.nr_later_cpus,
		.asleep = agent->left ? agent->left->asleep : NULL,
		.nr_asleep = agent->left ? agent->left->n_asleep : 0,
	};

	return kho_take_cpus(&cpus, &ops, agent, ret_stuck, err);
}

/* ---- memory ---- */

/* Cuts @hole out of the @nr pieces; returns how many there are then. */
static size_t cut(struct mk_range *pieces, size_t nr, const struct mk_range *hole)
{
	uint64_t hole_end = hole->start + hole->size;
	size_t kept = nr;

	for (size_t i = 0; i < nr; i++) {
		uint64_t start = pieces[i].start, end = start + pieces[i].size;

		if (end <= hole->start || hole_end <= start)
			continue;
		pieces[i].size = start < hole->start ? hole->start - start : 0;
		if (end > hole_end && kept < MAX_PIECES)
			pieces[kept++] = (struct mk_range){ hole_end, end - hole_end };
	}
	return kept;
}

/* The machine's RAM but for what was this kernel's from the start. */
static size_t find_left_memory(const struct kho_handover *own, struct mk_range *pieces)
{
	size_t nr = 0;

	for (uint32_t i = 0; i < own->nr_ram; i++)
		if (own->ram[i].type == 1)
			pieces[nr++] = (struct mk_range){ own->ram[i].start, own->ram[i].size };
	for (uint32_t i = 0; i < own->nr_ranges; i++)
		nr = cut(pieces, nr, &own->ranges[i]);
	return nr;
}

static int take_piece(struct kho_agent *agent, const struct mk_range *piece, uint64_t *total,
		      struct kho_err *err)
{
	const struct kho_absorb absorb = {
		.region = agent->own_region,
		.ranges = piece,
		.nr_ranges = 1,
	};
	/* movable: the next kernel in the chain will want it offline */
	const struct kho_mem_ranges online = {
		.ranges = piece,
		.nr = 1,
		.zone = KHO_ZONE_MOVABLE,
	};
	uint64_t added = 0, onlined = 0;
	int r = kho_device_absorb(&agent->device, &absorb, &added, err);

	if (r >= 0 && added)
		r = kho_memory_online_ranges(&agent->root, &online, &onlined, err);
	*total += onlined;
	return r;
}

static int take_pieces(struct kho_agent *agent, uint64_t *ret_total, struct kho_err *err)
{
	struct mk_range pieces[MAX_PIECES];
	size_t nr = find_left_memory(&agent->own, pieces);
	struct kho_err one;
	int first = 0, r;

	for (size_t i = 0; i < nr; i++) {
		if (!pieces[i].size)
			continue;
		r = take_piece(agent, &pieces[i], ret_total, &one);
		if (r < 0 && !first) {
			first = r;
			*err = one;
		}
	}
	return first;
}

/*
 * Added blocks come online by themselves where that's the policy, and then in a
 * zone that the next kernel in the chain couldn't get them from.
 */
static int take_memory(struct kho_agent *agent, uint64_t *ret_total, struct kho_err *err)
{
	char policy[KHO_MEM_POLICY];
	struct kho_err undo;
	int kept = kho_memory_set_policy(&agent->root, "offline", policy, err);
	int r = take_pieces(agent, ret_total, err);

	if (kept < 0)
		return kept;
	if (kho_memory_set_policy(&agent->root, policy, NULL, &undo) < 0)
		kho_agent_progress(agent, "memory that is plugged in stays offline: %s", undo.msg);
	return r;
}

int kho_absorb_all(struct kho_session *session, struct kho_err *err)
{
	struct kho_agent *agent = session->agent;
	struct kho_err other;
	uint64_t memory = 0;
	unsigned int functions;
	size_t stuck;
	int r, cpus, mem;

	r = kho_device_power(&agent->device, agent->own_region, &agent->own.power, err);
	if (r < 0)
		return kho_wrap(err, r, "power");
	cpus = take_cpus(agent, &stuck, err);
	/* a CPU that couldn't be fetched may still run in that memory */
	mem = stuck ? 0 : take_memory(agent, &memory, cpus < 0 ? &other : err);
	if (cpus < 0 && mem < 0)
		kho_agent_progress(agent, "memory: %s", other.msg);
	functions = kho_pci_absorb(agent);
	kho_agent_progress(agent, "taken over: %llu MiB of memory, %u PCI functions",
			   (unsigned long long)(memory / KHO_MIB), functions);
	return cpus < 0 ? kho_wrap(err, cpus, "CPUs") : mem < 0 ? kho_wrap(err, mem, "memory") : 0;
}
