// SPDX-License-Identifier: GPL-2.0-only
/*
 * The channel in trouble: peers that stop, die, start again, refuse, or write
 * garbage into every place they can reach; and bulk streams over it all.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uapi/multikernel.h>

#include "channel/measure.h"
#include "unit/channel_pair.h"
#include "unit/run.h"

static struct pair_side *const old = &pair_sides[0], *const new = &pair_sides[1];

static void expect_dead(int side, enum kho_link_cause cause, int code, const char *text)
{
	const struct pair_side *s = &pair_sides[side];
	uint64_t deadline;

	pair_expect_event(side, KHO_LINK_EVENT_DEAD, code);
	ck_assert_int_eq(s->events[s->nr_events - 1].cause, cause);
	ck_assert_msg(strstr(s->events[s->nr_events - 1].err.msg, text), "got: %s",
		      s->events[s->nr_events - 1].err.msg);
	ck_assert_int_eq(pair_process(side), -ENOTCONN);
	ck_assert_int_eq(pair_send(side, 1, 1), -ENOTCONN);
	ck_assert_ptr_null(kho_channel_bulk_reader(s->ch));
	ck_assert_int_eq(kho_channel_wait(s->ch, pair_now, &deadline), 0);
	ck_assert_uint_eq(deadline, KHO_LINK_NEVER);
}

/* ---- peers that are silent ---- */

START_TEST(peer_stalls_and_comes_back)
{
	pair_up();
	for (int i = 0; i < 8; i++) {
		pair_now += KHO_LINK_HEARTBEAT_NS;
		pair_process(0);
	}
	pair_expect_event(0, KHO_LINK_EVENT_STALLED, 0);
	ck_assert_uint_eq(old->events[old->nr_events - 1].since_ns, PAIR_T0);
	/* messages still pass, and are there when it wakes */
	ck_assert_int_eq(pair_send(0, 9, 1), 0);
	pair_process(1);
	ck_assert_uint_eq(new->last_id, 9);
	pair_process(0);
	pair_expect_event(0, KHO_LINK_EVENT_RESUMED, 0);
	/* the peer has heard this side all the time */
	pair_expect_event(1, KHO_LINK_EVENT_UP, 0);
}
END_TEST

START_TEST(own_pause_is_not_the_peers_death)
{
	pair_up();
	pair_now += KHO_LINK_DEAD_NS * 10;
	/* it was this process that slept; the peer has written meanwhile */
	ck_assert_int_eq(pair_send(1, 4, 1), 0);
	pair_process(0);
	ck_assert_uint_eq(old->last_id, 4);
	pair_expect_event(0, KHO_LINK_EVENT_UP, 0);
}
END_TEST

START_TEST(peer_dies_silently)
{
	pair_up();
	while (pair_process(0) >= 0)
		pair_now += KHO_LINK_HEARTBEAT_NS;
	ck_assert_uint_eq(pair_now, PAIR_T0 + KHO_LINK_DEAD_NS);
	expect_dead(0, KHO_LINK_SILENT, -ETIMEDOUT, "not heard for 15000 ms");
}
END_TEST

START_TEST(peer_never_says_hello)
{
	kho_channel_start(old->ch, pair_now);
	pair_now += KHO_LINK_HELLO_NS;
	pair_process(0);
	expect_dead(0, KHO_LINK_NO_HELLO, -ETIMEDOUT, "no hello");
}
END_TEST

START_TEST(last_words_come_before_the_end)
{
	pair_up();
	ck_assert_int_eq(pair_send(1, 123, 1), 0);
	old->peer_status = MK_STATE_PANICKED;
	pair_process(0);
	ck_assert_uint_eq(old->last_id, 123);
	expect_dead(0, KHO_LINK_PEER_PANICKED, -ECONNRESET, "panicked");
}
END_TEST

START_TEST(peer_retires)
{
	pair_up();
	for (uint64_t i = 0; i < 70; i++)
		ck_assert_int_eq(pair_send(0, i, 1), 0);
	new->peer_status = MK_STATE_RETIRED;
	ck_assert_int_eq(pair_process(1), KHO_CHANNEL_BUDGET);
	ck_assert_int_eq(pair_process(1), -ENOTCONN);
	ck_assert_uint_eq(new->messages, 70);
	expect_dead(1, KHO_LINK_PEER_RETIRED, -ESHUTDOWN, "has retired");
}
END_TEST

/* ---- agents that start again ---- */

/* Kills the agent of @side in the middle of things and starts another. */
static void restart(int side)
{
	int other = !side;

	ck_assert_int_eq(pair_send(side, 1, 100), 0);
	ck_assert_int_eq(pair_send(other, 2, 100), 0);
	pair_reopen(side);
	kho_channel_start(pair_sides[side].ch, pair_now);
	pair_settle();
	pair_expect_event(side, KHO_LINK_EVENT_UP, 0);
	pair_expect_event(other, KHO_LINK_EVENT_UP, 0);
	ck_assert_int_eq(pair_sides[other].events[pair_sides[other].nr_events - 2].kind,
			 KHO_LINK_EVENT_RESTARTED);
	/* what was for the one before isn't delivered to the one after */
	ck_assert_uint_eq(pair_sides[side].messages, 0);
	ck_assert_int_eq(pair_send(side, 31, 1), 0);
	ck_assert_int_eq(pair_send(other, 32, 1), 0);
	pair_settle();
	ck_assert_uint_eq(pair_sides[other].last_id, 31);
	ck_assert_uint_eq(pair_sides[side].last_id, 32);
}

START_TEST(either_agent_starts_again)
{
	pair_up();
	for (int i = 0; i < 6; i++)
		restart(i % 2);
}
END_TEST

START_TEST(both_agents_start_again)
{
	pair_up();
	pair_reopen(0);
	pair_reopen(1);
	pair_up();
	ck_assert_int_eq(pair_send(0, 7, 1), 0);
	pair_settle();
	ck_assert_uint_eq(new->last_id, 7);
}
END_TEST

/* At every point of the handshake, seen as the number of calls made before. */
START_TEST(agent_starts_again_during_the_handshake)
{
	for (int steps = 0; steps < 6; steps++)
		for (int side = 0; side < 2; side++) {
			pair_teardown();
			pair_setup_channels();
			kho_channel_start(old->ch, pair_now);
			kho_channel_start(new->ch, pair_now);
			for (int i = 0; i < steps; i++)
				pair_process(i % 2);
			pair_reopen(side);
			kho_channel_start(pair_sides[side].ch, pair_now);
			pair_settle();
			pair_expect_event(0, KHO_LINK_EVENT_UP, 0);
			pair_expect_event(1, KHO_LINK_EVENT_UP, 0);
			ck_assert_int_eq(pair_send(0, 7, 1), 0);
			ck_assert_int_eq(pair_send(1, 8, 1), 0);
			pair_settle();
			ck_assert_uint_eq(new->last_id, 7);
			ck_assert_uint_eq(old->last_id, 8);
		}
}
END_TEST

START_TEST(versions_apart_are_refused_on_both_sides)
{
	new->ch = kho_channel_free(new->ch);
	new->spec.link.hello.protocol_min = 2;
	new->spec.link.hello.protocol_max = 3;
	ck_assert_int_eq(kho_channel_open(&new->spec, &new->ch, NULL), 0);
	kho_channel_start(old->ch, pair_now);
	kho_channel_start(new->ch, pair_now);
	pair_settle();
	pair_expect_event(0, KHO_LINK_EVENT_REFUSED, -EPROTONOSUPPORT);
	pair_expect_event(1, KHO_LINK_EVENT_REFUSED, -EPROTONOSUPPORT);
	ck_assert_str_eq(old->events[0].err.msg,
			 "the new side (agent 1.2) speaks protocol 2 to 3, the old side 1 to 1; "
			 "upgrade the older agent; the new side's is in the target image");
	ck_assert_int_eq(pair_process(0), -ENOTCONN);
}
END_TEST

/* The one that starts again hears why it's refused, though it hears only a START. */
START_TEST(restarted_misfit_learns_why)
{
	pair_up();
	new->ch = kho_channel_free(new->ch);
	new->spec.link.hello.upgrade_id[0] ^= 1;
	new->spec.link.hello.nonce = 99;
	new->nr_events = 0;
	ck_assert_int_eq(kho_channel_open(&new->spec, &new->ch, NULL), 0);
	kho_channel_start(new->ch, pair_now);
	pair_settle();
	pair_expect_event(0, KHO_LINK_EVENT_REFUSED, -EXDEV);
	pair_expect_event(1, KHO_LINK_EVENT_REFUSED, -EXDEV);
}
END_TEST

/* ---- garbage ---- */

START_TEST(lying_indices)
{
	for (int which = 0; which < 4; which++) {
		struct kho_ring_shared *rings[] = {
			pair_control(0), pair_control(1), pair_bulk(0), pair_bulk(1),
		};
		/* the line that the new side writes */
		int line = which % 2 ? KHO_RING_PRODUCER : KHO_RING_CONSUMER;

		pair_up();
		rings[which]->lines[line].index -= 1;
		pair_process(0);
		expect_dead(0, KHO_LINK_GARBAGE, -EBADMSG, "into an index");
		pair_teardown();
		pair_setup_channels();
	}
}
END_TEST

START_TEST(flipped_bits_in_the_lane)
{
	uint8_t *data = (uint8_t *)pair_control(1) + KHO_RING_HEADER_SIZE;

	for (size_t bit = 0; bit < 60 * 8; bit += 7) {
		uint64_t at;

		data = (uint8_t *)pair_control(1) + KHO_RING_HEADER_SIZE;
		pair_up();
		at = pair_control(1)->lines[KHO_RING_PRODUCER].index;
		ck_assert_int_eq(pair_send(1, 1, 50), 0);
		data[at + bit / 8] ^= 1 << bit % 8;
		pair_process(0);
		ck_assert_int_eq(old->events[old->nr_events - 1].kind, KHO_LINK_EVENT_DEAD);
		ck_assert_int_eq(old->events[old->nr_events - 1].cause, KHO_LINK_GARBAGE);
		ck_assert_uint_eq(old->messages, 0);
		pair_teardown();
		pair_setup_channels();
	}
}
END_TEST

/* A frame that is right in itself, written past the new side's back. */
static void inject(const struct kho_frame *frame)
{
	struct kho_ring ring;

	ck_assert_int_eq(kho_ring_attach(&ring, pair_control(1), PAIR_CONTROL, KHO_RING_PRODUCER,
					 NULL), 0);
	ck_assert_int_eq(kho_frame_send(&ring, frame, NULL), 0);
}

START_TEST(frames_out_of_order)
{
	pair_up();
	inject(&(struct kho_frame){ .seq = 3, .epoch = 3 });
	pair_process(0);
	expect_dead(0, KHO_LINK_GARBAGE, -EBADMSG, "seq 3 where 2 is next");
}
END_TEST

START_TEST(what_is_no_envelope)
{
	static const uint8_t junk[] = { 0xff, 0xff, 0xff, 0xff };

	pair_up();
	inject(&(struct kho_frame){ .seq = 2, .epoch = 3, .length = 4, .payload = junk });
	pair_process(0);
	expect_dead(0, KHO_LINK_GARBAGE, -EBADMSG, "can't be unpacked");
}
END_TEST

/* A message that unpacks to far more than it takes on the wire. */
START_TEST(unpacking_takes_bounded_memory)
{
	uint8_t *payload = malloc(KHO_FRAME_PAYLOAD_MAX);
	Kho__Envelope *envelope;
	size_t used;

	/* Envelope.hello, 249,996 bytes, all of them empty features */
	memcpy(payload, "\x1a\x8c\xa1\x0f", 4);
	for (used = 4; used < 250000; used += 2)
		memcpy(payload + used, "\x42\x00", 2);
	envelope = kho__envelope__unpack(NULL, used, payload);
	ck_assert_uint_eq(envelope->hello->n_features, 124998);
	kho__envelope__free_unpacked(envelope, NULL);
	pair_up();
	inject(&(struct kho_frame){ .seq = 2, .epoch = 3, .length = (uint32_t)used,
				    .payload = payload });
	pair_process(0);
	expect_dead(0, KHO_LINK_GARBAGE, -EBADMSG, "can't be unpacked");
	free(payload);
}
END_TEST

START_TEST(half_a_frame)
{
	struct kho_ring ring;

	pair_up();
	ck_assert_int_eq(kho_ring_attach(&ring, pair_control(1), PAIR_CONTROL, KHO_RING_PRODUCER,
					 NULL), 0);
	ck_assert_int_eq(kho_ring_write_some(&ring, "KHOF", 4), 4);
	pair_process(0);
	expect_dead(0, KHO_LINK_GARBAGE, -EBADMSG, "half a frame (4 bytes)");
}
END_TEST

START_TEST(flood_of_frames_is_taken_in_portions)
{
	struct kho_frame frame = { .epoch = 3 };
	struct kho_ring ring;

	pair_up();
	ck_assert_int_eq(kho_ring_attach(&ring, pair_control(1), PAIR_CONTROL, KHO_RING_PRODUCER,
					 NULL), 0);
	for (frame.seq = 2; frame.seq < 5000; frame.seq++)
		ck_assert_int_eq(kho_frame_send(&ring, &frame, NULL), 0);
	ck_assert_int_eq(pair_process(0), KHO_CHANNEL_BUDGET);
	ck_assert_int_eq(pair_process(0), KHO_CHANNEL_BUDGET);
	ck_assert_uint_eq(kho_channel_link(old->ch)->unknown, 2 * KHO_CHANNEL_BUDGET);
}
END_TEST

/* ---- bulk ---- */

START_TEST(bulk_only_while_up)
{
	struct kho_bulk_writer writer;
	struct kho_err err;

	ck_assert_int_eq(kho_channel_bulk_writer(old->ch, 1, &writer, &err), -ENOTCONN);
	ck_assert_str_eq(err.msg, "channel: the link to the peer is down; wait until it's up");
	ck_assert_ptr_null(kho_channel_bulk_reader(old->ch));
	pair_up();
	ck_assert_int_eq(kho_channel_bulk_writer(old->ch, 1, &writer, NULL), 0);
	ck_assert_uint_eq(writer.flags, KHO_BULK_CRC);
	ck_assert_ptr_nonnull(kho_channel_bulk_reader(old->ch));
}
END_TEST

START_TEST(bulk_wakes_and_is_watched)
{
	struct kho_bulk_writer writer;
	uint64_t deadline;
	uint8_t data[100] = { 1 };

	kho_channel_set_doorbell(new->ch, true);
	pair_up();
	ck_assert_int_eq(kho_channel_bulk_writer(old->ch, 1, &writer, NULL), 0);
	kho_channel_watch_bulk(new->ch, true, false);
	pair_now += KHO_CHANNEL_SPIN_NS;
	ck_assert_int_eq(kho_channel_wait(new->ch, pair_now, &deadline), 0);
	new->rung = 0;
	ck_assert_int_eq(kho_bulk_write(&writer, data, sizeof(data)), sizeof(data));
	kho_channel_kick(old->ch);
	ck_assert_uint_eq(new->rung, 1);
	/* unread data keeps it awake */
	ck_assert_int_eq(kho_channel_wait(new->ch, pair_now + 1000000, &deadline), 1);
	ck_assert_int_eq(kho_bulk_read(kho_channel_bulk_reader(new->ch), data, sizeof(data)), 100);
	kho_channel_set_doorbell(new->ch, false);
	ck_assert_int_eq(kho_channel_wait(new->ch, pair_now + 1000000, &deadline), 1);
	ck_assert_int_eq(kho_channel_wait(new->ch, pair_now + 2000000, &deadline), 0);
}
END_TEST

START_TEST(bulk_garbage_ends_the_link)
{
	struct kho_ring ring;
	uint8_t byte;

	pair_up();
	ck_assert_int_eq(kho_ring_attach(&ring, pair_bulk(1), PAIR_BULK, KHO_RING_PRODUCER, NULL),
			 0);
	ck_assert_int_eq(kho_ring_write_some(&ring, "not a chunk", 11), 11);
	ck_assert_int_eq(kho_bulk_read(kho_channel_bulk_reader(old->ch), &byte, 1), -EBADMSG);
	pair_process(0);
	expect_dead(0, KHO_LINK_GARBAGE, -EBADMSG, "bulk lane");
}
END_TEST

START_TEST(bulk_of_the_session_before_is_dropped)
{
	struct kho_bulk_writer writer;
	struct kho_bulk_chunk chunk;
	uint8_t data[1000] = { 1 };

	pair_up();
	ck_assert_int_eq(kho_channel_bulk_writer(old->ch, 1, &writer, NULL), 0);
	ck_assert_int_eq(kho_bulk_write(&writer, data, sizeof(data)), sizeof(data));
	restart(1);
	ck_assert_int_eq(kho_bulk_next(kho_channel_bulk_reader(new->ch), &chunk, NULL), -EAGAIN);
	ck_assert_int_eq(kho_channel_bulk_writer(old->ch, 2, &writer, NULL), 0);
	ck_assert_int_eq(kho_bulk_write(&writer, data, 10), 10);
	ck_assert_int_eq(kho_bulk_next(kho_channel_bulk_reader(new->ch), &chunk, NULL), 0);
	ck_assert_uint_eq(chunk.stream, 2);
}
END_TEST

/* ---- measuring, with the other side run by the clock ---- */

static struct kho_measure_sink sink;

static uint64_t run_peer_and_clock(void *ctx)
{
	(void)ctx;
	pair_now += 1000;
	pair_process(1);
	if (sink.buf)
		ck_assert_int_ge(kho_measure_sink_step(new->ch, &sink), 0);
	return pair_now;
}

START_TEST(measures_round_trips_and_bulk)
{
	const struct kho_measure_ops ops = { .now = run_peer_and_clock };
	struct kho_measure measure = { .channel = old->ch, .ops = &ops, .timeout_ns = 50000000 };
	struct kho_measure_latency latency;
	struct kho_measure_rate rate;
	uint8_t data[5000], out[7000];
	const struct kho_measure_source source = {
		.stream = 9, .buf = data, .size = sizeof(data), .bytes = 1000000,
	};

	ck_assert_int_eq(kho_measure_round_trip(&measure, 1, &latency, NULL), -ENOTCONN);
	pair_up();
	ck_assert_int_eq(kho_measure_round_trip(&measure, 0, &latency, NULL), -EINVAL);
	ck_assert_int_eq(kho_measure_round_trip(&measure, 500, &latency, NULL), 0);
	ck_assert_uint_eq(latency.count, 500);
	ck_assert_uint_ge(latency.min_ns, 1000);
	ck_assert_uint_le(latency.min_ns, latency.median_ns);
	ck_assert_uint_le(latency.median_ns, latency.p99_ns);
	ck_assert_uint_le(latency.p99_ns, latency.max_ns);

	memset(data, 0x5a, sizeof(data));
	sink = (struct kho_measure_sink){ .stream = 9, .buf = out, .size = sizeof(out) };
	ck_assert_int_eq(kho_measure_bulk(&measure, &source, &rate, NULL), 0);
	ck_assert_uint_eq(rate.bytes, 1000000);
	ck_assert_uint_gt(rate.ns, 0);
	ck_assert_uint_eq(sink.bytes, 1000000);
	ck_assert(sink.ended);
	ck_assert_mem_eq(out, data, sizeof(data));
	/* nobody reads */
	sink.stream = 10;
	ck_assert_int_eq(kho_measure_bulk(&measure, &source, &rate, NULL), -ETIMEDOUT);
	sink.buf = NULL;
}
END_TEST

static Suite *trouble_suite(void)
{
	Suite *suite = suite_create("channel trouble");
	TCase *silence = tcase_create("silence"), *again = tcase_create("restart");
	TCase *garbage = tcase_create("garbage"), *bulk = tcase_create("bulk");

	tcase_add_checked_fixture(silence, pair_setup_channels, pair_teardown);
	tcase_add_test(silence, peer_stalls_and_comes_back);
	tcase_add_test(silence, own_pause_is_not_the_peers_death);
	tcase_add_test(silence, peer_dies_silently);
	tcase_add_test(silence, peer_never_says_hello);
	tcase_add_test(silence, last_words_come_before_the_end);
	tcase_add_test(silence, peer_retires);
	suite_add_tcase(suite, silence);
	tcase_add_checked_fixture(again, pair_setup_channels, pair_teardown);
	tcase_add_test(again, either_agent_starts_again);
	tcase_add_test(again, both_agents_start_again);
	tcase_add_test(again, agent_starts_again_during_the_handshake);
	tcase_add_test(again, versions_apart_are_refused_on_both_sides);
	tcase_add_test(again, restarted_misfit_learns_why);
	suite_add_tcase(suite, again);
	tcase_add_checked_fixture(garbage, pair_setup_channels, pair_teardown);
	tcase_add_test(garbage, lying_indices);
	tcase_add_test(garbage, flipped_bits_in_the_lane);
	tcase_add_test(garbage, frames_out_of_order);
	tcase_add_test(garbage, what_is_no_envelope);
	tcase_add_test(garbage, unpacking_takes_bounded_memory);
	tcase_add_test(garbage, half_a_frame);
	tcase_add_test(garbage, flood_of_frames_is_taken_in_portions);
	suite_add_tcase(suite, garbage);
	tcase_add_checked_fixture(bulk, pair_setup_channels, pair_teardown);
	tcase_add_test(bulk, bulk_only_while_up);
	tcase_add_test(bulk, bulk_wakes_and_is_watched);
	tcase_add_test(bulk, bulk_garbage_ends_the_link);
	tcase_add_test(bulk, bulk_of_the_session_before_is_dropped);
	tcase_add_test(bulk, measures_round_trips_and_bulk);
	suite_add_tcase(suite, bulk);
	return suite;
}

int main(void)
{
	return run_suite(trouble_suite());
}
