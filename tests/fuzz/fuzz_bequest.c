// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a kernel before is said to have left, whatever it is: with a sum that's right, it's
 * refused, or consistent.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "channel/bequest.h"

#define MAX_SIZE (1u << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void look_at(const Kho__Bequest *bequest)
{
	require(bequest->n_workloads > 0 && bequest->n_workloads <= KHO_BEQUEST_ITEMS);
	for (size_t i = 0; i < bequest->n_workloads; i++) {
		const Kho__MoveStep *step = bequest->workloads[i];

		require(step->item < KHO_BEQUEST_ITEMS && step->name && step->workload->unit);
		for (unsigned int sort = 0; sort < _KHO_BEQUEST_SORT_MAX; sort++)
			require(kho_bequest_file(bequest, sort, step->item) != NULL);
	}
	for (size_t i = 0; i < bequest->n_addresses; i++)
		require(bequest->addresses[i]->item < KHO_BEQUEST_ITEMS &&
			bequest->addresses[i]->address);
}

static void unpack(const uint8_t *data, size_t size)
{
	Kho__Bequest *bequest;
	struct kho_err err = {};
	int r = kho_bequest_unpack(data, size, &bequest, &err);

	require(r == 0 || (r == err.code && err.msg[0]));
	if (r < 0)
		return;
	look_at(bequest);
	kho__bequest__free_unpacked(bequest, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t copy[MAX_SIZE];
	uint32_t crc = 0, length;

	unpack(data, size);
	if (size < KHO_BEQUEST_HEADER_SIZE || size > sizeof(copy))
		return 0;
	memcpy(copy, data, size);
	length = (uint32_t)(size - KHO_BEQUEST_HEADER_SIZE);
	memcpy(copy + 8, &length, sizeof(length));
	memcpy(copy + 12, &crc, sizeof(crc));
	crc = kho_crc32c(copy, size);
	memcpy(copy + 12, &crc, sizeof(crc));
	unpack(copy, size);
	return 0;
}
