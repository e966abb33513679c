// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waking peers: see wake.h.
 *
 *	ICMP	destination unreachable, host (IPv4) or no route (IPv6): those that RFC 6069
 *		takes for a lack of connectivity. 8 bytes.
 *	quoted	IP header of a segment from the peer, as it would have come here, and the first
 *		8 bytes of TCP's: ports and sequence number.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "migrate/net/packet.h"
#include "migrate/net/wake.h"

#define ICMP_SIZE		8
#define UNREACHABLE		3
#define UNREACHABLE_HOST	1
#define UNREACHABLE6		1
#define UNREACHABLE6_ROUTE	0
#define HEADER4			20
#define HEADER6			40
#define TCP_QUOTED		8	/* that much is always quoted (RFC 792) */
#define TCP_HEADER		20
#define HOPS			64

static uint8_t *put_u16(uint8_t *p, uint16_t value)
{
	const uint16_t big = htons(value);

	return kho_put(p, &big, sizeof(big));
}

static uint8_t *put_tcp(uint8_t *p, const struct kho_connection *connection)
{
	const uint32_t seq = htonl(connection->next);

	p = put_u16(p, connection->remote_port);
	p = put_u16(p, connection->local_port);
	return kho_put(p, &seq, sizeof(seq));
}

static size_t message4(const struct kho_connection *connection, uint8_t *message)
{
	static const uint8_t icmp[ICMP_SIZE] = { UNREACHABLE, UNREACHABLE_HOST };
	const uint8_t ip[HEADER4 - 8] = {
		0x45, 0, 0, HEADER4 + TCP_HEADER, [8] = HOPS, IPPROTO_TCP,
	};
	uint8_t *p = kho_put(message, icmp, sizeof(icmp)), *quoted = p;

	p = kho_put(p, ip, sizeof(ip));
	p = kho_put(p, connection->remote.bytes, 4);
	p = kho_put(p, connection->local.bytes, 4);
	put_u16(quoted + 10, kho_inet_checksum(0, quoted, HEADER4));
	p = put_tcp(p, connection);
	put_u16(message + 2, kho_inet_checksum(0, message, (size_t)(p - message)));
	return (size_t)(p - message);
}

static size_t message6(const struct kho_connection *connection, uint8_t *message)
{
	static const uint8_t icmp[ICMP_SIZE] = { UNREACHABLE6, UNREACHABLE6_ROUTE };
	static const uint8_t ip[8] = { 0x60, 0, 0, 0, 0, TCP_HEADER, IPPROTO_TCP, HOPS };
	uint8_t *p = kho_put(message, icmp, sizeof(icmp));

	p = kho_put(p, ip, sizeof(ip));
	p = kho_put(p, connection->remote.bytes, 16);
	p = kho_put(p, connection->local.bytes, 16);
	p = put_tcp(p, connection);
	return (size_t)(p - message);
}

size_t kho_wake_message(const struct kho_connection *connection, uint8_t message[KHO_WAKE_MAX])
{
	_Static_assert(ICMP_SIZE + HEADER6 + TCP_QUOTED == KHO_WAKE_MAX, "the longer one fits");

	return connection->local.family == AF_INET6 ? message6(connection, message) :
						      message4(connection, message);
}

/* ---- out ---- */

union control {
	struct cmsghdr header;
	uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

/* As the source. */
static void set_source(struct msghdr *message, const struct kho_address *local)
{
	const bool ipv6 = local->family == AF_INET6;
	struct cmsghdr *header = message->msg_control;
	struct in6_pktinfo info6 = {};
	struct in_pktinfo info = {};
	const size_t size = ipv6 ? sizeof(info6) : sizeof(info);

	memcpy(ipv6 ? (void *)&info6.ipi6_addr : &info.ipi_spec_dst, local->bytes,
	       kho_address_size(local));
	*header = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(size),
		.cmsg_level = ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
		.cmsg_type = ipv6 ? IPV6_PKTINFO : IP_PKTINFO,
	};
	memcpy(CMSG_DATA(header), ipv6 ? (void *)&info6 : &info, size);
	message->msg_controllen = CMSG_SPACE(size);
}

static void set_target(struct msghdr *message, struct sockaddr_storage *to,
		       const struct kho_address *remote)
{
	struct sockaddr_in6 *to6 = (struct sockaddr_in6 *)to;
	struct sockaddr_in *to4 = (struct sockaddr_in *)to;

	to->ss_family = remote->family;
	memcpy(remote->family == AF_INET6 ? (void *)&to6->sin6_addr : &to4->sin_addr,
	       remote->bytes, kho_address_size(remote));
	message->msg_name = to;
	message->msg_namelen = remote->family == AF_INET6 ? sizeof(*to6) : sizeof(*to4);
}

static int send_one(int fd, const struct kho_connection *connection)
{
	uint8_t data[KHO_WAKE_MAX];
	struct iovec part = { data, kho_wake_message(connection, data) };
	struct sockaddr_storage to = {};
	union control control = {};
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control };

	set_source(&message, &connection->local);
	set_target(&message, &to, &connection->remote);
	return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int wake_family(uint8_t family, const struct kho_connection *connections, size_t count,
		       struct kho_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	char text[KHO_ADDRESS_TEXT];
	int r, first = 0;

	for (size_t i = 0; i < count; i++) {
		if (connections[i].local.family != family)
			continue;
		if (fd < 0)
			fd = socket(family, SOCK_RAW | SOCK_CLOEXEC,
				    family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
		if (fd < 0)
			return kho_fail_errno(err, -errno, "a socket to wake peers");
		r = send_one(fd, &connections[i]);
		if (r >= 0 || first < 0)
			continue;
		kho_address_format(&connections[i].remote, text);
		first = kho_fail_errno(err, r, "waking the peer %s", text);
	}
	return first;
}

int kho_wake(const struct kho_connection *connections, size_t count, struct kho_err *err)
{
	struct kho_err other;
	int r = wake_family(AF_INET, connections, count, err);
	int r6 = wake_family(AF_INET6, connections, count, r < 0 ? &other : err);

	return r < 0 ? r : r6;
}
