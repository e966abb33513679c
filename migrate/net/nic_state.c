// SPDX-License-Identifier: GPL-2.0-only
/* Addresses and routes of a NIC that moves; nic_state.h has the idea. */
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <string.h>

#include "migrate/net/nic_state.h"
#include "migrate/net/nl.h"

#define MESSAGE_MAX	512
#define ATTRIBUTE_MAX	16		/* bytes of the largest one that's kept: an IPv6 address */

/* ---- taking messages apart ---- */

static const uint16_t address_attributes[] = { IFA_LOCAL, IFA_ADDRESS, IFA_BROADCAST };
static const uint16_t route_attributes[] = { RTA_DST, RTA_GATEWAY, RTA_PREFSRC, RTA_PRIORITY };

static size_t header_size(const struct nlmsghdr *message)
{
	return message->nlmsg_type == RTM_NEWADDR ? sizeof(struct ifaddrmsg) :
						     sizeof(struct rtmsg);
}

static bool is_family(uint8_t family)
{
	return family == AF_INET || family == AF_INET6;
}

/* Its header is whole, and every attribute lies within it. */
static bool is_sound(const struct nlmsghdr *message)
{
	const struct nlattr *attribute;
	size_t used = header_size(message);

	if (message->nlmsg_type != RTM_NEWADDR && message->nlmsg_type != RTM_NEWROUTE)
		return false;
	if (mnl_nlmsg_get_payload_len(message) < used)
		return false;
	/* both headers begin with the family */
	if (!is_family(*(const uint8_t *)mnl_nlmsg_get_payload(message)))
		return false;
	mnl_attr_for_each(attribute, message, used)
		used += MNL_ALIGN(attribute->nla_len);
	return used == mnl_nlmsg_get_payload_len(message);
}

static int check(const struct kho_nic_state *state, struct kho_err *err)
{
	const struct nlmsghdr *message = (const void *)state->messages;
	int left = (int)state->size;

	if (state->size > KHO_NIC_STATE_MAX)
		return kho_fail(err, -EBADMSG, "the state of a NIC is too large");
	while (left > 0) {
		/* to libmnl a length above INT_MAX is a negative one, which fits */
		if (!mnl_nlmsg_ok(message, left) || message->nlmsg_len > (uint32_t)left ||
		    !is_sound(message))
			return kho_fail(err, -EBADMSG, "the state of a NIC is damaged; "
					"see the other kernel's log");
		message = mnl_nlmsg_next(message, &left);
	}
	return 0;
}

/* ---- making them anew ---- */

static bool is_kept(const struct nlattr *attribute, const uint16_t *kept, size_t nr)
{
	if (mnl_attr_get_payload_len(attribute) > ATTRIBUTE_MAX)
		return false;
	for (size_t i = 0; i < nr; i++)
		if (mnl_attr_get_type(attribute) == kept[i])
			return true;
	return false;
}

static void copy_attributes(const struct nlmsghdr *from, struct nlmsghdr *to,
			    const uint16_t *kept, size_t nr)
{
	const struct nlattr *attribute;
	uint32_t seen = 0;

	mnl_attr_for_each(attribute, from, header_size(from)) {
		uint16_t type = mnl_attr_get_type(attribute);

		if (!is_kept(attribute, kept, nr) || seen & 1u << type)
			continue;
		seen |= 1u << type;
		mnl_attr_put(to, type, mnl_attr_get_payload_len(attribute),
			     mnl_attr_get_payload(attribute));
	}
}

static struct nlmsghdr *make_address(const struct nlmsghdr *from, unsigned int ifindex, char *buffer)
{
	const struct ifaddrmsg *old = mnl_nlmsg_get_payload(from);
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *header;

	message->nlmsg_type = RTM_NEWADDR;
	message->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->ifa_family = old->ifa_family;
	header->ifa_prefixlen = old->ifa_prefixlen;
	header->ifa_scope = old->ifa_scope;
	header->ifa_index = ifindex;
	copy_attributes(from, message, address_attributes, MNL_ARRAY_SIZE(address_attributes));
	if (old->ifa_family == AF_INET6)
		mnl_attr_put_u32(message, IFA_FLAGS, IFA_F_NODAD);
	return message;
}

static struct nlmsghdr *make_route(const struct nlmsghdr *from, unsigned int ifindex, char *buffer)
{
	const struct rtmsg *old = mnl_nlmsg_get_payload(from);
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct rtmsg *header;

	message->nlmsg_type = RTM_NEWROUTE;
	message->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->rtm_family = old->rtm_family;
	header->rtm_dst_len = old->rtm_dst_len;
	header->rtm_tos = old->rtm_tos;
	header->rtm_table = RT_TABLE_MAIN;
	header->rtm_protocol = old->rtm_protocol;
	header->rtm_scope = old->rtm_scope;
	header->rtm_type = RTN_UNICAST;
	copy_attributes(from, message, route_attributes, MNL_ARRAY_SIZE(route_attributes));
	mnl_attr_put_u32(message, RTA_OIF, ifindex);
	return message;
}

static int walk_type(const struct kho_nic_state *state, uint16_t type, unsigned int ifindex,
		     int (*make)(void *ctx, struct nlmsghdr *message), void *ctx)
{
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
	const struct nlmsghdr *from = (const void *)state->messages;
	int left = (int)state->size;
	int r = 0;

	for (; r == 0 && left > 0; from = mnl_nlmsg_next(from, &left))
		if (from->nlmsg_type == type)
			r = make(ctx, type == RTM_NEWADDR ? make_address(from, ifindex, buffer) :
							    make_route(from, ifindex, buffer));
	return r;
}

int kho_nic_state_walk(const struct kho_nic_state *state, unsigned int ifindex,
		       int (*make)(void *ctx, struct nlmsghdr *message), void *ctx,
		       struct kho_err *err)
{
	int r = check(state, err);

	/* a gateway is reached by an address: those come first */
	if (r >= 0)
		r = walk_type(state, RTM_NEWADDR, ifindex, make, ctx);
	if (r == 0)
		r = walk_type(state, RTM_NEWROUTE, ifindex, make, ctx);
	return r;
}

/* ---- reading ---- */

struct reading {
	struct kho_nic_state *state;
	unsigned int ifindex;
	bool full;
};

static void keep(struct reading *reading, const struct nlmsghdr *message)
{
	struct kho_nic_state *state = reading->state;
	size_t size = MNL_ALIGN(message->nlmsg_len);

	if (!is_sound(message))
		return;
	if (size > KHO_NIC_STATE_MAX - state->size) {
		reading->full = true;
		return;
	}
	memcpy(state->messages + state->size, message, message->nlmsg_len);
	state->size += size;
}

/* The kernel makes it by itself. The flag means "secondary" to IPv4, which is somebody's own. */
static bool is_made(const struct ifaddrmsg *header)
{
	return header->ifa_family == AF_INET6 &&
	       (header->ifa_flags & IFA_F_TEMPORARY || header->ifa_scope == RT_SCOPE_LINK);
}

static int visit_address(const struct nlmsghdr *message, void *data)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	struct reading *reading = data;

	if (message->nlmsg_type == RTM_NEWADDR && header->ifa_index == reading->ifindex &&
	    !is_made(header))
		keep(reading, message);
	return MNL_CB_OK;
}

static bool goes_by(const struct nlmsghdr *message, unsigned int ifindex)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct rtmsg))
		if (mnl_attr_get_type(attribute) == RTA_OIF &&
		    mnl_attr_get_payload_len(attribute) == sizeof(uint32_t) &&
		    mnl_attr_get_u32(attribute) == ifindex)
			return true;
	return false;
}

static int visit_route(const struct nlmsghdr *message, void *data)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	struct reading *reading = data;

	if (message->nlmsg_type == RTM_NEWROUTE && header->rtm_table == RT_TABLE_MAIN &&
	    header->rtm_type == RTN_UNICAST && header->rtm_protocol != RTPROT_KERNEL &&
	    !(header->rtm_flags & RTM_F_CLONED) && goes_by(message, reading->ifindex))
		keep(reading, message);
	return MNL_CB_OK;
}

static int read_messages(struct kho_nl *nl, struct reading *reading)
{
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	int r;

	message->nlmsg_type = RTM_GETADDR;
	mnl_nlmsg_put_extra_header(message, sizeof(struct ifaddrmsg));
	r = kho_nl_dump(nl, message, visit_address, reading);
	if (r < 0)
		return r;
	message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = RTM_GETROUTE;
	mnl_nlmsg_put_extra_header(message, sizeof(struct rtmsg));
	return kho_nl_dump(nl, message, visit_route, reading);
}

int kho_nic_state_read(const struct kho_nic *nic, struct kho_nic_state *ret, struct kho_err *err)
{
	struct reading reading = { .state = ret, .ifindex = nic->ifindex };
	_cleanup_nl_ struct kho_nl nl = { 0 };
	int r = kho_nl_open(NETLINK_ROUTE, &nl, err);

	if (r < 0)
		return r;
	ret->mtu = nic->mtu;
	ret->size = 0;
	r = read_messages(&nl, &reading);
	if (r < 0)
		return kho_fail_errno(err, r, "reading what is configured on %s", nic->name);
	if (reading.full)
		return kho_fail(err, -E2BIG, "%s has more addresses and routes than %u bytes hold; "
				"remove some", nic->name, KHO_NIC_STATE_MAX);
	return 0;
}

/* ---- setting ---- */

struct setting {
	struct kho_nl nl;
	int first;			/* failure */
};

static int set_one(void *ctx, struct nlmsghdr *message)
{
	struct setting *setting = ctx;
	int r = kho_nl_request(&setting->nl, message);

	if (r < 0 && r != -EEXIST && !setting->first)
		setting->first = r;
	return 0;
}

static int set_mtu(struct kho_nl *nl, unsigned int ifindex, uint32_t mtu)
{
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *link;

	message->nlmsg_type = RTM_NEWLINK;
	link = mnl_nlmsg_put_extra_header(message, sizeof(*link));
	link->ifi_index = (int)ifindex;
	mnl_attr_put_u32(message, IFLA_MTU, mtu);
	return kho_nl_request(nl, message);
}

int kho_nic_state_apply(const struct kho_nic_state *state, unsigned int ifindex,
			struct kho_err *err)
{
	struct setting setting = {};
	int r = kho_nl_open(NETLINK_ROUTE, &setting.nl, err);

	if (r < 0)
		return r;
	r = check(state, err);
	if (r >= 0 && state->mtu)
		setting.first = set_mtu(&setting.nl, ifindex, state->mtu);
	if (r >= 0)
		r = kho_nic_state_walk(state, ifindex, set_one, &setting, err);
	kho_nl_close(&setting.nl);
	if (r < 0)
		return r;
	return setting.first < 0 ? kho_fail_errno(err, setting.first, "interface %u doesn't get all "
						  "that was configured on it; see ip address and "
						  "ip route", ifindex) : 0;
}
