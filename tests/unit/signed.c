// SPDX-License-Identifier: GPL-2.0-only
/* Reads what make-signed.sh has made. */
#include "unit/signed.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

void signed_read(const char *name, struct signed_file *ret)
{
	const char *dir = getenv("KHO_TEST_DATA");
	_cleanup_fclose_ FILE *file = NULL;
	char path[512];

	snprintf(path, sizeof(path), "%s/signed/%s", dir ? dir : "tests/unit/golden", name);
	file = fopen(path, "rb");
	ck_assert_msg(file, "%s can't be opened", path);
	memset(ret, 0, sizeof(*ret));
	ret->size = fread(ret->data, 1, sizeof(ret->data), file);
	ck_assert_uint_lt(ret->size, sizeof(ret->data));
}
