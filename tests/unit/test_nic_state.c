// SPDX-License-Identifier: GPL-2.0-only
/* Addresses and routes of a NIC, made anew for another interface. */
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "migrate/net/nic_state.h"
#include "migrate/net/nl.h"
#include "tests/unit/run.h"

#define OLD_INDEX	3
#define NEW_INDEX	77

static struct kho_nic_state state;

static struct nlmsghdr *begin(uint16_t type)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(state.messages + state.size);

	message->nlmsg_type = type;
	return message;
}

static void end(const struct nlmsghdr *message)
{
	state.size += MNL_ALIGN(message->nlmsg_len);
}

static void add_address(void)
{
	struct nlmsghdr *message = begin(RTM_NEWADDR);
	struct ifaddrmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

	header->ifa_family = AF_INET;
	header->ifa_prefixlen = 24;
	header->ifa_index = OLD_INDEX;
	mnl_attr_put_u32(message, IFA_LOCAL, htonl(0x0a4d000a));
	mnl_attr_put_u32(message, IFA_ADDRESS, htonl(0x0a4d000a));
	mnl_attr_put_strz(message, IFA_LABEL, "eth0");
	mnl_attr_put_u32(message, IFA_FLAGS, IFA_F_PERMANENT);
	end(message);
}

static void add_route(void)
{
	struct nlmsghdr *message = begin(RTM_NEWROUTE);
	struct rtmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

	header->rtm_family = AF_INET6;
	header->rtm_dst_len = 64;
	header->rtm_protocol = RTPROT_STATIC;
	mnl_attr_put(message, RTA_DST, 16, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
	mnl_attr_put_u32(message, RTA_OIF, OLD_INDEX);
	mnl_attr_put_u32(message, RTA_PRIORITY, 100);
	end(message);
}

static void fresh(void)
{
	memset(&state, 0, sizeof(state));
	/* the route first: addresses have to come first all the same */
	add_route();
	add_address();
}

struct made {
	unsigned int nr;
	uint16_t types[8];
	struct nlmsghdr *copies[8];
};

static int collect(void *ctx, struct nlmsghdr *message)
{
	struct made *made = ctx;

	ck_assert_uint_lt(made->nr, 8);
	made->types[made->nr] = message->nlmsg_type;
	made->copies[made->nr] = malloc(message->nlmsg_len);
	memcpy(made->copies[made->nr++], message, message->nlmsg_len);
	return 0;
}

static void drop(struct made *made)
{
	while (made->nr)
		free(made->copies[--made->nr]);
}

static const struct nlattr *find(const struct nlmsghdr *message, size_t header, uint16_t type)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, header)
		if (mnl_attr_get_type(attribute) == type)
			return attribute;
	return NULL;
}

START_TEST(made_for_the_new_interface)
{
	const struct ifaddrmsg *address;
	const struct nlattr *oif;
	struct made made = {};
	struct kho_err err;

	fresh();
	ck_assert_int_eq(kho_nic_state_walk(&state, NEW_INDEX, collect, &made, &err), 0);
	ck_assert_uint_eq(made.nr, 2);
	ck_assert_uint_eq(made.types[0], RTM_NEWADDR);
	ck_assert_uint_eq(made.types[1], RTM_NEWROUTE);
	address = mnl_nlmsg_get_payload(made.copies[0]);
	ck_assert_uint_eq(address->ifa_index, NEW_INDEX);
	ck_assert_uint_eq(address->ifa_prefixlen, 24);
	ck_assert_ptr_nonnull(find(made.copies[0], sizeof(*address), IFA_LOCAL));
	/* the label is the old interface's name */
	ck_assert_ptr_null(find(made.copies[0], sizeof(*address), IFA_LABEL));
	oif = find(made.copies[1], sizeof(struct rtmsg), RTA_OIF);
	ck_assert_ptr_nonnull(oif);
	ck_assert_uint_eq(mnl_attr_get_u32(oif), NEW_INDEX);
	ck_assert_ptr_nonnull(find(made.copies[1], sizeof(struct rtmsg), RTA_PRIORITY));
	drop(&made);
}
END_TEST

START_TEST(nothing_configured)
{
	struct made made = { .nr = 0 };
	struct kho_err err;

	fresh();
	state.size = 0;
	ck_assert_int_eq(kho_nic_state_walk(&state, NEW_INDEX, collect, &made, &err), 0);
	ck_assert_uint_eq(made.nr, 0);
}
END_TEST

/* Cut anywhere but between messages, it's refused before anything is made. */
START_TEST(cut_off)
{
	size_t whole, first;
	struct kho_err err;

	fresh();
	whole = state.size;
	first = MNL_ALIGN(((struct nlmsghdr *)state.messages)->nlmsg_len);
	for (size_t size = 1; size < whole; size++) {
		struct made made = {};

		if (size == first)
			continue;
		state.size = size;
		ck_assert_int_eq(kho_nic_state_walk(&state, NEW_INDEX, collect, &made, &err),
				 -EBADMSG);
		ck_assert_uint_eq(made.nr, 0);
	}
	state.size = KHO_NIC_STATE_MAX + 1;
	ck_assert_int_eq(kho_nic_state_walk(&state, NEW_INDEX, collect, NULL, &err), -EBADMSG);
}
END_TEST

static void refused(size_t at, uint8_t value)
{
	struct made made = {};
	struct kho_err err;

	fresh();
	state.messages[at] = value;
	ck_assert_int_eq(kho_nic_state_walk(&state, NEW_INDEX, collect, &made, &err), -EBADMSG);
	ck_assert_uint_eq(made.nr, 0);
}

START_TEST(damaged)
{
	const size_t attribute = sizeof(struct nlmsghdr) + sizeof(struct rtmsg);

	refused(offsetof(struct nlmsghdr, nlmsg_type), RTM_DELADDR);
	refused(offsetof(struct nlmsghdr, nlmsg_len), 3);
	refused(offsetof(struct nlmsghdr, nlmsg_len) + 2, 0x7f);
	refused(offsetof(struct nlmsghdr, nlmsg_len) + 3, 0x80);
	refused(sizeof(struct nlmsghdr), AF_UNIX);
	refused(attribute + offsetof(struct nlattr, nla_len), 3);
	refused(attribute + offsetof(struct nlattr, nla_len) + 1, 0x10);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nic_state");
	TCase *tc = tcase_create("nic_state");

	tcase_add_test(tc, made_for_the_new_interface);
	tcase_add_test(tc, nothing_configured);
	tcase_add_test(tc, cut_off);
	tcase_add_test(tc, damaged);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
