// SPDX-License-Identifier: GPL-2.0-only
/*
 * CRIU's page server, as far as the old agent plays it. See relay.h.
 *
 * A span is either the command that was just read (held here until it's moved)
 * or payload that waits in the socket. The answer to a question is sent before
 * the command is handed out: CRIU waits for nothing else, and what the other side
 * gets is the same either way. An answer is at most 4 bytes in a socket whose
 * other direction is empty, so send() takes it whole or the socket is broken.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "migrate/pages/relay.h"

#define IMAGES_MAX	(1u << 20)

/* Tasks that a round has opened, sorted */
struct images {
	uint64_t *ids;
	size_t nr, room;
};

struct kho_page_relay {
	int fd;
	struct kho_page_wire wire;
	struct images parents;		/* of the last round that ended well */
	struct images current;
	struct kho_page_relay_stats stats;
	unsigned char command[KHO_PAGE_COMMAND_SIZE];
	size_t filled;			/* bytes of @command that were read */
	size_t moved;			/* and handed out */
	bool whole;			/* @command is to be handed out */
	bool asked;			/* CRIU waits for the round's answer */
};

int kho_page_relay_new(struct kho_page_relay **ret, struct kho_err *err)
{
	struct kho_page_relay *relay = calloc(1, sizeof(*relay));

	if (!relay)
		return kho_fail(err, -ENOMEM, "page relay: no memory; stop something else");
	relay->fd = -EBADF;
	*ret = relay;
	return 0;
}

static void close_round(struct kho_page_relay *relay)
{
	if (relay->fd >= 0)
		close(relay->fd);
	relay->fd = -EBADF;
	relay->asked = false;
}

void kho_page_relay_free(struct kho_page_relay *relay)
{
	if (!relay)
		return;
	close_round(relay);
	free(relay->parents.ids);
	free(relay->current.ids);
	free(relay);
}

/* The place of @image, or where it would be */
static size_t find(const struct images *images, uint64_t image)
{
	size_t low = 0, high = images->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (images->ids[middle] < image)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool has(const struct images *images, uint64_t image)
{
	size_t at = find(images, image);

	return at < images->nr && images->ids[at] == image;
}

static int add(struct images *images, uint64_t image, struct kho_err *err)
{
	size_t at = find(images, image);
	uint64_t *ids;

	if (at < images->nr && images->ids[at] == image)
		return 0;
	if (images->nr == IMAGES_MAX)
		return kho_fail(err, -EBADMSG, "page stream: more than %u images", IMAGES_MAX);
	if (images->nr == images->room) {
		size_t room = images->room ? 2 * images->room : 16;

		ids = reallocarray(images->ids, room, sizeof(*ids));
		if (!ids)
			return kho_fail(err, -ENOMEM, "page relay: no memory for image ids");
		images->ids = ids;
		images->room = room;
	}
	memmove(images->ids + at + 1, images->ids + at, (images->nr - at) * sizeof(*images->ids));
	images->ids[at] = image;
	images->nr++;
	return 0;
}

int kho_page_relay_begin(struct kho_page_relay *relay, int fd, struct kho_err *err)
{
	_cleanup_close_ int owned = fd;
	int flags;

	if (relay->fd >= 0)
		return kho_fail(err, -EBUSY, "page relay: the round before is still under way");
	flags = fcntl(owned, F_GETFL);
	if (flags < 0 || fcntl(owned, F_SETFL, flags | O_NONBLOCK) < 0)
		return kho_fail_errno(err, -errno, "page relay: making CRIU's socket non-blocking");
	relay->fd = TAKE_FD(owned);
	kho_page_wire_init(&relay->wire);
	relay->stats = (struct kho_page_relay_stats){ 0 };
	relay->current.nr = 0;
	relay->filled = relay->moved = 0;
	relay->whole = relay->asked = false;
	return 0;
}

int kho_page_relay_fd(const struct kho_page_relay *relay)
{
	return relay->fd;
}

static int reply(struct kho_page_relay *relay, const void *data, size_t size,
		 struct kho_err *err)
{
	ssize_t n = send(relay->fd, data, size, MSG_NOSIGNAL);

	if (n < 0)
		return kho_fail_errno(err, -errno, "page relay: answering criu");
	if ((size_t)n != size)
		return kho_fail(err, -EIO, "page relay: criu took a part of an answer");
	return 0;
}

/* What a command means for us; it's forwarded in any case */
static int act(struct kho_page_relay *relay, const struct kho_page_event *event,
	       struct kho_err *err)
{
	bool parent = has(&relay->parents, event->image);
	int32_t word = parent;
	uint8_t byte = parent;
	int r;

	switch (event->type) {
	case KHO_PAGE_EVENT_OPEN:
		r = add(&relay->current, event->image, err);
		if (r < 0)
			return r;
		relay->stats.images++;
		return reply(relay, &byte, sizeof(byte), err);
	case KHO_PAGE_EVENT_ASK_PARENT:
		return reply(relay, &word, sizeof(word), err);
	case KHO_PAGE_EVENT_PAGES:
		relay->stats.pages += event->nr_pages;
		return 0;
	case KHO_PAGE_EVENT_HOLE:
		relay->stats.holes += event->nr_pages;
		return 0;
	case KHO_PAGE_EVENT_CLOSE:
		relay->asked = true;
		return 0;
	}
	return -EBADMSG;
}

/* Reads more of a command; 1 when it's there and was acted upon */
static int read_command(struct kho_page_relay *relay, struct kho_err *err)
{
	unsigned char *to = relay->command + relay->filled;
	struct kho_page_event event;
	size_t used;
	ssize_t n;
	int r;

	n = recv(relay->fd, to, kho_page_wire_missing(&relay->wire), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n < 0)
		return kho_fail_errno(err, -errno, "page relay: reading from criu");
	if (n == 0)
		return kho_fail(err, -EPIPE, "page relay: criu ended before it had sent all "
				"pages; look at its log");
	r = kho_page_wire_push(&relay->wire, to, (size_t)n, &used, &event, err);
	if (r < 0)
		return r;
	relay->filled += used;
	if (r == 0)
		return 0;
	relay->whole = true;
	r = act(relay, &event, err);
	return r < 0 ? r : 1;
}

int kho_page_relay_next(struct kho_page_relay *relay, struct kho_page_span *ret,
			struct kho_err *err)
{
	int r;

	if (relay->fd < 0)
		return kho_fail(err, -EINVAL, "page relay: no round is under way");
	if (!relay->whole && relay->wire.payload) {
		*ret = (struct kho_page_span){ .fd = relay->fd, .size = relay->wire.payload };
		return 1;
	}
	if (!relay->whole && relay->asked)
		return 0;
	while (!relay->whole) {
		r = read_command(relay, err);
		if (r < 0)
			return r;
	}
	*ret = (struct kho_page_span){
		.data = relay->command + relay->moved,
		.fd = relay->fd,
		.size = relay->filled - relay->moved,
	};
	return 1;
}

void kho_page_relay_moved(struct kho_page_relay *relay, size_t size)
{
	relay->stats.bytes += size;
	if (!relay->whole) {
		kho_page_wire_moved(&relay->wire, size);
		return;
	}
	relay->moved += size;
	if (relay->moved >= relay->filled) {
		relay->whole = false;
		relay->filled = relay->moved = 0;
	}
}

/* Tasks of this round have a parent in the next one; shared memory never has */
static void remember(struct kho_page_relay *relay)
{
	struct images old = relay->parents;
	size_t i, nr = 0;

	for (i = 0; i < relay->current.nr; i++)
		if (kho_pages_type(relay->current.ids[i]) == KHO_PAGES_TASK)
			relay->current.ids[nr++] = relay->current.ids[i];
	relay->current.nr = nr;
	relay->parents = relay->current;
	relay->current = old;
}

int kho_page_relay_answer(struct kho_page_relay *relay, int status, struct kho_err *err)
{
	int32_t word = status;
	int r;

	if (!relay->asked || relay->whole)
		return kho_fail(err, -EINVAL, "page relay: criu has asked nothing");
	r = reply(relay, &word, sizeof(word), err);
	if (r < 0 || status) {
		kho_page_relay_abandon(relay);
		return r;
	}
	remember(relay);
	close_round(relay);
	return 0;
}

void kho_page_relay_abandon(struct kho_page_relay *relay)
{
	relay->parents.nr = 0;
	relay->current.nr = 0;
	close_round(relay);
}

void kho_page_relay_stats(const struct kho_page_relay *relay, struct kho_page_relay_stats *ret)
{
	*ret = relay->stats;
}
