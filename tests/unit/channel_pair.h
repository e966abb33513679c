/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two channels back to back in one memory, for tests: sides[0] is the old one,
 * sides[1] the new one. Time is what the test says.
 */
#ifndef TESTS_CHANNEL_PAIR_H
#define TESTS_CHANNEL_PAIR_H

#include "channel/channel.h"
#include "channel/frame.h"

#define PAIR_CONTROL	(1u << 20)	/* bytes of a control lane, as in a region */
#define PAIR_BULK	(KHO_RING_HEADER_SIZE + (64u << 10))
#define PAIR_T0		1000000000ULL
#define PAIR_EVENTS	16

struct pair_side {
	struct kho_channel *ch;
	struct kho_channel_spec spec;
	unsigned int messages;		/* delivered */
	Kho__Envelope__BodyCase last;
	uint64_t last_id;
	uint64_t last_epoch;
	unsigned int nr_events;
	struct kho_link_event events[PAIR_EVENTS];
	unsigned int writable;
	unsigned int rung;		/* doorbell of this side */
	int ring_result;		/* what ringing the peer gives */
	uint32_t peer_status;
	bool echo;			/* answers each message by one of its own */
};

extern struct pair_side pair_sides[2];
extern uint64_t pair_now;

/* Fixtures: two channels, opened but not started; and their end. */
void pair_setup_channels(void);
void pair_teardown(void);

/* Closes @side if it's open, and opens it again as another start of its agent. */
void pair_reopen(int side);

/* Starts both and processes until both are up. */
void pair_up(void);

/* Processes both sides until neither finds a message. */
void pair_settle(void);

/* kho_channel_process() at pair_now. */
int pair_process(int side);

/* Sends a Log of @size bytes of text with @id. */
int pair_send(int side, uint64_t id, size_t size);

/* The raw ring that @side's peer writes to, or that it writes to itself. */
struct kho_ring_shared *pair_control(int writer);
struct kho_ring_shared *pair_bulk(int writer);

/* Fails unless @side's last event is this, with @code. */
void pair_expect_event(int side, enum kho_link_event_kind kind, int code);

#endif
