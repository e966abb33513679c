// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waking peers: the messages byte for byte, and that a real TCP which has waited for some time
 * repeats its data at once, with IPv4 and IPv6. The silence is a socket filter that drops everything.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/now.h"
#include "migrate/net/announce.h"
#include "migrate/net/wake.h"
#include "unit/run.h"

#define LOOPBACK	1u
#define DOUBLINGS	4u	/* 0.2 s by then are 3.2 s */
#define SILENCE_MS	20000

static struct kho_err err;

static struct kho_address address(const char *text)
{
	struct kho_address ret = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };

	ck_assert_int_eq(inet_pton(ret.family, text, ret.bytes), 1);
	return ret;
}

/* ---- messages ---- */

static void check_message(const struct kho_connection *c, const uint8_t *want, size_t size)
{
	uint8_t message[KHO_WAKE_MAX];

	ck_assert_uint_eq(kho_wake_message(c, message), size);
	ck_assert_mem_eq(message, want, size);
}

START_TEST(ipv4)
{
	static const uint8_t want[] = {
		3, 1, 0xa7, 0x35, 0, 0, 0, 0,
		0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0x66, 0x2b, 10, 77, 0, 2, 10, 77, 0, 10,
		0xd4, 0x31, 0x18, 0xeb, 0x12, 0x34, 0x56, 0x78,
	};
	struct kho_connection c = {
		.local = address("10.77.0.10"), .remote = address("10.77.0.2"),
		.local_port = 6379, .remote_port = 54321, .next = 0x12345678,
	};

	check_message(&c, want, sizeof(want));
}
END_TEST

START_TEST(ipv6)
{
	static const uint8_t want[] = {
		1, 0, 0, 0, 0, 0, 0, 0,
		0x60, 0, 0, 0, 0, 20, 6, 64,
		0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
		0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
		0xd4, 0x31, 0x18, 0xeb, 0xff, 0xff, 0xff, 0xff,
	};
	struct kho_connection c = {
		.local = address("fd00::10"), .remote = address("fd00::2"),
		.local_port = 6379, .remote_port = 54321, .next = UINT32_MAX,
	};

	check_message(&c, want, sizeof(want));
}
END_TEST

/* ---- a real TCP ---- */

static int ends[2];		/* client, server */

static void connect_ends(const char *host)
{
	const struct kho_address at = address(host);
	struct sockaddr_storage name = { .ss_family = at.family };
	socklen_t size = sizeof(name);
	int listener = socket(at.family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(at.family == AF_INET ? (void *)&((struct sockaddr_in *)&name)->sin_addr :
				      &((struct sockaddr_in6 *)&name)->sin6_addr,
	       at.bytes, kho_address_size(&at));
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&name, size), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&name, &size), 0);
	ends[0] = socket(at.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(ends[0], (struct sockaddr *)&name, size), 0);
	ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(ends[1], 0);
	close(listener);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 name;	/* the port is where sockaddr_in has it */
	socklen_t size = sizeof(name);

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&name, &size), 0);
	return ntohs(name.sin6_port);
}

static void set(int fd, int option, int value)
{
	ck_assert_int_eq(setsockopt(fd, IPPROTO_TCP, option, &value, sizeof(value)), 0);
}

/* As CRIU asks for it. */
static uint32_t expected_by(int fd)
{
	uint32_t seq = 0;
	socklen_t size = sizeof(seq);

	set(fd, TCP_REPAIR, TCP_REPAIR_ON);
	set(fd, TCP_REPAIR_QUEUE, TCP_RECV_QUEUE);
	ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, &size), 0);
	set(fd, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP);
	return seq;
}

static void be_deaf(int fd)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = { .len = 1, .filter = &drop };

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)), 0);
}

static void hear_again(int fd)
{
	int unused = 0;

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)), 0);
}

/* Returns how long it will wait for the next try, in ms. */
static unsigned int wait_long(int fd)
{
	struct tcp_info info = {};
	socklen_t size = sizeof(info);

	for (unsigned int ms = 0; info.tcpi_backoff < DOUBLINGS && ms < SILENCE_MS; ms++) {
		poll(NULL, 0, 1);
		ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
	}
	ck_assert_uint_eq(info.tcpi_backoff, DOUBLINGS);
	return info.tcpi_rto / 1000;
}

/* As often as addresses are announced, or until there's something to read. Returns how long that took. */
static unsigned int wake_until_read(const struct kho_connection *c, unsigned int most_ms)
{
	struct pollfd server = { .fd = ends[1], .events = POLLIN };
	const uint64_t begin = kho_now_ms(CLOCK_MONOTONIC);

	for (unsigned int i = 0; i < KHO_ANNOUNCE_TIMES; i++) {
		if (poll(&server, 1, (int)kho_announce_delay_ms(i)) == 1)
			break;
		ck_assert_msg(kho_wake(c, 1, &err) == 0, "%s", err.msg);
	}
	poll(&server, 1, (int)most_ms);
	return (unsigned int)(kho_now_ms(CLOCK_MONOTONIC) - begin);
}

static void check_woken(const char *host)
{
	unsigned int rto, took;
	struct kho_connection c = { .local = address(host), .remote = address(host) };
	char data[8];

	connect_ends(host);
	c.local_port = port_of(ends[1]);
	c.remote_port = port_of(ends[0]);
	c.next = expected_by(ends[1]);
	be_deaf(ends[1]);
	ck_assert_int_eq(send(ends[0], "hello", 5, 0), 5);
	rto = wait_long(ends[0]);
	hear_again(ends[1]);
	took = wake_until_read(&c, rto);
	ck_assert_int_eq(recv(ends[1], data, sizeof(data), MSG_DONTWAIT), 5);
	ck_assert_msg(took < rto / 2, "its data came after %u ms; by itself it would be %u", took, rto);
	/* that it was told "unreachable" isn't an error that it's told of */
	ck_assert_int_eq(send(ends[1], "world", 5, 0), 5);
	ck_assert_int_eq(recv(ends[0], data, sizeof(data), 0), 5);
	close(ends[0]);
	close(ends[1]);
}

static void new_network(void)
{
	ck_assert_msg(unshare(CLONE_NEWNET) == 0, "a network of its own: %s", strerror(errno));
	ck_assert_msg(kho_nic_up(LOOPBACK, &err) >= 0, "%s", err.msg);
}

START_TEST(woken4)
{
	new_network();
	check_woken("127.0.0.1");
}
END_TEST

START_TEST(woken6)
{
	new_network();
	check_woken("::1");
}
END_TEST

/* One that can't be reached doesn't keep the others from it; it's told. */
START_TEST(unreachable)
{
	struct kho_connection list[2] = {
		{ .local = address("127.0.0.1"), .remote = address("10.1.2.3") },
		{ .local = address("::1"), .remote = address("::1") },
	};

	new_network();
	ck_assert_int_eq(kho_wake(list, 2, &err), -ENETUNREACH);
	ck_assert_ptr_nonnull(strstr(err.msg, "10.1.2.3"));
	ck_assert_int_eq(kho_wake(list + 1, 1, &err), 0);
	ck_assert_int_eq(kho_wake(list, 0, &err), 0);
}
END_TEST

static Suite *wake_suite(void)
{
	Suite *suite = suite_create("wake");
	TCase *messages = tcase_create("messages"), *tcp = tcase_create("tcp");

	tcase_add_test(messages, ipv4);
	tcase_add_test(messages, ipv6);
	suite_add_tcase(suite, messages);
	tcase_set_timeout(tcp, 60);
	tcase_add_test(tcp, woken4);
	tcase_add_test(tcp, woken6);
	tcase_add_test(tcp, unreachable);
	suite_add_tcase(suite, tcp);
	return suite;
}

int main(void)
{
	return run_suite(wake_suite());
}
