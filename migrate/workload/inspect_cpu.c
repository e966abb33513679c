// SPDX-License-Identifier: GPL-2.0-only
/* CPU features that programs use; inspect.h has the contract. */
#include <stdio.h>
#include <string.h>

#include "migrate/workload/inspect.h"

/*
 * Flags of /proc/cpuinfo that name instructions or states of user space, by their
 * beginnings. All others (mitigations, virtualization, how time is kept) differ between
 * kernels and don't matter to a program.
 */
static const char *const visible[] = {
	"3dnow", "abm", "adx", "aes", "amx_", "avx", "bmi", "cldemote", "clflush", "clwb", "clzero",
	"cmov", "cx16", "cx8", "enqcmd", "erms", "f16c", "fma", "fpu", "fsgsbase", "fsrm", "fxsr",
	"gfni", "hle", "lahf_lm", "mmx", "monitorx", "movbe", "movdir", "mwaitx", "ospke",
	"pclmulqdq", "pku", "popcnt", "rdpid", "rdpru", "rdrand", "rdseed", "rdtscp", "rtm",
	"serialize", "sha_ni", "sha512", "sm3", "sm4", "sse", "ssse3", "syscall", "tbm", "tsc ",
	"user_shstk", "vaes", "vpclmulqdq", "waitpkg", "wbnoinvd", "xgetbv1", "xop", "xsave",
};

void kho_cpu_flags(const char *cpuinfo, char ret[KHO_CPU_FLAGS])
{
	const char *at = NULL;

	*ret = '\0';
	for (const char *line = cpuinfo; line && !at; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, "flags\t", 6) == 0)
			at = line + 5 + strspn(line + 5, "\t :");
	}
	if (at && strcspn(at, "\n") < KHO_CPU_FLAGS)
		snprintf(ret, KHO_CPU_FLAGS, "%.*s", (int)strcspn(at, "\n"), at);
}

static bool has_word(const char *list, const char *word, size_t size)
{
	while (*list) {
		size_t length = strcspn(list, " ");

		if (length == size && strncmp(list, word, size) == 0)
			return true;
		list += length + strspn(list + length, " ");
	}
	return false;
}

/* @word is of a list: what follows it is a blank or the end. */
static bool is_visible(const char *word, size_t size)
{
	for (size_t i = 0; i < sizeof(visible) / sizeof(visible[0]); i++) {
		size_t length = strlen(visible[i]);

		/* with a blank behind it: this one word */
		if (visible[i][length - 1] == ' ' ?
		    size == length - 1 && strncmp(visible[i], word, size) == 0 :
		    size >= length && strncmp(visible[i], word, length) == 0)
			return true;
	}
	return false;
}

static void find_missing(const char *old, const char *new, char *ret, size_t size)
{
	size_t used = 0;

	*ret = '\0';
	while (*old) {
		size_t length = strcspn(old, " ");

		if (length && used + length + 2 < size && is_visible(old, length) &&
		    !has_word(new, old, length))
			used += (size_t)snprintf(ret + used, size - used, "%s%.*s",
						 used ? " " : "", (int)length, old);
		old += length + strspn(old + length, " ");
	}
}

void kho_inspect_cpu(struct kho_findings *findings, const struct kho_cpu_sight *old,
		     const struct kho_cpu_sight *new)
{
	uint64_t lost = old->xcr0 & ~new->xcr0;
	char missing[160];

	find_missing(old->flags, new->flags, missing, sizeof(missing));
	if (*missing)
		kho_found(findings, KHO_FINDING_CPU, 0, "", "CPUs of the new kernel lack %s, which "
			  "programs may be using", missing);
	if (lost)
		kho_found(findings, KHO_FINDING_CPU, 0, "", "the new kernel doesn't keep all of a "
			  "task's registers: of XCR0 it lacks 0x%llx", (unsigned long long)lost);
	else if (old->xsave_bytes > new->xsave_bytes && new->xsave_bytes)
		kho_found(findings, KHO_FINDING_CPU, 0, "", "a task's registers take %u bytes here "
			  "and %u in the new kernel", old->xsave_bytes, new->xsave_bytes);
}
