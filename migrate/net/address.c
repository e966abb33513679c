// SPDX-License-Identifier: GPL-2.0-only
/* Service addresses as text and on interfaces: see address.h. */
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/net/address.h"
#include "migrate/net/nl.h"

#define MESSAGE_MAX	512

/* Whether some host of a network can have it for its services. */
static bool usable(const struct kho_address *address)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t zero[15];
	const uint8_t *b = address->bytes;

	if (address->family == AF_INET)
		return b[0] != 0 && b[0] != 127 && b[0] < 224;
	if (b[0] == 0xff || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80))
		return false;
	return memcmp(b, zero, sizeof(zero)) != 0 && memcmp(b, mapped, sizeof(mapped)) != 0;
}

int kho_address_parse(const char *text, struct kho_address *ret, struct kho_err *err)
{
	struct kho_address address = { 0 };
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	char host[INET6_ADDRSTRLEN];
	uint32_t prefix, bits;

	if (length >= sizeof(host))
		return kho_fail(err, -EINVAL, "'%.64s' is no address; give 192.0.2.1/24 or "
				"2001:db8::1/64", text);
	memcpy(host, text, length);
	host[length] = '\0';
	address.family = strchr(host, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(address.family, host, address.bytes) != 1)
		return kho_fail(err, -EINVAL, "'%.64s' is no address; give 192.0.2.1/24 or "
				"2001:db8::1/64", text);
	bits = 8 * (uint32_t)kho_address_size(&address);
	prefix = bits;
	if (slash && (kho_parse_u32(slash + 1, &prefix, NULL) < 0 || prefix > bits))
		return kho_fail(err, -EINVAL, "'%.64s': the length of a prefix is 0 to %u", text,
				bits);
	if (!usable(&address))
		return kho_fail(err, -EINVAL, "'%.64s' can't be a service address; give one that a "
				"single host has on its network", text);
	address.prefix = (uint8_t)prefix;
	*ret = address;
	return 0;
}

void kho_address_format(const struct kho_address *address, char text[KHO_ADDRESS_TEXT])
{
	char host[INET6_ADDRSTRLEN];

	if (!inet_ntop(address->family, address->bytes, host, sizeof(host)))
		snprintf(host, sizeof(host), "?");
	snprintf(text, KHO_ADDRESS_TEXT, "%s/%u", host, address->prefix);
}

bool kho_address_equal(const struct kho_address *a, const struct kho_address *b)
{
	return a->family == b->family &&
	       memcmp(a->bytes, b->bytes, kho_address_size(a)) == 0;
}

static int one_request(struct nlmsghdr *message, struct kho_err *err)
{
	_cleanup_nl_ struct kho_nl nl = { 0 };
	int r;

	r = kho_nl_open(NETLINK_ROUTE, &nl, err);
	return r < 0 ? r : kho_nl_request(&nl, message);
}

int kho_nic_up(unsigned int ifindex, struct kho_err *err)
{
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *link;
	int r;

	message->nlmsg_type = RTM_NEWLINK;
	link = mnl_nlmsg_put_extra_header(message, sizeof(*link));
	link->ifi_index = (int)ifindex;
	link->ifi_flags = IFF_UP;
	link->ifi_change = IFF_UP;
	r = one_request(message, err);
	return r < 0 ? kho_fail_errno(err, r, "setting interface %u up", ifindex) : 0;
}

static struct nlmsghdr *put_address(char *buffer, const struct kho_service *service,
				    uint16_t type)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *header;

	message->nlmsg_type = type;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->ifa_family = service->address.family;
	header->ifa_prefixlen = service->address.prefix;
	header->ifa_index = service->ifindex;
	mnl_attr_put(message, IFA_LOCAL, kho_address_size(&service->address),
		     service->address.bytes);
	return message;
}

int kho_address_add(const struct kho_service *service, struct kho_err *err)
{
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
	struct nlmsghdr *message = put_address(buffer, service, RTM_NEWADDR);
	char text[KHO_ADDRESS_TEXT];
	int r;

	message->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	mnl_attr_put(message, IFA_ADDRESS, kho_address_size(&service->address),
		     service->address.bytes);
	if (service->address.family == AF_INET6)
		mnl_attr_put_u32(message, IFA_FLAGS, IFA_F_NODAD);
	mnl_attr_put_u8(message, IFA_PROTO, KHO_NET_PROTOCOL);
	r = one_request(message, err);
	kho_address_format(&service->address, text);
	return r < 0 && r != -EEXIST ?
	       kho_fail_errno(err, r, "adding %s to interface %u", text, service->ifindex) : 0;
}

struct search {
	const struct kho_address *address;
	unsigned int ifindex;		/* 0: on any */
	struct kho_service found;	/* ifindex 0: not found */
};

static int visit(const struct nlmsghdr *message, void *data)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	struct search *search = data;
	const struct nlattr *attribute, *local = NULL, *address = NULL;

	if (message->nlmsg_type != RTM_NEWADDR || header->ifa_family != search->address->family ||
	    (search->ifindex && header->ifa_index != search->ifindex))
		return MNL_CB_OK;
	mnl_attr_for_each(attribute, message, sizeof(*header)) {
		if (mnl_attr_get_type(attribute) == IFA_LOCAL)
			local = attribute;
		else if (mnl_attr_get_type(attribute) == IFA_ADDRESS)
			address = attribute;
	}
	/* IPv6 has no IFA_LOCAL but for point-to-point links */
	local = local ? local : address;
	if (!local || mnl_attr_get_payload_len(local) != kho_address_size(search->address) ||
	    memcmp(mnl_attr_get_payload(local), search->address->bytes,
		   kho_address_size(search->address)) != 0)
		return MNL_CB_OK;
	search->found.address = *search->address;
	search->found.address.prefix = header->ifa_prefixlen;
	search->found.ifindex = header->ifa_index;
	return MNL_CB_OK;
}

static int find(struct search *search, struct kho_err *err)
{
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
	_cleanup_nl_ struct kho_nl nl = { 0 };
	struct nlmsghdr *message;
	struct ifaddrmsg *header;
	int r;

	r = kho_nl_open(NETLINK_ROUTE, &nl, err);
	if (r < 0)
		return r;
	message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = RTM_GETADDR;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->ifa_family = search->address->family;
	r = kho_nl_dump(&nl, message, visit, search);
	return r < 0 ? kho_fail_errno(err, r, "listing addresses") : 0;
}

int kho_address_find(const struct kho_address *address, struct kho_service *ret,
		     struct kho_err *err)
{
	struct search search = { .address = address };
	char text[KHO_ADDRESS_TEXT];
	int r;

	r = find(&search, err);
	if (r < 0)
		return r;
	kho_address_format(address, text);
	if (search.found.ifindex == 0)
		return kho_fail(err, -ENOENT, "%s is on no interface here; configure it", text);
	*ret = search.found;
	return 0;
}

/*
 * When the first IPv4 address of a subnet goes, the kernel removes the others,
 * too, unless the interface says that the next one is promoted.
 */
static int remove_ipv4(const struct kho_service *service, struct nlmsghdr *message,
		       struct kho_err *err)
{
	_cleanup_free_ char *before = NULL;
	char name[IF_NAMESIZE], path[128];
	int r;

	if (!if_indextoname(service->ifindex, name))
		return -errno;
	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/promote_secondaries", name);
	r = kho_file_read_string(path, 16, &before, err);
	if (r >= 0)
		r = kho_file_write_string(path, "1", err);
	if (r < 0)
		return r;
	r = one_request(message, err);
	(void)kho_file_write_string(path, before, NULL);
	return r;
}

int kho_address_remove(const struct kho_service *service, struct kho_err *err)
{
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
	struct search search = { .address = &service->address, .ifindex = service->ifindex };
	struct nlmsghdr *message;
	char text[KHO_ADDRESS_TEXT];
	int r;

	/* IPv6 addresses are removed by their prefix, too, whatever that is here */
	r = find(&search, err);
	if (r < 0 || search.found.ifindex == 0)
		return r;
	message = put_address(buffer, &search.found, RTM_DELADDR);
	if (service->address.family == AF_INET)
		r = remove_ipv4(&search.found, message, err);
	else
		r = one_request(message, err);
	kho_address_format(&service->address, text);
	return r < 0 && r != -EADDRNOTAVAIL ?
	       kho_fail_errno(err, r, "removing %s from interface %u", text,
			      service->ifindex) : 0;
}
