// SPDX-License-Identifier: GPL-2.0-only
/*
 * The HTTP server in an event loop, with clients in the same process: answers, methods,
 * streams, a client that doesn't read, and that nothing happens without clients.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "http/http.h"
#include "tests/unit/run.h"

#define PORT		19786
#define WAIT_SEC	20

static sd_event *event;
static struct kho_http *http;
static unsigned int nr_streams, asked;
static char last_accept[128];

static void get(void *ctx, const struct kho_http_request *request, struct kho_http_answer *ret)
{
	ck_assert_ptr_eq(ctx, &event);
	asked++;
	strncpy(last_accept, request->accept ?: "none", sizeof(last_accept) - 1);
	if (strcmp(request->path, "/hello") == 0 || strcmp(request->path, "/events") == 0) {
		ret->status = 200;
		ret->type = "text/plain";
		ret->body = strdup("hello\n");
		ret->size = 6;
	}
	ret->stream = strcmp(request->path, "/events") == 0;
}

static void on_streams(void *ctx, unsigned int nr)
{
	(void)ctx;
	nr_streams = nr;
}

static const struct kho_http_ops ops = { .get = get, .streams = on_streams };

static void setup(void)
{
	struct kho_listen listen;
	struct kho_err err;

	asked = nr_streams = 0;
	ck_assert_int_ge(sd_event_new(&event), 0);
	ck_assert_int_eq(kho_listen_parse("127.0.0.1:19786", &listen, &err), 0);
	ck_assert_msg(kho_http_new(event, &listen, &ops, &event, &http, &err) == 0, "%s", err.msg);
}

static void teardown(void)
{
	http = kho_http_free(http);
	sd_event_unref(event);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int dial(const char *request)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	ck_assert_int_eq(write(fd, request, strlen(request)), (ssize_t)strlen(request));
	ck_assert_int_ge(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

struct reply {
	char text[4096];
	size_t size;
	bool over;
};

/* Until @wanted is there, or the connection's end if it's NULL; each byte is kept. */
static void read_reply(int fd, struct reply *reply, const char *wanted)
{
	uint64_t until = now_ms() + WAIT_SEC * 1000;

	while (!reply->over && !(wanted && strstr(reply->text, wanted))) {
		ssize_t n;

		ck_assert_msg(now_ms() < until, "no %s in: %s", wanted ?: "end", reply->text);
		ck_assert_int_ge(sd_event_run(event, 20000), 0);
		n = read(fd, reply->text + reply->size, sizeof(reply->text) - 1 - reply->size);
		ck_assert(n >= 0 || errno == EAGAIN || errno == ECONNRESET);
		reply->over = n == 0 || (n < 0 && errno == ECONNRESET);
		if (n > 0)
			reply->text[reply->size += (size_t)n] = '\0';
	}
}

static void until_streams(unsigned int nr)
{
	uint64_t until = now_ms() + WAIT_SEC * 1000;

	while (nr_streams != nr) {
		ck_assert_msg(now_ms() < until, "%u streams, not %u", nr_streams, nr);
		ck_assert_int_ge(sd_event_run(event, 20000), 0);
	}
}

static const struct {
	const char *request;
	const char *status, *with, *without;
	unsigned int asked;
} calls[] = {
	{ "GET /hello HTTP/1.0\r\nAccept: a/b\r\n\r\n", "200", "\r\n\r\nhello\n", NULL, 1 },
	{ "GET /hello?x=1 HTTP/1.0\r\n\r\n", "200", "\r\n\r\nhello\n", NULL, 1 },
	{ "HEAD /hello HTTP/1.0\r\n\r\n", "200", "Content-Length: 6\r\n", "hello", 1 },
	{ "GET /hello HTTP/1.0\r\n\r\n", "200", "Content-Type: text/plain\r\n", NULL, 1 },
	{ "GET /hello HTTP/1.0\r\n\r\n", "200", "default-src 'self'", NULL, 1 },
	{ "GET /other HTTP/1.0\r\n\r\n", "404", "Content-Length: 0\r\n", NULL, 1 },
	{ "HEAD /events HTTP/1.0\r\n\r\n", "200", "HTTP", "\r\n\r\nhello", 1 },
	{ "POST /hello HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", "405", "Allow: GET, HEAD\r\n", "hello", 0 },
	{ "DELETE /hello HTTP/1.0\r\n\r\n", "405", "Allow: GET, HEAD\r\n", NULL, 0 },
};

START_TEST(test_call)
{
	struct reply reply = {};
	int fd = dial(calls[_i].request);

	read_reply(fd, &reply, NULL);
	close(fd);
	ck_assert_msg(strncmp(reply.text, "HTTP/1.", 7) == 0 &&
		      strncmp(reply.text + 9, calls[_i].status, 3) == 0, "%s", reply.text);
	ck_assert_msg(strstr(reply.text, calls[_i].with), "%s", reply.text);
	if (calls[_i].without)
		ck_assert_msg(!strstr(reply.text, calls[_i].without), "%s", reply.text);
	ck_assert_uint_eq(asked, calls[_i].asked);
}
END_TEST

/* What isn't HTTP isn't answered as if it was, and the next one is. */
START_TEST(test_nonsense)
{
	static const char *const nonsense[] = {
		"nonsense\r\n\r\n", "\r\n\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01",
	};
	struct reply next = {};
	int fd = dial(nonsense[_i]);

	for (int i = 0; i < 5; i++)
		ck_assert_int_ge(sd_event_run(event, 20000), 0);
	close(fd);
	ck_assert_uint_eq(asked, 0);
	fd = dial("GET /hello HTTP/1.0\r\n\r\n");
	read_reply(fd, &next, NULL);
	ck_assert_ptr_nonnull(strstr(next.text, "hello"));
	close(fd);
}
END_TEST

START_TEST(test_accept)
{
	struct reply reply = {};
	int fd = dial("GET /hello HTTP/1.0\r\nAccept: a/b;q=0.5\r\n\r\n");

	read_reply(fd, &reply, NULL);
	ck_assert_str_eq(last_accept, "a/b;q=0.5");
	close(fd);
}
END_TEST

START_TEST(test_stream)
{
	struct reply one = {}, two = {};
	int a = dial("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
	int b = dial("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");

	read_reply(a, &one, "hello\n");
	read_reply(b, &two, "hello\n");
	ck_assert_uint_eq(nr_streams, 2);
	kho_http_tell(http, "data: 1\n\n", 9);
	read_reply(a, &one, "data: 1\n\n");
	kho_http_tell(http, "data: 2\n\n", 9);
	read_reply(a, &one, "data: 2\n\n");
	read_reply(b, &two, "data: 2\n\n");
	ck_assert_ptr_nonnull(strstr(two.text, "data: 1\n\n"));
	close(a);
	/* it's seen to be gone when something is to be told */
	kho_http_tell(http, "data: 3\n\n", 9);
	kho_http_tell(http, "data: 4\n\n", 9);
	read_reply(b, &two, "data: 4\n\n");
	kho_http_tell(http, "data: 5\n\n", 9);
	until_streams(1);
	/* the server's end is theirs */
	http = kho_http_free(http);
	ck_assert_uint_eq(nr_streams, 0);
	read_reply(b, &two, NULL);
	close(b);
}
END_TEST

START_TEST(test_too_many_streams)
{
	int fds[KHO_HTTP_STREAMS];
	struct reply reply = {};
	int more;

	for (unsigned int i = 0; i < KHO_HTTP_STREAMS; i++)
		fds[i] = dial("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
	until_streams(KHO_HTTP_STREAMS);
	more = dial("GET /events HTTP/1.0\r\n\r\n");
	read_reply(more, &reply, NULL);
	ck_assert_msg(strncmp(reply.text + 9, "503", 3) == 0, "%s", reply.text);
	close(more);
	for (unsigned int i = 0; i < KHO_HTTP_STREAMS; i++)
		close(fds[i]);
}
END_TEST

/* One that never reads is dropped; another one gets all. */
START_TEST(test_deaf)
{
	static char text[32768];
	int deaf = dial("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
	unsigned int i;

	memset(text, 'x', sizeof(text));
	until_streams(1);
	for (i = 0; i < 4096 && nr_streams; i++) {
		kho_http_tell(http, text, sizeof(text));
		ck_assert_int_ge(sd_event_run(event, 0), 0);
	}
	ck_assert_msg(i < 4096, "it isn't dropped");
	close(deaf);
}
END_TEST

/* Nothing is to be done: the loop waits for the whole time. */
START_TEST(test_idle)
{
	struct reply reply = {};
	int fd = dial("GET /hello HTTP/1.0\r\n\r\n");
	unsigned int woken = 0;
	uint64_t begin;

	read_reply(fd, &reply, NULL);
	close(fd);
	while (sd_event_run(event, 0) > 0)
		;
	for (begin = now_ms(); now_ms() < begin + 500;)
		woken += sd_event_run(event, 500000) > 0;
	ck_assert_uint_le(woken, 1);
}
END_TEST

START_TEST(test_taken)
{
	struct kho_listen listen;
	struct kho_http *other = NULL;
	struct kho_err err;

	ck_assert_int_eq(kho_listen_parse("127.0.0.1:19786", &listen, &err), 0);
	ck_assert_int_eq(kho_http_new(event, &listen, &ops, NULL, &other, &err), -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(err.msg, "Listen="));
	ck_assert_ptr_null(other);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http");
	TCase *tc = tcase_create("http");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_call, 0, sizeof(calls) / sizeof(calls[0]));
	tcase_add_loop_test(tc, test_nonsense, 0, 4);
	tcase_add_test(tc, test_accept);
	tcase_add_test(tc, test_stream);
	tcase_add_test(tc, test_too_many_streams);
	tcase_add_test(tc, test_deaf);
	tcase_add_test(tc, test_idle);
	tcase_add_test(tc, test_taken);
	tcase_set_timeout(tc, 30);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
