// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl check: what would keep the configured workloads from moving, and this machine
 * from being upgraded. It changes nothing. Exit code 0: both would begin, but for what
 * images are to blame for if none was named; KHO_EXIT_BLOCKED: it would be refused.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/bits.h"
#include "base/cleanup.h"
#include "base/parse.h"
#include "khoctl/khoctl.h"

static void print_finding(sd_json_variant *f)
{
	unsigned long long pid = kho_field_number(f, "pid");
	const char *where = kho_field_text(f, "where") ?: "";
	const char *severity = kho_field_text(f, "severity") ?: "";

	printf("  %s%s: ", strcmp(severity, "warning") == 0 ? "warning: " : "",
	       kho_field_text(f, "kind"));
	if (pid)
		printf("process %llu%s", pid, *where ? ", " : ": ");
	if (*where)
		printf("%s: ", where);
	printf("%s\n      %s\n", kho_field_text(f, "cause"), kho_field_text(f, "remedy"));
}

static void print_findings(sd_json_variant *of, const char *name)
{
	sd_json_variant *list = sd_json_variant_by_key(of, name);

	for (size_t i = 0; list && i < sd_json_variant_elements(list); i++)
		print_finding(sd_json_variant_by_index(list, i));
	if (kho_field_number(of, "more"))
		printf("  and %llu more\n", (unsigned long long)kho_field_number(of, "more"));
}

static void print_workload(sd_json_variant *w)
{
	const char *result = kho_field_text(w, "result");

	printf("%s (%s): ", kho_field_text(w, "name"), kho_field_text(w, "unit"));
	if (strcmp(result, "moves") == 0)
		printf("can move\n");
	else if (strcmp(result, "restarts") == 0)
		printf("can't move: it's stopped before and started on the new kernel "
		       "(CannotMove=restart).\n"
		       "  The cost: its connections end, what it has in memory is lost, and it's "
		       "down from\n"
		       "  before the switch until after it. Of its files only volumes and Files= "
		       "go along.\n");
	else
		printf("can't move, and so nothing does (CannotMove=refuse)\n");
	print_findings(w, "findings");
}

static void print_section(sd_json_variant *answer, const char *name, const char *title)
{
	sd_json_variant *list = sd_json_variant_by_key(answer, name);

	if (!list || !sd_json_variant_elements(list))
		return;
	printf("%s:\n", title);
	print_findings(answer, name);
}

static unsigned long long mib(sd_json_variant *lend, const char *name)
{
	return kho_field_number(lend, name) / KHO_MIB;
}

static void print_lend(sd_json_variant *lend)
{
	const char *cpus = kho_field_text(lend, "cpus");

	printf("would be lent: CPUs %s, %llu MiB\n", cpus && *cpus ? cpus : "(none)",
	       mib(lend, "memoryBytes"));
	printf("  memory: %llu MiB at most (%llu MiB may go offline, %llu of it is movable; of "
	       "%llu MiB available\n  this kernel keeps %llu)\n", mib(lend, "mostMemoryBytes"),
	       mib(lend, "removableBytes"), mib(lend, "movableBytes"),
	       mib(lend, "availableBytes"), mib(lend, "keptBytes"));
}

static void print_check(sd_json_variant *answer)
{
	sd_json_variant *list = sd_json_variant_by_key(answer, "workloads");
	sd_json_variant *lend = sd_json_variant_by_key(answer, "lend");
	sd_json_variant *peer = sd_json_variant_by_key(answer, "peer");

	print_section(answer, "machine", "this machine");
	if (lend && !sd_json_variant_is_null(lend))
		print_lend(lend);
	for (size_t i = 0; list && i < sd_json_variant_elements(list); i++)
		print_workload(sd_json_variant_by_index(list, i));
	print_section(answer, "kernels", "the kernels");
	print_section(answer, "images", "target images (in the way of a spawn, not of a move)");
	if (!peer || !sd_json_variant_boolean(peer))
		printf("No new kernel is up: what it has of files, PIDs, CPU features and CRIU's "
		       "needs\nwasn't looked at. khoctl spawn one and check again.\n");
}

struct check_options {
	const char *cpus, *blocks;
	uint64_t memory;
};

static int parse_options(int argc, char **argv, struct check_options *opts)
{
	static const struct option options[] = {
		{ "cpus", required_argument, NULL, 'c' },
		{ "memory", required_argument, NULL, 'm' },
		{ "blocks", required_argument, NULL, 'b' },
		{}
	};
	struct kho_err err;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'c')
			opts->cpus = optarg;
		else if (option == 'b')
			opts->blocks = optarg;
		else if (option != 'm')
			return KHO_EXIT_USAGE;
		else if (kho_parse_size(optarg, &opts->memory, &err) < 0)
			return kho_usage_error("--memory: %s", err.msg);
	}
	return 0;
}

static sd_json_variant *parameters_of(const char *image, const struct check_options *opts)
{
	char *path = image ? realpath(image, NULL) : NULL;
	sd_json_variant *v = NULL;
	int r;

	r = sd_json_buildo(
		&v,
		SD_JSON_BUILD_PAIR_CONDITION(!!image, "image", SD_JSON_BUILD_STRING(path ?: image)),
		SD_JSON_BUILD_PAIR_CONDITION(!!opts->cpus, "cpus", SD_JSON_BUILD_STRING(opts->cpus)),
		SD_JSON_BUILD_PAIR_CONDITION(!!opts->blocks, "blocks",
					     SD_JSON_BUILD_STRING(opts->blocks)),
		SD_JSON_BUILD_PAIR_CONDITION(!!opts->memory, "memoryBytes",
					     SD_JSON_BUILD_UNSIGNED(opts->memory)));
	free(path);
	return r < 0 ? NULL : v;
}

int verb_check(int argc, char **argv)
{
	_cleanup_variant_ sd_json_variant *answer = NULL;
	struct kho_call call = { .method = KHO_API_METHOD("Check") };
	struct check_options opts = {};
	sd_json_variant *blocked;
	int r = parse_options(argc, argv, &opts);

	if (r)
		return r;
	if (optind < argc - 1)
		return kho_usage_error("check takes one target image, or none");
	call.parameters = parameters_of(optind < argc ? argv[optind] : NULL, &opts);
	r = kho_call(&call, &answer);
	if (r != KHO_EXIT_OK)
		return r;
	if (arg_json)
		kho_print_json(answer);
	else
		print_check(answer);
	blocked = sd_json_variant_by_key(answer, "blocked");
	return blocked && sd_json_variant_boolean(blocked) ? KHO_EXIT_BLOCKED : KHO_EXIT_OK;
}
