// SPDX-License-Identifier: GPL-2.0-only
/* Facts of this machine, to be judged by upgrade/preflight.h; check_machine.h has the contract. */
#include <errno.h>
#include <stdlib.h>

#include "agent/check_machine.h"
#include "agent/failpoint.h"
#include "agent/history.h"
#include "agent/spawn.h"
#include "base/bits.h"
#include "base/cleanup.h"
#include "image/build.h"
#include "system/machine.h"
#include "system/memory.h"
#include "system/pci.h"

/* ---- the machine ---- */

static const struct kho_room_need rooms[] = {
	{ KHO_RUN_DIR, "a spawn with a move", 32 * KHO_MIB, 256, false },
	{ KHO_STATE_DIR, "the journal of an upgrade", 4 * KHO_MIB, 128, false },
	{ KHO_IMAGE_DIR, "another target image", 64 * KHO_MIB, 16, true },
};

void kho_check_machine(struct kho_agent *agent, struct kho_findings *findings)
{
	struct kho_machine machine;
	struct kho_room room;
	struct kho_err err;

	if (kho_machine_read(&agent->root, &machine, &err) < 0)
		kho_found_message(findings, KHO_FINDING_MACHINE, "", err.msg);
	else
		kho_judge_machine(&machine, findings);
	for (size_t i = 0; i < KHO_ARRAY_SIZE(rooms); i++) {
		if (kho_room_read(rooms[i].path, &room, &err) < 0)
			kho_found_message(findings, KHO_FINDING_SPACE, rooms[i].path, err.msg);
		else
			kho_judge_room(&room, &rooms[i], findings);
	}
}

int kho_refuse_machine(struct kho_agent *agent, struct kho_err *err)
{
	_cleanup_free_ struct kho_findings *findings = calloc(1, sizeof(*findings));
	char line[KHO_FINDING_CAUSE + KHO_FINDING_REMEDY + 64];
	const struct kho_finding *first;

	if (!findings)
		return kho_fail(err, -ENOMEM, "no memory to look at this machine");
	kho_check_machine(agent, findings);
	first = kho_findings_blocker(findings);
	if (!first || kho_failpoint_any_machine())
		return 0;
	kho_finding_format(first, line, sizeof(line));
	return kho_fail(err, -EOPNOTSUPP, "not on this machine (%s): %.400s",
			kho_finding_name(first->kind), line);
}

/* ---- what could be lent ---- */

static void check_cpus(struct kho_agent *agent, const char *text, struct kho_lend *ret,
		       struct kho_findings *findings)
{
	_cleanup_free_ struct kho_cpu_list *list = calloc(1, sizeof(*list));
	struct kho_cpus cpus = {};
	struct kho_err err;
	int r = list ? kho_cpu_list_read(&agent->root, list, &err) :
		       kho_fail(&err, -ENOMEM, "no memory for a list of CPUs; free some");

	if (r >= 0) {
		kho_judge_cpus(list, findings);
		r = kho_reserve_plan_cpus(agent, list, text, &cpus, &err);
	}
	if (r >= 0)
		kho_cpus_format(&cpus, ret->cpus, sizeof(ret->cpus));
	else
		kho_found_message(findings, KHO_FINDING_CPUS, "", err.msg);
}

static void check_memory(struct kho_agent *agent, const struct kho_reserve_spec *spec,
			 struct kho_lend *ret, struct kho_findings *findings)
{
	struct kho_lendable *lendable = &ret->lendable;
	_cleanup_(kho_mem_map_done) struct kho_mem_map map = {};
	uint64_t memory = 0;
	struct kho_err err;
	int r = kho_memory_read(&agent->root, &map, &err);

	lendable->kept = KHO_RESERVE_FLOOR;
	if (r >= 0)
		r = kho_memory_available(&agent->root, &lendable->available, &err);
	if (r >= 0) {
		kho_lendable_count(&map, lendable);
		r = kho_reserve_plan_memory(agent, &map, spec, &memory, &err);
	}
	if (r >= 0)
		ret->memory = memory;
	else
		kho_found_message(findings, KHO_FINDING_MEMORY, "", err.msg);
}

void kho_check_lend(struct kho_agent *agent, const struct kho_reserve_spec *spec,
		    struct kho_lend *ret, struct kho_findings *findings)
{
	check_cpus(agent, spec->cpus, ret, findings);
	check_memory(agent, spec, ret, findings);
}

/* ---- functions ---- */

static bool is_granted(const struct kho_config *config, const struct kho_pci_addr *addr)
{
	for (unsigned int i = 0; i < config->nr_addresses; i++)
		for (unsigned int n = 0; n < config->addresses[i].nr_functions; n++)
			if (kho_pci_is_same(&config->addresses[i].functions[n], addr))
				return true;
	for (unsigned int i = 0; i < config->nr_volumes; i++)
		if (config->volumes[i].has_function && kho_pci_is_same(&config->volumes[i].function, addr))
			return true;
	return false;
}

int kho_check_given(struct kho_agent *agent, const struct kho_config *config,
		    struct kho_given **ret, size_t *ret_nr, struct kho_err *err)
{
	_cleanup_(kho_pci_list_done) struct kho_pci_list list = {};
	_cleanup_free_ struct kho_given *given = NULL;
	size_t nr = 0;
	int r = kho_pci_list_read(&agent->root, &list, err);

	if (r < 0 && r != -EOPNOTSUPP)
		return r;
	given = calloc(list.nr + 1, sizeof(*given));
	if (!given)
		return kho_fail(err, -ENOMEM, "no memory for a list of functions; free some");
	for (size_t i = 0; i < list.nr; i++) {
		const struct kho_pci_function *function = &list.functions[i];

		given[nr].granted = is_granted(config, &function->addr);
		if (!given[nr].granted && (function->bridge || !kho_retire_leaves(function)))
			continue;
		kho_pci_format(&function->addr, given[nr].name);
		/* it may have gone meanwhile */
		if (kho_device_needs_read(&agent->root, given[nr].name, &given[nr].needs, err) >= 0)
			nr++;
	}
	*ret_nr = nr;
	*ret = TAKE_PTR(given);
	return 0;
}
