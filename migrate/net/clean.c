// SPDX-License-Identifier: GPL-2.0-only
/* What an agent that was killed left: see clean.h. */
#include <linux/netfilter.h>

#include "base/bits.h"
#include "migrate/net/clean.h"
#include "migrate/net/nl.h"
#include "migrate/net/route.h"
#include "migrate/net/rules.h"

static const struct table {
	const char *name;
	uint8_t family;
	enum kho_clean flag;
} tables[] = {
	{ KHO_HOLD_TABLE, NFPROTO_IPV4, KHO_CLEAN_HOLD },
	{ KHO_HOLD_TABLE, NFPROTO_IPV6, KHO_CLEAN_HOLD },
	{ KHO_SILENCE_TABLE, NFPROTO_ARP, KHO_CLEAN_SILENCE },
	{ KHO_SILENCE_TABLE, NFPROTO_IPV4, KHO_CLEAN_SILENCE },
	{ KHO_SILENCE_TABLE, NFPROTO_IPV6, KHO_CLEAN_SILENCE },
};

int kho_net_leftovers(unsigned int *ret, struct kho_err *err)
{
	_cleanup_nl_ struct kho_nl nl = { 0 };
	unsigned int routes, flags = 0;
	bool there;
	size_t i;
	int r;

	r = kho_nl_open(NETLINK_NETFILTER, &nl, err);
	if (r < 0)
		return r;
	for (i = 0; i < KHO_ARRAY_SIZE(tables); i++) {
		r = kho_nft_exists(&nl, tables[i].family, tables[i].name, &there, err);
		if (r < 0)
			return r;
		flags |= there ? tables[i].flag : 0;
	}
	r = kho_routes_count(&routes, err);
	if (r < 0)
		return r;
	*ret = flags | (routes ? KHO_CLEAN_HOLD : 0);
	return 0;
}

static int delete_tables(struct kho_nl *nl, unsigned int flags, struct kho_err *err)
{
	_cleanup_nft_ struct kho_nft nft;
	bool there;
	size_t i;
	int r;

	kho_nft_init(&nft, NFPROTO_IPV4, KHO_HOLD_TABLE);
	for (i = 0; i < KHO_ARRAY_SIZE(tables); i++) {
		if (!(tables[i].flag & flags))
			continue;
		r = kho_nft_exists(nl, tables[i].family, tables[i].name, &there, err);
		if (r < 0)
			return r;
		if (!there)
			continue;
		kho_nft_table(&nft, tables[i].family, tables[i].name);
		kho_nft_delete_table(&nft);
	}
	return kho_nft_commit(&nft, nl, err);
}

int kho_net_clean(unsigned int flags, struct kho_err *err)
{
	_cleanup_nl_ struct kho_nl nl = { 0 };
	int r;

	r = kho_nl_open(NETLINK_NETFILTER, &nl, err);
	if (r < 0)
		return r;
	r = delete_tables(&nl, flags, err);
	if (r >= 0 && (flags & KHO_CLEAN_HOLD))
		r = kho_routes_clean(err);
	return r < 0 ? kho_wrap(err, r, "removing what another agent left") : 0;
}
