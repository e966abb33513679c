// SPDX-License-Identifier: GPL-2.0-only
/* Two channels in one memory; channel_pair.h says what each helper does. */
#include "unit/channel_pair.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct pair_side pair_sides[2];
uint64_t pair_now;

static uint8_t *memory;		/* control lanes of side 0 and 1 as writers, then bulk */
static uint64_t next_nonce;

static int ring_peer(void *ctx)
{
	struct pair_side *side = ctx;

	if (side->ring_result == 0)
		pair_sides[side == &pair_sides[0]].rung++;
	return side->ring_result;
}

static uint32_t peer_status(void *ctx)
{
	return ((struct pair_side *)ctx)->peer_status;
}

static void message(void *ctx, const Kho__Envelope *envelope, uint64_t epoch)
{
	struct pair_side *side = ctx;

	side->messages++;
	side->last = envelope->body_case;
	side->last_id = envelope->id;
	side->last_epoch = epoch;
	if (side->echo)
		(void)pair_send((int)(side - pair_sides), envelope->id + 1, 10);
}

static void event(void *ctx, const struct kho_link_event *link_event)
{
	struct pair_side *side = ctx;

	if (side->nr_events < PAIR_EVENTS)
		side->events[side->nr_events++] = *link_event;
}

static void writable(void *ctx)
{
	((struct pair_side *)ctx)->writable++;
}

static const struct kho_channel_ops ops = {
	.ring = ring_peer,
	.peer_status = peer_status,
	.message = message,
	.event = event,
	.writable = writable,
};

struct kho_ring_shared *pair_control(int writer)
{
	return (struct kho_ring_shared *)(memory + (size_t)writer * PAIR_CONTROL);
}

struct kho_ring_shared *pair_bulk(int writer)
{
	return (struct kho_ring_shared *)(memory + 2 * PAIR_CONTROL + (size_t)writer * PAIR_BULK);
}

static struct kho_channel_spec spec_of(int side)
{
	struct kho_channel_spec spec = {
		.lanes = {
			.control_out = pair_control(side), .control_in = pair_control(!side),
			.control_size = PAIR_CONTROL,
			.bulk_out = pair_bulk(side), .bulk_in = pair_bulk(!side),
			.bulk_size = PAIR_BULK,
		},
		.link = {
			.hello = {
				.protocol_min = 1, .protocol_max = 1,
				.role = side ? KHO_ROLE_NEW : KHO_ROLE_OLD,
				.upgrade_id = "upgrade", .epoch = 3, .nonce = ++next_nonce,
				.agent_version = "1.2",
			},
			.heartbeat_ns = KHO_LINK_HEARTBEAT_NS, .stall_ns = KHO_LINK_STALL_NS,
			.dead_ns = KHO_LINK_DEAD_NS, .hello_ns = KHO_LINK_HELLO_NS,
		},
		.ops = &ops, .ctx = &pair_sides[side],
		.spin_ns = KHO_CHANNEL_SPIN_NS,
		.poll_min_ns = KHO_CHANNEL_POLL_MIN_NS, .poll_max_ns = KHO_CHANNEL_POLL_MAX_NS,
	};

	ck_assert_int_eq(kho_features_add(&spec.link.hello.features, KHO_FEATURE_BULK_CRC), 0);
	return spec;
}

void pair_reopen(int side)
{
	struct pair_side *s = &pair_sides[side];

	kho_channel_free(s->ch);
	*s = (struct pair_side){ .spec = spec_of(side) };
	ck_assert_int_eq(kho_channel_open(&s->spec, &s->ch, NULL), 0);
}

void pair_setup_channels(void)
{
	struct kho_channel_lanes lanes;

	memory = aligned_alloc(4096, 2 * PAIR_CONTROL + 2 * PAIR_BULK + 4096 -
			       (2 * PAIR_BULK) % 4096);
	ck_assert_ptr_nonnull(memory);
	next_nonce = 0;
	pair_now = PAIR_T0;
	lanes = spec_of(0).lanes;
	ck_assert_int_eq(kho_channel_format(&lanes, NULL), 0);
	pair_reopen(0);
	pair_reopen(1);
}

void pair_teardown(void)
{
	for (int i = 0; i < 2; i++)
		pair_sides[i].ch = kho_channel_free(pair_sides[i].ch);
	free(memory);
}

int pair_process(int side)
{
	return kho_channel_process(pair_sides[side].ch, pair_now);
}

void pair_settle(void)
{
	int rounds = 0;

	while ((pair_process(0) > 0) | (pair_process(1) > 0))
		ck_assert_int_lt(rounds++, 1000);
}

void pair_up(void)
{
	kho_channel_start(pair_sides[0].ch, pair_now);
	kho_channel_start(pair_sides[1].ch, pair_now);
	pair_settle();
	pair_expect_event(0, KHO_LINK_EVENT_UP, 0);
	pair_expect_event(1, KHO_LINK_EVENT_UP, 0);
}

int pair_send(int side, uint64_t id, size_t size)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__Log log = KHO__LOG__INIT;
	char *text = malloc(size + 1);
	int r;

	ck_assert_ptr_nonnull(text);
	memset(text, 'x', size);
	text[size] = '\0';
	log.text = text;
	envelope.has_id = true;
	envelope.id = id;
	envelope.body_case = KHO__ENVELOPE__BODY_LOG;
	envelope.log = &log;
	r = kho_channel_send(pair_sides[side].ch, &envelope, NULL);
	free(text);
	return r;
}

void pair_expect_event(int side, enum kho_link_event_kind kind, int code)
{
	const struct pair_side *s = &pair_sides[side];
	const struct kho_link_event *last = &s->events[s->nr_events - 1];

	ck_assert_uint_ge(s->nr_events, 1);
	ck_assert_msg(last->kind == kind, "event %d: %s", last->kind, last->err.msg);
	ck_assert_int_eq(last->err.code, code);
}
