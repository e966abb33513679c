// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records that the old kernel leaves to the new one (setup_data), of arbitrary bytes, and
 * with a checksum that's right. What is accepted is sane.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "spawn/setup_data.h"

#define CLOCK_CRC	36		/* offset, and what's summed up */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void look(const uint8_t *data, size_t size)
{
	struct kho_setup_clock clock;
	struct kho_setup_control control;
	struct kho_setup_kho kho;
	struct kho_err err = {};
	int r = kho_setup_clock_parse(data, size, &clock, &err);

	require(r == 0 || r == -EBADMSG || r == -EPROTONOSUPPORT);
	r = kho_setup_control_parse(data, size, &control, &err);
	require(r == 0 || r == -EBADMSG || r == -EPROTONOSUPPORT);
	if (r == 0)
		require(control.keep && control.keep < control.size &&
			control.start + control.size > control.start);
	r = kho_setup_kho_parse(data, size, &kho, &err);
	require(r == 0 || r == -EBADMSG);
	if (r == 0)
		require(kho.fdt_addr + kho.fdt_size >= kho.fdt_addr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t copy[CLOCK_CRC + 4];
	uint32_t crc;

	look(data, size);
	if (size < CLOCK_CRC)
		return 0;
	memcpy(copy, data, CLOCK_CRC);
	crc = kho_crc32c(copy, CLOCK_CRC);
	memcpy(copy + CLOCK_CRC, &crc, sizeof(crc));
	look(copy, sizeof(copy));
	return 0;
}
