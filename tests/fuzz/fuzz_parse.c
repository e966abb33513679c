// SPDX-License-Identifier: GPL-2.0-only
/*
 * Strict parsing: any text, and what is accepted must survive being written and
 * parsed again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void try_numbers(const char *text)
{
	struct kho_err err;
	uint64_t wide;
	uint32_t narrow;

	if (kho_parse_u32(text, &narrow, &err) == 0)
		require(kho_parse_u64(text, &wide, &err) == 0 && wide == narrow);
	if (kho_parse_u64(text, &wide, &err) == 0) {
		uint64_t size;

		require(kho_parse_size(text, &size, &err) == 0 && size == wide);
	}
	(void)kho_parse_hex64(text, &wide, &err);
	(void)kho_parse_size(text, &wide, &err);
}

static void try_cpus(const char *text)
{
	struct kho_cpus cpus, again;
	char list[KHO_CPUS_TEXT];
	struct kho_err err;

	if (kho_parse_cpus(text, &cpus, &err) < 0)
		return;
	require(kho_cpus_format(&cpus, list, sizeof(list)) == 0);
	require(kho_parse_cpus(list, &again, NULL) == 0);
	require(!memcmp(&cpus, &again, sizeof(cpus)));
}

static void try_names(const char *text)
{
	struct kho_pci_addr addr, again;
	uint8_t uuid[KHO_UUID_SIZE], same[KHO_UUID_SIZE];
	char pci_text[KHO_PCI_TEXT], uuid_text[KHO_UUID_TEXT];
	struct kho_err err;

	if (kho_parse_pci(text, &addr, &err) == 0) {
		kho_pci_format(&addr, pci_text);
		require(kho_parse_pci(pci_text, &again, NULL) == 0);
		require(kho_pci_devfn(&addr) == kho_pci_devfn(&again));
	}
	if (kho_parse_uuid(text, uuid, &err) == 0) {
		kho_uuid_format(uuid, uuid_text);
		require(kho_parse_uuid(uuid_text, same, NULL) == 0);
		require(!memcmp(uuid, same, sizeof(uuid)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	try_numbers(text);
	try_cpus(text);
	try_names(text);
	free(text);
	return 0;
}
