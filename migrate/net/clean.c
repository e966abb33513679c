// SPDX-License-Identifier: GPL-2.0-only
/* What an agent that was killed left: see clean.h. */
#include <linux/netfilter.h>

#include "base/bits.h"
#include "migrate/net/clean.h"
#include "migrate/net/nl.h"
#include "migrate/net/route.h"
#include "migrate/net/rules.h"
#include "migrate/net/silence.h"

static const uint8_t silence_families[] = { NFPROTO_ARP, NFPROTO_IPV4, NFPROTO_IPV6 };

/* ---- what's there ---- */

static int look_for(struct kho_nl *nl, const uint8_t *families, size_t count, const char *name,
		    bool *ret, struct kho_err *err)
{
	bool there = false;
	int r = 0;

	for (size_t i = 0; i < count && r >= 0 && !there; i++)
		r = kho_nft_exists(nl, families[i], name, &there, err);
	*ret |= there;
	return r;
}

static int look_for_silences(struct kho_nl *nl, bool *ret, struct kho_err *err)
{
	struct kho_silence_table table;
	int r = 0;

	for (unsigned int i = 0; i < KHO_SILENCES && r >= 0 && !*ret; i++) {
		table = kho_silence_table(i);
		r = look_for(nl, silence_families, KHO_ARRAY_SIZE(silence_families), table.name,
			     ret, err);
	}
	return r;
}

int kho_net_leftovers(unsigned int *ret, struct kho_err *err)
{
	_cleanup_nl_ struct kho_nl nl = { 0 };
	bool hold = false, silence = false;
	unsigned int routes;
	int r = kho_nl_open(NETLINK_NETFILTER, &nl, err);

	if (r >= 0)
		r = look_for(&nl, kho_families, KHO_FAMILIES, KHO_HOLD_TABLE, &hold, err);
	if (r >= 0)
		r = look_for_silences(&nl, &silence, err);
	if (r >= 0)
		r = kho_routes_count(&routes, err);
	if (r < 0)
		return r;
	*ret = (hold || routes ? KHO_CLEAN_HOLD : 0) | (silence ? KHO_CLEAN_SILENCE : 0);
	return 0;
}

/* ---- and is to go ---- */

static void destroy_hold(struct kho_nft *nft)
{
	for (size_t i = 0; i < KHO_FAMILIES; i++) {
		kho_nft_table(nft, kho_families[i], KHO_HOLD_TABLE);
		kho_nft_destroy_table(nft);
	}
}

static void destroy_silence(struct kho_nft *nft, unsigned int number)
{
	struct kho_silence_table table = kho_silence_table(number);

	for (size_t i = 0; i < KHO_ARRAY_SIZE(silence_families); i++) {
		kho_nft_table(nft, silence_families[i], table.name);
		kho_nft_destroy_table(nft);
	}
}

static int commit(struct kho_nft *nft, struct kho_err *err)
{
	_cleanup_nl_ struct kho_nl nl = { 0 };
	int r = kho_nl_open(NETLINK_NETFILTER, &nl, err);

	return r < 0 ? r : kho_nft_commit(nft, &nl, err);
}

int kho_net_clean(unsigned int flags, struct kho_err *err)
{
	_cleanup_nft_ struct kho_nft nft;
	int r;

	kho_nft_init(&nft, NFPROTO_IPV4, KHO_HOLD_TABLE);
	if (flags & KHO_CLEAN_HOLD)
		destroy_hold(&nft);
	for (unsigned int i = 0; i < KHO_SILENCES && (flags & KHO_CLEAN_SILENCE); i++)
		destroy_silence(&nft, i);
	r = commit(&nft, err);
	if (r >= 0 && (flags & KHO_CLEAN_HOLD))
		r = kho_routes_clean(err);
	return r < 0 ? kho_wrap(err, r, "removing what another agent left") : 0;
}

int kho_net_clean_silence(unsigned int number, struct kho_err *err)
{
	_cleanup_nft_ struct kho_nft nft;
	int r;

	kho_nft_init(&nft, NFPROTO_IPV4, KHO_HOLD_TABLE);
	destroy_silence(&nft, number);
	r = commit(&nft, err);
	return r < 0 ? kho_wrap(err, r, "removing what another agent left") : 0;
}
