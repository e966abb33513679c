// SPDX-License-Identifier: GPL-2.0-only
/* khoctl report: what the last move did, for people or (--json) as it's kept. */
#include <stdio.h>

#include "api/api.h"
#include "base/bits.h"
#include "khoctl/khoctl.h"

static unsigned long long number(sd_json_variant *v, const char *name)
{
	return kho_field_number(v, name);
}

static void print_restarted(sd_json_variant *w)
{
	printf("%-16s %-9s down for %llu ms; what it had in memory is lost\n",
	       kho_field_text(w, "name"), kho_field_text(w, "result"), number(w, "down_ms"));
}

static void print_workload(sd_json_variant *w)
{
	if (sd_json_variant_by_key(w, "down_ms")) {
		print_restarted(w);
		return;
	}
	printf("%-16s %-7s %6llu MiB %3llu rounds  frozen %6llu ms (predicted %llu)  "
	       "rest in %llu ms\n", kho_field_text(w, "name"), kho_field_text(w, "result"),
	       number(w, "rss_bytes") / KHO_MIB, number(w, "rounds"), number(w, "frozen_ms"),
	       number(w, "predicted_ms"), number(w, "lazy_ms"));
	if (sd_json_variant_by_key(w, "rehearsed_ms"))
		printf("%-16s sampled in %llu ms while it ran, a copy restored in %llu ms\n",
		       "  rehearsal", number(w, "sample_ms"), number(w, "rehearsed_ms"));
}

void kho_print_each(sd_json_variant *object, const char *name,
		    void (*print)(sd_json_variant *element))
{
	sd_json_variant *list = sd_json_variant_by_key(object, name);

	for (size_t i = 0; list && i < sd_json_variant_elements(list); i++)
		print(sd_json_variant_by_index(list, i));
}

static void print_step(sd_json_variant *step)
{
	printf("%-16s at %8llu ms for %6llu ms\n", kho_field_text(step, "name"),
	       number(step, "start_ms"), number(step, "duration_ms"));
}

void kho_print_report(sd_json_variant *report)
{
	printf("result: %s\n", kho_field_text(report, "result"));
	if (kho_field_text(report, "trouble"))
		printf("trouble: %s\n", kho_field_text(report, "trouble"));
	printf("kernels: %s to %s\n", kho_field_text(report, "old_release"),
	       kho_field_text(report, "new_release"));
	kho_print_each(report, "steps", print_step);
	kho_print_each(report, "workloads", print_workload);
}

int verb_report(int argc, char **argv)
{
	struct kho_call call = { .method = KHO_API_METHOD("Report") };

	return kho_show_without_arguments(argc, argv, &call, "report", kho_print_report);
}
