// SPDX-License-Identifier: GPL-2.0-only
/* The control record of setup_data; setup_data.h has the layout. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "base/crc32c.h"
#include "base/err.h"
#include "spawn/setup_data.h"

struct control_wire {
	uint32_t magic;
	uint32_t version;
	uint64_t start;
	uint64_t keep;
	uint64_t size;
	uint32_t reserved;
	uint32_t crc;
};

_Static_assert(sizeof(struct control_wire) == 40, "layout of the control record");

int kho_setup_chain_add_control(struct kho_setup_chain *chain,
				const struct kho_setup_control *control, struct kho_err *err)
{
	struct control_wire wire = {
		.magic = KHO_SETUP_CONTROL_MAGIC,
		.version = KHO_SETUP_CONTROL_VERSION,
		.start = control->start,
		.keep = control->keep,
		.size = control->size,
	};

	wire.crc = kho_crc32c(&wire, offsetof(struct control_wire, crc));
	return kho_setup_chain_add(chain, KHO_SETUP_TYPE_CONTROL, &wire, sizeof(wire), err);
}

static int check(const struct control_wire *wire, struct kho_err *err)
{
	if (wire->magic != KHO_SETUP_CONTROL_MAGIC ||
	    wire->crc != kho_crc32c(wire, offsetof(struct control_wire, crc)))
		return kho_fail(err, -EBADMSG, "control record: wrong magic or CRC, memory was "
				"overwritten; start the new kernel again");
	if (wire->version != KHO_SETUP_CONTROL_VERSION)
		return kho_fail(err, -EPROTONOSUPPORT, "control record: version %" PRIu32 ", this "
				"agent reads %d; use agents of nearer versions", wire->version,
				KHO_SETUP_CONTROL_VERSION);
	if (!wire->start || !wire->keep || wire->keep >= wire->size || wire->reserved ||
	    !kho_is_aligned(wire->start | wire->keep | wire->size, KHO_PAGE_SIZE) ||
	    wire->size > UINT64_MAX - wire->start)
		return kho_fail(err, -EBADMSG, "control record: no area can be at 0x%" PRIx64
				", %" PRIu64 " bytes, %" PRIu64 " to keep; start the new kernel "
				"again", wire->start, wire->size, wire->keep);
	return 0;
}

int kho_setup_control_parse(const void *data, size_t size, struct kho_setup_control *ret,
			    struct kho_err *err)
{
	struct control_wire wire;
	int r;

	if (size != sizeof(wire))
		return kho_fail(err, -EBADMSG, "control record: %zu bytes instead of %zu; "
				"start the new kernel again", size, sizeof(wire));
	memcpy(&wire, data, sizeof(wire));
	r = check(&wire, err);
	if (r < 0)
		return r;
	*ret = (struct kho_setup_control){ wire.start, wire.keep, wire.size };
	return 0;
}
