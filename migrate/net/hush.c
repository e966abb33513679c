// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets within this kernel that don't leave; hush.h has the idea.
 *
 *	IPv4, IPv6
 *	out (output)	by lo, TCP, flags are RST alone		drop
 */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <unistd.h>

#include "migrate/net/hush.h"
#include "migrate/net/rules.h"

#define IPV4_PROTOCOL	9		/* offsets */
#define IPV6_NEXT	6
#define TCP_FLAGS	13
#define RST		0x04

static void add_rule(struct kho_nft *nft)
{
	const struct kho_nft_field protocol = {
		KHO_NFT_NETWORK, nft->family == NFPROTO_IPV4 ? IPV4_PROTOCOL : IPV6_NEXT, 1
	};
	static const struct kho_nft_field flags = { KHO_NFT_TRANSPORT, TCP_FLAGS, 1 };
	static const uint8_t tcp = IPPROTO_TCP, reset = RST;

	kho_nft_add_table(nft);
	kho_nft_add_chain(nft, &(struct kho_nft_chain){ "out", NF_INET_LOCAL_OUT,
							KHO_RULE_PRIORITY });
	kho_nft_rule(nft, "out");
	kho_nft_match_meta(nft, NFT_META_OIF, NFT_CMP_EQ, KHO_LO_IFINDEX);
	kho_nft_match(nft, &protocol, NFT_CMP_EQ, &tcp);
	kho_nft_match(nft, &flags, NFT_CMP_EQ, &reset);
	kho_nft_counter(nft);
	kho_nft_verdict(nft, NF_DROP);
}

int kho_hush_begin(struct kho_hush *hush, struct kho_err *err)
{
	_cleanup_nft_ struct kho_nft nft;
	char table[32];
	int r;

	*hush = (struct kho_hush){};
	r = kho_nl_open(NETLINK_NETFILTER, &hush->nl, err);
	if (r < 0)
		return r;
	snprintf(table, sizeof(table), "kho_hush_%d", getpid());
	kho_nft_init(&nft, NFPROTO_IPV4, table);
	nft.table_flags = NFT_TABLE_F_OWNER;
	for (size_t i = 0; i < KHO_FAMILIES; i++) {
		kho_nft_table(&nft, kho_families[i], table);
		add_rule(&nft);
	}
	r = kho_nft_commit(&nft, &hush->nl, err);
	if (r < 0)
		kho_hush_end(hush);
	return r;
}

void kho_hush_end(struct kho_hush *hush)
{
	kho_nl_close(&hush->nl);
}
