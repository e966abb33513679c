// SPDX-License-Identifier: GPL-2.0-only
/*
 * Announcing addresses: see announce.h.
 *
 *	ARP	Ethernet to all: 14; hardware 1, protocol 0x0800, lengths 6 and 4,
 *		operation, sender, target: 28. Sender and target are the address,
 *		the target's hardware address is 0 in a request and all in a reply.
 *	NA	Ethernet to 33:33:00:00:00:01: 14; IPv6, hop limit 255: 40;
 *		neighbour advertisement with override and the option with the
 *		target's link layer address: 32.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "migrate/net/announce.h"
#include "migrate/net/packet.h"

#define NA_PAYLOAD	32	/* of the IPv6 packet */
#define NA_TYPE		136
#define NA_OVERRIDE	0x20
#define NA_TARGET_OPTION 2

static const uint8_t everybody[KHO_MAC_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

unsigned int kho_announce_delay_ms(unsigned int n)
{
	static const unsigned int delays[KHO_ANNOUNCE_TIMES] = { 0, 50, 150, 300, 500 };

	return n < KHO_ANNOUNCE_TIMES ? delays[n] : 0;
}

size_t kho_announce_arp(const struct kho_address *address, const uint8_t mac[KHO_MAC_SIZE],
			bool reply, uint8_t frame[KHO_ANNOUNCE_FRAME_MAX])
{
	static const uint8_t kind[] = { 0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0 };
	static const uint8_t nobody[KHO_MAC_SIZE];
	uint8_t *p = frame;

	p = kho_put(p, everybody, KHO_MAC_SIZE);
	p = kho_put(p, mac, KHO_MAC_SIZE);
	p = kho_put(p, kind, sizeof(kind));
	*p++ = reply ? 2 : 1;
	p = kho_put(p, mac, KHO_MAC_SIZE);
	p = kho_put(p, address->bytes, 4);
	p = kho_put(p, reply ? everybody : nobody, KHO_MAC_SIZE);
	p = kho_put(p, address->bytes, 4);
	return (size_t)(p - frame);
}

size_t kho_announce_na(const struct kho_address *address, const uint8_t mac[KHO_MAC_SIZE],
		       uint8_t frame[KHO_ANNOUNCE_FRAME_MAX])
{
	static const uint8_t to[KHO_MAC_SIZE] = { 0x33, 0x33, 0, 0, 0, 1 };
	static const uint8_t ipv6[] = { 0x86, 0xdd, 0x60, 0, 0, 0, 0, NA_PAYLOAD,
					IPPROTO_ICMPV6, 255 };
	static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
	static const uint8_t na[] = { NA_TYPE, 0, 0, 0, NA_OVERRIDE, 0, 0, 0 };
	static const uint8_t option[] = { NA_TARGET_OPTION, 1 };
	uint8_t *p = frame, *addresses, *icmp;
	uint16_t sum;

	p = kho_put(p, to, KHO_MAC_SIZE);
	p = kho_put(p, mac, KHO_MAC_SIZE);
	p = kho_put(p, ipv6, sizeof(ipv6));
	addresses = p;
	p = kho_put(p, address->bytes, 16);
	p = kho_put(p, all_nodes, 16);
	icmp = p;
	p = kho_put(p, na, sizeof(na));
	p = kho_put(p, address->bytes, 16);
	p = kho_put(p, option, sizeof(option));
	p = kho_put(p, mac, KHO_MAC_SIZE);
	/* over the pseudo header, whose addresses are before the payload, and the payload */
	sum = htons(kho_inet_checksum(NA_PAYLOAD + IPPROTO_ICMPV6, addresses, 32 + NA_PAYLOAD));
	memcpy(icmp + 2, &sum, sizeof(sum));
	return (size_t)(p - frame);
}

static int send_frame(int fd, const struct kho_service *service, const uint8_t *frame,
		      size_t size)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_ifindex = (int)service->ifindex,
		.sll_halen = KHO_MAC_SIZE,
	};

	memcpy(&to.sll_protocol, frame + 2 * KHO_MAC_SIZE, sizeof(to.sll_protocol));
	memcpy(to.sll_addr, frame, KHO_MAC_SIZE);
	return sendto(fd, frame, size, 0, (void *)&to, sizeof(to)) < 0 ? -errno : 0;
}

static int mac_of(int fd, unsigned int ifindex, uint8_t ret[KHO_MAC_SIZE])
{
	struct ifreq request = { 0 };

	if (!if_indextoname(ifindex, request.ifr_name) || ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		return -errno;
	memcpy(ret, request.ifr_hwaddr.sa_data, KHO_MAC_SIZE);
	return 0;
}

static int announce(int fd, const struct kho_service *service)
{
	uint8_t frame[KHO_ANNOUNCE_FRAME_MAX], mac[KHO_MAC_SIZE];
	size_t size;
	int r;

	r = mac_of(fd, service->ifindex, mac);
	if (r < 0)
		return r;
	if (service->address.family == AF_INET6) {
		size = kho_announce_na(&service->address, mac, frame);
		return send_frame(fd, service, frame, size);
	}
	size = kho_announce_arp(&service->address, mac, false, frame);
	r = send_frame(fd, service, frame, size);
	if (r < 0)
		return r;
	size = kho_announce_arp(&service->address, mac, true, frame);
	return send_frame(fd, service, frame, size);
}

int kho_announce(const struct kho_service *services, size_t count, struct kho_err *err)
{
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char text[KHO_ADDRESS_TEXT];
	int r, first = 0;
	size_t i;

	if (fd < 0)
		return kho_fail_errno(err, -errno, "packet socket to announce addresses");
	for (i = 0; i < count; i++) {
		r = announce(fd, &services[i]);
		if (r >= 0 || first < 0)
			continue;
		kho_address_format(&services[i].address, text);
		first = kho_fail_errno(err, r, "announcing %s by interface %u", text,
				       services[i].ifindex);
	}
	return first;
}
