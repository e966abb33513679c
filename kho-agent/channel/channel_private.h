/* SPDX-License-Identifier: GPL-2.0-only */
/* What channel.c (messages) and lanes.c (memory, waking, waiting) share. */
#ifndef KHO_CHANNEL_PRIVATE_H
#define KHO_CHANNEL_PRIVATE_H

#include "channel/channel.h"
#include "channel/envelope.h"
#include "channel/frame.h"

/* Room in a control lane that only the link's own messages may use. */
#define LINK_RESERVE	(16u << 10)

enum lane_index {
	CONTROL_OUT,
	CONTROL_IN,
	BULK_OUT,
	BULK_IN,
	NR_LANES,
};

struct lane {
	struct kho_ring ring;
	uint64_t kicked;		/* own index when the peer was last looked after */
};

struct kho_channel {
	const struct kho_channel_ops *ops;
	void *ctx;
	struct kho_link link;
	struct lane lanes[NR_LANES];
	struct kho_bulk_reader bulk_reader;

	/* control messages */
	struct kho_frame_order order;
	uint64_t next_seq;
	uint64_t epoch;
	unsigned int pending;		/* KHO_LINK_SEND_* that found no room yet */
	uint64_t blocked;		/* room that a refused send needs, 0: none */
	uint64_t last_pong;
	uint8_t *rx_buf;		/* KHO_FRAME_SIZE_MAX */
	uint8_t *tx_buf;		/* KHO_FRAME_PAYLOAD_MAX */
	struct kho_envelope_arena arena;

	/* waiting */
	bool doorbell;
	bool more;			/* the budget ended before the lane did */
	bool watch_in;
	bool watch_out;
	uint64_t spin_ns;
	uint64_t poll_min_ns;
	uint64_t poll_max_ns;
	uint64_t active;		/* when there was traffic last */
	uint64_t bulk_moved;		/* sum of the bulk indices then */

	struct kho_channel_stats stats;
};

/* Attaches this side of each lane. */
int kho_lanes_attach(struct kho_channel *ch, const struct kho_channel_lanes *lanes,
		     struct kho_err *err);

/* Whether all indices and the bulk stream are sane; -EBADMSG and @err if not. */
int kho_lanes_check(struct kho_channel *ch, struct kho_err *err);

/* After sleeping. */
void kho_lanes_disarm(struct kho_channel *ch);

/* Notes traffic on the bulk lanes, or @messages on the control lane. */
void kho_lanes_note(struct kho_channel *ch, int messages, uint64_t now);

#endif
