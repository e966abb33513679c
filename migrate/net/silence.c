// SPDX-License-Identifier: GPL-2.0-only
/*
 * The new side has addresses and keeps quiet about them: see silence.h.
 *
 * Three tables "kho_silence" with its number. As in hold.c, base chains stay until the queue is
 * empty; only their rules change.
 *
 *	IPv4, IPv6
 *	in (prerouting)		not by lo, neighbour discovery	accept	(IPv6)
 *				not by lo, to ADDRESS		drop
 *	discover (output, IPv6)	from ADDRESS, discovery		drop
 *	out (output)		not by lo, from ADDRESS		queue
 *	ARP
 *	out (output)		sender is ADDRESS		drop
 *
 * Outgoing packets are queued at output, before the kernel looks for a
 * neighbour: a question for it would leave with a service address in it.
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_arp.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "migrate/net/queue.h"
#include "migrate/net/rules.h"
#include "migrate/net/silence.h"

enum state { SILENT, ENDED, STOPPED };

struct kho_silence {
	enum state state;
	unsigned int number;
	struct kho_silence_table table;
	struct kho_nl nft;
	struct kho_queue queue;
	struct kho_service *services;
	size_t count;
};

static void add_in(struct kho_nft *nft, const struct kho_address *address)
{
	kho_nft_rule(nft, "in");
	kho_nft_match_meta(nft, NFT_META_IIF, NFT_CMP_NEQ, KHO_LO_IFINDEX);
	kho_rule_to(nft, address);
	kho_nft_counter(nft);
	kho_nft_verdict(nft, NF_DROP);
}

static void add_out(const struct kho_silence *silence, struct kho_nft *nft,
		    const struct kho_address *address)
{
	if (nft->family == NFPROTO_IPV6) {
		kho_nft_rule(nft, "discover");
		kho_rule_from(nft, address);
		kho_rule_discovery(nft);
		kho_nft_counter(nft);
		kho_nft_verdict(nft, NF_DROP);
	}
	kho_nft_rule(nft, "out");
	kho_nft_match_meta(nft, NFT_META_OIF, NFT_CMP_NEQ, KHO_LO_IFINDEX);
	kho_rule_from(nft, address);
	kho_nft_counter(nft);
	kho_nft_queue(nft, KHO_SILENCE_QUEUE + silence->number);
}

static void add_ip(const struct kho_silence *silence, struct kho_nft *nft)
{
	size_t i;

	kho_nft_add_table(nft);
	kho_nft_add_chain(nft, &(struct kho_nft_chain){ "in", NF_INET_PRE_ROUTING,
							KHO_RULE_PRIORITY });
	if (nft->family == NFPROTO_IPV6) {
		kho_nft_add_chain(nft, &(struct kho_nft_chain){ "discover", NF_INET_LOCAL_OUT,
								KHO_RULE_PRIORITY - 1 });
		kho_nft_rule(nft, "in");
		kho_rule_discovery(nft);
		kho_nft_verdict(nft, NF_ACCEPT);
	}
	kho_nft_add_chain(nft, &(struct kho_nft_chain){ "out", NF_INET_LOCAL_OUT,
							KHO_RULE_PRIORITY });
	for (i = 0; i < silence->count; i++) {
		if (!kho_rule_applies(nft, &silence->services[i].address))
			continue;
		add_in(nft, &silence->services[i].address);
		add_out(silence, nft, &silence->services[i].address);
	}
}

static void add_arp(const struct kho_silence *silence, struct kho_nft *nft)
{
	size_t i;

	kho_nft_add_table(nft);
	kho_nft_add_chain(nft, &(struct kho_nft_chain){ "out", NF_ARP_OUT, KHO_RULE_PRIORITY });
	for (i = 0; i < silence->count; i++) {
		if (!kho_rule_applies(nft, &silence->services[i].address))
			continue;
		kho_nft_rule(nft, "out");
		kho_rule_arp_from(nft, &silence->services[i].address);
		kho_nft_counter(nft);
		kho_nft_verdict(nft, NF_DROP);
	}
}

static int install(struct kho_silence *silence, struct kho_err *err)
{
	_cleanup_nft_ struct kho_nft nft;
	size_t i;

	kho_nft_init(&nft, NFPROTO_ARP, silence->table.name);
	add_arp(silence, &nft);
	for (i = 0; i < KHO_FAMILIES; i++) {
		kho_nft_table(&nft, kho_families[i], silence->table.name);
		add_ip(silence, &nft);
	}
	return kho_nft_commit(&nft, &silence->nft, err);
}

static int start(struct kho_silence *silence, struct kho_err *err)
{
	int r;

	r = kho_nl_open(NETLINK_NETFILTER, &silence->nft, err);
	if (r < 0)
		return r;
	r = kho_queue_open(KHO_SILENCE_QUEUE + silence->number, KHO_HOLD_LENGTH, &silence->queue, err);
	if (r < 0)
		return r;
	r = install(silence, err);
	if (r == -EEXIST)
		return kho_fail(err, -EBUSY, "service addresses are silent already (nft table %s); "
				"remove what another agent left", silence->table.name);
	if (r == -ENOENT)
		return kho_fail(err, -EOPNOTSUPP, "this kernel lacks nft_queue; install the module");
	return r;
}

int kho_silence_start(unsigned int number, const struct kho_service *services, size_t count,
		      struct kho_silence **ret, struct kho_err *err)
{
	_cleanup_silence_ struct kho_silence *silence = NULL;
	int r;

	if (number >= KHO_SILENCES)
		return kho_fail(err, -EINVAL, "%u is no silence's number", number);
	r = kho_services_check(services, count, err);
	if (r < 0)
		return r;
	silence = calloc(1, sizeof(*silence));
	if (!silence)
		return kho_fail(err, -ENOMEM, "no memory to keep addresses silent");
	silence->services = calloc(count, sizeof(*services));
	if (!silence->services)
		return kho_fail(err, -ENOMEM, "no memory to keep addresses silent");
	memcpy(silence->services, services, count * sizeof(*services));
	silence->count = count;
	silence->number = number;
	silence->table = kho_silence_table(number);
	r = start(silence, err);
	if (r < 0)
		return kho_wrap(err, r, "keeping service addresses silent");
	*ret = TAKE_PTR(silence);
	return 0;
}

int kho_silence_fd(const struct kho_silence *silence)
{
	return kho_nl_fd(&silence->queue.nl);
}

static int drain(struct kho_silence *silence, struct kho_err *err)
{
	static const struct kho_queue_verdict accept = { NF_ACCEPT, 0 };

	return kho_queue_drain(&silence->queue, &accept, err);
}

int kho_silence_process(struct kho_silence *silence, struct kho_err *err)
{
	int r = 0;

	if (silence->state == SILENT)
		r = kho_queue_read(&silence->queue, err);
	else if (silence->state == ENDED)
		r = drain(silence, err);
	return r < 0 ? r : 0;
}

/* First all that drops, so that neighbours can be found; later the queue's rules. */
static int stop_dropping(struct kho_silence *silence, struct kho_err *err)
{
	_cleanup_nft_ struct kho_nft nft;

	kho_nft_init(&nft, NFPROTO_ARP, silence->table.name);
	kho_nft_flush(&nft, "out");
	kho_nft_table(&nft, NFPROTO_IPV4, silence->table.name);
	kho_nft_flush(&nft, "in");
	kho_nft_table(&nft, NFPROTO_IPV6, silence->table.name);
	kho_nft_flush(&nft, "in");
	kho_nft_flush(&nft, "discover");
	return kho_nft_commit(&nft, &silence->nft, err);
}

static int stop_queueing(struct kho_silence *silence, struct kho_err *err)
{
	_cleanup_nft_ struct kho_nft nft;
	size_t i;

	kho_nft_init(&nft, NFPROTO_IPV4, silence->table.name);
	for (i = 0; i < KHO_FAMILIES; i++) {
		kho_nft_table(&nft, kho_families[i], silence->table.name);
		kho_nft_flush(&nft, "out");
	}
	return kho_nft_commit(&nft, &silence->nft, err);
}

int kho_silence_end(struct kho_silence *silence, struct kho_err *err)
{
	int r;

	if (silence->state != SILENT)
		return kho_fail(err, -EINVAL, "service addresses aren't silent any more");
	r = stop_dropping(silence, err);
	if (r < 0)
		return kho_wrap(err, r, "ending the silence");
	silence->state = ENDED;
	r = drain(silence, err);
	if (r >= 0)
		r = stop_queueing(silence, err);
	if (r >= 0)
		r = drain(silence, err);
	return r < 0 ? kho_wrap(err, r, "ending the silence") : 0;
}

int kho_silence_stop(struct kho_silence *silence, struct kho_err *err)
{
	_cleanup_nft_ struct kho_nft nft;
	size_t i;
	int r;

	if (silence->state == STOPPED)
		return 0;
	r = kho_silence_process(silence, err);
	if (r < 0)
		return r;
	/* What is still in the queue goes first: its sender must not be heard later */
	if (silence->state == SILENT)
		kho_queue_close(&silence->queue);
	kho_nft_init(&nft, NFPROTO_ARP, silence->table.name);
	kho_nft_delete_table(&nft);
	for (i = 0; i < KHO_FAMILIES; i++) {
		kho_nft_table(&nft, kho_families[i], silence->table.name);
		kho_nft_delete_table(&nft);
	}
	r = kho_nft_commit(&nft, &silence->nft, err);
	if (r < 0)
		return kho_wrap(err, r, "ending the silence");
	silence->state = STOPPED;
	kho_queue_close(&silence->queue);
	return 0;
}

void kho_silence_free(struct kho_silence *silence)
{
	if (!silence)
		return;
	kho_queue_close(&silence->queue);
	kho_nl_close(&silence->nft);
	free(silence->services);
	free(silence);
}
