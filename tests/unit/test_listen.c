// SPDX-License-Identifier: GPL-2.0-only
/* Addresses to listen at: what's taken for which, and what isn't taken. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/listen.h"
#include "tests/unit/run.h"

static const struct {
	const char *text;
	const char *first;		/* as inet_ntop() has it */
	unsigned int nr;
	int port;
} good[] = {
	{ "9786", "127.0.0.1", 2, 9786 },
	{ "127.0.0.1:1", "127.0.0.1", 1, 1 },
	{ " 0.0.0.0:65535\t", "0.0.0.0", 1, 65535 },
	{ "[::1]:80", "::1", 1, 80 },
	{ "[fd77::10]:80 10.0.0.1:81", "fd77::10", 2, 80 },
	{ "1.1.1.1:80 1.1.1.2:80 1.1.1.3:80 1.1.1.4:80", "1.1.1.1", 4, 80 },
};

START_TEST(test_good)
{
	struct kho_listen listen;
	struct kho_err err;
	char text[INET6_ADDRSTRLEN];
	const struct sockaddr_in *in = &listen.addresses[0].in;
	const struct sockaddr_in6 *in6 = &listen.addresses[0].in6;
	bool is_6 = good[_i].text[0] == '[';

	ck_assert_int_eq(kho_listen_parse(good[_i].text, &listen, &err), 0);
	ck_assert_uint_eq(listen.nr, good[_i].nr);
	ck_assert_int_eq(in->sin_family, is_6 ? AF_INET6 : AF_INET);
	inet_ntop(in->sin_family, is_6 ? (const void *)&in6->sin6_addr : &in->sin_addr, text,
		  sizeof(text));
	ck_assert_str_eq(text, good[_i].first);
	ck_assert_int_eq(ntohs(is_6 ? in6->sin6_port : in->sin_port), good[_i].port);
}
END_TEST

/* This host's, of both kinds, and no other. */
START_TEST(test_port_alone)
{
	struct kho_listen listen;

	ck_assert_int_eq(kho_listen_parse("9786", &listen, NULL), 0);
	ck_assert(IN6_IS_ADDR_LOOPBACK(&listen.addresses[1].in6.sin6_addr));
	ck_assert_int_eq(ntohs(listen.addresses[1].in6.sin6_port), 9786);
	ck_assert_int_eq(kho_listen_parse("", &listen, NULL), 0);
	ck_assert_uint_eq(listen.nr, 0);
}
END_TEST

static const char *const bad[] = {
	"0", "65536", "-1", "x", ":80", "127.0.0.1", "127.0.0.1:", "localhost:80", "1.2.3:80", "::1:80",
	"[::1]", "[::1]80", "[]:80", "[127.0.0.1]:80", "1.1.1.1:80x", "80 81 82",
	"1.1.1.1:1 1.1.1.1:2 1.1.1.1:3 1.1.1.1:4 1.1.1.1:5", "1.1.1.1:1 1.1.1.1:2 1.1.1.1:3 80",
	"00000000000000000000000000000000000000000000000000000000000000000000000000000000001",
};

START_TEST(test_bad)
{
	struct kho_listen listen = { .nr = 77 };
	struct kho_err err = {};

	ck_assert_msg(kho_listen_parse(bad[_i], &listen, &err) == -EINVAL, "%s", bad[_i]);
	ck_assert_int_eq(err.code, -EINVAL);
	ck_assert_uint_eq(listen.nr, 77);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("listen");
	TCase *tc = tcase_create("listen");

	tcase_add_loop_test(tc, test_good, 0, sizeof(good) / sizeof(good[0]));
	tcase_add_test(tc, test_port_alone);
	tcase_add_loop_test(tc, test_bad, 0, sizeof(bad) / sizeof(bad[0]));
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
