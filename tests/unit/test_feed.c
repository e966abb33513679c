// SPDX-License-Identifier: GPL-2.0-only
/*
 * Status with "more", on an agent that has nothing but that: who is told what, and that
 * a client which doesn't read is dropped and holds nobody up.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "api/api.h"
#include "api/feed.h"
#include "api/progress.h"
#include "tests/unit/run.h"

static struct kho_feed feed;
static sd_event *event;
static sd_varlink_server *server;

struct client {
	sd_varlink *link;
	unsigned int nr;		/* messages */
	uint64_t last;			/* number in the last one */
	bool answered, gone;
};

static int fake_status(sd_varlink *link, sd_json_variant *parameters,
		       sd_varlink_method_flags_t flags, void *userdata)
{
	sd_json_variant *until = sd_json_variant_by_key(parameters, "untilOver");

	(void)userdata;
	ck_assert(flags & SD_VARLINK_METHOD_MORE);
	if (kho_feed_add(&feed, link, until && sd_json_variant_boolean(until)) < 0)
		return sd_varlink_errorbo(link, KHO_API_ERROR,
					  SD_JSON_BUILD_PAIR_INTEGER("code", EBUSY),
					  SD_JSON_BUILD_PAIR_STRING("message", "full"));
	return 0;
}

static void on_disconnect(sd_varlink_server *s, sd_varlink *link, void *userdata)
{
	(void)s;
	(void)userdata;
	kho_feed_gone(&feed, link);
}

static int on_reply(sd_varlink *link, sd_json_variant *parameters, const char *error_id,
		    sd_varlink_reply_flags_t flags, void *userdata)
{
	struct client *client = userdata;

	(void)link;
	if (error_id) {
		client->gone = true;
		return 0;
	}
	client->nr++;
	client->last = kho_progress_number(parameters, "lentCpus");
	client->answered = !(flags & SD_VARLINK_REPLY_CONTINUES);
	return 0;
}

static void setup(void)
{
	memset(&feed, 0, sizeof(feed));
	ck_assert_int_ge(sd_event_new(&event), 0);
	ck_assert_int_ge(sd_varlink_server_new(&server, 0), 0);
	ck_assert_int_ge(sd_varlink_server_add_interface(server, kho_api_interface()), 0);
	ck_assert_int_ge(sd_varlink_server_bind_method(server, KHO_API_METHOD("Status"),
						       fake_status), 0);
	ck_assert_int_ge(sd_varlink_server_bind_disconnect(server, on_disconnect), 0);
	ck_assert_int_ge(sd_varlink_server_attach_event(server, event, 0), 0);
}

static void teardown(void)
{
	kho_feed_done(&feed);
	sd_varlink_server_unref(server);
	sd_event_unref(event);
}

/* The server does all that it can without waiting. */
static void turn(void)
{
	while (sd_event_run(event, 0) > 0)
		;
}

static void read_all(struct client *client)
{
	while (!client->gone && sd_varlink_process(client->link) > 0)
		;
}

static void connect_client(struct client *client, bool until_over)
{
	sd_json_variant *parameters = NULL;
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	ck_assert_int_ge(sd_varlink_server_add_connection(server, pair[0], NULL), 0);
	ck_assert_int_ge(sd_varlink_connect_fd(&client->link, pair[1]), 0);
	sd_varlink_set_userdata(client->link, client);
	ck_assert_int_ge(sd_varlink_bind_reply(client->link, on_reply), 0);
	ck_assert_int_ge(sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_BOOLEAN("untilOver",
										until_over)), 0);
	ck_assert_int_ge(sd_varlink_observe(client->link, KHO_API_METHOD("Status"), parameters), 0);
	sd_json_variant_unref(parameters);
	sd_varlink_flush(client->link);
	turn();
}

/* A message of about the size of a large status. */
static sd_json_variant *message(uint64_t n)
{
	static char padding[16384];
	sd_json_variant *v = NULL;

	memset(padding, 'x', sizeof(padding) - 1);
	ck_assert_int_ge(sd_json_buildo(&v, SD_JSON_BUILD_PAIR_UNSIGNED("lentCpus", n),
					SD_JSON_BUILD_PAIR_STRING("message", padding)), 0);
	return v;
}

static unsigned int push(uint64_t n)
{
	sd_json_variant *v = message(n);
	unsigned int dropped = kho_feed_push(&feed, v);

	sd_json_variant_unref(v);
	return dropped;
}

START_TEST(all_are_told)
{
	struct client a = {}, b = {};

	connect_client(&a, false);
	connect_client(&b, false);
	ck_assert_uint_eq(feed.nr, 2);
	for (uint64_t n = 1; n <= 200; n++) {
		ck_assert_uint_eq(push(n), 0);
		kho_feed_drain(&feed);
		read_all(&a);
		read_all(&b);
	}
	ck_assert_uint_eq(a.nr, 200);
	ck_assert_uint_eq(b.nr, 200);
	ck_assert_uint_eq(a.last, 200);
	/* one that goes isn't told any more, and the other one is */
	a.link = sd_varlink_close_unref(a.link);
	turn();
	ck_assert_uint_eq(feed.nr, 1);
	ck_assert_uint_eq(push(201), 0);
	read_all(&b);
	ck_assert_uint_eq(b.last, 201);
	sd_varlink_close_unref(b.link);
}
END_TEST

START_TEST(until_it_is_over)
{
	struct client stays = {}, ends = {};
	sd_json_variant *v = message(7);

	connect_client(&stays, false);
	connect_client(&ends, true);
	push(1);
	ck_assert_uint_eq(kho_feed_push_over(&feed, v), 0);
	read_all(&stays);
	read_all(&ends);
	ck_assert(ends.answered && ends.last == 7 && ends.nr == 2);
	ck_assert(!stays.answered && stays.last == 7);
	ck_assert_uint_eq(feed.nr, 1);
	sd_json_variant_unref(v);
	sd_varlink_close_unref(stays.link);
	sd_varlink_close_unref(ends.link);
}
END_TEST

/* It misses nothing that's in the queue. */
START_TEST(slow_ones_catch_up)
{
	struct client slow = {};

	connect_client(&slow, true);
	for (uint64_t n = 1; n <= KHO_FEED_QUEUE; n++)
		ck_assert_uint_eq(push(n), 0);
	ck_assert(kho_feed_drain(&feed));
	while (kho_feed_drain(&feed))
		read_all(&slow);
	read_all(&slow);
	ck_assert_uint_eq(slow.nr, KHO_FEED_QUEUE);
	ck_assert_uint_eq(slow.last, KHO_FEED_QUEUE);
	sd_varlink_close_unref(slow.link);
}
END_TEST

/* Check's own time limit would end the test if this waited. */
START_TEST(stuck_ones_are_dropped)
{
	struct client stuck = {}, well = {};
	unsigned int dropped = 0;
	uint64_t n;

	connect_client(&stuck, false);
	connect_client(&well, false);
	for (n = 1; !dropped && n < 1000; n++) {
		dropped = push(n);
		read_all(&well);
	}
	/* what a socket takes, and the queue */
	ck_assert_uint_eq(dropped, 1);
	ck_assert_uint_gt(n, KHO_FEED_QUEUE);
	ck_assert_uint_lt(n, KHO_FEED_QUEUE + 100);
	ck_assert_uint_eq(feed.nr, 1);
	ck_assert_uint_eq(well.nr, n - 1);
	turn();
	/* it sees the end of the connection, after what was written to it */
	read_all(&stuck);
	ck_assert(stuck.gone && stuck.nr && stuck.nr < n);
	sd_varlink_close_unref(stuck.link);
	sd_varlink_close_unref(well.link);
}
END_TEST

START_TEST(not_too_many)
{
	struct client clients[KHO_FEED_CLIENTS + 1] = {};

	for (unsigned int i = 0; i <= KHO_FEED_CLIENTS; i++)
		connect_client(&clients[i], false);
	ck_assert_uint_eq(feed.nr, KHO_FEED_CLIENTS);
	read_all(&clients[KHO_FEED_CLIENTS]);
	ck_assert(clients[KHO_FEED_CLIENTS].gone);
	for (unsigned int i = 0; i <= KHO_FEED_CLIENTS; i++)
		sd_varlink_close_unref(clients[i].link);
}
END_TEST

START_TEST(progress_goes_through_json)
{
	const struct kho_progress in = {
		.state = "running", .phase = "sync", .step = "pre-copy", .nr = 2,
		.workloads = {
			{ .name = "redis", .state = "copying", .rounds = 3, .bytes = 5ull << 32,
			  .dirty_per_sec = 9, .predicted_ms = 120, .frozen_ms = 99 },
			{ .name = "db", .state = "here" },
		},
	};
	struct kho_progress out;
	sd_json_variant *v = NULL;

	memset(&out, 0xff, sizeof(out));
	ck_assert_int_ge(kho_progress_json(&in, &v), 0);
	kho_progress_parse(v, &out);
	ck_assert_mem_eq(&in, &out, sizeof(in));
	kho_progress_parse(NULL, &out);
	ck_assert_uint_eq(out.nr, 0);
	sd_json_variant_unref(v);
}
END_TEST

/* What an agent sends is text of others, and may be of a later version. */
START_TEST(progress_is_read_with_care)
{
	sd_json_variant *v = NULL;
	struct kho_progress out;

	ck_assert_int_ge(sd_json_parse("{\"state\": 7, \"step\": \"a\\u001b[31mvery long word\", "
				       "\"workloads\": [1, {\"name\": \"x\", \"rounds\": -4}]}", 0, &v,
				       NULL, NULL), 0);
	kho_progress_parse(v, &out);
	ck_assert_str_eq(out.state, "");
	ck_assert_str_eq(out.step, "a?[31mvery long");
	ck_assert_uint_eq(out.nr, 2);
	ck_assert_str_eq(out.workloads[1].name, "x");
	ck_assert_uint_eq(out.workloads[1].rounds, 0);
	sd_json_variant_unref(v);
}
END_TEST

static Suite *feed_suite(void)
{
	Suite *suite = suite_create("feed");
	TCase *tc = tcase_create("clients");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, all_are_told);
	tcase_add_test(tc, until_it_is_over);
	tcase_add_test(tc, slow_ones_catch_up);
	tcase_add_test(tc, stuck_ones_are_dropped);
	tcase_add_test(tc, not_too_many);
	suite_add_tcase(suite, tc);
	tc = tcase_create("progress");
	tcase_add_test(tc, progress_goes_through_json);
	tcase_add_test(tc, progress_is_read_with_care);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(feed_suite());
}
