// SPDX-License-Identifier: GPL-2.0-only
/*
 * bzImage parser on arbitrary bytes. What it accepts must be loadable: every size
 * and offset within the file, every text terminated.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "spawn/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kho_image image;
	struct kho_err err = {};
	int r = kho_image_parse(data, size, &image, &err);

	if (r < 0) {
		require(err.code == r && err.msg[0]);
		return 0;
	}
	require(image.setup_size <= size && image.kernel_size <= size - image.setup_size);
	require(image.kernel_size > KHO_IMAGE_ENTRY_64 && image.kernel_size <= image.init_size);
	require(image.header_size <= 0x290 - 0x1f1);
	require(image.alignment && !(image.alignment & (image.alignment - 1)));
	require(memchr(image.version, 0, sizeof(image.version)) != NULL);
	require(memchr(image.release, 0, sizeof(image.release)) != NULL);
	return 0;
}
