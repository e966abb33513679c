/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside the agent: an address that comes.
 *
 *	two NICs    address: the spare NIC is taken, the address on it, silent
 *	one NIC     address: what its driver needs is loaded
 *	            attach:  the NIC is taken, all that was configured on it, silent
 *	both        announce: silence ends
 */
#ifndef KHO_AGENT_ANCHOR_H
#define KHO_AGENT_ANCHOR_H

#include "agent/command.h"
#include "agent/receive.h"
#include "migrate/net/nic_state.h"
#include "migrate/net/silence.h"
#include "migrate/net/wake.h"

struct kho_anchor {
	struct kho_receiver *receiver;
	uint32_t item;
	struct kho_pci_addr function;
	bool granted;
	bool adopted;			/* of another agent; silence isn't ours */
	bool later;			/* its NIC comes in the switch */
	struct kho_service services[KHO_NET_ADDRESSES_MAX];
	size_t count;
	struct kho_nic nic;
	struct kho_nic_state *state;	/* of a NIC that comes later, or NULL */
	struct kho_address gateway;
	bool has_gateway;
	struct kho_silence *silence;
	struct kho_connection *peers;	/* that wait, as is known when it's announced */
	size_t nr_peers;
	struct kho_command *modules;
	sd_event_source *source, *timer;
	enum kho_step asked;		/* answered once the NIC is set up */
	unsigned int look_ms;
	unsigned int looks, bursts;
};

static inline struct kho_anchor *anchor(struct kho_receiver *receiver, const Kho__MoveStep *step)
{
	return receiver->anchors[step->item];
}

/* receive_net.c: the NIC is taken; @step is answered when the address is on it. 1 or negative. */
int kho_anchor_await(struct kho_anchor *anchor, enum kho_step step, unsigned int look_ms,
		     struct kho_err *err);

/*
 * One that another agent had, which was killed: the step tells what it is. Its NIC isn't
 * there if that one hadn't come so far. NULL: see @err.
 */
struct kho_anchor *kho_anchor_adopt(struct kho_receiver *receiver, const Kho__MoveStep *step,
				    struct kho_err *err);

/* Takes the address off the NIC and gives the NIC back; the anchor stays. */
int kho_anchor_lift(struct kho_anchor *anchor, struct kho_err *err);

/* receive_nic.c: a NIC that comes later. */
int kho_anchor_expect(struct kho_anchor *anchor, const Kho__MoveAddress *address,
		      struct kho_err *err);

/* receive_wake.c: peers of workloads that run here and have waited for long, if there are such. */
void kho_anchor_find_peers(struct kho_anchor *anchor);
void kho_anchor_wake_peers(struct kho_anchor *anchor);

#endif
