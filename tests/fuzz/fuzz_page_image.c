// SPDX-License-Identifier: GPL-2.0-only
/* CRIU's images of mappings of arbitrary bytes: what's accepted is in order. */
#include <stdint.h>
#include <stdlib.h>

#include "migrate/pages/images.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kho_image_vma *vmas;
	struct kho_err err = { 0 };
	uint64_t before = 0;
	size_t i, nr;
	int r;

	r = kho_image_parse_vmas(data, size, &vmas, &nr, &err);
	if (r < 0) {
		if (err.code != r || !err.msg[0])
			abort();
		return 0;
	}
	for (i = 0; i < nr; i++) {
		if (vmas[i].start < before || vmas[i].end <= vmas[i].start)
			abort();
		before = vmas[i].end;
	}
	free(vmas);
	return 0;
}
