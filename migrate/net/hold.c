// SPDX-License-Identifier: GPL-2.0-only
/*
 * The old side holds packets: see hold.h.
 *
 * There's a table "kho_hold" for each family, with two chains. Both are there
 * from the start to the end, since the kernel empties every packet queue when a
 * base chain goes away; only their rules change.
 *
 *	in (prerouting)
 *		neighbour discovery			accept	(IPv6)
 *		to ADDRESS, mark is KHO_HOLD_MARK	dup to ADDRESS by the NIC, drop
 *		to ADDRESS				queue
 *	out (output)	when muted:
 *		neighbour discovery			accept	(IPv6)
 *		from ADDRESS				drop
 *
 * To forward, each held packet gets the mark and runs through the chain again
 * (NF_REPEAT), which takes it to the dup rule: nftables' dup sends a copy to a
 * neighbour out of an interface, whatever is configured about forwarding. It
 * needs no ip_forward, and no filter for forwarded packets or reverse paths
 * gets in the way. The neighbour has a permanent entry with the new NIC's MAC
 * address, so nothing has to be asked before the first packet goes.
 *
 * The order of packets: the queue is drained while its rules are still there, so
 * what comes meanwhile lines up. Then the rules change, in one transaction. The kernel
 * takes its time to say that they have (it waits for all CPUs), so a thread lets go what
 * was queued in the moment between; only that may be overtaken.
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "migrate/net/hold.h"
#include "migrate/net/queue.h"
#include "migrate/net/route.h"
#include "migrate/net/rules.h"

#define KHO_HOLD_MARK	0x4b484f01	/* "KHO", 1 */

enum state { LOCAL, HELD, FORWARD, STOPPED };	/* where packets go */

struct kho_hold {
	enum state state;
	bool here;			/* never sent on */
	struct kho_nl nft;
	struct kho_queue queue;
	struct kho_service *services;
	size_t count;
};

static void add_forward_rules(const struct kho_hold *hold, struct kho_nft *nft, bool marked)
{
	const struct kho_service *service;
	size_t i;

	for (i = 0; i < hold->count && !hold->here; i++) {
		service = &hold->services[i];
		if (!kho_rule_applies(nft, &service->address))
			continue;
		kho_nft_rule(nft, "in");
		kho_rule_to(nft, &service->address);
		if (marked)
			kho_nft_match_meta(nft, NFT_META_MARK, NFT_CMP_EQ, KHO_HOLD_MARK);
		kho_nft_counter(nft);
		kho_nft_dup(nft, service->address.bytes, kho_address_size(&service->address),
			    service->ifindex);
		kho_nft_verdict(nft, NF_DROP);
	}
}

static void add_queue_rules(const struct kho_hold *hold, struct kho_nft *nft)
{
	size_t i;

	for (i = 0; i < hold->count; i++) {
		if (!kho_rule_applies(nft, &hold->services[i].address))
			continue;
		kho_nft_rule(nft, "in");
		kho_rule_to(nft, &hold->services[i].address);
		kho_nft_counter(nft);
		kho_nft_queue(nft, KHO_HOLD_QUEUE);
	}
}

static void accept_discovery(struct kho_nft *nft, const char *chain)
{
	if (nft->family != NFPROTO_IPV6)
		return;
	kho_nft_rule(nft, chain);
	kho_rule_discovery(nft);
	kho_nft_verdict(nft, NF_ACCEPT);
}

static int install(struct kho_hold *hold, struct kho_err *err)
{
	_cleanup_nft_ struct kho_nft nft;
	size_t i;

	kho_nft_init(&nft, NFPROTO_IPV4, KHO_HOLD_TABLE);
	for (i = 0; i < KHO_FAMILIES; i++) {
		kho_nft_table(&nft, kho_families[i], KHO_HOLD_TABLE);
		kho_nft_add_table(&nft);
		kho_nft_add_chain(&nft, &(struct kho_nft_chain){ "in", NF_INET_PRE_ROUTING,
								 KHO_RULE_PRIORITY });
		kho_nft_add_chain(&nft, &(struct kho_nft_chain){ "out", NF_INET_LOCAL_OUT,
								 KHO_RULE_PRIORITY });
		accept_discovery(&nft, "in");
		add_forward_rules(hold, &nft, true);
	}
	return kho_nft_commit(&nft, &hold->nft, err);
}

int kho_hold_begin(struct kho_hold *hold, struct kho_err *err)
{
	_cleanup_nft_ struct kho_nft nft;
	size_t i;
	int r;

	if (hold->state != LOCAL)
		return kho_fail(err, -EINVAL, "packets are held already, or sent on");
	kho_nft_init(&nft, NFPROTO_IPV4, KHO_HOLD_TABLE);
	for (i = 0; i < KHO_FAMILIES; i++) {
		kho_nft_table(&nft, kho_families[i], KHO_HOLD_TABLE);
		add_queue_rules(hold, &nft);
	}
	r = kho_nft_commit(&nft, &hold->nft, err);
	if (r == -ENOENT)
		return kho_fail(err, -EOPNOTSUPP, "this kernel lacks nft_queue; install the module");
	if (r < 0)
		return kho_wrap(err, r, "holding packets");
	hold->state = HELD;
	return 0;
}

static int start(struct kho_hold *hold, struct kho_err *err)
{
	int r;

	r = kho_nl_open(NETLINK_NETFILTER, &hold->nft, err);
	if (r < 0)
		return r;
	r = kho_queue_open(KHO_HOLD_QUEUE, KHO_HOLD_LENGTH, &hold->queue, err);
	if (r < 0)
		return r;
	r = install(hold, err);
	if (r == -EEXIST)
		return kho_fail(err, -EBUSY, "packets are held already (nft table %s); remove what "
				"another agent left", KHO_HOLD_TABLE);
	if (r == -ENOENT)
		return kho_fail(err, -EOPNOTSUPP, "this kernel lacks one of nft_queue, nft_dup_ipv4 "
				"and nft_dup_ipv6; install the modules");
	return r;
}

int kho_hold_start(const struct kho_service *services, size_t count, struct kho_hold **ret,
		   struct kho_err *err)
{
	int r = kho_hold_prepare(services, count, ret, err);

	if (r < 0)
		return r;
	r = kho_hold_begin(*ret, err);
	if (r < 0) {
		kho_hold_stop(*ret, NULL);
		kho_hold_free(*ret);
		*ret = NULL;
	}
	return r;
}

static int prepare(const struct kho_service *services, size_t count, bool here,
		   struct kho_hold **ret, struct kho_err *err)
{
	_cleanup_hold_ struct kho_hold *hold = NULL;
	int r;

	r = kho_services_check(services, count, err);
	if (r < 0)
		return r;
	hold = calloc(1, sizeof(*hold));
	if (!hold)
		return kho_fail(err, -ENOMEM, "no memory to hold packets");
	hold->services = calloc(count, sizeof(*services));
	if (!hold->services)
		return kho_fail(err, -ENOMEM, "no memory to hold packets");
	memcpy(hold->services, services, count * sizeof(*services));
	hold->count = count;
	hold->here = here;
	r = start(hold, err);
	if (r < 0)
		return kho_wrap(err, r, "holding packets");
	*ret = TAKE_PTR(hold);
	return 0;
}

int kho_hold_prepare(const struct kho_service *services, size_t count, struct kho_hold **ret,
		     struct kho_err *err)
{
	return prepare(services, count, false, ret, err);
}

int kho_hold_prepare_here(const struct kho_service *services, size_t count,
			  struct kho_hold **ret, struct kho_err *err)
{
	return prepare(services, count, true, ret, err);
}

int kho_hold_fd(const struct kho_hold *hold)
{
	return kho_nl_fd(&hold->queue.nl);
}

/* What becomes of packets in this state. */
static int drain(struct kho_hold *hold, struct kho_err *err)
{
	static const struct kho_queue_verdict verdicts[] = {
		[LOCAL] = { NF_ACCEPT, 0 },
		[FORWARD] = { NF_REPEAT, KHO_HOLD_MARK },
	};

	return kho_queue_drain(&hold->queue, &verdicts[hold->state], err);
}

int kho_hold_process(struct kho_hold *hold, struct kho_err *err)
{
	int r = 0;

	if (hold->state == HELD)
		r = kho_queue_read(&hold->queue, err);
	else if (hold->state != STOPPED)
		r = drain(hold, err);
	return r < 0 ? r : 0;
}

int kho_hold_mute(struct kho_hold *hold, bool on, struct kho_err *err)
{
	_cleanup_nft_ struct kho_nft nft;
	size_t i, j;
	int r;

	if (hold->state != HELD)
		return kho_fail(err, -EINVAL, "packets aren't held any more: can't mute");
	kho_nft_init(&nft, NFPROTO_IPV4, KHO_HOLD_TABLE);
	for (i = 0; i < KHO_FAMILIES; i++) {
		kho_nft_table(&nft, kho_families[i], KHO_HOLD_TABLE);
		kho_nft_flush(&nft, "out");
		if (!on)
			continue;
		accept_discovery(&nft, "out");
		for (j = 0; j < hold->count; j++) {
			if (!kho_rule_applies(&nft, &hold->services[j].address))
				continue;
			kho_nft_rule(&nft, "out");
			kho_rule_from(&nft, &hold->services[j].address);
			kho_nft_counter(&nft);
			kho_nft_verdict(&nft, NF_DROP);
		}
	}
	r = kho_nft_commit(&nft, &hold->nft, err);
	return r < 0 ? kho_wrap(err, r, "muting service addresses") : 0;
}

/* Packets aren't queued any more: they go on, here (as it was prepared) or on the new side. */
static int replace_queue_rules(struct kho_hold *hold, struct kho_err *err)
{
	_cleanup_nft_ struct kho_nft nft;
	size_t i;

	kho_nft_init(&nft, NFPROTO_IPV4, KHO_HOLD_TABLE);
	for (i = 0; i < KHO_FAMILIES; i++) {
		kho_nft_table(&nft, kho_families[i], KHO_HOLD_TABLE);
		kho_nft_flush(&nft, "in");
		accept_discovery(&nft, "in");
		add_forward_rules(hold, &nft, hold->state != FORWARD);
	}
	return kho_nft_commit(&nft, &hold->nft, err);
}

/* ---- letting go ---- */

/* Lets packets go while the rules change. The queue is its own until it's joined. */
struct drainer {
	struct kho_hold *hold;
	pthread_t thread;
	int end;		/* an eventfd: readable when it's to end; -1: there's no thread */
};

static void *keep_draining(void *arg)
{
	struct drainer *drainer = arg;
	struct pollfd fds[] = {
		{ .fd = kho_hold_fd(drainer->hold), .events = POLLIN },
		{ .fd = drainer->end, .events = POLLIN },
	};

	/* what it can't do is tried once more, and told, when it's over */
	while (poll(fds, 2, -1) > 0 && !fds[1].revents)
		if (drain(drainer->hold, NULL) < 0)
			break;
	return NULL;
}

/* Without it packets are let go all the same, but more of them are overtaken. */
static void drainer_start(struct drainer *drainer, struct kho_hold *hold)
{
	drainer->hold = hold;
	drainer->end = eventfd(0, EFD_CLOEXEC);
	if (drainer->end >= 0 &&
	    pthread_create(&drainer->thread, NULL, keep_draining, drainer) != 0) {
		close(drainer->end);
		drainer->end = -1;
	}
}

static void drainer_join(struct drainer *drainer)
{
	if (drainer->end < 0)
		return;
	eventfd_write(drainer->end, 1);
	pthread_join(drainer->thread, NULL);
	close(drainer->end);
}

static int release(struct kho_hold *hold, struct kho_err *err)
{
	struct drainer drainer;
	int r = drain(hold, err);

	if (r < 0)
		return r;
	drainer_start(&drainer, hold);
	r = replace_queue_rules(hold, err);
	drainer_join(&drainer);
	return r < 0 ? r : drain(hold, err);
}

int kho_hold_release_local(struct kho_hold *hold, struct kho_err *err)
{
	int r;

	if (hold->state == LOCAL)
		return 0;
	if (hold->state != HELD)
		return kho_fail(err, -EINVAL, "packets aren't held any more: can't release them");
	r = kho_hold_mute(hold, false, err);
	if (r < 0)
		return r;
	hold->state = LOCAL;
	r = release(hold, err);
	return r < 0 ? kho_wrap(err, r, "delivering held packets") : 0;
}

/* Takes the address away here, and tells the kernel where it is now. */
static int send_on(const struct kho_service *service, const uint8_t mac[KHO_MAC_SIZE],
		   struct kho_err *err)
{
	static const uint8_t none[KHO_MAC_SIZE];
	int r;

	if (memcmp(mac, none, KHO_MAC_SIZE) == 0)
		return 0;
	r = kho_address_remove(service, err);
	if (r >= 0)
		r = kho_neighbour_add(service, mac, err);
	if (r >= 0)
		r = kho_host_route_add(service, err);
	return r;
}

int kho_hold_release_forward(struct kho_hold *hold, const uint8_t (*macs)[KHO_MAC_SIZE],
			     struct kho_err *err)
{
	int r, first = 0;
	size_t i;

	if (hold->state != HELD || hold->here)
		return kho_fail(err, -EINVAL, "packets aren't held, or are to stay here: can't send them on");
	first = kho_hold_mute(hold, true, err);
	/* The first error is what's reported; all that can still be done is done */
	for (i = 0; i < hold->count; i++) {
		r = send_on(&hold->services[i], macs[i], first < 0 ? NULL : err);
		first = first < 0 ? first : r;
	}
	hold->state = FORWARD;
	r = release(hold, first < 0 ? NULL : err);
	first = first < 0 ? first : r;
	return first < 0 ? kho_wrap(err, first, "forwarding held packets") : 0;
}

int kho_hold_stats(struct kho_hold *hold, struct kho_hold_stats *ret, struct kho_err *err)
{
	struct kho_hold_stats stats = {
		.held = hold->queue.seen, .released = hold->queue.released,
	};
	int r;

	if (hold->state != STOPPED) {
		r = kho_queue_dropped(&hold->queue, &stats.dropped, err);
		if (r < 0)
			return r;
	}
	*ret = stats;
	return 0;
}

int kho_hold_stop(struct kho_hold *hold, struct kho_err *err)
{
	_cleanup_nft_ struct kho_nft nft;
	int r, undone = 0;
	size_t i;

	if (hold->state == STOPPED)
		return 0;
	r = kho_hold_process(hold, err);
	if (r < 0)
		return r;
	kho_nft_init(&nft, NFPROTO_IPV4, KHO_HOLD_TABLE);
	for (i = 0; i < KHO_FAMILIES; i++) {
		kho_nft_table(&nft, kho_families[i], KHO_HOLD_TABLE);
		kho_nft_delete_table(&nft);
	}
	r = kho_nft_commit(&nft, &hold->nft, err);
	if (r < 0)
		return kho_wrap(err, r, "ending the hold on packets");
	if (hold->state == FORWARD)
		undone = kho_routes_clean(err);
	hold->state = STOPPED;
	kho_queue_close(&hold->queue);
	return undone;
}

void kho_hold_free(struct kho_hold *hold)
{
	if (!hold)
		return;
	kho_queue_close(&hold->queue);
	kho_nl_close(&hold->nft);
	free(hold->services);
	free(hold);
}
