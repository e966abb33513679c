/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reserving CPUs and memory for a new kernel, and giving them back.
 *
 * Before anything is offlined, what is online is written down in
 * /run/kho-agent/reserved. Giving back means making it so again. That holds
 * wherever an agent was killed in between, and doing it twice does no harm.
 */
#ifndef KHO_AGENT_RESERVE_H
#define KHO_AGENT_RESERVE_H

#include "agent/agent.h"
#include "base/parse.h"
#include "system/memplan.h"

struct kho_reserve_spec {
	const char *cpus;		/* list of numbers, NULL: half of those online */
	const char *blocks;		/* list of memory blocks, NULL: chosen by size */
	uint64_t memory;		/* bytes, 0: a quarter of the machine's */
	uint64_t contiguous;		/* bytes that the first range must have */
};

struct kho_reserved {
	uint32_t nr_cpus;
	uint32_t apic_ids[KHO_CPUS_MAX];
	uint32_t nr_ranges;
	struct mk_range ranges[MK_MAX_RANGES];
};

/*
 * Offlines what @spec asks for. On failure everything is as it was.
 *   -EINVAL  a list makes no sense, or names CPUs that can't be given
 *   others   those of kho_cpu_offline(), kho_memory_take()
 */
int kho_reserve(struct kho_agent *agent, const struct kho_reserve_spec *spec,
		struct kho_reserved *ret, struct kho_err *err);

/* what this kernel keeps for itself of available memory, whatever was asked for */
#define KHO_RESERVE_FLOOR	(256ull << 20)

/*
 * What it would be, without touching anything: *@ret_cpus by number, *@ret_memory in bytes
 * (of both, or of either). Whether memory can be given up shows only when it's tried; what
 * can be told before by the kernel's own marks, and by MemAvailable, is looked at.
 */
int kho_reserve_plan_cpus(struct kho_agent *agent, const struct kho_cpu_list *list,
			  const char *text, struct kho_cpus *ret, struct kho_err *err);
int kho_reserve_plan_memory(struct kho_agent *agent, const struct kho_mem_map *map,
			    const struct kho_reserve_spec *spec, uint64_t *ret,
			    struct kho_err *err);
int kho_reserve_plan(struct kho_agent *agent, const struct kho_reserve_spec *spec,
		     struct kho_cpus *ret_cpus, uint64_t *ret_memory, struct kho_err *err);

/* Whether something is reserved, by this agent or by one that was killed. */
bool kho_reserve_is_pending(void);

/* Everything online again. Goes on after a failure and returns the first one. */
int kho_reserve_give_back(struct kho_agent *agent, struct kho_err *err);

/* What is reserved is the new kernel's for good: forgets it. */
void kho_reserve_forget(void);

#endif
