// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which CPUs can be spared; cpus.h has the contract.
 *
 * Candidates are sorted by how gladly we give them, and the first ones taken.
 * Threads of one core stand next to each other in that order, so a core is split
 * between two kernels only if an odd number is asked for or nothing else is left.
 */
#include <errno.h>
#include <stdlib.h>

#include "system/cpus.h"

struct candidate {
	const struct kho_cpu *cpu;
	bool whole_core;		/* all online threads of its core are candidates */
};

static bool can_be_spared(const struct kho_cpu *cpu, const struct kho_spare *spare)
{
	return cpu->cpu != 0 && cpu->online && cpu->hotpluggable &&
	       cpu->apic_id != KHO_APIC_UNKNOWN && cpu->apic_id != spare->boot_apic_id;
}

static bool same_core(const struct kho_cpu *a, const struct kho_cpu *b)
{
	if (a == b)
		return true;
	return a->core >= 0 && a->core == b->core && a->package == b->package;
}

static bool core_is_whole(const struct kho_cpu_list *list, const struct kho_spare *spare,
			  const struct kho_cpu *cpu)
{
	const struct kho_cpu *other;

	for (other = list->cpus; other < list->cpus + list->nr; other++)
		if (other->online && same_core(cpu, other) && !can_be_spared(other, spare))
			return false;
	return true;
}

static int descending(int64_t a, int64_t b)
{
	return (a < b) - (a > b);
}

static int by_preference(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;
	int r;

	r = descending(a->whole_core, b->whole_core);
	if (!r)
		r = descending(a->cpu->package, b->cpu->package);
	if (!r)
		r = descending(a->cpu->core, b->cpu->core);
	return r ? r : descending(a->cpu->cpu, b->cpu->cpu);
}

static size_t count_online(const struct kho_cpu_list *list)
{
	size_t i, nr = 0;

	for (i = 0; i < list->nr; i++)
		nr += list->cpus[i].online;
	return nr;
}

static size_t find_candidates(const struct kho_cpu_list *list, const struct kho_spare *spare,
			      struct candidate *candidates)
{
	const struct kho_cpu *cpu;
	size_t nr = 0;

	for (cpu = list->cpus; cpu < list->cpus + list->nr; cpu++)
		if (can_be_spared(cpu, spare))
			candidates[nr++] = (struct candidate) {
				.cpu = cpu,
				.whole_core = core_is_whole(list, spare, cpu),
			};
	if (nr > 1)
		qsort(candidates, nr, sizeof(*candidates), by_preference);
	return nr;
}

int kho_cpu_choose_spare(const struct kho_cpu_list *list, const struct kho_spare *spare,
			 struct kho_cpus *ret, struct kho_err *err)
{
	struct candidate candidates[KHO_CPUS_MAX];
	size_t min_left = spare->min_left ? spare->min_left : 1;
	size_t nr, online = count_online(list), i;
	struct kho_cpus chosen = { 0 };

	if (!spare->nr)
		return kho_fail(err, -EINVAL, "no CPU was asked for; ask for at least one");
	nr = find_candidates(list, spare, candidates);
	if (nr > online - (online < min_left ? online : min_left))
		nr = online - (online < min_left ? online : min_left);
	if (spare->nr > nr)
		return kho_fail(err, -ENOSPC, "%u CPUs were asked for but only %zu of %zu online "
				"ones can be spared (the boot CPU and %zu at least stay); ask for "
				"fewer, or online more", spare->nr, nr, online, min_left);
	for (i = 0; i < spare->nr; i++)
		kho_cpus_add(&chosen, candidates[i].cpu->cpu);
	*ret = chosen;
	return 0;
}
