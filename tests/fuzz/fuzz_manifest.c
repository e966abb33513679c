// SPDX-License-Identifier: GPL-2.0-only
/*
 * Manifests of arbitrary bytes. What's accepted can be written, and what was
 * written reads back the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "image/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void check_round_trip(const struct kho_manifest *manifest)
{
	struct kho_manifest back = {};
	struct kho_sink_memory text;
	struct kho_err err = {};
	int r;

	kho_sink_memory_init(&text, 2 * KHO_MANIFEST_MAX);
	r = kho_manifest_write(manifest, &text.sink, &err);
	/* a module's path may begin with what a line can't */
	if (r == 0 && text.size <= KHO_MANIFEST_MAX) {
		r = kho_manifest_parse((const char *)text.data, text.size, &back, &err);
		require(r == 0);
		require(strcmp(back.release, manifest->release) == 0);
		require(memcmp(back.files, manifest->files, sizeof(back.files)) == 0);
		require(back.modules.nr == manifest->modules.nr);
		require(back.has_devices == manifest->has_devices);
		require(!back.has_devices || (back.devices.nr == manifest->devices.nr &&
					      back.builtin.nr == manifest->builtin.nr));
		kho_manifest_done(&back);
	}
	kho_sink_memory_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kho_manifest manifest = {};
	struct kho_err err = {};
	int r;

	r = kho_manifest_parse((const char *)data, size, &manifest, &err);
	if (r < 0) {
		require(err.code == r && err.msg[0]);
		return 0;
	}
	check_round_trip(&manifest);
	kho_manifest_done(&manifest);
	return 0;
}
