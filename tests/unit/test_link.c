// SPDX-License-Identifier: GPL-2.0-only
/*
 * The link's state machine in good times: coming up, heartbeats, and deadlines to
 * the nanosecond. test_link_trouble.c has the rest of the diagram in link.h.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include <uapi/multikernel.h>

#include "unit/link_pair.h"
#include "unit/run.h"

/* ---- set-up ---- */

START_TEST(init_refuses_nonsense)
{
	struct kho_link_config config = link_config_of(KHO_ROLE_OLD, 1);
	struct kho_link link;
	struct kho_err err;

	config.heartbeat_ns = 0;
	ck_assert_int_eq(kho_link_init(&link, &config, &err), -EINVAL);
	config = link_config_of(KHO_ROLE_OLD, 1);
	config.stall_ns = BEAT;
	ck_assert_int_eq(kho_link_init(&link, &config, &err), -EINVAL);
	config = link_config_of(KHO_ROLE_OLD, 1);
	config.dead_ns = STALL;
	ck_assert_int_eq(kho_link_init(&link, &config, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "each must exceed"));
	config = link_config_of(KHO_ROLE_OLD, 1);
	config.busy_ns = DEAD - 1;
	ck_assert_int_eq(kho_link_init(&link, &config, &err), -EINVAL);
	config = link_config_of(KHO_ROLE_UNKNOWN, 1);
	ck_assert_int_eq(kho_link_init(&link, &config, &err), -EINVAL);
	config = link_config_of(KHO_ROLE_NEW, 0);
	ck_assert_int_eq(kho_link_init(&link, &config, &err), -EINVAL);
	config = link_config_of(KHO_ROLE_NEW, 1);
	config.hello.protocol_min = 3;
	ck_assert_int_eq(kho_link_init(&link, &config, &err), -EINVAL);
	config = link_config_of(KHO_ROLE_NEW, 1);
	config.dead_ns = 0;
	config.hello_ns = 0;
	ck_assert_int_eq(kho_link_init(&link, &config, &err), 0);
}
END_TEST

START_TEST(every_state_and_cause_has_a_name)
{
	for (int i = 0; i < _KHO_LINK_STATE_MAX; i++)
		ck_assert_str_ne(kho_link_state_name((enum kho_link_state)i), "unknown");
	for (int i = 0; i < _KHO_LINK_CAUSE_MAX; i++)
		ck_assert_str_ne(kho_link_cause_name((enum kho_link_cause)i), "unknown");
	ck_assert_str_eq(kho_link_state_name((enum kho_link_state)99), "unknown");
	ck_assert_str_eq(kho_link_cause_name((enum kho_link_cause)-1), "unknown");
	ck_assert_str_eq(kho_link_state_name(KHO_LINK_HELLO_SENT), "hello sent");
}
END_TEST

START_TEST(down_does_nothing)
{
	struct kho_err err = { .code = -EBADMSG };

	link_init(&pair_a, KHO_ROLE_OLD, 11);
	ck_assert(!link_receive_log(&pair_a, T0));
	link_tick(&pair_a, T0 + DEAD * 100);
	kho_link_garbage(&pair_a, &err, &pair_out);
	kho_link_peer_status(&pair_a, MK_STATE_PANICKED, &pair_out);
	ck_assert_uint_eq(pair_out.nr_events, 0);
	ck_assert_uint_eq(pair_out.send, 0);
	ck_assert_int_eq(pair_a.state, KHO_LINK_DOWN);
	ck_assert_uint_eq(kho_link_deadline(&pair_a), KHO_LINK_NEVER);
}
END_TEST

START_TEST(comes_up)
{
	ck_assert(!kho_link_is_up(&pair_a));
	pair_bring_up(T0 + 50);
	ck_assert(kho_link_is_up(&pair_a) && kho_link_is_up(&pair_b));
	ck_assert_uint_eq(pair_a.agreement.protocol, 2);
	ck_assert(kho_features_has(&pair_a.agreement.features, "bulk-crc"));
	ck_assert_str_eq(pair_a.peer.kernel_release, "6.12");
	ck_assert_uint_eq(pair_a.peer.nonce, 22);
	ck_assert(link_receive_log(&pair_a, T0 + 51));
	pair_clear();
	kho_link_start(&pair_a, T0 + 60, &pair_out);
	ck_assert_uint_eq(pair_out.send, 0);
}
END_TEST

START_TEST(messages_before_up_are_stale)
{
	ck_assert(!link_receive_log(&pair_a, T0));
	pair_carry(&pair_b, &pair_a, KHO_LINK_SEND_HEARTBEAT, T0);
	ck_assert_uint_eq(pair_a.stale, 2);
	ck_assert_int_eq(pair_a.state, KHO_LINK_HELLO_SENT);
}
END_TEST

/* ---- time ---- */

START_TEST(no_hello_in_time)
{
	ck_assert_uint_eq(kho_link_deadline(&pair_a), T0 + HELLO);
	link_tick(&pair_a, T0 + HELLO - 1);
	ck_assert_uint_eq(pair_out.nr_events, 0);
	link_tick(&pair_a, T0 + HELLO);
	link_expect_dead(&pair_a, KHO_LINK_NO_HELLO, -ETIMEDOUT, "no hello from the peer");
}
END_TEST

START_TEST(no_acknowledgement_in_time)
{
	pair_carry(&pair_b, &pair_a, KHO_LINK_SEND_HELLO, T0 + 10);
	link_tick(&pair_a, T0 + HELLO);
	link_expect_dead(&pair_a, KHO_LINK_NO_HELLO, -ETIMEDOUT, "no answer to our hello");
}
END_TEST

START_TEST(waits_for_ever_if_told_so)
{
	pair_a.config.hello_ns = 0;
	ck_assert_uint_eq(kho_link_deadline(&pair_a), KHO_LINK_NEVER);
	link_tick(&pair_a, UINT64_MAX);
	ck_assert_int_eq(pair_a.state, KHO_LINK_HELLO_SENT);
}
END_TEST

START_TEST(heartbeats_are_regular)
{
	struct kho_link_message message;

	pair_bring_up(T0);
	ck_assert_uint_eq(kho_link_deadline(&pair_a), T0 + BEAT);
	link_tick(&pair_a, T0 + BEAT - 1);
	ck_assert_uint_eq(pair_out.send, 0);
	kho_link_set_state(&pair_a, 5);
	link_tick(&pair_a, T0 + BEAT);
	ck_assert_uint_eq(pair_out.send, KHO_LINK_SEND_HEARTBEAT);
	ck_assert_uint_eq(kho_link_deadline(&pair_a), T0 + 2 * BEAT);
	link_tick(&pair_a, T0 + BEAT + 1);
	ck_assert_uint_eq(pair_out.send, 0);
	ck_assert(!pair_carry(&pair_a, &pair_b, KHO_LINK_SEND_HEARTBEAT, T0 + BEAT));
	ck_assert_uint_eq(pair_b.peer_state, 5);
	kho_link_write(&pair_b, KHO_LINK_SEND_HEARTBEAT, &message);
	ck_assert_uint_eq(message.heartbeat.seen, 1);
	ck_assert_uint_eq(message.heartbeat.seq, 0);
}
END_TEST

START_TEST(stalls_and_resumes)
{
	pair_bring_up(T0);
	link_tick(&pair_a, T0 + STALL - 1);
	ck_assert_uint_eq(pair_out.nr_events, 0);
	link_tick(&pair_a, T0 + STALL);
	ck_assert_uint_eq(pair_only_event(KHO_LINK_EVENT_STALLED)->since_ns, T0);
	ck_assert_int_eq(pair_a.state, KHO_LINK_STALLED);
	ck_assert(kho_link_is_up(&pair_a));
	link_tick(&pair_a, T0 + STALL + 1);
	ck_assert_uint_eq(pair_out.nr_events, 0);
	ck_assert(link_receive_log(&pair_a, T0 + STALL + 2));
	pair_only_event(KHO_LINK_EVENT_RESUMED);
	ck_assert_int_eq(pair_a.state, KHO_LINK_UP);
	link_tick(&pair_a, T0 + 2 * STALL + 1);
	ck_assert_uint_eq(pair_out.nr_events, 0);
	link_tick(&pair_a, T0 + 2 * STALL + 2);
	ck_assert_uint_eq(pair_only_event(KHO_LINK_EVENT_STALLED)->since_ns, T0 + STALL + 2);
}
END_TEST

START_TEST(deadlines_of_up_and_stalled)
{
	pair_bring_up(T0);
	pair_a.config.heartbeat_ns = 10000;
	ck_assert_uint_eq(kho_link_deadline(&pair_a), T0 + STALL);
	link_tick(&pair_a, T0 + STALL);
	ck_assert_uint_eq(kho_link_deadline(&pair_a), T0 + DEAD);
	pair_a.config.dead_ns = 0;
	ck_assert_uint_eq(kho_link_deadline(&pair_a), T0 + 10000);
	pair_a.config.heartbeat_ns = UINT64_MAX - 5;
	ck_assert_uint_eq(kho_link_deadline(&pair_a), KHO_LINK_NEVER);
}
END_TEST

START_TEST(silence_kills)
{
	pair_bring_up(T0);
	link_tick(&pair_a, T0 + STALL);
	link_tick(&pair_a, T0 + DEAD - 1);
	ck_assert_int_eq(pair_a.state, KHO_LINK_STALLED);
	link_tick(&pair_a, T0 + DEAD);
	link_expect_dead(&pair_a, KHO_LINK_SILENT, -ETIMEDOUT, "fence it");
	ck_assert_uint_eq(pair_out.nr_events, 1);
	ck_assert(!link_receive_log(&pair_a, T0 + DEAD + 1));
	ck_assert_int_eq(pair_a.state, KHO_LINK_DEAD);
}
END_TEST

/* An agent that is stuck on a kernel that runs is given longer, but not for ever. */
START_TEST(silence_of_a_kernel_with_a_pulse)
{
	uint64_t now, pulse = 7;

	pair_bring_up(T0);
	kho_link_peer_pulse(&pair_a, pulse, T0);
	for (now = T0 + STALL; now < T0 + BUSY; now += STALL) {
		kho_link_peer_pulse(&pair_a, ++pulse, now);
		link_tick(&pair_a, now);
		ck_assert_int_eq(pair_a.state, KHO_LINK_STALLED);
	}
	ck_assert_uint_ge(now, T0 + BUSY);
	link_tick(&pair_a, T0 + BUSY);
	link_expect_dead(&pair_a, KHO_LINK_SILENT, -ETIMEDOUT, "fence it");
}
END_TEST

/* Which a kernel is that hangs a while after its agent did. */
START_TEST(silence_of_a_kernel_whose_pulse_ends)
{
	pair_bring_up(T0);
	kho_link_peer_pulse(&pair_a, 7, T0 + STALL);
	link_tick(&pair_a, T0 + DEAD);
	ck_assert_int_eq(pair_a.state, KHO_LINK_STALLED);
	pair_a.config.heartbeat_ns = UINT64_MAX - 5;
	ck_assert_uint_eq(kho_link_deadline(&pair_a), T0 + STALL + DEAD);
	/* the same number again is no sign of life */
	kho_link_peer_pulse(&pair_a, 7, T0 + DEAD);
	link_tick(&pair_a, T0 + STALL + DEAD);
	link_expect_dead(&pair_a, KHO_LINK_SILENT, -ETIMEDOUT, "fence it");
}
END_TEST

/* One late tick tells both. */
START_TEST(silence_kills_in_one_step)
{
	pair_bring_up(T0);
	link_tick(&pair_a, T0 + 50 * DEAD);
	ck_assert_uint_eq(pair_out.nr_events, 2);
	ck_assert_int_eq(pair_out.events[0].kind, KHO_LINK_EVENT_STALLED);
	link_expect_dead(&pair_a, KHO_LINK_SILENT, -ETIMEDOUT, "not heard for");
}
END_TEST

START_TEST(silence_never_kills_if_told_so)
{
	pair_bring_up(T0);
	pair_a.config.dead_ns = 0;
	link_tick(&pair_a, T0 + 1000000);
	pair_only_event(KHO_LINK_EVENT_STALLED);
	link_tick(&pair_a, UINT64_MAX);
	ck_assert_uint_eq(pair_out.nr_events, 0);
	ck_assert_int_eq(pair_a.state, KHO_LINK_STALLED);
}
END_TEST

START_TEST(clock_that_runs_backwards_is_harmless)
{
	pair_bring_up(T0);
	link_tick(&pair_a, T0 - 5000);
	ck_assert_uint_eq(pair_out.nr_events, 0);
	ck_assert_uint_eq(pair_out.send, 0);
	ck_assert(link_receive_log(&pair_a, 0));
	link_tick(&pair_a, T0 + STALL - 1);
	ck_assert_uint_eq(pair_out.nr_events, 0);
}
END_TEST

static Suite *link_suite(void)
{
	Suite *suite = suite_create("link");
	TCase *basic = tcase_create("basic"), *timing = tcase_create("timing");

	tcase_add_checked_fixture(basic, pair_setup, NULL);
	tcase_add_test(basic, init_refuses_nonsense);
	tcase_add_test(basic, every_state_and_cause_has_a_name);
	tcase_add_test(basic, down_does_nothing);
	tcase_add_test(basic, comes_up);
	tcase_add_test(basic, messages_before_up_are_stale);
	suite_add_tcase(suite, basic);
	tcase_add_checked_fixture(timing, pair_setup, NULL);
	tcase_add_test(timing, no_hello_in_time);
	tcase_add_test(timing, no_acknowledgement_in_time);
	tcase_add_test(timing, waits_for_ever_if_told_so);
	tcase_add_test(timing, heartbeats_are_regular);
	tcase_add_test(timing, stalls_and_resumes);
	tcase_add_test(timing, deadlines_of_up_and_stalled);
	tcase_add_test(timing, silence_kills);
	tcase_add_test(timing, silence_kills_in_one_step);
	tcase_add_test(timing, silence_of_a_kernel_with_a_pulse);
	tcase_add_test(timing, silence_of_a_kernel_whose_pulse_ends);
	tcase_add_test(timing, silence_never_kills_if_told_so);
	tcase_add_test(timing, clock_that_runs_backwards_is_harmless);
	suite_add_tcase(suite, timing);
	return suite;
}

int main(void)
{
	return run_suite(link_suite());
}
