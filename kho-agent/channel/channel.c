// SPDX-License-Identifier: GPL-2.0-only
/* Messages of a channel; channel.h has the theory of operation. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "channel/channel_private.h"

struct kho_channel *kho_channel_free(struct kho_channel *ch)
{
	if (!ch)
		return NULL;
	free(ch->rx_buf);
	free(ch->tx_buf);
	free(ch->arena.base);
	free(ch);
	return NULL;
}

static void cleanup_channel(struct kho_channel **ch)
{
	kho_channel_free(*ch);
}

static int allocate(struct kho_channel **ret, struct kho_err *err)
{
	_cleanup_(cleanup_channel) struct kho_channel *ch = calloc(1, sizeof(*ch));

	if (ch) {
		ch->rx_buf = malloc(KHO_FRAME_SIZE_MAX);
		ch->tx_buf = malloc(KHO_FRAME_PAYLOAD_MAX);
		ch->arena.base = malloc(KHO_ENVELOPE_ARENA_SIZE);
		ch->arena.size = KHO_ENVELOPE_ARENA_SIZE;
	}
	if (!ch || !ch->rx_buf || !ch->tx_buf || !ch->arena.base)
		return kho_fail(err, -ENOMEM, "channel: no memory for its buffers; free some");
	*ret = TAKE_PTR(ch);
	return 0;
}

static int check_spec(const struct kho_channel_spec *spec, struct kho_err *err)
{
	if (!spec->ops || !spec->ops->message)
		return kho_fail(err, -EINVAL, "channel: nobody takes messages; give ops->message");
	if (spec->poll_min_ns == 0 || spec->poll_min_ns > spec->poll_max_ns)
		return kho_fail(err, -EINVAL,
				"channel: polling every %llu to %llu ns; "
				"give 1 or more, least first",
				(unsigned long long)spec->poll_min_ns,
				(unsigned long long)spec->poll_max_ns);
	return 0;
}

int kho_channel_open(const struct kho_channel_spec *spec, struct kho_channel **ret,
		     struct kho_err *err)
{
	_cleanup_(cleanup_channel) struct kho_channel *ch = NULL;
	int r;

	r = check_spec(spec, err);
	if (r < 0)
		return r;
	r = allocate(&ch, err);
	if (r < 0)
		return r;
	ch->ops = spec->ops;
	ch->ctx = spec->ctx;
	ch->doorbell = spec->doorbell;
	ch->spin_ns = spec->spin_ns;
	ch->poll_min_ns = spec->poll_min_ns;
	ch->poll_max_ns = spec->poll_max_ns;
	ch->epoch = spec->link.hello.epoch;
	r = kho_link_init(&ch->link, &spec->link, err);
	if (r < 0)
		return r;
	r = kho_lanes_attach(ch, &spec->lanes, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(ch);
	return 0;
}

static int lane_full(struct kho_err *err)
{
	return kho_fail(err, -EAGAIN, "channel: the lane is full; wait until it's writable");
}

static int not_up(const struct kho_channel *ch, struct kho_err *err)
{
	return kho_fail(err, -ENOTCONN, "channel: the link to the peer is %s; wait until it's up",
			kho_link_state_name(ch->link.state));
}

static int send_frame(struct kho_channel *ch, const Kho__Envelope *envelope, uint64_t reserve,
		      struct kho_err *err)
{
	struct kho_ring *ring = &ch->lanes[CONTROL_OUT].ring;
	bool start = envelope->body_case == KHO__ENVELOPE__BODY_HELLO;
	struct kho_frame frame = {
		.flags = start ? KHO_FRAME_START : 0,
		.seq = start ? 0 : ch->next_seq,
		.epoch = ch->epoch,
		.payload = ch->tx_buf,
	};
	uint64_t need;
	ssize_t ready;
	size_t size;
	int r;

	r = kho_envelope_pack(envelope, ch->tx_buf, KHO_FRAME_PAYLOAD_MAX, &size, err);
	if (r < 0)
		return r;
	frame.length = (uint32_t)size;
	need = KHO_FRAME_HEADER_SIZE + size + reserve;
	ready = kho_ring_ready(ring);
	if (ready >= 0 && (uint64_t)ready < need)
		return lane_full(err);
	r = kho_frame_send(ring, &frame, err);
	if (r < 0)
		return r;
	ch->next_seq = frame.seq + 1;
	ch->stats.messages_out++;
	ch->stats.bytes_out += KHO_FRAME_HEADER_SIZE + size;
	return 0;
}

/* A heartbeat is seen when the peer wakes by itself; it need not be woken for it. */
static void send_heartbeat(struct kho_channel *ch, const Kho__Envelope *envelope)
{
	struct lane *lane = &ch->lanes[CONTROL_OUT];
	bool quiet = lane->kicked == lane->ring.own;

	/* without room the peer has enough to see that this side lives */
	(void)send_frame(ch, envelope, LINK_RESERVE, NULL);
	if (quiet)
		lane->kicked = lane->ring.own;
}

/* Sends what the link wants, in order; what finds no room stays pending. */
static void flush(struct kho_channel *ch)
{
	static const unsigned int order[] = {
		KHO_LINK_SEND_HELLO, KHO_LINK_SEND_ACK, KHO_LINK_SEND_REFUSE,
	};
	struct kho_link_message message;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (!(ch->pending & order[i]))
			continue;
		kho_link_write(&ch->link, order[i], &message);
		if (send_frame(ch, &message.envelope, 0, NULL) < 0)
			return;
		ch->pending &= ~order[i];
	}
	if (!(ch->pending & KHO_LINK_SEND_HEARTBEAT))
		return;
	ch->pending &= ~KHO_LINK_SEND_HEARTBEAT;
	kho_link_write(&ch->link, KHO_LINK_SEND_HEARTBEAT, &message);
	send_heartbeat(ch, &message.envelope);
}

/*
 * Carries out what the link said. Sending comes first: a callback may send, and
 * the peer would drop that if our acknowledgement came after it.
 */
static void carry_out(struct kho_channel *ch, const struct kho_link_output *out)
{
	ch->pending |= out->send;
	if (ch->link.state == KHO_LINK_DEAD)
		ch->pending = 0;
	flush(ch);
	for (unsigned int i = 0; i < out->nr_events; i++)
		if (ch->ops->event)
			ch->ops->event(ch->ctx, &out->events[i]);
}

static void garbage(struct kho_channel *ch, const struct kho_err *err)
{
	struct kho_link_output out = { .send = 0 };

	kho_link_garbage(&ch->link, err, &out);
	carry_out(ch, &out);
}

void kho_channel_start(struct kho_channel *ch, uint64_t now)
{
	struct kho_link_output out = { .send = 0 };

	ch->active = now;
	kho_link_start(&ch->link, now, &out);
	carry_out(ch, &out);
	kho_channel_kick(ch);
}

/* Dropped if there's no room: the one who pings has filled the lane itself. */
static void answer_ping(struct kho_channel *ch, const Kho__Envelope *ping)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__Pong pong = KHO__PONG__INIT;

	pong.has_data = ping->ping->has_data;
	pong.data = ping->ping->data;
	envelope.has_in_reply_to = true;
	envelope.in_reply_to = ping->id;
	envelope.body_case = KHO__ENVELOPE__BODY_PONG;
	envelope.pong = &pong;
	(void)kho_channel_send(ch, &envelope, NULL);
}

static void deliver(struct kho_channel *ch, const Kho__Envelope *envelope, uint64_t epoch)
{
	if (envelope->body_case == KHO__ENVELOPE__BODY_PING)
		answer_ping(ch, envelope);
	else if (envelope->body_case == KHO__ENVELOPE__BODY_PONG)
		ch->last_pong = envelope->in_reply_to;
	else
		ch->ops->message(ch->ctx, envelope, epoch);
}

static void take(struct kho_channel *ch, const struct kho_frame *frame,
		 const Kho__Envelope *envelope, uint64_t now)
{
	struct kho_link_output out = { .send = 0 };
	bool start = frame->flags & KHO_FRAME_START;
	bool for_user;

	/* what is in the bulk lane by now was for the session before this one */
	if (start)
		(void)kho_bulk_reader_reset(&ch->bulk_reader);
	for_user = kho_link_receive(&ch->link, envelope, start, now, &out);
	carry_out(ch, &out);
	if (for_user)
		deliver(ch, envelope, frame->epoch);
}

/* 1: took a frame; 0: there's none, or the link is over. */
static int take_one(struct kho_channel *ch, uint64_t now)
{
	Kho__Envelope *envelope = NULL;
	struct kho_frame frame;
	struct kho_err err;
	int r;

	if (kho_link_is_over(&ch->link))
		return 0;
	r = kho_frame_receive(&ch->lanes[CONTROL_IN].ring, ch->rx_buf, &frame, &err);
	if (r == -EAGAIN)
		return 0;
	if (r == 0) {
		ch->stats.messages_in++;
		ch->stats.bytes_in += KHO_FRAME_HEADER_SIZE + (uint64_t)frame.length;
		r = kho_frame_accept(&ch->order, &frame, &err);
	}
	if (r == -ESTALE) {
		ch->stats.stale++;
		return 1;
	}
	if (r == 0)
		r = kho_envelope_unpack(&ch->arena, frame.payload, frame.length, &envelope, &err);
	if (r < 0) {
		garbage(ch, &err);
		return 0;
	}
	take(ch, &frame, envelope, now);
	return 1;
}

static int take_all(struct kho_channel *ch, uint64_t now)
{
	struct kho_err err;
	int taken = 0;

	if (kho_lanes_check(ch, &err) < 0) {
		garbage(ch, &err);
		return 0;
	}
	while (taken < KHO_CHANNEL_BUDGET && take_one(ch, now))
		taken++;
	ch->more = taken == KHO_CHANNEL_BUDGET;
	return taken;
}

/* Tells the user that there's room again, once after each refused send. */
static void unblock(struct kho_channel *ch)
{
	ssize_t ready = kho_ring_ready(&ch->lanes[CONTROL_OUT].ring);

	if (!ch->blocked || ch->pending || ready < 0 || (uint64_t)ready < ch->blocked)
		return;
	ch->blocked = 0;
	if (ch->ops->writable && kho_link_is_up(&ch->link))
		ch->ops->writable(ch->ctx);
}

int kho_channel_process(struct kho_channel *ch, uint64_t now)
{
	struct kho_link_output out = { .send = 0 };
	uint32_t status = 0;
	int taken;

	if (kho_link_is_over(&ch->link))
		return -ENOTCONN;
	if (ch->link.state == KHO_LINK_DOWN)
		return 0;
	kho_lanes_disarm(ch);
	/* first the status, then the messages: the peer's last words come before its end */
	if (ch->ops->peer_status)
		status = ch->ops->peer_status(ch->ctx);
	taken = take_all(ch, now);
	if (!ch->more)
		kho_link_peer_status(&ch->link, status, &out);
	if (ch->ops->peer_pulse)
		kho_link_peer_pulse(&ch->link, ch->ops->peer_pulse(ch->ctx), now);
	kho_link_tick(&ch->link, now, &out);
	carry_out(ch, &out);
	unblock(ch);
	kho_lanes_note(ch, taken, now);
	kho_channel_kick(ch);
	return kho_link_is_over(&ch->link) ? -ENOTCONN : taken;
}

int kho_channel_send(struct kho_channel *ch, const Kho__Envelope *envelope,
		     struct kho_err *err)
{
	int r;

	if (!kho_link_is_up(&ch->link))
		return not_up(ch, err);
	if (envelope->body_case == KHO__ENVELOPE__BODY_HELLO)
		return kho_fail(err, -EINVAL, "channel: hellos are the channel's own; "
				"don't send one");
	if (ch->pending)
		r = lane_full(err);
	else
		r = send_frame(ch, envelope, LINK_RESERVE, err);
	if (r == -EAGAIN) {
		ch->stats.blocked++;
		ch->blocked = kho__envelope__get_packed_size(envelope) + KHO_FRAME_HEADER_SIZE +
			      LINK_RESERVE;
	}
	return r;
}

int kho_channel_ping(struct kho_channel *ch, uint64_t id, struct kho_err *err)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__Ping ping = KHO__PING__INIT;

	envelope.has_id = true;
	envelope.id = id;
	envelope.body_case = KHO__ENVELOPE__BODY_PING;
	envelope.ping = &ping;
	return kho_channel_send(ch, &envelope, err);
}

uint64_t kho_channel_last_pong(const struct kho_channel *ch)
{
	return ch->last_pong;
}

int kho_channel_bulk_writer(struct kho_channel *ch, uint32_t stream,
			    struct kho_bulk_writer *ret, struct kho_err *err)
{
	if (!kho_link_is_up(&ch->link))
		return not_up(ch, err);
	return kho_bulk_writer_init(ret, &ch->lanes[BULK_OUT].ring, stream,
				    kho_features_has(&ch->link.agreement.features,
						     KHO_FEATURE_BULK_CRC), err);
}

struct kho_bulk_reader *kho_channel_bulk_reader(struct kho_channel *ch)
{
	return kho_link_is_up(&ch->link) ? &ch->bulk_reader : NULL;
}

void kho_channel_set_state(struct kho_channel *ch, uint32_t state)
{
	kho_link_set_state(&ch->link, state);
}

int kho_channel_set_epoch(struct kho_channel *ch, uint64_t epoch, struct kho_err *err)
{
	if (epoch < ch->epoch)
		return kho_fail(err, -EINVAL,
				"channel: epoch %llu after %llu; epochs only grow: "
				"read the owners again",
				(unsigned long long)epoch, (unsigned long long)ch->epoch);
	ch->epoch = epoch;
	ch->link.config.hello.epoch = epoch;
	return 0;
}

const struct kho_link *kho_channel_link(const struct kho_channel *ch)
{
	return &ch->link;
}

void kho_channel_get_stats(const struct kho_channel *ch, struct kho_channel_stats *ret)
{
	*ret = ch->stats;
}
