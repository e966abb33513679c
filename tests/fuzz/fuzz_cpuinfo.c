// SPDX-License-Identifier: GPL-2.0-only
/* /proc/cpuinfo. What is accepted has CPUs, and no APIC id twice. */
#include <stdint.h>
#include <stdlib.h>

#include "system/cpus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kho_cpuinfo info;
	struct kho_err err;
	unsigned int a, b;

	if (kho_cpuinfo_parse((const char *)data, size, &info, &err) < 0)
		return 0;
	if (!kho_cpus_count(&info.known))
		abort();
	for (a = kho_cpus_next(&info.known, 0); a < KHO_CPUS_MAX;
	     a = kho_cpus_next(&info.known, a + 1))
		for (b = kho_cpus_next(&info.known, a + 1); b < KHO_CPUS_MAX;
		     b = kho_cpus_next(&info.known, b + 1))
			if (info.apic_ids[a] == info.apic_ids[b])
				abort();
	return 0;
}
