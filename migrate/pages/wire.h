/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The protocol in which CRIU hands out pages ("page server"), read.
 *
 * Theory of operation
 *
 * `criu dump` and `criu pre-dump` write the memory of all tasks to one stream
 * socket. It carries commands of 32 bytes, native byte order and alignment:
 *
 *	offset  size  field
 *	0       4     cmd       low 16 bits the command, high 16 bits flags
 *	8       8     nr_pages
 *	16      8     vaddr     of a task; for shared memory the offset in it
 *	24      8     dst_id    id << 8 | type; type 1: a task, id its PID;
 *	                        2: shared memory, id as in its VMAs
 *
 *	cmd             followed by          answered by the page server
 *	OPEN2   4                            1 byte: whether a parent image exists
 *	PARENT  5                            4 bytes, the same question (pre-dump)
 *	ADD_F   6       nr_pages * 4096 bytes if flag PRESENT is set
 *	HOLE    2                            same as ADD_F with flag PARENT alone
 *	CLOSE   0x1023                       4 bytes, 0: all was received; the
 *	                                     connection may go on
 *	FORCE_CLOSE 0x1024                   the same, and the connection ends
 *
 * The parser here takes any chunking and does no I/O. It gives one event a
 * command and then stays out of the way of the payload, which both of its users
 * move without looking at it: the old agent (relay.h) from the socket into a
 * bulk lane, the new agent (feed.h) from the lane into the page store.
 *
 * Errors are sticky: a stream that was wrong once has no meaning any more.
 */
#ifndef KHO_PAGES_WIRE_H
#define KHO_PAGES_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define KHO_PAGE_COMMAND_SIZE	32
#define KHO_PAGE_VADDR_END	(1ULL << 56)	/* user addresses with 5-level paging */
#define KHO_PAGE_RUN_MAX	(1ULL << 28)	/* pages in a command: 1 TiB */

/* CRIU's flags of a pagemap entry and of ADD_F */
#define KHO_PAGE_PARENT		(1u << 0)	/* as in the image before this one */
#define KHO_PAGE_LAZY		(1u << 1)	/* may be restored after the task runs */
#define KHO_PAGE_PRESENT	(1u << 2)	/* the data follows */

/* What pages belong to: dst_id as on the wire. */
#define KHO_PAGES_TASK		1u
#define KHO_PAGES_SHMEM		2u

static inline uint64_t kho_pages_image(uint64_t id, unsigned int type)
{
	return id << 8 | type;
}

static inline uint64_t kho_pages_id(uint64_t image)
{
	return image >> 8;
}

static inline unsigned int kho_pages_type(uint64_t image)
{
	return image & 0xff;
}

enum kho_page_event_type {
	KHO_PAGE_EVENT_OPEN,		/* what follows is of @image */
	KHO_PAGE_EVENT_ASK_PARENT,	/* whether @image has one */
	KHO_PAGE_EVENT_PAGES,		/* nr_pages * 4096 bytes follow */
	KHO_PAGE_EVENT_HOLE,		/* there, and as in the round before */
	KHO_PAGE_EVENT_CLOSE,		/* all was sent; @last: nothing follows */
};

struct kho_page_event {
	enum kho_page_event_type type;
	bool last;
	uint32_t flags;			/* KHO_PAGE_*, of PAGES and HOLE */
	uint64_t image;			/* 0 for CLOSE */
	uint64_t vaddr;			/* PAGES and HOLE; a multiple of 4096 */
	uint64_t nr_pages;		/* PAGES and HOLE; at least 1 */
};

/* Private to wire.c, but for @payload. */
struct kho_page_wire {
	uint64_t payload;		/* bytes that follow before the next command */
	uint64_t image;			/* that is open, or 0 */
	uint32_t filled;		/* bytes of @command */
	int error;			/* sticky */
	bool ended;
	unsigned char command[KHO_PAGE_COMMAND_SIZE];
};

void kho_page_wire_init(struct kho_page_wire *wire);

/*
 * Takes bytes of a command, at most those that are missing, and says how many in
 * *@ret_used. Returns 1 with an event, 0 if the command isn't complete yet, or
 *   -EBUSY     payload is to be moved first
 *   -EBADMSG   not such a command, or one that makes no sense: unknown number,
 *              type or flags, unaligned, out of range, pages of what isn't open,
 *              or anything after FORCE_CLOSE. Sticky.
 */
int kho_page_wire_push(struct kho_page_wire *wire, const void *data, size_t size,
		       size_t *ret_used, struct kho_page_event *ret, struct kho_err *err);

/* How many bytes are missing before the next event: 1 to 32. */
size_t kho_page_wire_missing(const struct kho_page_wire *wire);

/* @size bytes of payload were moved. @size <= wire->payload. */
void kho_page_wire_moved(struct kho_page_wire *wire, uint64_t size);

#endif
