// SPDX-License-Identifier: GPL-2.0-only
/* Comparison with golden files; says where the first difference is. */
#include "unit/golden.h"

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"

static FILE *golden_open(const char *name, const char *mode)
{
	const char *dir = getenv("KHO_TEST_DATA");
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir ? dir : "tests/unit/golden", name);
	file = fopen(path, mode);
	ck_assert_msg(file, "golden file %s can't be opened", path);
	return file;
}

void golden_compare(const char *name, const void *data, size_t size)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ uint8_t *want = NULL;
	const uint8_t *got = data;
	size_t n;

	if (getenv("KHO_GOLDEN_WRITE")) {
		file = golden_open(name, "wb");
		ck_assert_uint_eq(fwrite(data, 1, size, file), size);
		return;
	}
	file = golden_open(name, "rb");
	want = malloc(size + 1);
	ck_assert_ptr_nonnull(want);
	n = fread(want, 1, size + 1, file);
	for (size_t i = 0; i < n && i < size; i++)
		ck_assert_msg(want[i] == got[i], "%s differs at 0x%zx: 0x%02x, not 0x%02x",
			      name, i, got[i], want[i]);
	ck_assert_uint_eq(n, size);
}
