/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the two sides of a session when workloads move.
 *
 * A move goes from the side that owns the workloads to the other one: from the old
 * kernel to the new one in an upgrade, the other way in a rollback. The mover and the
 * receiver are the same code on either side. What they do by the side they're on is in
 * one table for each: how a PCI function is given up and taken, which way the record of
 * ownership is turned, and whether the peer can be stopped for good.
 */
#ifndef KHO_AGENT_SIDE_H
#define KHO_AGENT_SIDE_H

#include "agent/session.h"
#include "upgrade/owner.h"

struct kho_side {
	bool is_new;
	const char *self, *peer;	/* "new kernel": in messages */
	/*
	 * The function is given up, whoever uses it here; and taken, to be driven here.
	 * 1: it changed hands; 0: it was so before.
	 */
	int (*give)(struct kho_agent *agent, const struct kho_pci_addr *addr,
		    struct kho_err *err);
	int (*take)(struct kho_agent *agent, const struct kho_pci_addr *addr,
		    struct kho_err *err);
	/* From this side to the other. */
	int (*commit)(volatile void *arena, size_t size, uint64_t move, struct kho_owner *ret,
		      struct kho_err *err);
	/*
	 * The peer doesn't run any more, proven, and nothing of it can be in use. -EBUSY:
	 * it can't be stopped from here, nor is it known to be.
	 */
	int (*fence)(struct kho_agent *agent, struct kho_err *err);
};

/* Of the agent's session; as the old side's if there's none. */
const struct kho_side *kho_side(const struct kho_agent *agent);

/* Errors of kho_owner_read(). */
int kho_side_owner(struct kho_agent *agent, struct kho_owner *ret, struct kho_err *err);

/* Whether this side owns the workloads; a record that can't be read is nobody's. */
bool kho_side_owns(struct kho_agent *agent);

/* The peer does: the soak, if this is the old side. */
bool kho_side_peer_owns(struct kho_agent *agent);

/* Makes the peer the owner. Errors of kho_owner_commit(). */
int kho_side_commit(struct kho_agent *agent, uint64_t move, struct kho_err *err);

#endif
