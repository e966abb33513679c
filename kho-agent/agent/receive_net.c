// SPDX-License-Identifier: GPL-2.0-only
/*
 * Addresses on the side that they go to: on the NIC that was granted, silent until they
 * are announced.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/anchor.h"
#include "agent/gauge.h"
#include "agent/pci.h"
#include "agent/side.h"
#include "base/cleanup.h"
#include "migrate/net/announce.h"
#include "migrate/net/clean.h"
#include "migrate/net/hold.h"

#define NIC_MS		5000		/* a driver may take to bind */
#define NIC_LOOK_MS	50
#define ANY_NIC		2

void kho_anchor_free(struct kho_anchor *a)
{
	if (!a)
		return;
	sd_event_source_disable_unref(a->source);
	sd_event_source_disable_unref(a->timer);
	kho_silence_free(a->silence);
	kho_command_free(a->modules);
	free(a->peers);
	free(a->state);
	free(a);
}

/* ---- address ---- */

static int read_step(struct kho_anchor *a, const Kho__MoveAddress *address, struct kho_err *err)
{
	int r = 0;

	if (!address || !address->n_addresses || address->n_addresses > KHO_NET_ADDRESSES_MAX)
		return kho_fail(err, -EBADMSG, "the step names no address; update the older agent");
	a->later = address->has_later && address->later;
	if (!a->later && !address->nic)
		return kho_fail(err, -EBADMSG, "the step names no NIC; update the older agent");
	if (address->nic)
		r = kho_pci_read_grant(address->nic, &a->function, err);
	for (size_t i = 0; i < address->n_addresses && r >= 0; i++)
		r = kho_address_parse(address->addresses[i], &a->services[i].address, err);
	a->count = address->n_addresses;
	a->has_gateway = address->gateway;
	if (r >= 0 && address->gateway)
		r = kho_address_parse(address->gateway, &a->gateway, err);
	return r;
}

static int on_packets(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct kho_anchor *a = userdata;
	struct kho_err err;

	(void)source;
	(void)fd;
	(void)revents;
	if (kho_silence_process(a->silence, &err) < 0)
		kho_agent_progress(a->receiver->agent, "%s", err.msg);
	return 0;
}

_Static_assert(KHO_SILENCES >= KHO_MOVE_ITEMS, "each address is silent by itself");

static int be_silent(struct kho_anchor *a, struct kho_err *err)
{
	int r = kho_net_clean_silence(a->item, err);

	for (size_t i = 0; i < a->count; i++)
		a->services[i].ifindex = a->nic.ifindex;
	if (r >= 0)
		r = kho_silence_start(a->item, a->services, a->count, &a->silence, err);
	/* of a move the other way: what still comes was sent on, and is dropped from here on */
	if (r >= 0)
		r = kho_net_clean(KHO_CLEAN_HOLD, err);
	if (r >= 0)
		r = sd_event_add_io(a->receiver->agent->event, &a->source,
				    kho_silence_fd(a->silence), EPOLLIN, on_packets, a);
	return r;
}

static int set_up(struct kho_anchor *a, struct kho_err *err)
{
	int r = kho_nic_up(a->nic.ifindex, err);

	if (r >= 0)
		r = be_silent(a, err);
	for (size_t i = 0; i < a->count && r >= 0; i++)
		r = kho_address_add(&a->services[i], err);
	if (r >= 0 && a->state)
		r = kho_nic_state_apply(a->state, a->nic.ifindex, err);
	if (r >= 0 && a->has_gateway)
		r = kho_gateway_add(&a->gateway, a->nic.ifindex, err);
	return r;
}

struct kho_anchor *kho_anchor_adopt(struct kho_receiver *receiver, const Kho__MoveStep *step,
				    struct kho_err *err)
{
	struct kho_anchor *a = calloc(1, sizeof(*a));

	if (!a) {
		kho_fail(err, -ENOMEM, "no memory for an address");
		return NULL;
	}
	if (read_step(a, step->address, err) < 0) {
		free(a);
		return NULL;
	}
	a->receiver = receiver;
	a->item = step->item;
	a->adopted = true;
	/*
	 * One that comes later is named only by the step that it comes with. Of two, the old
	 * kernel's is its own, whoever has the addresses.
	 */
	a->granted = step->address->nic && (a->later || kho_side(receiver->agent)->is_new);
	if (kho_nic_find("/sys", &a->function, &a->nic, NULL) < 0)
		a->nic.ifindex = 0;
	for (size_t i = 0; i < a->count; i++)
		a->services[i].ifindex = a->nic.ifindex;
	receiver->anchors[step->item] = a;
	return a;
}

static void answer(struct kho_anchor *a, const struct kho_err *err)
{
	kho_receive_answer_mac(a->receiver, a->asked, a->item, a->nic.mac, err);
}

static int look_later(struct kho_anchor *a);

/* The driver binds when udev gets to it. */
static int on_look(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct kho_anchor *a = userdata;
	struct kho_err err = {};
	int r = kho_nic_find("/sys", &a->function, &a->nic, &err);

	(void)source;
	(void)usec;
	a->timer = sd_event_source_disable_unref(a->timer);
	if (r == -ENODEV && a->looks++ < NIC_MS / a->look_ms)
		return look_later(a);
	if (r >= 0) {
		err = (struct kho_err){};
		set_up(a, &err);
	}
	answer(a, &err);
	return 0;
}

static int look_later(struct kho_anchor *a)
{
	return sd_event_add_time_relative(a->receiver->agent->event, &a->timer, CLOCK_MONOTONIC,
					  a->look_ms * 1000, 0, on_look, a);
}

int kho_anchor_await(struct kho_anchor *a, enum kho_step step, unsigned int look_ms,
		     struct kho_err *err)
{
	int r;

	a->asked = step;
	a->look_ms = look_ms;
	a->looks = 0;
	r = look_later(a);
	return r < 0 ? kho_fail_errno(err, r, "event loop") : 1;
}

int kho_anchor_lift(struct kho_anchor *a, struct kho_err *err)
{
	int r = 0;

	a->timer = sd_event_source_disable_unref(a->timer);
	for (size_t i = 0; i < a->count && (a->silence || a->adopted); i++)
		kho_address_remove(&a->services[i], NULL);
	a->source = sd_event_source_disable_unref(a->source);
	if (a->silence)
		kho_silence_stop(a->silence, NULL);
	else if (a->adopted)
		kho_net_clean_silence(a->item, NULL);
	kho_silence_free(a->silence);
	a->silence = NULL;
	if (a->granted)
		r = kho_side(a->receiver->agent)->give(a->receiver->agent, &a->function, err);
	a->granted = r < 0;
	return r < 0 ? r : 0;
}

/*
 * A rollback holds packets in this kernel. That it lacks something for it is said before
 * anything has moved, not when there's a way back to be found.
 */
static int try_way_back(const struct kho_anchor *a, struct kho_err *err)
{
	_cleanup_free_ struct kho_service *services = calloc(a->count, sizeof(*services));
	_cleanup_hold_ struct kho_hold *hold = NULL;
	int r;

	if (!services)
		return kho_fail(err, -ENOMEM, "no memory for an address");
	for (size_t i = 0; i < a->count; i++) {
		services[i] = a->services[i];
		/* its NIC may come later; the kernel takes any number */
		services[i].ifindex = ANY_NIC;
	}
	r = kho_hold_prepare(services, a->count, &hold, err);
	/* rules of a move the other way are still there: then it can */
	if (r == -EBUSY)
		return 0;
	if (r >= 0)
		r = kho_hold_stop(hold, err);
	return r < 0 ? kho_wrap(err, r, "there would be no rollback") : 0;
}

static int address(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	struct kho_anchor *a;
	int r;

	if (anchor(receiver, step))
		return kho_fail(err, -EBUSY, "this address is expected already");
	a = calloc(1, sizeof(*a));
	if (!a)
		return kho_fail(err, -ENOMEM, "no memory for an address");
	a->receiver = receiver;
	a->item = step->item;
	receiver->anchors[step->item] = a;
	r = read_step(a, step->address, err);
	for (size_t i = 0; r >= 0 && i < step->address->n_addresses; i++)
		kho_gauge_watch_address(receiver, step->address->addresses[i]);
	if (r >= 0 && kho_side(receiver->agent)->is_new)
		r = try_way_back(a, err);
	if (r >= 0 && a->later)
		return kho_anchor_expect(a, step->address, err);
	if (r >= 0)
		r = kho_side(receiver->agent)->take(receiver->agent, &a->function, err);
	if (r < 0)
		return r;
	a->granted = r > 0;
	return kho_anchor_await(a, KHO_STEP_ADDRESS, NIC_LOOK_MS, err);
}

static int undo_address(struct kho_receiver *receiver, const Kho__MoveStep *step,
			struct kho_err *err)
{
	struct kho_anchor *a = anchor(receiver, step) ?: kho_anchor_adopt(receiver, step, err);
	int r;

	if (!a)
		return err->code;
	r = kho_anchor_lift(a, err);
	receiver->anchors[step->item] = NULL;
	kho_anchor_free(a);
	return r < 0 ? r : 0;
}

/* ---- announce ---- */

static int on_burst(sd_event_source *source, uint64_t usec, void *userdata);

static void burst_later(struct kho_anchor *a)
{
	unsigned int delay = kho_announce_delay_ms(a->bursts);

	a->timer = sd_event_source_disable_unref(a->timer);
	if (a->bursts < KHO_ANNOUNCE_TIMES)
		sd_event_add_time_relative(a->receiver->agent->event, &a->timer, CLOCK_MONOTONIC,
					   delay * 1000ULL, 0, on_burst, a);
}

/* What held packets back is empty by now, and goes. */
static void end_silence(struct kho_anchor *a)
{
	struct kho_err err = {};

	a->source = sd_event_source_disable_unref(a->source);
	if (a->silence && kho_silence_stop(a->silence, &err) < 0)
		kho_agent_progress(a->receiver->agent, "%s", err.msg);
}

static int on_burst(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct kho_anchor *a = userdata;
	struct kho_err err;

	(void)source;
	(void)usec;
	a->bursts++;
	if (kho_announce(a->services, a->count, &err) < 0)
		kho_agent_progress(a->receiver->agent, "%s", err.msg);
	kho_anchor_wake_peers(a);
	burst_later(a);
	if (a->bursts >= KHO_ANNOUNCE_TIMES)
		end_silence(a);
	return 0;
}

static int announce(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	struct kho_anchor *a = anchor(receiver, step) ?:
			       kho_anchor_adopt(receiver, step, err);
	int r = 0;

	if (!a || (!a->silence && !a->nic.ifindex))
		return kho_fail(err, -EPROTO, "the address isn't here");
	/* what waited is lost with the agent that held it, and is sent again */
	if (a->adopted)
		r = kho_net_clean_silence(a->item, err);
	else if (!a->bursts)
		r = kho_silence_end(a->silence, err);
	if (r >= 0)
		r = kho_announce(a->services, a->count, err);
	kho_anchor_find_peers(a);
	kho_anchor_wake_peers(a);
	a->bursts = 1;
	burst_later(a);
	return r;
}

const struct kho_receive_ops kho_receive_address = { .begin = address, .undo = undo_address };
const struct kho_receive_ops kho_receive_announce = { .begin = announce };
