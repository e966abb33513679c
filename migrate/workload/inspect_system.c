// SPDX-License-Identifier: GPL-2.0-only
/* What this kernel and its CPUs can do; inspect_proc.h has the contract. */
#include <cpuid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/workload/inspect_proc.h"
#include "system/proc.h"

#define CPUINFO_MAX	(4u << 20)
#define CRIU		"/usr/sbin/criu"
#define CRIU_MS		60000
#define OSXSAVE		(1u << 27)

static uint64_t read_xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

void kho_cpu_sight(struct kho_cpu_sight *ret)
{
	_cleanup_free_ char *text = NULL;
	unsigned int a, b, c, d;

	*ret = (struct kho_cpu_sight){};
	if (kho_file_read("/proc/cpuinfo", CPUINFO_MAX, &text, NULL, NULL) >= 0)
		kho_cpu_flags(text, ret->flags);
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & OSXSAVE))
		return;
	ret->xcr0 = read_xcr0();
	if (__get_cpuid_count(0xd, 0, &a, &b, &c, &d))
		ret->xsave_bytes = b;
}

/* The last error that it printed, or its last line. */
static void last_words(const struct kho_proc_result *result, char ret[160])
{
	const char *text = *result->err ? result->err : result->out, *at, *last = NULL;
	size_t size = strlen(text);

	for (at = text; (at = strstr(at, "Error (")); at++)
		last = at;
	while (!last && size && text[size - 1] == '\n')
		size--;
	for (at = text + size; !last && at > text && at[-1] != '\n'; at--)
		;
	last = last ?: at;
	snprintf(ret, 160, "%.*s", (int)strcspn(last, "\n"), last);
}

static void check(const char *feature, struct kho_findings *findings)
{
	const char *const all[] = { CRIU, "check", NULL };
	const char *const one[] = { CRIU, "check", "--feature", feature, NULL };
	const struct kho_proc_spec spec = { .argv = feature ? one : all, .timeout_ms = CRIU_MS };
	struct kho_proc_result result;
	struct kho_err err;
	char words[160];

	if (kho_proc_run(&spec, &result, &err) < 0) {
		kho_found(findings, KHO_FINDING_CRIU, 0, "", "CRIU can't be run: %.160s", err.msg);
		return;
	}
	last_words(&result, words);
	if (result.exit_code != 0)
		kho_found(findings, KHO_FINDING_CRIU, 0, "", "CRIU on this kernel fails its check%s%s: "
			  "%.150s", feature ? " of " : "", feature ?: "", words);
	kho_proc_result_done(&result);
}

void kho_inspect_criu(const char *const *features, struct kho_findings *findings)
{
	check(NULL, findings);
	for (; *features; features++)
		check(*features, findings);
}
