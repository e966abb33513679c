// SPDX-License-Identifier: GPL-2.0-only
/* Lists of stand-ins of arbitrary text: what is taken has a good path, and it ends. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "migrate/workload/stand_in.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	const char *at = text, *before = text;
	struct kho_stand_in one;
	struct kho_err err = {};
	int r;

	require(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	while ((r = kho_stand_in_next(&at, &one, &err)) > 0) {
		require(at > before && at <= text + size);
		before = at;
		require(one.path[0] == '/' && memchr(one.path, '\0', sizeof(one.path)) != NULL);
		require(!strstr(one.path, "/../") && !strchr(one.path, '\n'));
	}
	require(r == 0 || (r == -EBADMSG && err.code == r));
	free(text);
	return 0;
}
