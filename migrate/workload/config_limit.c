// SPDX-License-Identifier: GPL-2.0-only
/* A tighter budget than the configuration's, for one upgrade. */
#include "migrate/workload/config.h"

void kho_config_limit_frozen(struct kho_config *config, uint64_t ms)
{
	if (!ms)
		return;
	if (!config->max_frozen_ms || config->max_frozen_ms > ms)
		config->max_frozen_ms = (uint32_t)ms;
	for (unsigned int i = 0; i < config->nr_workloads; i++) {
		struct kho_config_workload *workload = &config->workloads[i];

		if (workload->max_blackout_ms > ms)
			workload->max_blackout_ms = (uint32_t)ms;
		/* it would go on to be aborted with its tasks frozen */
		workload->go_on = false;
	}
}
