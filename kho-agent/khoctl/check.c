// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl check: what would keep the configured workloads from moving. It changes
 * nothing. Exit code 0: a move would begin; KHO_EXIT_BLOCKED: it would be refused.
 */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "khoctl/khoctl.h"

static void print_finding(sd_json_variant *f)
{
	unsigned long long pid = kho_field_number(f, "pid");
	const char *where = kho_field_text(f, "where") ?: "";

	printf("  %s: ", kho_field_text(f, "kind"));
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

static void print_check(sd_json_variant *answer)
{
	sd_json_variant *list = sd_json_variant_by_key(answer, "workloads");
	sd_json_variant *kernels = sd_json_variant_by_key(answer, "kernels");
	sd_json_variant *images = sd_json_variant_by_key(answer, "images");
	sd_json_variant *peer = sd_json_variant_by_key(answer, "peer");

	for (size_t i = 0; list && i < sd_json_variant_elements(list); i++)
		print_workload(sd_json_variant_by_index(list, i));
	if (kernels && sd_json_variant_elements(kernels)) {
		printf("the kernels:\n");
		print_findings(answer, "kernels");
	}
	if (images && sd_json_variant_elements(images)) {
		printf("target images (in the way of a spawn, not of a move):\n");
		print_findings(answer, "images");
	}
	if (!peer || !sd_json_variant_boolean(peer))
		printf("No new kernel is up: what it has of files, PIDs, CPU features and CRIU's "
		       "needs\nwasn't looked at. khoctl spawn one and check again.\n");
}

int verb_check(int argc, char **argv)
{
	__attribute__((cleanup(sd_json_variant_unrefp))) sd_json_variant *answer = NULL;
	struct kho_call call = { .method = KHO_API_METHOD("Check") };
	sd_json_variant *blocked;
	int r;

	if (argc != 1)
		return kho_usage_error("%s takes no argument", argv[0]);
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
