// SPDX-License-Identifier: GPL-2.0-only
/*
 * A connection within this kernel whose two ends CRIU has dumped, with data that can't be
 * sent as the other one's buffer is full: none of it counts as sent while they stand still.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "migrate/criu/repair.h"
#include "migrate/net/address.h"
#include "tests/unit/run.h"

#define BUFFER		16384
#define LOOPBACK	1u
#define SETTLE_MS	20000
#define SEGMENTS	6u		/* questions and answers */

static char cgroup[] = "/tmp/kho-repair-XXXXXX";
static int ends[2];

/* A folder that reads like a cgroup with this process in it. */
static void make_cgroup(void)
{
	char path[64], text[16];
	struct kho_file_content content = { .data = text, .mode = 0600 };

	ck_assert_ptr_nonnull(mkdtemp(cgroup));
	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	snprintf(text, sizeof(text), "%d\n", getpid());
	content.size = strlen(text);
	ck_assert_int_eq(kho_file_write_atomic(path, &content, NULL), 0);
}

static void set(int fd, int level, int option, int value)
{
	ck_assert_int_eq(setsockopt(fd, level, option, &value, sizeof(value)), 0);
}

static struct tcp_info ask(int fd)
{
	struct tcp_info info = {};
	socklen_t size = sizeof(info);

	ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
	return info;
}

static unsigned int unacked(int fd)
{
	return ask(fd).tcpi_unacked;
}

static unsigned int segments_seen(int fd)
{
	return ask(fd).tcpi_segs_in;
}

/* Until it takes no more, and what it took was answered: the other end's window is shut. */
static void fill(int fd)
{
	static const char data[4096];
	struct pollfd slow = { .fd = fd, .events = POLLOUT };

	while (poll(&slow, 1, 300) == 1)
		while (send(fd, data, sizeof(data), MSG_DONTWAIT) > 0)
			;
	for (int ms = 0; unacked(fd) && ms < SETTLE_MS; ms++)
		poll(NULL, 0, 1);
	ck_assert_uint_eq(unacked(fd), 0);
}

static void connect_ends(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);
	int listener;
	struct kho_err err = {};

	ck_assert_msg(unshare(CLONE_NEWNET) == 0, "a network of its own: %s", strerror(errno));
	ck_assert_msg(kho_nic_up(LOOPBACK, &err) >= 0, "%s", err.msg);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	set(listener, SOL_SOCKET, SO_RCVBUF, BUFFER);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	set(ends[0], SOL_SOCKET, SO_RCVBUF, BUFFER);
	ck_assert_int_eq(connect(ends[0], (struct sockaddr *)&address, size), 0);
	ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(ends[1], 0);
	close(listener);
}

/* As CRIU does it: the queue of what is to be sent is read last. */
static void dump(int fd)
{
	set(fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON);
	set(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE);
}

/* By and by each asks whether there's room now, and is answered that there is none. */
static void wait_for_answers(void)
{
	unsigned int enough = segments_seen(ends[0]) + SEGMENTS;

	for (int ms = 0; segments_seen(ends[0]) < enough && ms < SETTLE_MS; ms++)
		poll(NULL, 0, 1);
	ck_assert_uint_ge(segments_seen(ends[0]), enough);
}

static void set_up(void)
{
	make_cgroup();
	connect_ends();
	fill(ends[0]);
	fill(ends[1]);
	dump(ends[0]);
	dump(ends[1]);
}

static void tear_down(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	unlink(path);
	rmdir(cgroup);
	close(ends[0]);
	close(ends[1]);
}

START_TEST(as_criu_leaves_it)
{
	wait_for_answers();
	/* what this is all about: a kernel in which it's 0 needs none of it */
	ck_assert_uint_gt(unacked(ends[0]), 0);
}
END_TEST

/*
 * An answer may come between dump() and the cure, as in a real dump, and what it made of the
 * queue stays until it's sent again: what is asked for is that no later one does.
 */
START_TEST(left_queues)
{
	struct kho_err err = {};
	unsigned int before[2];

	ck_assert_int_eq(kho_criu_leave_queues(cgroup, &err), 2);
	before[0] = unacked(ends[0]);
	before[1] = unacked(ends[1]);
	wait_for_answers();
	ck_assert_uint_eq(unacked(ends[0]), before[0]);
	ck_assert_uint_eq(unacked(ends[1]), before[1]);
}
END_TEST

START_TEST(cleared)
{
	struct kho_err err = {};

	ck_assert_int_eq(kho_criu_clear_repair(cgroup, &err), 2);
	ck_assert_int_eq(kho_criu_clear_repair(cgroup, &err), 0);
	ck_assert_int_eq(kho_criu_quiet(cgroup, &err), 2);
	ck_assert_int_eq(kho_criu_quiet(cgroup, &err), 0);
}
END_TEST

static Suite *repair_suite(void)
{
	Suite *suite = suite_create("repair");
	TCase *tc = tcase_create("sockets");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, as_criu_leaves_it);
	tcase_add_test(tc, left_queues);
	tcase_add_test(tc, cleared);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(repair_suite());
}
