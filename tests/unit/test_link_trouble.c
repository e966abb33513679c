// SPDX-License-Identifier: GPL-2.0-only
/*
 * The link's state machine in trouble: refusals, agents that start again, and peers
 * that break the protocol or whose kernel is gone.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include <uapi/multikernel.h>

#include "unit/link_pair.h"
#include "unit/run.h"

/* ---- refusal ---- */

START_TEST(refuses_and_is_refused)
{
	const struct kho_link_event *event;

	pair_b.config.hello.epoch = 9;
	pair_carry(&pair_b, &pair_a, KHO_LINK_SEND_HELLO, T0);
	event = pair_only_event(KHO_LINK_EVENT_REFUSED);
	ck_assert_int_eq(event->err.code, -ESTALE);
	ck_assert_ptr_nonnull(strstr(event->err.msg, "ownership epoch 9, this one in 3; stop the"));
	ck_assert_uint_eq(pair_out.send, KHO_LINK_SEND_REFUSE);
	ck_assert_int_eq(pair_a.state, KHO_LINK_REFUSED);
	ck_assert(kho_link_is_over(&pair_a));
	ck_assert_uint_eq(kho_link_deadline(&pair_a), KHO_LINK_NEVER);

	pair_carry(&pair_a, &pair_b, KHO_LINK_SEND_REFUSE, T0);
	event = pair_only_event(KHO_LINK_EVENT_REFUSED);
	ck_assert_int_eq(event->err.code, -ECONNREFUSED);
	ck_assert_ptr_nonnull(strstr(event->err.msg,
				     "the peer refused: the new side's agent is in"));
	ck_assert_int_eq(pair_b.state, KHO_LINK_REFUSED);
	/* nothing moves it any more */
	pair_carry(&pair_a, &pair_b, KHO_LINK_SEND_HELLO, T0);
	link_tick(&pair_b, T0 + DEAD);
	kho_link_peer_status(&pair_b, MK_STATE_PANICKED, &pair_out);
	ck_assert_uint_eq(pair_out.nr_events, 0);
	ck_assert_int_eq(pair_b.state, KHO_LINK_REFUSED);
}
END_TEST

START_TEST(malformed_hello_is_refused)
{
	pair_b.config.hello.nonce = 0;
	pair_carry(&pair_b, &pair_a, KHO_LINK_SEND_HELLO, T0);
	ck_assert_int_eq(pair_only_event(KHO_LINK_EVENT_REFUSED)->err.code, -EBADMSG);
	ck_assert_int_eq(pair_a.refusal.code, KHO__REFUSE_CODE__REFUSE_MALFORMED);
}
END_TEST

START_TEST(refusal_of_somebody_else_is_stale)
{
	pair_a.refused_nonce = 21;
	pair_carry(&pair_a, &pair_b, KHO_LINK_SEND_REFUSE, T0);
	ck_assert_uint_eq(pair_out.nr_events, 0);
	ck_assert_uint_eq(pair_b.stale, 1);
	ck_assert_int_eq(pair_b.state, KHO_LINK_HELLO_SENT);
}
END_TEST

START_TEST(refusal_without_text_still_says_something)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__Refuse refuse = KHO__REFUSE__INIT;

	refuse.has_nonce = true;
	refuse.nonce = 11;
	envelope.body_case = KHO__ENVELOPE__BODY_REFUSE;
	envelope.refuse = &refuse;
	pair_clear();
	kho_link_receive(&pair_a, &envelope, false, T0, &pair_out);
	ck_assert_str_eq(pair_only_event(KHO_LINK_EVENT_REFUSED)->err.msg,
			 "the peer refused: it gave no reason; see its agent's log");
}
END_TEST

/* ---- agents that start again ---- */

START_TEST(peer_starts_again)
{
	struct kho_link again;

	pair_bring_up(T0);
	link_init(&again, KHO_ROLE_NEW, 33);
	link_start(&again, T0 + 10);
	pair_carry(&again, &pair_a, KHO_LINK_SEND_HELLO, T0 + 20);
	pair_only_event(KHO_LINK_EVENT_RESTARTED);
	ck_assert_uint_eq(pair_out.send, KHO_LINK_SEND_HELLO | KHO_LINK_SEND_ACK);
	ck_assert_int_eq(pair_a.state, KHO_LINK_HELLO_SENT);
	ck_assert_uint_eq(pair_a.config.hello.session, 2);
	ck_assert_uint_eq(kho_link_deadline(&pair_a), T0 + 20 + HELLO);
	pair_carry(&pair_a, &again, KHO_LINK_SEND_HELLO, T0 + 30);
	ck_assert_uint_eq(pair_out.send, KHO_LINK_SEND_ACK);
	pair_carry(&pair_a, &again, KHO_LINK_SEND_ACK, T0 + 30);
	pair_only_event(KHO_LINK_EVENT_UP);
	pair_carry(&again, &pair_a, KHO_LINK_SEND_ACK, T0 + 40);
	pair_only_event(KHO_LINK_EVENT_UP);
	ck_assert_int_eq(pair_a.state, KHO_LINK_UP);
	ck_assert_uint_eq(pair_a.peer.nonce, 33);
}
END_TEST

/*
 * The predecessor died without reading our hello. Its successor acknowledges that
 * one first; only the second one, sent to the successor itself, counts.
 */
START_TEST(acknowledgement_of_an_earlier_hello_does_not_count)
{
	struct kho_link again;
	struct kho_link early;

	pair_carry(&pair_b, &pair_a, KHO_LINK_SEND_HELLO, T0);
	early = pair_a;
	link_init(&again, KHO_ROLE_NEW, 33);
	link_start(&again, T0);
	pair_carry(&early, &again, KHO_LINK_SEND_HELLO, T0);
	ck_assert_uint_eq(pair_out.send, KHO_LINK_SEND_ACK);
	pair_carry(&early, &again, KHO_LINK_SEND_ACK, T0);
	ck_assert_uint_eq(again.stale, 1);

	pair_carry(&again, &pair_a, KHO_LINK_SEND_HELLO, T0);
	ck_assert_uint_eq(pair_out.send, KHO_LINK_SEND_HELLO | KHO_LINK_SEND_ACK);
	pair_carry(&again, &pair_a, KHO_LINK_SEND_ACK, T0);
	ck_assert_int_eq(pair_a.state, KHO_LINK_HELLO_SENT);
	ck_assert_uint_eq(pair_a.stale, 1);
	/* the second hello has a known nonce: acknowledged, not answered by a third */
	pair_carry(&pair_a, &again, KHO_LINK_SEND_HELLO, T0);
	ck_assert_uint_eq(pair_out.send, KHO_LINK_SEND_ACK);
	ck_assert_uint_eq(pair_out.nr_events, 0);
	pair_carry(&pair_a, &again, KHO_LINK_SEND_ACK, T0);
	pair_only_event(KHO_LINK_EVENT_UP);
	pair_carry(&again, &pair_a, KHO_LINK_SEND_ACK, T0);
	pair_only_event(KHO_LINK_EVENT_UP);
}
END_TEST

START_TEST(both_start_at_once)
{
	struct kho_link a2, b2;

	pair_bring_up(T0);
	link_init(&a2, KHO_ROLE_OLD, 44);
	link_init(&b2, KHO_ROLE_NEW, 55);
	link_start(&a2, T0);
	link_start(&b2, T0);
	pair_a = a2;
	pair_b = b2;
	pair_bring_up(T0 + 5);
}
END_TEST

START_TEST(restarted_peer_that_does_not_fit_learns_why)
{
	struct kho_link again;

	pair_bring_up(T0);
	link_init(&again, KHO_ROLE_NEW, 33);
	again.config.hello.upgrade_id[0] = 'X';
	link_start(&again, T0);
	pair_carry(&again, &pair_a, KHO_LINK_SEND_HELLO, T0);
	ck_assert_int_eq(pair_only_event(KHO_LINK_EVENT_REFUSED)->err.code, -EXDEV);
	/* it listens to nothing but a START */
	ck_assert_uint_eq(pair_out.send, KHO_LINK_SEND_HELLO | KHO_LINK_SEND_REFUSE);
}
END_TEST

START_TEST(second_acknowledgement_is_ignored)
{
	pair_bring_up(T0);
	pair_carry(&pair_a, &pair_b, KHO_LINK_SEND_ACK, T0);
	ck_assert_uint_eq(pair_out.nr_events, 0);
	ck_assert_uint_eq(pair_out.send, 0);
	ck_assert_int_eq(pair_b.state, KHO_LINK_UP);
}
END_TEST

/* ---- peers that break the protocol ---- */

START_TEST(start_without_hello_is_garbage)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__Log log = KHO__LOG__INIT;

	pair_bring_up(T0);
	envelope.body_case = KHO__ENVELOPE__BODY_LOG;
	envelope.log = &log;
	pair_clear();
	ck_assert(!kho_link_receive(&pair_a, &envelope, true, T0, &pair_out));
	link_expect_dead(&pair_a, KHO_LINK_GARBAGE, -EBADMSG, "doesn't start with a hello");
}
END_TEST

START_TEST(hello_without_start_is_garbage)
{
	struct kho_link_message message;

	kho_link_write(&pair_b, KHO_LINK_SEND_HELLO, &message);
	pair_clear();
	ck_assert(!kho_link_receive(&pair_a, &message.envelope, false, T0, &pair_out));
	link_expect_dead(&pair_a, KHO_LINK_GARBAGE, -EBADMSG, "in the middle");
}
END_TEST

START_TEST(acknowledgement_before_hello_is_garbage)
{
	struct kho_link liar = pair_b;

	liar.peer = pair_a.config.hello;
	liar.agreement.protocol = 2;
	pair_carry(&liar, &pair_a, KHO_LINK_SEND_ACK, T0);
	link_expect_dead(&pair_a, KHO_LINK_GARBAGE, -EBADMSG, "before it sent its own");
}
END_TEST

START_TEST(other_agreement_is_garbage)
{
	pair_carry(&pair_b, &pair_a, KHO_LINK_SEND_HELLO, T0);
	pair_carry(&pair_a, &pair_b, KHO_LINK_SEND_HELLO, T0);
	pair_b.agreement.protocol = 1;
	pair_carry(&pair_b, &pair_a, KHO_LINK_SEND_ACK, T0);
	link_expect_dead(&pair_a, KHO_LINK_GARBAGE, -EBADMSG, "agreed to something else");
	pair_setup();
	pair_carry(&pair_b, &pair_a, KHO_LINK_SEND_HELLO, T0);
	pair_carry(&pair_a, &pair_b, KHO_LINK_SEND_HELLO, T0);
	pair_b.agreement.features.count = 0;
	pair_carry(&pair_b, &pair_a, KHO_LINK_SEND_ACK, T0);
	link_expect_dead(&pair_a, KHO_LINK_GARBAGE, -EBADMSG, "agreed to something else");
}
END_TEST

START_TEST(garbage_kills_with_its_own_text)
{
	struct kho_err err;

	kho_fail(&err, -EMSGSIZE, "frame: far too long");
	pair_bring_up(T0);
	pair_clear();
	kho_link_garbage(&pair_a, &err, &pair_out);
	link_expect_dead(&pair_a, KHO_LINK_GARBAGE, -EMSGSIZE, "frame: far too long");
	pair_clear();
	kho_link_garbage(&pair_a, &err, &pair_out);
	ck_assert_uint_eq(pair_out.nr_events, 0);
	pair_clear();
	kho_link_garbage(&pair_b, &err, &pair_out);
	link_expect_dead(&pair_b, KHO_LINK_GARBAGE, -EMSGSIZE, "frame: far too long");
}
END_TEST

START_TEST(unknown_body_is_counted)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;

	pair_bring_up(T0);
	pair_clear();
	ck_assert(!kho_link_receive(&pair_a, &envelope, false, T0, &pair_out));
	ck_assert_uint_eq(pair_a.unknown, 1);
	ck_assert_int_eq(pair_a.state, KHO_LINK_UP);
}
END_TEST

START_TEST(status_of_the_peers_kernel)
{
	static const struct { uint32_t status; enum kho_link_cause cause; int code; } cases[] = {
		{ MK_STATE_STOPPED, KHO_LINK_PEER_STOPPED, -ECONNRESET },
		{ MK_STATE_PANICKED, KHO_LINK_PEER_PANICKED, -ECONNRESET },
		{ MK_STATE_RETIRED, KHO_LINK_PEER_RETIRED, -ESHUTDOWN },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pair_setup();
		pair_bring_up(T0);
		pair_clear();
		kho_link_peer_status(&pair_a, MK_STATE_RUNNING, &pair_out);
		kho_link_peer_status(&pair_a, MK_STATE_NONE, &pair_out);
		kho_link_peer_status(&pair_a, 12345, &pair_out);
		ck_assert_uint_eq(pair_out.nr_events, 0);
		kho_link_peer_status(&pair_a, cases[i].status, &pair_out);
		link_expect_dead(&pair_a, cases[i].cause, cases[i].code, "the peer's kernel");
		/* also while waiting for its hello */
		pair_setup();
		pair_clear();
		kho_link_peer_status(&pair_a, cases[i].status, &pair_out);
		link_expect_dead(&pair_a, cases[i].cause, cases[i].code, "the peer's kernel");
	}
}
END_TEST

/* Whatever else is told, the end of a link always is. */
START_TEST(last_event_is_never_dropped)
{
	struct kho_err err = { .code = -EBADMSG, .msg = "broken" };

	pair_bring_up(T0);
	pair_clear();
	for (int i = 0; i < 10; i++) {
		kho_link_tick(&pair_a, T0 + STALL, &pair_out);
		pair_a.state = KHO_LINK_UP;
	}
	ck_assert_uint_eq(pair_out.nr_events, KHO_LINK_EVENTS_MAX - 1);
	kho_link_garbage(&pair_a, &err, &pair_out);
	link_expect_dead(&pair_a, KHO_LINK_GARBAGE, -EBADMSG, "broken");
}
END_TEST

static Suite *link_trouble_suite(void)
{
	Suite *suite = suite_create("link trouble");
	TCase *refusal = tcase_create("refusal"), *restart = tcase_create("restart");
	TCase *hostile = tcase_create("hostile");

	tcase_add_checked_fixture(refusal, pair_setup, NULL);
	tcase_add_test(refusal, refuses_and_is_refused);
	tcase_add_test(refusal, malformed_hello_is_refused);
	tcase_add_test(refusal, refusal_of_somebody_else_is_stale);
	tcase_add_test(refusal, refusal_without_text_still_says_something);
	suite_add_tcase(suite, refusal);
	tcase_add_checked_fixture(restart, pair_setup, NULL);
	tcase_add_test(restart, peer_starts_again);
	tcase_add_test(restart, acknowledgement_of_an_earlier_hello_does_not_count);
	tcase_add_test(restart, both_start_at_once);
	tcase_add_test(restart, restarted_peer_that_does_not_fit_learns_why);
	tcase_add_test(restart, second_acknowledgement_is_ignored);
	suite_add_tcase(suite, restart);
	tcase_add_checked_fixture(hostile, pair_setup, NULL);
	tcase_add_test(hostile, start_without_hello_is_garbage);
	tcase_add_test(hostile, hello_without_start_is_garbage);
	tcase_add_test(hostile, acknowledgement_before_hello_is_garbage);
	tcase_add_test(hostile, other_agreement_is_garbage);
	tcase_add_test(hostile, garbage_kills_with_its_own_text);
	tcase_add_test(hostile, unknown_body_is_counted);
	tcase_add_test(hostile, status_of_the_peers_kernel);
	tcase_add_test(hostile, last_event_is_never_dropped);
	suite_add_tcase(suite, hostile);
	return suite;
}

int main(void)
{
	return run_suite(link_trouble_suite());
}
