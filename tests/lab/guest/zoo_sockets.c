// SPDX-License-Identifier: GPL-2.0-only
/*
 * zoo: TCP and UDP, IPv4 and IPv6, over loopback addresses and over an address as a
 * service has one ($ADDRESSES, on any interface). Connections have both ends here,
 * and are full: data waits unread and unsent, in both directions.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "zoo.h"

#define ADDRESSES	4
#define LIMIT		(1u << 20)
#define BUFFER		65536
#define CC		"reno"		/* not the default; in each kernel */
#define KEEP_IDLE	1234

struct pair {
	struct sockaddr_storage address;	/* of the listener */
	int listener, a, b;
	size_t from_a, from_b;			/* bytes that wait */
};

static struct pair pairs[ADDRESSES];
static unsigned int nr;

static socklen_t size_of(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) :
						sizeof(struct sockaddr_in);
}

static int read_address(const char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = strchr(text, ':') ? AF_INET6 : AF_INET;
	return inet_pton(ret->ss_family, text, ret->ss_family == AF_INET6 ?
			 (void *)&v6->sin6_addr : (void *)&v4->sin_addr) == 1 ? 0 : -1;
}

static unsigned int read_addresses(struct sockaddr_storage ret[ADDRESSES])
{
	char text[256], *rest, *word;
	unsigned int n = 0;

	snprintf(text, sizeof(text), "127.0.0.1 ::1 %s", getenv("ADDRESSES") ?: "");
	for (word = strtok_r(text, " ", &rest); word && n < ADDRESSES;
	     word = strtok_r(NULL, " ", &rest))
		need(read_address(word, &ret[n++]), word);
	return n;
}

static void set(int fd, int level, int option, int value)
{
	need(setsockopt(fd, level, option, &value, sizeof(value)), "socket option");
}

static int get(int fd, int level, int option)
{
	socklen_t size = sizeof(int);
	int value = -1;

	return getsockopt(fd, level, option, &value, &size) < 0 ? -1 : value;
}

/* ---- TCP ---- */

static void fill_pair(struct pair *p)
{
	p->from_a = zoo_fill_up(p->a, 1, LIMIT);
	p->from_b = zoo_fill_up(p->b, 2, LIMIT);
	if (p->from_a < BUFFER || p->from_b < BUFFER)
		differs("only %zu and %zu bytes can be in flight", p->from_a, p->from_b);
}

static int bound(int type, const struct sockaddr_storage *address)
{
	int fd = need(socket(address->ss_family, type | SOCK_CLOEXEC, 0), "socket");

	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	need(bind(fd, (const struct sockaddr *)address, size_of(address)), "address");
	return fd;
}

static void name_of(int fd, struct sockaddr_storage *ret)
{
	socklen_t size = sizeof(*ret);

	memset(ret, 0, sizeof(*ret));
	if (getsockname(fd, (struct sockaddr *)ret, &size) < 0)
		differs("a socket has no name");
}

static void make_pair(struct pair *p, const struct sockaddr_storage *address)
{
	p->listener = bound(SOCK_STREAM, address);
	set(p->listener, SOL_SOCKET, SO_RCVBUF, BUFFER);
	set(p->listener, SOL_SOCKET, SO_SNDBUF, BUFFER);
	need(listen(p->listener, 7), "listen");
	name_of(p->listener, &p->address);
	p->a = need(socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
	set(p->a, SOL_SOCKET, SO_RCVBUF, BUFFER);
	set(p->a, SOL_SOCKET, SO_SNDBUF, BUFFER);
	need(connect(p->a, (struct sockaddr *)&p->address, size_of(&p->address)), "connect");
	p->b = need(accept4(p->listener, NULL, NULL, SOCK_CLOEXEC), "accept");
	set(p->a, SOL_TCP, TCP_NODELAY, 1);
	set(p->a, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(p->a, SOL_TCP, TCP_KEEPIDLE, KEEP_IDLE);
	need(setsockopt(p->b, SOL_TCP, TCP_CONGESTION, CC, strlen(CC)), "congestion control");
	fill_pair(p);
}

static void set_up_tcp(void)
{
	struct sockaddr_storage addresses[ADDRESSES];

	nr = read_addresses(addresses);
	for (unsigned int i = 0; i < nr; i++)
		make_pair(&pairs[i], &addresses[i]);
}

static void check_options(const struct pair *p)
{
	struct sockaddr_storage now;
	char cc[32] = "";
	socklen_t size = sizeof(cc) - 1;

	holds(get(p->a, SOL_TCP, TCP_NODELAY) == 1, "TCP_NODELAY");
	holds(get(p->a, SOL_SOCKET, SO_KEEPALIVE) == 1, "SO_KEEPALIVE");
	holds(get(p->a, SOL_TCP, TCP_KEEPIDLE) == KEEP_IDLE, "TCP_KEEPIDLE");
	holds(get(p->listener, SOL_SOCKET, SO_ACCEPTCONN) == 1, "it doesn't listen");
	getsockopt(p->b, SOL_TCP, TCP_CONGESTION, cc, &size);
	if (strcmp(cc, CC) != 0)
		differs("congestion control is %s", cc);
	name_of(p->listener, &now);
	holds(memcmp(&now, &p->address, sizeof(now)) == 0, "another address");
}

static void greet(int from, int to, const char *text)
{
	char back[32] = "";

	if (!holds(send(from, text, strlen(text), 0) == (ssize_t)strlen(text), "can't send") ||
	    !holds(zoo_ready(to, 10000), "nothing comes"))
		return;
	if (recv(to, back, sizeof(back) - 1, 0) < 0 || strcmp(back, text) != 0)
		differs("\"%s\" came as \"%s\"", text, back);
}

static void check_new(const struct pair *p)
{
	int a = socket(p->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), b = -1;

	if (holds(connect(a, (const struct sockaddr *)&p->address, size_of(&p->address)) == 0,
		  "no new connection"))
		b = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
	if (b >= 0)
		greet(a, b, "new");
	close(a);
	if (b >= 0)
		close(b);
}

static void check_tcp(void)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct pair *p = &pairs[i];

		check_options(p);
		zoo_drain(p->b, 1, p->from_a);
		zoo_drain(p->a, 2, p->from_b);
		greet(p->a, p->b, "to b");
		greet(p->b, p->a, "to a");
		check_new(p);
		fill_pair(p);
	}
}

/* ---- a connection that one side has closed ---- */

static int half[2];

static void set_up_half(void)
{
	struct sockaddr_storage address;
	struct pair p;

	need(read_address("127.0.0.1", &address), "address");
	make_pair(&p, &address);
	zoo_drain(p.b, 1, p.from_a);
	zoo_drain(p.a, 2, p.from_b);
	need(shutdown(p.a, SHUT_WR), "shutdown");
	close(p.listener);
	half[0] = p.a;
	half[1] = p.b;
}

static void check_half(void)
{
	char byte;

	holds(recv(half[1], &byte, 1, MSG_DONTWAIT) == 0, "the end isn't seen");
	greet(half[1], half[0], "back");
}

/* ---- UDP ---- */

struct udp {
	struct sockaddr_storage address, own;
	int server, client;
};

static struct udp udps[ADDRESSES];

static void set_up_udp(void)
{
	struct sockaddr_storage addresses[ADDRESSES];

	nr = read_addresses(addresses);
	for (unsigned int i = 0; i < nr; i++) {
		struct udp *u = &udps[i];

		u->server = bound(SOCK_DGRAM, &addresses[i]);
		name_of(u->server, &u->address);
		u->client = bound(SOCK_DGRAM, &addresses[i]);
		need(connect(u->client, (struct sockaddr *)&u->address, size_of(&u->address)),
		     "connect");
		name_of(u->client, &u->own);
		set(u->client, SOL_SOCKET, SO_BROADCAST, 1);
	}
}

static void check_udp(void)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct udp *u = &udps[i];
		struct sockaddr_storage from = {};
		socklen_t size = sizeof(from);
			char text[16] = "";

		holds(get(u->client, SOL_SOCKET, SO_BROADCAST) == 1, "SO_BROADCAST");
		if (!holds(send(u->client, "datagram", 8, 0) == 8, "can't send") ||
		    !holds(zoo_ready(u->server, 10000), "nothing comes"))
			continue;
		recvfrom(u->server, text, sizeof(text) - 1, 0, (struct sockaddr *)&from, &size);
		holds(strcmp(text, "datagram") == 0, "another datagram");
		holds(memcmp(&from, &u->own, sizeof(from)) == 0, "from another address");
	}
}

const struct zoo_beast zoo_sockets[] = {
	{ "tcp", set_up_tcp, check_tcp },
	{ "tcp-half-closed", set_up_half, check_half },
	{ "udp", set_up_udp, check_udp },
	{},
};
