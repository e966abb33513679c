// SPDX-License-Identifier: GPL-2.0-only
/* khoctl metrics: what Prometheus would be shown. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "khoctl/khoctl.h"

static void print_text(sd_json_variant *answer)
{
	fputs(kho_field_text(answer, "text") ?: "", stdout);
}

int verb_metrics(int argc, char **argv)
{
	struct kho_call call = { .method = KHO_API_METHOD("Metrics") };
	bool open = argc == 2 && strcmp(argv[1], "--openmetrics") == 0;

	if (argc > 1 + open)
		return kho_usage_error("metrics takes nothing but --openmetrics");
	if (sd_json_buildo(&call.parameters, SD_JSON_BUILD_PAIR_BOOLEAN("openMetrics", open)) < 0)
		return KHO_EXIT_FAILED;
	return kho_call_and_show(&call, NULL, print_text);
}
