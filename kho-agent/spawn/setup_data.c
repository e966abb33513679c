// SPDX-License-Identifier: GPL-2.0-only
/*
 * setup_data records: builder for the old kernel's agent, readers for the new
 * one's. A record is complete before the one before it points to it.
 */
#include "spawn/setup_data.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "base/crc32c.h"
#include "base/err.h"

#define RECORD_ALIGN	16u
#define NO_RECORD	SIZE_MAX

struct record {
	uint64_t next;
	uint32_t type;
	uint32_t len;
	uint8_t data[];
} __attribute__((packed));

struct clock_wire {
	uint32_t magic;
	uint32_t version;
	uint64_t tsc;
	int64_t realtime_ns;
	int64_t monotonic_ns;
	uint32_t tsc_khz;
	uint32_t crc;
} __attribute__((packed));

_Static_assert(sizeof(struct record) == 16, "Linux boot protocol");
_Static_assert(sizeof(struct clock_wire) == 40, "read by another version of us");
_Static_assert(sizeof(struct kho_setup_kho) == 32, "Linux struct kho_data");

void kho_setup_chain_init(struct kho_setup_chain *chain, void *area, size_t size, uint64_t phys)
{
	*chain = (struct kho_setup_chain){
		.area = area, .size = size, .phys = phys, .last = NO_RECORD,
	};
}

static void link_record(struct kho_setup_chain *chain, size_t offset)
{
	uint64_t next = chain->phys + offset;

	if (chain->last != NO_RECORD)
		memcpy(chain->area + chain->last, &next, sizeof(next));
	chain->last = offset;
}

int kho_setup_chain_add(struct kho_setup_chain *chain, uint32_t type, const void *data,
			size_t size, struct kho_err *err)
{
	struct record head = { .type = type, .len = (uint32_t)size };
	size_t offset = kho_align_up(chain->used, RECORD_ALIGN);

	if (size > UINT32_MAX || !kho_within(offset, sizeof(head), chain->size) ||
	    !kho_within(offset + sizeof(head), size, chain->size))
		return kho_fail(err, -ENOSPC,
				"setup_data: a record of %zu bytes (type %" PRIu32 ") doesn't fit, "
				"%zu of %zu bytes are used; hand over less that way",
				size, type, chain->used, chain->size);
	memcpy(chain->area + offset, &head, sizeof(head));
	memcpy(chain->area + offset + sizeof(head), data, size);
	chain->used = offset + sizeof(head) + size;
	link_record(chain, offset);
	return 0;
}

int kho_setup_chain_add_clock(struct kho_setup_chain *chain, const struct kho_setup_clock *clock,
			      struct kho_err *err)
{
	struct clock_wire wire = {
		.magic = KHO_SETUP_CLOCK_MAGIC,
		.version = KHO_SETUP_CLOCK_VERSION,
		.tsc = clock->tsc,
		.realtime_ns = clock->realtime_ns,
		.monotonic_ns = clock->monotonic_ns,
		.tsc_khz = clock->tsc_khz,
	};

	wire.crc = kho_crc32c(&wire, offsetof(struct clock_wire, crc));
	return kho_setup_chain_add(chain, KHO_SETUP_TYPE_CLOCK, &wire, sizeof(wire), err);
}

uint64_t kho_setup_chain_head(const struct kho_setup_chain *chain)
{
	return chain->last == NO_RECORD ? 0 : chain->phys;
}

static int check_clock(const struct clock_wire *wire, struct kho_err *err)
{
	if (wire->magic != KHO_SETUP_CLOCK_MAGIC)
		return kho_fail(err, -EBADMSG,
				"clock record: magic 0x%08" PRIx32 " isn't ours; "
				"set the clock by NTP instead", wire->magic);
	if (wire->version != KHO_SETUP_CLOCK_VERSION)
		return kho_fail(err, -EPROTONOSUPPORT,
				"clock record: version %" PRIu32 ", this agent reads %d; "
				"use agents of nearer versions", wire->version,
				KHO_SETUP_CLOCK_VERSION);
	if (wire->crc != kho_crc32c(wire, offsetof(struct clock_wire, crc)))
		return kho_fail(err, -EBADMSG, "clock record: wrong CRC, memory was overwritten; "
				"set the clock by NTP instead");
	if (!wire->tsc_khz || wire->realtime_ns < 0 || wire->monotonic_ns < 0)
		return kho_fail(err, -EBADMSG, "clock record: impossible values (TSC %" PRIu32
				" kHz); set the clock by NTP instead", wire->tsc_khz);
	return 0;
}

int kho_setup_clock_parse(const void *data, size_t size, struct kho_setup_clock *ret,
			  struct kho_err *err)
{
	struct clock_wire wire;
	int r;

	if (size != sizeof(wire))
		return kho_fail(err, -EBADMSG, "clock record: %zu bytes instead of %zu; "
				"set the clock by NTP instead", size, sizeof(wire));
	memcpy(&wire, data, sizeof(wire));
	r = check_clock(&wire, err);
	if (r < 0)
		return r;
	*ret = (struct kho_setup_clock){
		.tsc = wire.tsc,
		.realtime_ns = wire.realtime_ns,
		.monotonic_ns = wire.monotonic_ns,
		.tsc_khz = wire.tsc_khz,
	};
	return 0;
}

int kho_setup_kho_parse(const void *data, size_t size, struct kho_setup_kho *ret,
			struct kho_err *err)
{
	struct kho_setup_kho kho;

	if (size != sizeof(kho))
		return kho_fail(err, -EBADMSG, "KHO record: %zu bytes instead of %zu; "
				"start the new kernel again", size, sizeof(kho));
	memcpy(&kho, data, sizeof(kho));
	if (!kho.fdt_addr || !kho_is_aligned(kho.fdt_addr, KHO_PAGE_SIZE) || !kho.fdt_size ||
	    kho.fdt_size > UINT64_MAX - kho.fdt_addr)
		return kho_fail(err, -EBADMSG,
				"KHO record: no tree can be at 0x%" PRIx64 ", %" PRIu64 " bytes; "
				"start the new kernel again", kho.fdt_addr, kho.fdt_size);
	*ret = kho;
	return 0;
}
