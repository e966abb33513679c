// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ACPI table MCFG. The input is tried as it is and, since a checksum keeps
 * nearly everything out, once more with length and checksum made right. Whatever
 * is accepted must give addresses that don't wrap.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "system/mcfg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct kho_ecam *ecam)
{
	const struct kho_ecam_segment *segment;
	uint64_t config;

	if (!ecam->nr || ecam->nr > KHO_ECAM_MAX)
		abort();
	for (segment = ecam->segments; segment < ecam->segments + ecam->nr; segment++) {
		struct kho_pci_addr addr = {
			.domain = segment->domain, .bus = segment->last_bus,
			.device = 31, .function = 7,
		};

		if (kho_ecam_config(ecam, &addr, &config, NULL) < 0 || config < segment->base ||
		    config > UINT64_MAX - KHO_ECAM_CONFIG_SIZE)
			abort();
	}
}

static void seal(uint8_t *table, size_t size)
{
	uint32_t length = (uint32_t)size;
	uint8_t sum = 0;
	size_t i;

	memcpy(table, "MCFG", 4);
	memcpy(table + 4, &length, sizeof(length));
	table[9] = 0;
	for (i = 0; i < size; i++)
		sum = (uint8_t)(sum + table[i]);
	table[9] = (uint8_t)-sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kho_ecam ecam;
	struct kho_err err;
	uint8_t *copy;

	if (kho_mcfg_parse(data, size, &ecam, &err) == 0)
		use(&ecam);
	if (size < 10)
		return 0;
	copy = malloc(size);
	if (!copy)
		return 0;
	memcpy(copy, data, size);
	seal(copy, size);
	if (kho_mcfg_parse(copy, size, &ecam, &err) == 0)
		use(&ecam);
	free(copy);
	return 0;
}
