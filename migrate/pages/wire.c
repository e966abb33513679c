// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands of CRIU's page server, checked. See wire.h for the layout.
 *
 * A command is copied out of the stream whole before a field of it is looked at.
 * Its padding (bytes 4 to 7) is whatever criu had on its stack and is ignored.
 */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "migrate/pages/wire.h"

enum {
	CMD_HOLE = 2,
	CMD_OPEN2 = 4,
	CMD_PARENT = 5,
	CMD_ADD_F = 6,
	CMD_CLOSE = 0x1023,
	CMD_FORCE_CLOSE = 0x1024,
};

struct command {
	uint32_t cmd;
	uint32_t pad;
	uint64_t nr_pages;
	uint64_t vaddr;
	uint64_t image;
};

_Static_assert(sizeof(struct command) == KHO_PAGE_COMMAND_SIZE, "page server command");

void kho_page_wire_init(struct kho_page_wire *wire)
{
	*wire = (struct kho_page_wire){ 0 };
}

size_t kho_page_wire_missing(const struct kho_page_wire *wire)
{
	return KHO_PAGE_COMMAND_SIZE - wire->filled;
}

void kho_page_wire_moved(struct kho_page_wire *wire, uint64_t size)
{
	wire->payload -= size < wire->payload ? size : wire->payload;
}

static int check_image(const struct command *c, struct kho_err *err)
{
	unsigned int type = kho_pages_type(c->image);

	if (type == KHO_PAGES_TASK && kho_pages_id(c->image) - 1 < INT32_MAX)
		return 0;
	if (type == KHO_PAGES_SHMEM)
		return 0;
	return kho_fail(err, -EBADMSG, "page stream: image %#llx is neither a task nor shared "
			"memory; criu and this agent don't fit", (unsigned long long)c->image);
}

static int check_range(const struct command *c, struct kho_err *err)
{
	if (c->nr_pages == 0 || c->nr_pages > KHO_PAGE_RUN_MAX ||
	    !kho_is_aligned(c->vaddr, KHO_PAGE_SIZE) ||
	    !kho_within(c->vaddr, c->nr_pages * KHO_PAGE_SIZE, KHO_PAGE_VADDR_END))
		return kho_fail(err, -EBADMSG, "page stream: %llu pages at %#llx can't be; "
				"restart the move", (unsigned long long)c->nr_pages,
				(unsigned long long)c->vaddr);
	return 0;
}

static int open_image(struct kho_page_wire *wire, const struct command *c,
		      enum kho_page_event_type type, struct kho_page_event *ret,
		      struct kho_err *err)
{
	int r;

	r = check_image(c, err);
	if (r < 0)
		return r;
	if (type == KHO_PAGE_EVENT_OPEN)
		wire->image = c->image;
	*ret = (struct kho_page_event){ .type = type, .image = c->image };
	return 1;
}

/* ADD_F with any flags, and HOLE, which is the same with one flag alone */
static int pages(struct kho_page_wire *wire, const struct command *c, uint32_t flags,
		 struct kho_page_event *ret, struct kho_err *err)
{
	bool present = flags & KHO_PAGE_PRESENT;
	int r;

	if (!wire->image || c->image != wire->image)
		return kho_fail(err, -EBADMSG, "page stream: pages of image %#llx, which isn't "
				"open; restart the move", (unsigned long long)c->image);
	r = check_range(c, err);
	if (r < 0)
		return r;
	if (flags != KHO_PAGE_PARENT && flags != KHO_PAGE_PRESENT &&
	    flags != (KHO_PAGE_PRESENT | KHO_PAGE_LAZY))
		return kho_fail(err, -EBADMSG, "page stream: pages with flags %#x; dump without "
				"lazy pages, with a criu that this agent knows", flags);
	*ret = (struct kho_page_event){
		.type = present ? KHO_PAGE_EVENT_PAGES : KHO_PAGE_EVENT_HOLE,
		.flags = flags, .image = c->image, .vaddr = c->vaddr, .nr_pages = c->nr_pages,
	};
	if (present)
		wire->payload = c->nr_pages * KHO_PAGE_SIZE;
	return 1;
}

static int close_stream(struct kho_page_wire *wire, bool last, struct kho_page_event *ret)
{
	wire->image = 0;
	wire->ended = last;
	*ret = (struct kho_page_event){ .type = KHO_PAGE_EVENT_CLOSE, .last = last };
	return 1;
}

static int command(struct kho_page_wire *wire, struct kho_page_event *ret, struct kho_err *err)
{
	struct command c;
	uint32_t flags;

	memcpy(&c, wire->command, sizeof(c));
	flags = c.cmd >> 16;
	switch (c.cmd & 0xffff) {
	case CMD_OPEN2:
		return open_image(wire, &c, KHO_PAGE_EVENT_OPEN, ret, err);
	case CMD_PARENT:
		return open_image(wire, &c, KHO_PAGE_EVENT_ASK_PARENT, ret, err);
	case CMD_ADD_F:
		return pages(wire, &c, flags, ret, err);
	case CMD_HOLE:
		return pages(wire, &c, KHO_PAGE_PARENT, ret, err);
	case CMD_CLOSE:
		return close_stream(wire, false, ret);
	case CMD_FORCE_CLOSE:
		return close_stream(wire, true, ret);
	default:
		return kho_fail(err, -EBADMSG, "page stream: command %#x isn't known; use a criu "
				"that this agent knows", c.cmd);
	}
}

int kho_page_wire_push(struct kho_page_wire *wire, const void *data, size_t size,
		       size_t *ret_used, struct kho_page_event *ret, struct kho_err *err)
{
	size_t n = kho_page_wire_missing(wire);
	int r;

	if (wire->error)
		return kho_fail(err, wire->error, "page stream: it was broken before");
	if (wire->payload)
		return kho_fail(err, -EBUSY, "page stream: payload comes first");
	if (wire->ended && size > 0) {
		wire->error = -EBADMSG;
		return kho_fail(err, -EBADMSG, "page stream: goes on after its end");
	}
	if (n > size)
		n = size;
	if (n > 0)
		memcpy(wire->command + wire->filled, data, n);
	wire->filled += (uint32_t)n;
	*ret_used = n;
	if (wire->filled < KHO_PAGE_COMMAND_SIZE)
		return 0;
	wire->filled = 0;
	r = command(wire, ret, err);
	if (r < 0)
		wire->error = r;
	return r;
}
