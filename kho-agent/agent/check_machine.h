/* SPDX-License-Identifier: GPL-2.0-only */
/* What of this machine would keep a kernel from being spawned, and what could be lent. */
#ifndef KHO_AGENT_CHECK_MACHINE_H
#define KHO_AGENT_CHECK_MACHINE_H

#include "agent/reserve.h"
#include "migrate/workload/config.h"
#include "upgrade/preflight.h"

/* The machine as such, and room in file systems. */
void kho_check_machine(struct kho_agent *agent, struct kho_findings *findings);

/* The same for whoever begins something: -EOPNOTSUPP, with the first thing in the way. */
int kho_refuse_machine(struct kho_agent *agent, struct kho_err *err);

struct kho_lend {
	char cpus[KHO_CPUS_TEXT];	/* that would be lent; "": none can be */
	uint64_t memory;		/* bytes, likewise */
	struct kho_lendable lendable;
};

/* CPUs and memory, as a spawn by @spec would choose them. */
void kho_check_lend(struct kho_agent *agent, const struct kho_reserve_spec *spec,
		    struct kho_lend *ret, struct kho_findings *findings);

/* Functions that the new kernel would get, by @config and at retirement; by free(). */
int kho_check_given(struct kho_agent *agent, const struct kho_config *config,
		    struct kho_given **ret, size_t *ret_nr, struct kho_err *err);

#endif
