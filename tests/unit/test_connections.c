// SPDX-License-Identifier: GPL-2.0-only
/* Connections in CRIU's images: which they are, and what isn't one; damaged images are refused. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "criu-images.pb-c.h"
#include "migrate/criu/connections.h"
#include "unit/run.h"

#define COMMON	0x54564319u
#define FILES	0x56303138u
#define STREAM	0x51465506u

static uint8_t image[4096];
static size_t length;
static struct kho_err err;
static char dir[] = "/tmp/kho-connections-XXXXXX";

static void add(const void *data, size_t size)
{
	memcpy(image + length, data, size);
	length += size;
}

static void add_u32(uint32_t value)
{
	add(&value, sizeof(value));
}

static void begin(uint32_t magic)
{
	length = 0;
	add_u32(COMMON);
	add_u32(magic);
}

static void add_message(const ProtobufCMessage *message)
{
	add_u32((uint32_t)protobuf_c_message_get_packed_size(message));
	length += protobuf_c_message_pack(message, image + length);
}

static void add_socket(uint32_t ino, int family, int proto, const char *remote, uint16_t port)
{
	Kho__Image__InetSocket isk = KHO__IMAGE__INET_SOCKET__INIT;
	Kho__Image__File file = KHO__IMAGE__FILE__INIT;
	uint32_t to[4] = {}, from[4] = {};

	ck_assert_int_eq(inet_pton(family, remote, to), 1);
	ck_assert_int_eq(inet_pton(family, family == AF_INET ? "10.77.0.10" : "::ffff:10.77.0.10",
				   from), 1);
	isk.ino = ino;
	isk.family = (uint32_t)family;
	isk.proto = (uint32_t)proto;
	isk.src_port = 6379;
	isk.dst_port = port;
	isk.src_addr = from;
	isk.dst_addr = to;
	isk.n_src_addr = isk.n_dst_addr = family == AF_INET ? 1 : 4;
	file.isk = &isk;
	add_message(&file.base);
}

static void write_image(const char *name)
{
	struct kho_file_content content = { .data = image, .size = length, .mode = 0600 };
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ck_assert_msg(kho_file_write_atomic(path, &content, &err) == 0, "%s", err.msg);
}

static void write_stream(uint32_t ino, uint32_t len, uint32_t seq)
{
	Kho__Image__TcpStream stream = KHO__IMAGE__TCP_STREAM__INIT;
	char name[64];

	begin(STREAM);
	stream.inq_len = len;
	stream.inq_seq = seq;
	add_message(&stream.base);
	/* what's in its queue isn't of interest */
	add("queue", 5);
	snprintf(name, sizeof(name), "tcp-stream-%x.img", ino);
	write_image(name);
}

/* A connection, one with unread bytes, a listener, UDP, one that ended, IPv4 by IPv6, a file. */
static void make_files(void)
{
	Kho__Image__File file = KHO__IMAGE__FILE__INIT;

	begin(FILES);
	add_socket(0xabc, AF_INET, IPPROTO_TCP, "10.77.0.2", 40000);
	add_socket(0xabd, AF_INET, IPPROTO_TCP, "10.77.0.3", 40001);
	add_message(&file.base);
	add_socket(1, AF_INET, IPPROTO_TCP, "0.0.0.0", 0);
	add_socket(2, AF_INET, IPPROTO_UDP, "10.77.0.4", 53);
	add_socket(3, AF_INET, IPPROTO_TCP, "10.77.0.4", 40002);
	add_socket(4, AF_INET6, IPPROTO_TCP, "::ffff:10.77.0.5", 40003);
}

static void set_up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	make_files();
	write_image("files.img");
	write_stream(0xabc, 0, 1000);
	write_stream(0xabd, 7, 3);
	write_stream(4, 0, 5000);
}

static void check(const struct kho_connection *c, const char *remote, uint16_t port, uint32_t expected)
{
	struct kho_address to = { .family = AF_INET };

	inet_pton(AF_INET, remote, to.bytes);
	ck_assert(kho_address_equal(&c->remote, &to));
	inet_pton(AF_INET, "10.77.0.10", to.bytes);
	ck_assert(kho_address_equal(&c->local, &to));
	ck_assert_uint_eq(c->remote_port, port);
	ck_assert_uint_eq(c->local_port, 6379);
	ck_assert_uint_eq(c->next, expected);
}

START_TEST(all)
{
	struct kho_connection *list = NULL;
	size_t nr = 0;

	ck_assert_msg(kho_tcp_connections(dir, &list, &nr, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(nr, 4);
	check(&list[0], "10.77.0.2", 40000, 1000);
	check(&list[1], "10.77.0.3", 40001, 3);
	/* seven bytes before, where numbers begin again */
	check(&list[2], "10.77.0.3", 40001, UINT32_MAX - 3);
	check(&list[3], "10.77.0.5", 40003, 5000);
	free(list);
}
END_TEST

START_TEST(none)
{
	struct kho_connection *list = NULL;
	size_t nr = 0;

	ck_assert_int_eq(kho_tcp_connections("/nonexistent", &list, &nr, &err), -ENOENT);
	begin(FILES);
	write_image("files.img");
	ck_assert_int_eq(kho_tcp_connections(dir, &list, &nr, &err), 0);
	ck_assert_uint_eq(nr, 0);
	free(list);
}
END_TEST

/* Every length but those at which a message ends, and any wrong kind. */
START_TEST(damaged)
{
	struct kho_tcp_socket *list = NULL;
	uint32_t len, seq;
	size_t nr = 0, refused = 0, whole;

	make_files();
	whole = length;
	for (size_t size = 0; size < whole; size++) {
		int r = kho_tcp_parse_files(image, size, &list, &nr, &err);

		ck_assert(r == 0 || r == -EBADMSG);
		refused += r < 0;
		free(list);
		list = NULL;
	}
	/* seven messages, and their end is where the next one begins */
	ck_assert_uint_eq(refused, whole - 7);
	ck_assert_int_eq(kho_tcp_parse_stream(image, whole, &len, &seq, &err), -EBADMSG);
	write_stream(9, 1, 2);
	ck_assert_int_eq(kho_tcp_parse_files(image, length, &list, &nr, &err), -EBADMSG);
	ck_assert_int_eq(kho_tcp_parse_stream(image, 13, &len, &seq, &err), -EBADMSG);
	image[0]++;
	ck_assert_int_eq(kho_tcp_parse_stream(image, length, &len, &seq, &err), -EBADMSG);
}
END_TEST

static Suite *connections_suite(void)
{
	Suite *suite = suite_create("connections");
	TCase *tc = tcase_create("images");

	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_test(tc, all);
	tcase_add_test(tc, none);
	tcase_add_test(tc, damaged);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(connections_suite());
}
