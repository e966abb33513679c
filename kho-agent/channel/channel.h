/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The channel between the agents of two kernels, for an event loop.
 *
 * Theory of operation
 *
 * Four lanes, each a ring (ring.h) in the region's control area: one of control
 * messages and one of bulk streams in each direction. The side that spawns
 * formats them before the new kernel starts; both sides open them. Here the
 * lanes, the frame codec (frame.h) and the state machine of the link (link.h) come
 * together; all decisions are theirs. What this adds:
 *
 *	sending    A lane is its own queue. When it's full, send gives -EAGAIN,
 *	           and ops->writable() says when to go on. Some room is kept for
 *	           the link's own messages, so a full lane doesn't stop heartbeats.
 *	waking     The peer is rung only if it said that it sleeps.
 *	waiting    kho_channel_wait() says how long to sleep: not at all for a
 *	           moment after traffic (spin), then until a doorbell or a deadline.
 *	           Without doorbell, and until the link is up, it's an eighth of
 *	           the time since the last traffic, at most poll_max_ns: 50 looks
 *	           a second when idle.
 *
 *	for (;;) {
 *		while (kho_channel_wait(ch, now, &deadline) > 0)
 *			kho_channel_process(ch, now);
 *		poll(eventfd of the doorbell, until deadline);
 *		kho_channel_process(ch, now);
 *	}
 *
 * Everything from the peer is untrusted; what breaks the protocol ends the link
 * with a DEAD event that says how, never the agent. To go on after that, the old
 * side fences the peer, formats the lanes and opens a new channel.
 *
 * @now is in ns of one monotonic clock. Not thread-safe. No clock is read and no
 * system call made here but by ops->ring(). Callbacks may send and may open bulk
 * writers; they must not process, wait or free.
 */
#ifndef KHO_CHANNEL_CHANNEL_H
#define KHO_CHANNEL_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "channel.pb-c.h"
#include "channel/bulk.h"
#include "channel/link.h"

#define KHO_CHANNEL_SPIN_NS	50000ULL	/* defaults */
#define KHO_CHANNEL_POLL_MIN_NS	100000ULL
#define KHO_CHANNEL_POLL_MAX_NS	20000000ULL

/* Messages that one kho_channel_process() takes at most. */
#define KHO_CHANNEL_BUDGET	64

struct kho_channel;

/* Memory of the lanes: borrowed, aligned to KHO_RING_ALIGN, out and in as this side sees it. */
struct kho_channel_lanes {
	void *control_out;
	void *control_in;
	size_t control_size;		/* of each, ring header included */
	void *bulk_out;
	void *bulk_in;
	size_t bulk_size;
};

struct kho_channel_ops {
	/*
	 * Rings the peer's doorbell. 0 or a negative errno, which is counted and
	 * otherwise ignored: a peer that isn't rung wakes by itself.
	 * NULL: there's none.
	 */
	int (*ring)(void *ctx);

	/* MK_STATE_* of the peer's status page. NULL: there's no such page. */
	uint32_t (*peer_status)(void *ctx);

	/* The pulse of that page. NULL: there's no such page. */
	uint64_t (*peer_pulse)(void *ctx);

	/* A message; it is void when the callback returns. @epoch: the sender's. */
	void (*message)(void *ctx, const Kho__Envelope *envelope, uint64_t epoch);

	/* The link's state has changed. NULL: not wanted. */
	void (*event)(void *ctx, const struct kho_link_event *event);

	/* There's room again after a send gave -EAGAIN. NULL: not wanted. */
	void (*writable)(void *ctx);
};

struct kho_channel_spec {
	struct kho_channel_lanes lanes;
	struct kho_link_config link;
	const struct kho_channel_ops *ops;	/* must outlive the channel */
	void *ctx;				/* for the ops */
	bool doorbell;				/* the peer can wake this side */
	uint64_t spin_ns;			/* 0: never spin */
	uint64_t poll_min_ns;			/* 1 to poll_max_ns */
	uint64_t poll_max_ns;
};

struct kho_channel_stats {
	uint64_t messages_in;
	uint64_t messages_out;
	uint64_t bytes_in;		/* of frames */
	uint64_t bytes_out;
	uint64_t stale;			/* frames of an earlier session, dropped */
	uint64_t blocked;		/* sends that gave -EAGAIN */
	uint64_t rings;			/* doorbells rung */
	uint64_t ring_failures;
};

/*
 * Formats all lanes. To be done once by the side that spawns, before the other
 * side can look. Errors as kho_ring_format(), or -EINVAL: a control lane can't
 * hold the largest frame.
 */
int kho_channel_format(const struct kho_channel_lanes *lanes, struct kho_err *err);

/*
 * Opens one side. Nothing is sent yet. -ENOMEM; -EINVAL: the spec makes no
 * sense; otherwise as kho_ring_attach() and kho_link_init().
 */
int kho_channel_open(const struct kho_channel_spec *spec, struct kho_channel **ret,
		     struct kho_err *err);

/* Returns NULL. Takes NULL. Says nothing to the peer. */
struct kho_channel *kho_channel_free(struct kho_channel *ch);

/* Says hello. */
void kho_channel_start(struct kho_channel *ch, uint64_t now);

/*
 * Does all there is to do now: takes messages, calls ops, sends what the link
 * wants. Returns the number of messages taken; KHO_CHANNEL_BUDGET: there may be
 * more; -ENOTCONN: the link is over, as an event has said.
 */
int kho_channel_process(struct kho_channel *ch, uint64_t now);

/*
 * What to do next. 1: call kho_channel_process() again (or go on with bulk data)
 * at once; 0: sleep until the doorbell or *@ret_deadline (ns, KHO_LINK_NEVER: no
 * deadline), then process.
 */
int kho_channel_wait(struct kho_channel *ch, uint64_t now, uint64_t *ret_deadline);

/* When the link has something to do even if nothing comes; for reports. */
uint64_t kho_channel_next_deadline(const struct kho_channel *ch);

/*
 * Sends @envelope. 0; -ENOTCONN the link isn't up; -EAGAIN the lane is full,
 * ops->writable() will say when to try again; -EMSGSIZE it's too large for a
 * frame; -EBADMSG the peer wrote garbage.
 */
int kho_channel_send(struct kho_channel *ch, const Kho__Envelope *envelope,
		     struct kho_err *err);

/* Sends a Ping with @id, which is not 0. The channel takes the answer. */
int kho_channel_ping(struct kho_channel *ch, uint64_t id, struct kho_err *err);

/* The id of the last answer to a Ping, 0: there was none. */
uint64_t kho_channel_last_pong(const struct kho_channel *ch);

/*
 * A stream on our bulk lane. Valid until the link is over or the peer has
 * restarted (events). -ENOTCONN: the link isn't up; otherwise as
 * kho_bulk_writer_init().
 */
int kho_channel_bulk_writer(struct kho_channel *ch, uint32_t stream,
			    struct kho_bulk_writer *ret, struct kho_err *err);

/* The peer's bulk lane, owned by the channel; NULL while the link isn't up. */
struct kho_bulk_reader *kho_channel_bulk_reader(struct kho_channel *ch);

/* What kho_channel_wait() waits for on the bulk lanes: data to read, room to write. */
void kho_channel_watch_bulk(struct kho_channel *ch, bool readable, bool writable);

/* After sending, or reading or writing bulk data: wakes the peer if it sleeps. */
void kho_channel_kick(struct kho_channel *ch);

/* The phase that heartbeats report. */
void kho_channel_set_state(struct kho_channel *ch, uint32_t state);

/* Ownership has moved. -EINVAL: @epoch is lower than before. */
int kho_channel_set_epoch(struct kho_channel *ch, uint64_t epoch, struct kho_err *err);

/* Whether the peer can wake this side; it may turn out later than at open. */
void kho_channel_set_doorbell(struct kho_channel *ch, bool doorbell);

/* The state machine, to read: state, peer's hello, agreement, peer's phase. */
const struct kho_link *kho_channel_link(const struct kho_channel *ch);
void kho_channel_get_stats(const struct kho_channel *ch, struct kho_channel_stats *ret);

#endif
