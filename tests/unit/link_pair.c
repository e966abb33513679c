// SPDX-License-Identifier: GPL-2.0-only
/* Two links and what passes between them; link_pair.h says what each helper does. */
#include "unit/link_pair.h"

#include <check.h>
#include <string.h>

struct kho_link pair_a, pair_b;
struct kho_link_output pair_out;

struct kho_link_config link_config_of(enum kho_role role, uint64_t nonce)
{
	struct kho_link_config config = {
		.hello = {
			.protocol_min = 1, .protocol_max = 2, .role = role,
			.upgrade_id = "upgrade", .epoch = 3, .nonce = nonce,
			.agent_version = "1", .kernel_release = "6.12",
		},
		.heartbeat_ns = BEAT, .stall_ns = STALL, .dead_ns = DEAD, .busy_ns = BUSY,
		.hello_ns = HELLO,
	};

	ck_assert_int_eq(kho_features_add(&config.hello.features, "bulk-crc"), 0);
	return config;
}

void link_init(struct kho_link *link, enum kho_role role, uint64_t nonce)
{
	struct kho_link_config config = link_config_of(role, nonce);

	ck_assert_int_eq(kho_link_init(link, &config, NULL), 0);
	ck_assert_int_eq(link->state, KHO_LINK_DOWN);
}

void pair_clear(void)
{
	pair_out = (struct kho_link_output){ .send = 0 };
}

void link_start(struct kho_link *link, uint64_t now)
{
	pair_clear();
	kho_link_start(link, now, &pair_out);
	ck_assert_uint_eq(pair_out.send, KHO_LINK_SEND_HELLO);
	ck_assert_int_eq(link->state, KHO_LINK_HELLO_SENT);
}

void pair_setup(void)
{
	link_init(&pair_a, KHO_ROLE_OLD, 11);
	link_init(&pair_b, KHO_ROLE_NEW, 22);
	link_start(&pair_a, T0);
	link_start(&pair_b, T0);
}

bool pair_carry(const struct kho_link *from, struct kho_link *to, unsigned int which, uint64_t now)
{
	struct kho_link_message message;
	Kho__Envelope *envelope;
	uint8_t buf[4096];
	size_t size;
	bool for_user;

	kho_link_write(from, which, &message);
	size = kho__envelope__pack(&message.envelope, buf);
	envelope = kho__envelope__unpack(NULL, size, buf);
	ck_assert_ptr_nonnull(envelope);
	pair_clear();
	for_user = kho_link_receive(to, envelope, which == KHO_LINK_SEND_HELLO, now, &pair_out);
	kho__envelope__free_unpacked(envelope, NULL);
	return for_user;
}

bool link_receive_log(struct kho_link *link, uint64_t now)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__Log log = KHO__LOG__INIT;

	envelope.body_case = KHO__ENVELOPE__BODY_LOG;
	envelope.log = &log;
	pair_clear();
	return kho_link_receive(link, &envelope, false, now, &pair_out);
}

void link_tick(struct kho_link *link, uint64_t now)
{
	pair_clear();
	kho_link_tick(link, now, &pair_out);
}

const struct kho_link_event *pair_only_event(enum kho_link_event_kind kind)
{
	ck_assert_uint_eq(pair_out.nr_events, 1);
	ck_assert_int_eq(pair_out.events[0].kind, kind);
	return &pair_out.events[0];
}

void link_expect_dead(const struct kho_link *link, enum kho_link_cause cause, int code,
			const char *text)
{
	const struct kho_link_event *event = &pair_out.events[pair_out.nr_events - 1];

	ck_assert_uint_ge(pair_out.nr_events, 1);
	ck_assert_int_eq(event->kind, KHO_LINK_EVENT_DEAD);
	ck_assert_int_eq(event->cause, cause);
	ck_assert_int_eq(event->err.code, code);
	ck_assert_msg(strstr(event->err.msg, text), "got: %s", event->err.msg);
	ck_assert_int_eq(link->state, KHO_LINK_DEAD);
	ck_assert_int_eq(link->cause, cause);
	ck_assert_uint_eq(pair_out.send, 0);
	ck_assert(kho_link_is_over(link));
	ck_assert_uint_eq(kho_link_deadline(link), KHO_LINK_NEVER);
}

void pair_bring_up(uint64_t now)
{
	pair_carry(&pair_a, &pair_b, KHO_LINK_SEND_HELLO, now);
	ck_assert_uint_eq(pair_out.send, KHO_LINK_SEND_ACK);
	ck_assert_uint_eq(pair_out.nr_events, 0);
	pair_carry(&pair_b, &pair_a, KHO_LINK_SEND_HELLO, now);
	ck_assert_uint_eq(pair_out.send, KHO_LINK_SEND_ACK);
	pair_carry(&pair_a, &pair_b, KHO_LINK_SEND_ACK, now);
	pair_only_event(KHO_LINK_EVENT_UP);
	ck_assert_int_eq(pair_b.state, KHO_LINK_UP);
	pair_carry(&pair_b, &pair_a, KHO_LINK_SEND_ACK, now);
	pair_only_event(KHO_LINK_EVENT_UP);
	ck_assert_int_eq(pair_a.state, KHO_LINK_UP);
}
