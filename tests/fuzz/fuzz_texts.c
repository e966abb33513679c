// SPDX-License-Identifier: GPL-2.0-only
/*
 * Short texts of other programs, of files and of people, and what one agent says to be shown
 * by khoctl: what is accepted is in its bounds.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-json.h>

#include "api/progress.h"
#include "image/sha256.h"
#include "migrate/criu/abilities.h"
#include "migrate/net/address.h"
#include "migrate/workload/cgroup.h"
#include "migrate/workload/watchdog.h"
#include "spawn/vmcoreinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void try_address(const char *text)
{
	struct kho_address address, again;
	char back[KHO_ADDRESS_TEXT];

	if (kho_address_parse(text, &address, NULL) < 0)
		return;
	kho_address_format(&address, back);
	require(kho_address_parse(back, &again, NULL) == 0);
	require(memcmp(address.bytes, again.bytes, kho_address_size(&address)) == 0);
}

static void try_words(const char *text)
{
	uint8_t digest[KHO_SHA256_SIZE];
	char version[16], again[KHO_SHA256_TEXT];
	uint64_t number;

	if (kho_criu_version_parse(text, version, sizeof(version), NULL) >= 0)
		require(memchr(version, '\0', sizeof(version)) != NULL && *version);
	if (kho_sha256_parse(text, digest) >= 0) {
		kho_sha256_format(digest, again);
		require(strncmp(text, again, 64) == 0);
	}
	kho_cgroup_memory_parse(text, &number);
	kho_watchdog_parse(text, &number, NULL);
}

static void try_json(const char *text)
{
	sd_json_variant *v = NULL;
	struct kho_progress progress;

	if (sd_json_parse(text, 0, &v, NULL, NULL) < 0)
		return;
	memset(&progress, 0xee, sizeof(progress));
	kho_progress_parse(v, &progress);
	require(progress.nr <= sizeof(progress.workloads) / sizeof(progress.workloads[0]));
	require(memchr(progress.state, '\0', sizeof(progress.state)) != NULL);
	require(memchr(progress.step, '\0', sizeof(progress.step)) != NULL);
	sd_json_variant_unref(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kho_vmcoreinfo info;
	char *text = malloc(size + 1);

	require(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	try_address(text);
	try_words(text);
	try_json(text);
	kho_vmcoreinfo_parse(text, size, &info, NULL);
	free(text);
	return 0;
}
