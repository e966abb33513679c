// SPDX-License-Identifier: GPL-2.0-only
/* HTTP and FleetLock against a server that's played: one connection, one answer, each time. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fleet/fleetlock.h"
#include "tests/unit/run.h"

static struct kho_err err;
static struct kho_web *http;
static char url[64];
static int asked[2];			/* what the server was asked, through a pipe */
static pid_t server;

/* Answers one request with @answer, and tells what it was; NULL: never answers. */
static void serve(const char *answer)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(address.sin_port));
	ck_assert_int_eq(pipe(asked), 0);
	server = fork();
	if (!server) {
		char text[4096];
		int link;
		ssize_t got = 0, more;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		link = accept(fd, NULL, NULL);
		while (!answer)
			pause();
		do {
			more = read(link, text + got, sizeof(text) - 1 - (size_t)got);
			got += more > 0 ? more : 0;
			text[got] = '\0';
		} while (more > 0 && (strncmp(text, "POST", 4) == 0 ? !strchr(text, '}') :
				      !strstr(text, "\r\n\r\n")));
		_exit(write(asked[1], text, (size_t)got) < 0 ||
		      write(link, answer, strlen(answer)) < 0);
	}
	close(fd);
	close(asked[1]);
	ck_assert_int_eq(kho_web_new(NULL, &http, &err), 0);
}

static void end(char *ret, size_t size)
{
	ssize_t got = ret ? read(asked[0], ret, size - 1) : 0;

	if (ret)
		ret[got > 0 ? got : 0] = '\0';
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	close(asked[0]);
	kho_web_free(http);
}

static int get(size_t max, uint32_t timeout_ms, struct kho_web_answer *ret)
{
	struct kho_web_request request = { .url = url, .timeout_ms = timeout_ms, .max = max };

	return kho_web_call(http, &request, ret, &err);
}

START_TEST(gets)
{
	struct kho_web_answer answer = {};

	serve("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 5\r\n\r\nhello");
	ck_assert_int_eq(get(5, 2000, &answer), 0);
	/* it isn't followed */
	ck_assert_int_eq(answer.status, 302);
	ck_assert_str_eq(answer.body, "hello");
	free(answer.body);
	end(NULL, 0);
}
END_TEST

START_TEST(refuses)
{
	struct kho_web_answer answer = {};

	serve("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello!");
	ck_assert_int_eq(get(5, 2000, &answer), -EFBIG);
	end(NULL, 0);
	serve(NULL);
	ck_assert_int_eq(get(5, 200, &answer), -ETIMEDOUT);
	end(NULL, 0);
	serve("");
	ck_assert_int_eq(get(5, 2000, &answer), -ECONNREFUSED);
	end(NULL, 0);
	ck_assert_int_eq(kho_web_new(NULL, &http, &err), 0);
	ck_assert_int_eq(get(5, 2000, &answer), -ECONNREFUSED);
	snprintf(url, sizeof(url), "file:///etc/passwd");
	ck_assert_int_eq(get(5, 2000, &answer), -EIO);
	kho_web_free(http);
	ck_assert_ptr_null(answer.body);
}
END_TEST

START_TEST(lines)
{
	struct kho_web_request request = { .url = url, .timeout_ms = 2000, .max = 64 };
	struct kho_web_stream *stream;
	char *line;

	serve("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\none\ntwo\nhalf");
	ck_assert_int_eq(kho_web_stream_new(http, &request, &stream, &err), 0);
	ck_assert_int_eq(kho_web_stream_line(stream, 2000, &line, &err), 0);
	ck_assert_str_eq(line, "one");
	free(line);
	ck_assert_int_eq(kho_web_stream_line(stream, 2000, &line, &err), 0);
	ck_assert_str_eq(line, "two");
	free(line);
	ck_assert_int_eq(kho_web_stream_line(stream, 2000, &line, &err), -EPIPE);
	kho_web_stream_free(stream);
	end(NULL, 0);
}
END_TEST

START_TEST(locks)
{
	struct kho_fleetlock lock = { .url = url, .id = "m1", .group = "web.1", .timeout_ms = 2000 };
	char text[4096];

	serve("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	ck_assert_int_eq(kho_fleetlock_lock(http, &lock, &err), 0);
	end(text, sizeof(text));
	ck_assert_msg(strstr(text, "POST /v1/pre-reboot HTTP/1.1\r\n"), "%s", text);
	ck_assert_msg(strstr(text, "\r\nfleet-lock-protocol: true\r\n"), "%s", text);
	ck_assert_msg(strstr(text, "{\"client_params\":{\"id\":\"m1\",\"group\":\"web.1\"}}"), "%s", text);
	serve("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	ck_assert_int_eq(kho_fleetlock_unlock(http, &lock, &err), 0);
	end(text, sizeof(text));
	ck_assert_msg(strstr(text, "POST /v1/steady-state HTTP/1.1\r\n"), "%s", text);
}
END_TEST

START_TEST(lock_refused)
{
	struct kho_fleetlock lock = { .url = url, .id = "m1", .group = "web", .timeout_ms = 2000 };

	serve("HTTP/1.1 500 Oh\r\nContent-Length: 42\r\n\r\n"
	      "{\"kind\":\"failed_lock\",\"value\":\"all taken\"}\n");
	ck_assert_int_eq(kho_fleetlock_lock(http, &lock, &err), -EBUSY);
	ck_assert_str_eq(err.msg, "the FleetLock server answers 500 (failed_lock): all taken");
	end(NULL, 0);
	/* nothing but 200 is well */
	serve("HTTP/1.1 204 Well\r\n\r\n");
	ck_assert_int_eq(kho_fleetlock_lock(http, &lock, &err), -EBUSY);
	end(NULL, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("HTTP");
	TCase *tc = tcase_create("calls");

	signal(SIGPIPE, SIG_IGN);
	tcase_add_test(tc, gets);
	tcase_add_test(tc, refuses);
	tcase_add_test(tc, lines);
	tcase_add_test(tc, locks);
	tcase_add_test(tc, lock_refused);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
