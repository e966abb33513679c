// SPDX-License-Identifier: GPL-2.0-only
/* Routes and neighbours of service addresses: see route.h and address.h. */
#include <arpa/inet.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "base/bits.h"
#include "migrate/net/nl.h"
#include "migrate/net/route.h"

#define MESSAGE_MAX	512
#define DELETED_MAX	(4 * KHO_NET_ADDRESSES_MAX)

static int one_request(struct nlmsghdr *message, struct kho_err *err)
{
	_cleanup_nl_ struct kho_nl nl = { 0 };
	int r;

	r = kho_nl_open(NETLINK_ROUTE, &nl, err);
	return r < 0 ? r : kho_nl_request(&nl, message);
}

int kho_neighbour_add(const struct kho_service *service, const uint8_t mac[KHO_MAC_SIZE],
		      struct kho_err *err)
{
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ndmsg *neighbour;
	char text[KHO_ADDRESS_TEXT];
	int r;

	message->nlmsg_type = RTM_NEWNEIGH;
	message->nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE;
	neighbour = mnl_nlmsg_put_extra_header(message, sizeof(*neighbour));
	neighbour->ndm_family = service->address.family;
	neighbour->ndm_ifindex = (int)service->ifindex;
	neighbour->ndm_state = NUD_PERMANENT;
	mnl_attr_put(message, NDA_DST, kho_address_size(&service->address),
		     service->address.bytes);
	mnl_attr_put(message, NDA_LLADDR, KHO_MAC_SIZE, mac);
	mnl_attr_put_u8(message, NDA_PROTOCOL, KHO_NET_PROTOCOL);
	r = one_request(message, err);
	kho_address_format(&service->address, text);
	return r < 0 ? kho_fail_errno(err, r, "neighbour entry for %s", text) : 0;
}

/* A route to the first @prefix bits of @to, by @gateway unless that's NULL. */
struct route {
	const struct kho_address *to, *gateway;
	uint8_t family, prefix;
	unsigned int ifindex;
};

static struct nlmsghdr *put_route(char *buffer, const struct route *route, uint16_t type)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct rtmsg *header;

	message->nlmsg_type = type;
	if (type == RTM_NEWROUTE)
		message->nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->rtm_family = route->family;
	header->rtm_dst_len = route->prefix;
	header->rtm_table = RT_TABLE_MAIN;
	header->rtm_protocol = KHO_NET_PROTOCOL;
	header->rtm_scope = !route->gateway && route->family == AF_INET ? RT_SCOPE_LINK :
									 RT_SCOPE_UNIVERSE;
	header->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(message, RTA_OIF, route->ifindex);
	if (route->to)
		mnl_attr_put(message, RTA_DST, kho_address_size(route->to), route->to->bytes);
	if (route->gateway)
		mnl_attr_put(message, RTA_GATEWAY, kho_address_size(route->gateway),
			     route->gateway->bytes);
	return message;
}

int kho_host_route_add(const struct kho_service *service, struct kho_err *err)
{
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
	struct route route = {
		.to = &service->address, .family = service->address.family,
		.prefix = (uint8_t)(8 * kho_address_size(&service->address)),
		.ifindex = service->ifindex,
	};
	char text[KHO_ADDRESS_TEXT];
	int r;

	r = one_request(put_route(buffer, &route, RTM_NEWROUTE), err);
	kho_address_format(&service->address, text);
	return r < 0 ? kho_fail_errno(err, r, "route to %s", text) : 0;
}

int kho_gateway_add(const struct kho_address *gateway, unsigned int ifindex,
		    struct kho_err *err)
{
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
	struct route route = {
		.gateway = gateway, .family = gateway->family, .ifindex = ifindex,
	};
	char text[KHO_ADDRESS_TEXT];
	int r;

	r = one_request(put_route(buffer, &route, RTM_NEWROUTE), err);
	kho_address_format(gateway, text);
	return r < 0 ? kho_fail_errno(err, r, "default route by %s; it has to be in the subnet "
				      "of an address on an interface that is up", text) : 0;
}

/* What a dump found that is ours. */
struct found {
	struct kho_service entries[DELETED_MAX];
	unsigned int count;
};

/* An address attribute and an interface attribute, as in both dumps */
static void keep(struct found *found, uint8_t family, const struct nlattr *address,
		 unsigned int ifindex)
{
	struct kho_service *entry;
	size_t size = family == AF_INET ? 4 : 16;

	if (found->count == DELETED_MAX || !address || mnl_attr_get_payload_len(address) != size)
		return;
	entry = &found->entries[found->count++];
	*entry = (struct kho_service){ .address = { .family = family,
						    .prefix = (uint8_t)(8 * size) },
				       .ifindex = ifindex };
	memcpy(entry->address.bytes, mnl_attr_get_payload(address), size);
}

static int visit_route(const struct nlmsghdr *message, void *data)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute, *to = NULL;
	unsigned int ifindex = 0;

	if (message->nlmsg_type != RTM_NEWROUTE || header->rtm_protocol != KHO_NET_PROTOCOL ||
	    header->rtm_table != RT_TABLE_MAIN)
		return MNL_CB_OK;
	mnl_attr_for_each(attribute, message, sizeof(*header)) {
		if (mnl_attr_get_type(attribute) == RTA_DST)
			to = attribute;
		else if (mnl_attr_get_type(attribute) == RTA_OIF &&
			 mnl_attr_get_payload_len(attribute) == sizeof(ifindex))
			ifindex = mnl_attr_get_u32(attribute);
		else if (mnl_attr_get_type(attribute) == RTA_GATEWAY)
			return MNL_CB_OK;
	}
	if (header->rtm_dst_len == (header->rtm_family == AF_INET ? 32 : 128))
		keep(data, header->rtm_family, to, ifindex);
	return MNL_CB_OK;
}

static int visit_neighbour(const struct nlmsghdr *message, void *data)
{
	const struct ndmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute, *address = NULL;
	bool ours = false;

	if (message->nlmsg_type != RTM_NEWNEIGH ||
	    (header->ndm_family != AF_INET && header->ndm_family != AF_INET6))
		return MNL_CB_OK;
	mnl_attr_for_each(attribute, message, sizeof(*header)) {
		if (mnl_attr_get_type(attribute) == NDA_DST)
			address = attribute;
		else if (mnl_attr_get_type(attribute) == NDA_PROTOCOL &&
			 mnl_attr_get_payload_len(attribute) >= 1)
			ours = mnl_attr_get_u8(attribute) == KHO_NET_PROTOCOL;
	}
	if (ours)
		keep(data, header->ndm_family, address, (unsigned int)header->ndm_ifindex);
	return MNL_CB_OK;
}

static int dump(struct kho_nl *nl, uint16_t type, struct found *ret)
{
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	bool route = type == RTM_GETROUTE;

	message->nlmsg_type = type;
	/* Both headers begin with the family: 0, all of them */
	mnl_nlmsg_put_extra_header(message, route ? sizeof(struct rtmsg) : sizeof(struct ndmsg));
	ret->count = 0;
	return kho_nl_dump(nl, message, route ? visit_route : visit_neighbour, ret);
}

static int delete_neighbour(struct kho_nl *nl, const struct kho_service *entry)
{
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ndmsg *neighbour;

	message->nlmsg_type = RTM_DELNEIGH;
	neighbour = mnl_nlmsg_put_extra_header(message, sizeof(*neighbour));
	neighbour->ndm_family = entry->address.family;
	neighbour->ndm_ifindex = (int)entry->ifindex;
	mnl_attr_put(message, NDA_DST, kho_address_size(&entry->address), entry->address.bytes);
	return kho_nl_request(nl, message);
}

static int delete_route(struct kho_nl *nl, const struct kho_service *entry)
{
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
	struct route route = {
		.to = &entry->address, .family = entry->address.family,
		.prefix = entry->address.prefix, .ifindex = entry->ifindex,
	};

	return kho_nl_request(nl, put_route(buffer, &route, RTM_DELROUTE));
}

int kho_routes_clean(struct kho_err *err)
{
	_cleanup_nl_ struct kho_nl nl = { 0 };
	struct found found;
	int r, first;
	unsigned int i;

	first = kho_nl_open(NETLINK_ROUTE, &nl, err);
	if (first < 0)
		return first;
	first = dump(&nl, RTM_GETROUTE, &found);
	for (i = 0; first >= 0 && i < found.count; i++) {
		r = delete_route(&nl, &found.entries[i]);
		first = r == -ESRCH ? 0 : r;
	}
	if (first >= 0)
		first = dump(&nl, RTM_GETNEIGH, &found);
	for (i = 0; first >= 0 && i < found.count; i++) {
		r = delete_neighbour(&nl, &found.entries[i]);
		first = r == -ENOENT ? 0 : r;
	}
	return first < 0 ? kho_fail_errno(err, first, "removing routes to the new side") : 0;
}

int kho_routes_count(unsigned int *ret, struct kho_err *err)
{
	static const uint16_t types[] = { RTM_GETROUTE, RTM_GETNEIGH };
	_cleanup_nl_ struct kho_nl nl = { 0 };
	unsigned int count = 0;
	struct found found;
	size_t i;
	int r;

	r = kho_nl_open(NETLINK_ROUTE, &nl, err);
	if (r < 0)
		return r;
	for (i = 0; i < KHO_ARRAY_SIZE(types); i++) {
		r = dump(&nl, types[i], &found);
		if (r < 0)
			return kho_fail_errno(err, r, "looking for routes to the new side");
		count += found.count;
	}
	*ret = count;
	return 0;
}
