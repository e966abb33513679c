// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel's payload of arbitrary bytes, in as much of a bzImage as is looked at. Whatever it
 * unpacks to, the answer is one of the three that there are.
 */
#include <asm/bootparam.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "image/kho_version.h"

#define HEADER_AT	0x1f1u
#define SETUP_SIZE	1024u
#define PAYLOAD_MAX	65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t file[SETUP_SIZE + PAYLOAD_MAX];
	struct kho_image image = { .data = file, .setup_size = SETUP_SIZE };
	struct setup_header header = { .payload_length = (uint32_t)size };
	char text[KHO_VERSION_TEXT];
	struct kho_err err = {};

	if (!size || size > PAYLOAD_MAX)
		return 0;
	memcpy(file + HEADER_AT, &header, sizeof(header));
	memcpy(file + SETUP_SIZE, data, size);
	image.size = SETUP_SIZE + size;
	require(kho_version_find(&image, NULL, 0, text, &err) == 0);
	require(memchr(text, '\0', sizeof(text)) != NULL);
	require(strcmp(text, KHO_VERSION_NONE) == 0 || strcmp(text, KHO_VERSION_UNKNOWN) == 0 ||
		(strncmp(text, "kho-v", 5) == 0 && text[5] >= '0' && text[5] <= '9'));
	return 0;
}
