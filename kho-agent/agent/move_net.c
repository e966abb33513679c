// SPDX-License-Identifier: GPL-2.0-only
/*
 * Addresses on the old side of a move: packets to them wait, nothing leaves from them,
 * and then all goes on to the new kernel's NIC, or to where it was meant to.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/departure.h"
#include "agent/move_nic.h"
#include "agent/side.h"
#include "migrate/net/clean.h"
#include "migrate/net/hold.h"

struct kho_holding {
	struct kho_hold *hold;
	sd_event_source *source;
	struct kho_service services[KHO_NET_ADDRESSES_MAX];
	uint32_t items[KHO_NET_ADDRESSES_MAX];	/* whose address of the move it is */
	size_t count;
};

/* ---- which addresses ---- */

static int add_service(struct kho_holding *holding, uint32_t item, const char *text,
		       struct kho_err *err)
{
	struct kho_address address;
	int r = kho_address_parse(text, &address, err);

	if (r >= 0 && holding->count == KHO_NET_ADDRESSES_MAX)
		return kho_fail(err, -E2BIG, "more than %d addresses", KHO_NET_ADDRESSES_MAX);
	if (r >= 0)
		r = kho_address_find(&address, &holding->services[holding->count], err);
	if (r < 0)
		return kho_wrap(err, r, "address %s", text);
	holding->items[holding->count++] = item;
	return 0;
}

static int find_services(struct kho_mover *mover, struct kho_holding *holding, struct kho_err *err)
{
	const struct kho_config *config = mover->config;
	int r = 0;

	for (unsigned int i = 0; i < config->nr_addresses; i++)
		for (unsigned int n = 0; n < config->addresses[i].nr_addresses && r >= 0; n++)
			r = add_service(holding, i, config->addresses[i].addresses[n], err);
	return r;
}

/* ---- the NIC that goes to the new kernel ---- */

const struct kho_pci_addr *kho_mover_spare_nic(struct kho_mover *mover, uint32_t item)
{
	const struct kho_config_address *config = &mover->config->addresses[item];
	struct kho_service service;
	struct kho_address address;
	struct kho_nic nic;

	if (kho_address_parse(config->addresses[0], &address, NULL) < 0 ||
	    kho_address_find(&address, &service, NULL) < 0)
		return NULL;
	for (unsigned int i = 0; i < config->nr_functions; i++)
		if (kho_nic_find("/sys", &config->functions[i], &nic, NULL) < 0 ||
		    nic.ifindex != service.ifindex)
			return &config->functions[i];
	return NULL;
}

int kho_mover_give_nic(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	const struct kho_pci_addr *nic = kho_mover_spare_nic(mover, item);
	int r;

	/* the only one there is goes in the switch */
	if (kho_mover_nic_moves(mover, item))
		return 0;
	if (!nic)
		return kho_fail(err, -ENODEV, "none of its Functions= is free for the new kernel; "
				"name a second NIC on the same network");
	r = kho_side(mover->agent)->give(mover->agent, nic, err);
	if (r <= 0)
		return r;
	mover->nics_given |= 1u << item;
	return kho_mover_note(mover, err);
}

int kho_mover_take_nic_back(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	const struct kho_pci_addr *nic = kho_mover_spare_nic(mover, item);

	/* what the other side had before stays there */
	if (!nic || !(mover->nics_given & 1u << item))
		return 0;
	return kho_side(mover->agent)->take(mover->agent, nic, err) < 0 ? err->code : 0;
}

/* ---- steps ---- */

static void holding_free(struct kho_holding *holding)
{
	if (!holding)
		return;
	sd_event_source_disable_unref(holding->source);
	kho_hold_free(holding->hold);
	free(holding);
}

void kho_mover_free_net(struct kho_mover *mover)
{
	holding_free(mover->holding);
	mover->holding = NULL;
}

static int on_packets(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct kho_mover *mover = userdata;
	struct kho_err err;

	(void)source;
	(void)fd;
	(void)revents;
	if (kho_hold_process(mover->holding->hold, &err) < 0)
		kho_agent_progress(mover->agent, "%s", err.msg);
	return 0;
}

static int start(struct kho_mover *mover, struct kho_holding *holding, struct kho_err *err)
{
	int r = kho_net_clean(KHO_CLEAN_HOLD, err);

	if (r >= 0 && mover->bequeathal)
		r = kho_hold_prepare_here(holding->services, holding->count, &holding->hold, err);
	else if (r >= 0)
		r = kho_hold_prepare(holding->services, holding->count, &holding->hold, err);
	if (r >= 0)
		r = sd_event_add_io(mover->agent->event, &holding->source,
				    kho_hold_fd(holding->hold), EPOLLIN, on_packets, mover);
	if (r >= 0)
		sd_event_source_set_priority(holding->source, SD_EVENT_PRIORITY_IMPORTANT);
	return r;
}

static int look(struct kho_mover *mover, struct kho_err *err)
{
	struct kho_holding *holding = calloc(1, sizeof(*holding));

	if (!holding)
		return kho_fail(err, -ENOMEM, "no memory to hold packets");
	mover->holding = holding;
	return find_services(mover, holding, err);
}

static int arm(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	int r = look(mover, err);

	(void)item;
	if (r >= 0 && mover->holding->count)
		r = start(mover, mover->holding, err);
	return r < 0 ? kho_wrap(err, r, "packets can't be held") : 0;
}

static int hold(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	(void)item;
	if (!mover->holding->hold)
		return 0;
	return kho_hold_begin(mover->holding->hold, err);
}

static int release_here(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	(void)item;
	if (!mover->holding || !mover->holding->hold)
		return 0;
	return kho_hold_release_local(mover->holding->hold, err);
}

static int mute(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	(void)item;
	if (!mover->holding || !mover->holding->hold)
		return 0;
	return kho_hold_mute(mover->holding->hold, true, err);
}

static int unmute(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	(void)item;
	if (!mover->holding || !mover->holding->hold)
		return 0;
	return kho_hold_mute(mover->holding->hold, false, err);
}

/*
 * The agent that held was killed: its rules still keep everything in and out, but nobody
 * reads the queue. Before they're made anew, nothing may be left here that would answer.
 */
static int hold_again(struct kho_mover *mover, struct kho_err *err)
{
	struct kho_holding *holding;
	int r = look(mover, err);

	/* without the address here, it was all done */
	if (r == -ENOENT)
		*err = (struct kho_err){};
	if (r < 0 || !mover->holding->count)
		return r == -ENOENT ? 0 : r;
	holding = mover->holding;
	for (unsigned int i = 0; i < mover->config->nr_workloads && r >= 0; i++)
		r = kho_departure_kill(mover->departures[i], err);
	for (size_t i = 0; i < holding->count && r >= 0; i++)
		r = kho_address_remove(&holding->services[i], err);
	if (r >= 0)
		r = start(mover, holding, err);
	return r < 0 ? r : kho_hold_begin(holding->hold, err);
}

static int forward(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	uint8_t macs[KHO_NET_ADDRESSES_MAX][KHO_MAC_SIZE];
	struct kho_holding *holding;
	int r = mover->recovered ? hold_again(mover, err) : 0;

	(void)item;
	if (r < 0)
		return r;
	holding = mover->holding;
	if (!holding || !holding->hold)
		return 0;
	for (size_t i = 0; i < holding->count; i++)
		memcpy(macs[i], mover->macs[holding->items[i]], KHO_MAC_SIZE);
	return kho_hold_release_forward(holding->hold, (const uint8_t (*)[KHO_MAC_SIZE])macs, err);
}

/* The kernel goes on forwarding by itself; what ends here is what an abort leaves. */
void kho_mover_end_net(struct kho_mover *mover, bool committed)
{
	struct kho_hold_stats stats;
	struct kho_err err;

	if (!mover->holding || !mover->holding->hold)
		return;
	if (kho_hold_stats(mover->holding->hold, &stats, &err) >= 0)
		kho_agent_progress(mover->agent, "%llu packets were held, %llu dropped",
				   (unsigned long long)stats.held,
				   (unsigned long long)stats.dropped);
	if (!committed && kho_hold_stop(mover->holding->hold, &err) < 0)
		kho_agent_progress(mover->agent, "%s", err.msg);
}

const struct kho_step_ops kho_step_arm = { .begin = arm };
const struct kho_step_ops kho_step_hold = { .begin = hold, .undo = release_here };
const struct kho_step_ops kho_step_mute = { .begin = mute, .undo = unmute };
const struct kho_step_ops kho_step_forward = { .begin = forward };
