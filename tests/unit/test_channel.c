// SPDX-License-Identifier: GPL-2.0-only
/*
 * The channel in good times: hello, messages both ways, a full lane, doorbells,
 * and how long it sleeps. test_channel_trouble.c has peers that die or lie.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "unit/channel_pair.h"
#include "unit/run.h"

static struct pair_side *const old = &pair_sides[0], *const new = &pair_sides[1];

START_TEST(open_checks_its_spec)
{
	struct kho_channel_spec spec = old->spec;
	const struct kho_channel_ops nothing = { .ring = NULL };
	struct kho_channel *ch = NULL;
	struct kho_err err;

	spec.ops = NULL;
	ck_assert_int_eq(kho_channel_open(&spec, &ch, &err), -EINVAL);
	spec.ops = &nothing;
	ck_assert_int_eq(kho_channel_open(&spec, &ch, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "ops->message"));
	spec = old->spec;
	spec.poll_min_ns = 0;
	ck_assert_int_eq(kho_channel_open(&spec, &ch, &err), -EINVAL);
	spec.poll_min_ns = spec.poll_max_ns + 1;
	ck_assert_int_eq(kho_channel_open(&spec, &ch, &err), -EINVAL);
	spec = old->spec;
	spec.lanes.control_size = 256 << 10;
	ck_assert_int_eq(kho_channel_open(&spec, &ch, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "control lanes of 262144 bytes"));
	ck_assert_int_eq(kho_channel_format(&spec.lanes, &err), -EINVAL);
	spec = old->spec;
	spec.lanes.bulk_size = 4096;
	ck_assert_int_eq(kho_channel_open(&spec, &ch, &err), -EINVAL);
	spec = old->spec;
	spec.lanes.bulk_in = NULL;
	ck_assert_int_eq(kho_channel_open(&spec, &ch, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "bulk lane in: ring: the arena isn't aligned"));
	spec = old->spec;
	spec.link.stall_ns = 0;
	ck_assert_int_eq(kho_channel_open(&spec, &ch, &err), -EINVAL);
	ck_assert_ptr_null(ch);
	ck_assert_ptr_null(kho_channel_free(NULL));
}
END_TEST

START_TEST(open_refuses_what_was_not_formatted)
{
	struct kho_channel *ch = NULL;
	struct kho_err err;

	pair_control(1)->magic = 0;
	ck_assert_int_eq(kho_channel_open(&old->spec, &ch, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "control lane in: ring: magic"));
	ck_assert_ptr_null(ch);
}
END_TEST

START_TEST(comes_up_in_any_order)
{
	uint64_t deadline;

	ck_assert_int_eq(pair_process(0), 0);
	ck_assert_int_eq(kho_channel_wait(old->ch, pair_now, &deadline), 0);
	ck_assert_uint_eq(deadline, KHO_LINK_NEVER);
	ck_assert_int_eq(pair_send(0, 1, 1), -ENOTCONN);
	kho_channel_start(old->ch, pair_now);
	pair_settle();
	/* the new kernel takes its time to boot */
	pair_now += 5000000000;
	pair_settle();
	ck_assert_uint_eq(old->nr_events, 0);
	ck_assert_int_eq(kho_channel_link(old->ch)->state, KHO_LINK_HELLO_SENT);
	kho_channel_start(new->ch, pair_now);
	pair_settle();
	pair_expect_event(0, KHO_LINK_EVENT_UP, 0);
	pair_expect_event(1, KHO_LINK_EVENT_UP, 0);
	ck_assert_uint_eq(old->nr_events, 1);
	ck_assert_uint_eq(new->nr_events, 1);
	ck_assert_uint_eq(kho_channel_link(old->ch)->peer.nonce, new->spec.link.hello.nonce);
}
END_TEST

START_TEST(messages_pass_both_ways)
{
	struct kho_channel_stats stats;

	pair_up();
	for (uint64_t i = 1; i <= 200; i++) {
		ck_assert_int_eq(pair_send(0, i, i * 100), 0);
		ck_assert_int_eq(pair_send(1, i + 1000, i), 0);
		pair_settle();
		ck_assert_uint_eq(new->last_id, i);
		ck_assert_uint_eq(old->last_id, i + 1000);
		ck_assert_int_eq(new->last, KHO__ENVELOPE__BODY_LOG);
		ck_assert_uint_eq(new->last_epoch, 3);
	}
	ck_assert_uint_eq(new->messages, 200);
	ck_assert_uint_eq(old->messages, 200);
	kho_channel_get_stats(old->ch, &stats);
	ck_assert_uint_eq(stats.messages_out, 202);
	ck_assert_uint_eq(stats.messages_in, 202);
	ck_assert_uint_gt(stats.bytes_out, 200 * 10000);
	ck_assert_uint_eq(stats.blocked, 0);
}
END_TEST

START_TEST(answers_from_a_callback)
{
	pair_up();
	new->echo = true;
	ck_assert_int_eq(pair_send(0, 77, 5), 0);
	pair_settle();
	ck_assert_uint_eq(old->last_id, 78);
}
END_TEST

START_TEST(ping_is_answered_by_the_channel)
{
	pair_up();
	ck_assert_uint_eq(kho_channel_last_pong(old->ch), 0);
	ck_assert_int_eq(kho_channel_ping(old->ch, 5, NULL), 0);
	pair_settle();
	ck_assert_uint_eq(kho_channel_last_pong(old->ch), 5);
	ck_assert_uint_eq(new->messages, 0);
	ck_assert_uint_eq(old->messages, 0);
}
END_TEST

START_TEST(hellos_are_the_channels_own)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__Hello hello = KHO__HELLO__INIT;

	pair_up();
	envelope.body_case = KHO__ENVELOPE__BODY_HELLO;
	envelope.hello = &hello;
	ck_assert_int_eq(kho_channel_send(old->ch, &envelope, NULL), -EINVAL);
}
END_TEST

START_TEST(too_large_a_message)
{
	pair_up();
	ck_assert_int_eq(pair_send(0, 1, KHO_FRAME_PAYLOAD_MAX), -EMSGSIZE);
	ck_assert_int_eq(pair_send(0, 1, KHO_FRAME_PAYLOAD_MAX - 100), 0);
	pair_settle();
	ck_assert_uint_eq(new->messages, 1);
}
END_TEST

START_TEST(full_lane_pushes_back)
{
	struct kho_channel_stats stats;
	unsigned int sent = 0;

	pair_up();
	while (pair_send(0, sent + 1, 10000) == 0)
		sent++;
	/* 512 KiB less 16 KiB that are kept for the link */
	ck_assert_uint_eq(sent, 50);
	ck_assert_int_eq(pair_send(0, 1, 10000), -EAGAIN);
	kho_channel_get_stats(old->ch, &stats);
	ck_assert_uint_eq(stats.blocked, 2);
	/* heartbeats still have room */
	pair_now += KHO_LINK_HEARTBEAT_NS;
	pair_process(0);
	kho_channel_get_stats(old->ch, &stats);
	ck_assert_uint_eq(old->writable, 0);
	pair_process(1);
	ck_assert_uint_eq(new->messages, 50);
	pair_process(0);
	ck_assert_uint_eq(old->writable, 1);
	pair_process(0);
	ck_assert_uint_eq(old->writable, 1);
	ck_assert_int_eq(pair_send(0, 1, 10000), 0);
}
END_TEST

START_TEST(one_process_takes_a_bounded_number)
{
	uint64_t deadline;

	pair_up();
	for (uint64_t i = 0; i < 100; i++)
		ck_assert_int_eq(pair_send(0, i, 1), 0);
	ck_assert_int_eq(pair_process(1), KHO_CHANNEL_BUDGET);
	ck_assert_uint_eq(new->messages, 64);
	ck_assert_int_eq(kho_channel_wait(new->ch, pair_now + 1000000, &deadline), 1);
	ck_assert_int_eq(pair_process(1), 36);
	ck_assert_int_eq(pair_process(1), 0);
}
END_TEST

START_TEST(epoch_moves_forward_only)
{
	pair_up();
	ck_assert_int_eq(kho_channel_set_epoch(old->ch, 2, NULL), -EINVAL);
	ck_assert_int_eq(kho_channel_set_epoch(old->ch, 4, NULL), 0);
	ck_assert_int_eq(pair_send(0, 1, 1), 0);
	pair_settle();
	ck_assert_uint_eq(new->last_epoch, 4);
}
END_TEST

START_TEST(heartbeats_carry_the_phase)
{
	pair_up();
	kho_channel_set_state(old->ch, 6);
	pair_now += KHO_LINK_HEARTBEAT_NS;
	pair_settle();
	ck_assert_uint_eq(kho_channel_link(new->ch)->peer_state, 6);
	for (int i = 0; i < 1000; i++) {
		pair_now += KHO_LINK_HEARTBEAT_NS;
		pair_settle();
	}
	ck_assert_uint_eq(old->nr_events, 1);
	ck_assert_uint_eq(new->nr_events, 1);
}
END_TEST

/* ---- waking and waiting ---- */

START_TEST(spins_then_sleeps)
{
	uint64_t deadline = 0, beat;

	kho_channel_set_doorbell(old->ch, true);
	pair_up();
	beat = pair_now + KHO_LINK_HEARTBEAT_NS;
	ck_assert_uint_eq(kho_channel_next_deadline(old->ch), beat);
	ck_assert_int_eq(kho_channel_wait(old->ch, pair_now, &deadline), 1);
	pair_now += KHO_CHANNEL_SPIN_NS - 1;
	ck_assert_int_eq(kho_channel_wait(old->ch, pair_now, &deadline), 1);
	pair_now++;
	ck_assert_int_eq(kho_channel_wait(old->ch, pair_now, &deadline), 0);
	ck_assert_uint_eq(deadline, beat);
	ck_assert_int_eq(kho_channel_wait(old->ch, beat, &deadline), 1);
}
END_TEST

START_TEST(trusts_no_doorbell_before_it_is_up)
{
	uint64_t deadline;

	kho_channel_set_doorbell(old->ch, true);
	kho_channel_start(old->ch, pair_now);
	pair_now += 1000000000;
	pair_process(0);
	ck_assert_int_eq(kho_channel_wait(old->ch, pair_now, &deadline), 0);
	ck_assert_uint_eq(deadline, pair_now + KHO_CHANNEL_POLL_MAX_NS);
}
END_TEST

START_TEST(sleeper_is_rung_once)
{
	uint64_t deadline;

	kho_channel_set_doorbell(new->ch, true);
	pair_up();
	pair_now += KHO_CHANNEL_SPIN_NS;
	/* awake: not rung */
	new->rung = 0;
	ck_assert_int_eq(pair_send(0, 1, 1), 0);
	kho_channel_kick(old->ch);
	ck_assert_uint_eq(new->rung, 0);
	pair_settle();
	pair_now += KHO_CHANNEL_SPIN_NS;
	ck_assert_int_eq(kho_channel_wait(new->ch, pair_now, &deadline), 0);
	ck_assert_int_eq(pair_send(0, 2, 1), 0);
	ck_assert_int_eq(pair_send(0, 3, 1), 0);
	kho_channel_kick(old->ch);
	ck_assert_int_eq(pair_send(0, 4, 1), 0);
	kho_channel_kick(old->ch);
	ck_assert_uint_eq(new->rung, 1);
	ck_assert_int_eq(pair_process(1), 3);
	/* what came while it was awake keeps it from sleeping */
	pair_now += KHO_CHANNEL_SPIN_NS;
	ck_assert_int_eq(pair_send(0, 5, 1), 0);
	ck_assert_int_eq(kho_channel_wait(new->ch, pair_now, &deadline), 1);
	kho_channel_kick(old->ch);
	ck_assert_uint_eq(new->rung, 1);
}
END_TEST

START_TEST(heartbeats_ring_nobody)
{
	uint64_t deadline;

	kho_channel_set_doorbell(new->ch, true);
	pair_up();
	pair_now += KHO_CHANNEL_SPIN_NS;
	ck_assert_int_eq(kho_channel_wait(new->ch, pair_now, &deadline), 0);
	new->rung = 0;
	pair_now += KHO_LINK_HEARTBEAT_NS;
	pair_process(0);
	kho_channel_kick(old->ch);
	ck_assert_uint_eq(new->rung, 0);
	ck_assert_int_eq(pair_send(0, 1, 1), 0);
	kho_channel_kick(old->ch);
	ck_assert_uint_eq(new->rung, 1);
}
END_TEST

START_TEST(failed_doorbell_is_counted)
{
	struct kho_channel_stats stats;
	uint64_t deadline;

	kho_channel_set_doorbell(new->ch, true);
	old->ring_result = -EAGAIN;
	pair_up();
	pair_now += KHO_CHANNEL_SPIN_NS;
	ck_assert_int_eq(kho_channel_wait(new->ch, pair_now, &deadline), 0);
	ck_assert_int_eq(pair_send(0, 1, 1), 0);
	kho_channel_kick(old->ch);
	kho_channel_get_stats(old->ch, &stats);
	ck_assert_uint_eq(stats.rings, 1);
	ck_assert_uint_eq(stats.ring_failures, 1);
	/* the sleeper finds it by its own deadline */
	pair_now = deadline;
	ck_assert_int_eq(pair_process(1), 1);
}
END_TEST

START_TEST(polls_ever_more_rarely_without_doorbell)
{
	uint64_t deadline, quiet, interval, last = 0;
	unsigned int looks = 0;

	pair_up();
	quiet = pair_now;
	pair_now += KHO_CHANNEL_SPIN_NS;
	for (; pair_now < quiet + 1000000000; pair_now = deadline, looks++) {
		while (kho_channel_wait(old->ch, pair_now, &deadline) == 1)
			pair_process(0);
		interval = deadline - pair_now;
		ck_assert_uint_le(interval, KHO_CHANNEL_POLL_MAX_NS);
		ck_assert(interval >= KHO_CHANNEL_POLL_MIN_NS ||
			  deadline == kho_channel_next_deadline(old->ch));
		ck_assert(interval >= last || interval == KHO_CHANNEL_POLL_MAX_NS ||
			  deadline == kho_channel_next_deadline(old->ch));
		last = deadline == kho_channel_next_deadline(old->ch) ? 0 : interval;
		pair_process(0);
	}
	/* about fifty of them in the steady state */
	ck_assert_uint_lt(looks, 130);
	ck_assert_uint_gt(looks, 50);
}
END_TEST

START_TEST(blocked_sender_is_woken)
{
	uint64_t deadline;

	kho_channel_set_doorbell(old->ch, true);
	pair_up();
	while (pair_send(0, 1, 10000) == 0)
		;
	pair_now += KHO_CHANNEL_SPIN_NS;
	ck_assert_int_eq(kho_channel_wait(old->ch, pair_now, &deadline), 0);
	old->rung = 0;
	pair_process(1);
	ck_assert_uint_eq(old->rung, 1);
	pair_process(0);
	ck_assert_uint_eq(old->writable, 1);
}
END_TEST

static Suite *channel_suite(void)
{
	Suite *suite = suite_create("channel");
	TCase *basic = tcase_create("basic"), *waiting = tcase_create("waiting");

	tcase_add_checked_fixture(basic, pair_setup_channels, pair_teardown);
	tcase_add_test(basic, open_checks_its_spec);
	tcase_add_test(basic, open_refuses_what_was_not_formatted);
	tcase_add_test(basic, comes_up_in_any_order);
	tcase_add_test(basic, messages_pass_both_ways);
	tcase_add_test(basic, answers_from_a_callback);
	tcase_add_test(basic, ping_is_answered_by_the_channel);
	tcase_add_test(basic, hellos_are_the_channels_own);
	tcase_add_test(basic, too_large_a_message);
	tcase_add_test(basic, full_lane_pushes_back);
	tcase_add_test(basic, one_process_takes_a_bounded_number);
	tcase_add_test(basic, epoch_moves_forward_only);
	tcase_add_test(basic, heartbeats_carry_the_phase);
	suite_add_tcase(suite, basic);
	tcase_add_checked_fixture(waiting, pair_setup_channels, pair_teardown);
	tcase_add_test(waiting, spins_then_sleeps);
	tcase_add_test(waiting, trusts_no_doorbell_before_it_is_up);
	tcase_add_test(waiting, sleeper_is_rung_once);
	tcase_add_test(waiting, heartbeats_ring_nobody);
	tcase_add_test(waiting, failed_doorbell_is_counted);
	tcase_add_test(waiting, polls_ever_more_rarely_without_doorbell);
	tcase_add_test(waiting, blocked_sender_is_woken);
	suite_add_tcase(suite, waiting);
	return suite;
}

int main(void)
{
	return run_suite(channel_suite());
}
