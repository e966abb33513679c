// SPDX-License-Identifier: GPL-2.0-only
/* khoctl config check, show: what the agent would read. Needs no agent. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "khoctl/khoctl.h"
#include "migrate/workload/config.h"

static int refuse(const struct kho_err *err)
{
	_cleanup_variant_ sd_json_variant *v = NULL;

	if (arg_json && sd_json_buildo(&v, SD_JSON_BUILD_PAIR_BOOLEAN("valid", false),
				       SD_JSON_BUILD_PAIR_INTEGER("code", -err->code),
				       SD_JSON_BUILD_PAIR_STRING("message", err->msg)) >= 0)
		kho_print_json(v);
	fprintf(stderr, "khoctl: %s\n", err->msg);
	return kho_exit_code(err->code);
}

static int check(void)
{
	_cleanup_free_ struct kho_config *config = NULL;
	_cleanup_variant_ sd_json_variant *v = NULL;
	struct kho_err err;

	if (kho_config_load(&config, &err) < 0)
		return refuse(&err);
	if (!arg_json) {
		printf("%u workloads, %u addresses, %u volumes\n", config->nr_workloads,
		       config->nr_addresses, config->nr_volumes);
		return KHO_EXIT_OK;
	}
	if (sd_json_buildo(&v, SD_JSON_BUILD_PAIR_BOOLEAN("valid", true),
			   SD_JSON_BUILD_PAIR_UNSIGNED("workloads", config->nr_workloads),
			   SD_JSON_BUILD_PAIR_UNSIGNED("addresses", config->nr_addresses),
			   SD_JSON_BUILD_PAIR_UNSIGNED("volumes", config->nr_volumes)) < 0)
		return KHO_EXIT_FAILED;
	kho_print_json(v);
	return KHO_EXIT_OK;
}

static int show(void)
{
	_cleanup_variant_ sd_json_variant *v = NULL;
	_cleanup_free_ char *text = NULL;
	struct kho_err err;

	if (kho_config_text(&text, &err) < 0)
		return kho_report(&err);
	if (!arg_json)
		fputs(text, stdout);
	else if (sd_json_buildo(&v, SD_JSON_BUILD_PAIR_STRING("text", text)) >= 0)
		kho_print_json(v);
	return KHO_EXIT_OK;
}

int verb_config(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "check") == 0)
		return check();
	if (argc == 2 && strcmp(argv[1], "show") == 0)
		return show();
	return kho_usage_error("config takes check or show");
}
