// SPDX-License-Identifier: GPL-2.0-only
/* Findings of a check; move_findings.h has the contract. */
#include "agent/move_findings.h"
#include "base/cleanup.h"

const char *kho_checkup_verdict(const struct kho_config_workload *config,
				const struct kho_findings *findings)
{
	if (!findings->nr && !findings->more)
		return "moves";
	return config->restart ? "restarts" : "blocked";
}

bool kho_checkup_blocked(const struct kho_checkup *checkup)
{
	const struct kho_findings *kernels = kho_checkup_findings(checkup, KHO_CHECKUP_KERNEL);
	bool moves = false, blocked = false;

	for (unsigned int i = 0; i < checkup->config->nr_workloads; i++) {
		const char *verdict = kho_checkup_verdict(&checkup->config->workloads[i],
							  kho_checkup_findings(checkup, i));

		moves = moves || *verdict == 'm';
		blocked = blocked || *verdict == 'b';
	}
	/* what kernels lack is in nobody's way if nothing is moved by CRIU */
	return blocked || (moves && (kernels->nr || kernels->more));
}

int kho_findings_json(const struct kho_findings *findings, sd_json_variant **ret)
{
	_cleanup_variant_ sd_json_variant *list = NULL;
	int r = sd_json_variant_new_array(&list, NULL, 0);

	for (unsigned int i = 0; i < findings->nr && r >= 0; i++) {
		_cleanup_variant_ sd_json_variant *v = NULL;
		const struct kho_finding *finding = &findings->list[i];

		r = sd_json_buildo(
			&v, SD_JSON_BUILD_PAIR_STRING("kind", kho_finding_name(finding->kind)),
			SD_JSON_BUILD_PAIR_CONDITION(finding->pid > 0, "pid",
						     SD_JSON_BUILD_INTEGER(finding->pid)),
			SD_JSON_BUILD_PAIR_STRING("severity",
						  finding->warning ? "warning" : "blocker"),
			SD_JSON_BUILD_PAIR_STRING("where", finding->where),
			SD_JSON_BUILD_PAIR_STRING("cause", finding->cause),
			SD_JSON_BUILD_PAIR_STRING("remedy", finding->remedy));
		if (r >= 0)
			r = sd_json_variant_append_array(&list, v);
	}
	if (r >= 0)
		*ret = TAKE_PTR(list);
	return r;
}
