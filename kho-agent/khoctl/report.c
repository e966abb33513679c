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

static void print_reason(sd_json_variant *reason)
{
	printf("%-16s not measured: %s: %s\n", "", kho_field_text(reason, "what"),
	       kho_field_text(reason, "why"));
}

static void print_time(sd_json_variant *measured, const char *key, const char *meaning)
{
	if (sd_json_variant_by_key(measured, key))
		printf("%-16s %10.3f ms %s\n", "", (double)number(measured, key) / 1000, meaning);
}

static void print_measured(sd_json_variant *m)
{
	sd_json_variant *faults = sd_json_variant_by_key(m, "faults");

	print_time(m, "frozen_us", "from its last instruction to its first one there");
	print_time(m, "silent_us", "from its last packet to its first one there");
	print_time(m, "first_syscall_us", "there until its first system call");
	print_time(m, "first_packet_us", "there until its first packet");
	if (faults)
		printf("%-16s %llu faults waited for memory, %.3f ms in all, at most %.3f ms\n", "",
		       number(faults, "count"), (double)number(faults, "total_us") / 1000,
		       (double)number(faults, "max_us") / 1000);
	if (number(m, "dropped"))
		printf("%-16s %llu events weren't counted\n", "", number(m, "dropped"));
	kho_print_each(m, "not_measured", print_reason);
}

static void print_kernel(sd_json_variant *address, const char *key)
{
	sd_json_variant *seen = sd_json_variant_by_key(address, key);

	if (seen)
		printf("%-16s %s kernel: %llu retransmits, %llu resets sent, %llu received, "
		       "%llu zero windows, %llu probes of windows\n", "", key,
		       number(seen, "retransmits"), number(seen, "resets_sent"),
		       number(seen, "resets_received"), number(seen, "zero_windows"),
		       number(seen, "window_probes"));
}

static void print_address(sd_json_variant *address)
{
	printf("%-16s %s\n", kho_field_text(address, "name"), kho_field_text(address, "address"));
	print_kernel(address, "old");
	print_kernel(address, "new");
	kho_print_each(address, "not_measured", print_reason);
}

static void print_cpu(sd_json_variant *cpu)
{
	printf("CPU time: agent %llu ms, its programs %llu ms", number(cpu, "agent_ms"),
	       number(cpu, "helpers_ms"));
	if (sd_json_variant_by_key(cpu, "peer_agent_ms"))
		printf("; there %llu ms and %llu ms", number(cpu, "peer_agent_ms"),
		       number(cpu, "peer_helpers_ms"));
	putchar('\n');
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
	if (sd_json_variant_by_key(w, "measured"))
		print_measured(sd_json_variant_by_key(w, "measured"));
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
	kho_print_each(report, "addresses", print_address);
	if (sd_json_variant_by_key(report, "cpu"))
		print_cpu(sd_json_variant_by_key(report, "cpu"));
}

int verb_report(int argc, char **argv)
{
	struct kho_call call = { .method = KHO_API_METHOD("Report") };

	return kho_show_without_arguments(argc, argv, &call, "report", kho_print_report);
}
