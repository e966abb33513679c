// SPDX-License-Identifier: GPL-2.0-only
/* What rules about service addresses have in common: see rules.h. */
#include <arpa/inet.h>
#include <linux/icmpv6.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>

#include "migrate/net/rules.h"

/* Offsets of addresses in the headers */
#define IPV4_FROM	12
#define IPV4_TO		16
#define IPV6_NEXT	6
#define IPV6_FROM	8
#define IPV6_TO		24
#define ARP_FROM	14	/* the sender's IPv4 address */
/* ICMPv6 types 133 to 137: router and neighbour discovery, redirects */
#define DISCOVERY_FIRST	133
#define DISCOVERY_LAST	137

const uint8_t kho_families[KHO_FAMILIES] = { NFPROTO_IPV4, NFPROTO_IPV6 };

static void match(struct kho_nft *nft, uint8_t offset, const struct kho_address *address)
{
	struct kho_nft_field field = { KHO_NFT_NETWORK, offset,
				       (uint8_t)kho_address_size(address) };

	kho_nft_match(nft, &field, NFT_CMP_EQ, address->bytes);
}

void kho_rule_from(struct kho_nft *nft, const struct kho_address *address)
{
	match(nft, address->family == AF_INET ? IPV4_FROM : IPV6_FROM, address);
}

void kho_rule_to(struct kho_nft *nft, const struct kho_address *address)
{
	match(nft, address->family == AF_INET ? IPV4_TO : IPV6_TO, address);
}

void kho_rule_arp_from(struct kho_nft *nft, const struct kho_address *address)
{
	match(nft, ARP_FROM, address);
}

struct kho_silence_table kho_silence_table(unsigned int number)
{
	struct kho_silence_table table;

	snprintf(table.name, sizeof(table.name), "kho_silence%u", number);
	return table;
}

void kho_rule_discovery(struct kho_nft *nft)
{
	static const struct kho_nft_field next = { KHO_NFT_NETWORK, IPV6_NEXT, 1 };
	static const struct kho_nft_field type = { KHO_NFT_TRANSPORT, 0, 1 };
	static const uint8_t icmpv6 = IPPROTO_ICMPV6, first = DISCOVERY_FIRST,
			     last = DISCOVERY_LAST;

	kho_nft_match(nft, &next, NFT_CMP_EQ, &icmpv6);
	kho_nft_match(nft, &type, NFT_CMP_GTE, &first);
	kho_nft_match(nft, &type, NFT_CMP_LTE, &last);
}

bool kho_rule_applies(const struct kho_nft *nft, const struct kho_address *address)
{
	if (address->family == AF_INET)
		return nft->family == NFPROTO_IPV4 || nft->family == NFPROTO_ARP;
	return nft->family == NFPROTO_IPV6;
}

int kho_services_check(const struct kho_service *services, size_t count, struct kho_err *err)
{
	char text[KHO_ADDRESS_TEXT];
	size_t i, j;

	if (count == 0 || count > KHO_NET_ADDRESSES_MAX)
		return kho_fail(err, -EINVAL, "%zu service addresses; 1 to %d can be moved at once",
				count, KHO_NET_ADDRESSES_MAX);
	for (i = 0; i < count; i++) {
		kho_address_format(&services[i].address, text);
		if (services[i].ifindex <= KHO_LO_IFINDEX)
			return kho_fail(err, -EINVAL, "service address %s: not on a NIC", text);
		for (j = 0; j < i; j++)
			if (kho_address_equal(&services[i].address, &services[j].address))
				return kho_fail(err, -EINVAL, "service address %s is given twice",
						text);
	}
	return 0;
}
