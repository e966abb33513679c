// SPDX-License-Identifier: GPL-2.0-only
/*
 * Notes of refused images of arbitrary text. What's accepted is printable and terminated.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/refused.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void require_text(const char *text, size_t size)
{
	require(memchr(text, '\0', size) != NULL);
	for (; *text; text++)
		require(*text >= ' ' && *text <= '~' && *text != '\\');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[KHO_REFUSED_FILE_MAX + 1];
	struct kho_refused note = {};
	struct kho_err err = {};
	int r;

	if (size > KHO_REFUSED_FILE_MAX)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	r = kho_refused_parse(text, &note, &err);
	if (r < 0) {
		require(err.code == r && err.msg[0]);
		return 0;
	}
	require((unsigned int)note.cause < _KHO_REFUSED_MAX);
	require_text(note.time, sizeof(note.time));
	require_text(note.name, sizeof(note.name));
	require_text(note.release, sizeof(note.release));
	require_text(note.reason, sizeof(note.reason));
	return 0;
}
