// SPDX-License-Identifier: GPL-2.0-only
/* Streams that come in: in which order ever their chunks, opens and closes are seen. */
#include <errno.h>
#include <string.h>

#include "agent/session.h"
#include "agent/transfer.h"
#include "tests/unit/channel_pair.h"
#include "tests/unit/run.h"

static struct kho_session session;	/* of the new side, which receives */
static char got[256];
static size_t nr_got;
static unsigned int ended, dropped;

/* ---- in place of the agent ---- */

int kho_session_send(struct kho_session *s, const Kho__Envelope *envelope, struct kho_err *err)
{
	return kho_channel_send(s->channel, envelope, err);
}

void kho_agent_progress(struct kho_agent *agent, const char *fmt, ...)
{
	(void)agent;
	(void)fmt;
}

static int sink_open(struct kho_session *s, const char *name, void **ret_ctx, struct kho_err *err)
{
	(void)s;
	(void)err;
	*ret_ctx = (void *)name;
	return 0;
}

static ssize_t sink_take(void *ctx, struct kho_bulk_reader *reader, size_t size, struct kho_err *err)
{
	ssize_t n = kho_bulk_read(reader, got + nr_got, size < 64 ? size : 64);

	(void)ctx;
	(void)err;
	nr_got += n > 0 ? (size_t)n : 0;
	return n;
}

static int sink_end(void *ctx, struct kho_err *err)
{
	(void)ctx;
	(void)err;
	ended++;
	return 0;
}

static void sink_drop(void *ctx)
{
	(void)ctx;
	dropped++;
}

static const struct kho_sink_ops sink = {
	.sort = "test", .open = sink_open, .take = sink_take, .end = sink_end, .drop = sink_drop,
};
static const struct kho_sink_ops *const sinks[] = { &sink, NULL };
static const struct kho_session_role role = { .role = KHO_ROLE_NEW };

static void setup(void)
{
	pair_setup_channels();
	pair_up();
	session = (struct kho_session){
		.channel = pair_sides[1].ch, .role = &role, .transfer.sinks = sinks,
	};
	nr_got = ended = dropped = 0;
}

/* ---- what the old side does ---- */

static void open_stream(uint32_t id)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__BulkOpen open = KHO__BULK_OPEN__INIT;

	open.has_stream = true;
	open.stream = id;
	open.kind = (char *)"test:x";
	envelope.body_case = KHO__ENVELOPE__BODY_BULK_OPEN;
	envelope.bulk_open = &open;
	ck_assert(kho_transfer_on_message(&session, &envelope));
}

static void close_stream(uint32_t id)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__BulkClose close = KHO__BULK_CLOSE__INIT;

	close.has_stream = true;
	close.stream = id;
	close.has_code = true;
	close.code = -ECANCELED;
	envelope.body_case = KHO__ENVELOPE__BODY_BULK_CLOSE;
	envelope.bulk_close = &close;
	ck_assert(kho_transfer_on_message(&session, &envelope));
}

static void write_to(uint32_t id, const char *text, bool end)
{
	struct kho_bulk_writer writer;

	ck_assert_int_eq(kho_channel_bulk_writer(pair_sides[0].ch, id, &writer, NULL), 0);
	if (*text)
		ck_assert_int_eq(kho_bulk_write(&writer, text, strlen(text)), strlen(text));
	if (end)
		ck_assert_int_eq(kho_bulk_finish(&writer), 0);
	kho_channel_kick(pair_sides[0].ch);
}

static void expect_got(const char *text)
{
	kho_transfer_serve(&session);
	ck_assert_uint_eq(nr_got, strlen(text));
	ck_assert_mem_eq(got, text, nr_got);
}

/* ---- tests ---- */

START_TEST(chunks_before_their_open)
{
	write_to(1, "abc", true);
	expect_got("");
	open_stream(1);
	expect_got("abc");
	ck_assert_uint_eq(ended, 1);
}
END_TEST

/* The lane must not stand still over what nobody wants any more. */
START_TEST(chunks_after_their_close)
{
	open_stream(1);
	write_to(1, "abc", false);
	expect_got("abc");
	write_to(1, "never read", false);
	close_stream(1);
	ck_assert_uint_eq(dropped, 1);
	open_stream(3);
	write_to(3, "def", true);
	expect_got("abcdef");
	ck_assert_uint_eq(ended, 1);
}
END_TEST

/* Also if nothing comes after it, and if one was never opened in time. */
START_TEST(close_before_all)
{
	write_to(1, "never read", false);
	open_stream(1);
	close_stream(1);
	write_to(3, "def", true);
	expect_got("");
	open_stream(3);
	expect_got("def");
}
END_TEST

START_TEST(numbers_begin_anew)
{
	open_stream(0xfefffffd);
	write_to(0xfefffffd, "a", false);
	close_stream(0xfefffffd);
	write_to(1, "b", true);
	expect_got("");
	open_stream(1);
	expect_got("b");
}
END_TEST

/* A measurement's chunks aren't a stream of an agent: they wait for it. */
START_TEST(measurements_are_left_alone)
{
	open_stream(1);
	write_to(0xffffff00, "x", true);
	write_to(1, "abc", true);
	expect_got("");
}
END_TEST

/* The other agent was started again, and counts from the beginning. */
START_TEST(another_session)
{
	open_stream(41);
	kho_transfer_drop(&session);
	ck_assert_uint_eq(dropped, 1);
	write_to(1, "abc", true);
	expect_got("");
	open_stream(1);
	expect_got("abc");
}
END_TEST

static Suite *transfer_suite(void)
{
	Suite *suite = suite_create("transfer");
	TCase *tc = tcase_create("in");

	tcase_add_checked_fixture(tc, setup, pair_teardown);
	tcase_add_test(tc, chunks_before_their_open);
	tcase_add_test(tc, chunks_after_their_close);
	tcase_add_test(tc, close_before_all);
	tcase_add_test(tc, numbers_begin_anew);
	tcase_add_test(tc, measurements_are_left_alone);
	tcase_add_test(tc, another_session);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(transfer_suite());
}
