/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside the agent: an address whose only NIC moves with it, on the side that it leaves. */
#ifndef KHO_AGENT_MOVE_NIC_H
#define KHO_AGENT_MOVE_NIC_H

#include "agent/move.h"
#include "migrate/net/nic_state.h"

#define KHO_NIC_ALIAS	160

/* Functions= names the NIC that it's on, and no other. */
bool kho_mover_nic_moves(struct kho_mover *mover, uint32_t item);

/* For "address": what kind of NIC will come. */
int kho_mover_describe_alias(struct kho_mover *mover, uint32_t item, char ret[KHO_NIC_ALIAS],
			     struct kho_err *err);

/* For "attach": what was configured on it. -ENOENT: it wasn't given up. */
int kho_mover_describe_nic(struct kho_mover *mover, uint32_t item, struct kho_nic_state *ret,
			   struct kho_err *err);

/*
 * What was configured on an address's NIC when it went, set again on the NIC that has the
 * function now. Nothing is known of one that never went: that's no error.
 */
int kho_nic_set_again(const struct kho_config_address *config, unsigned int ifindex,
		      struct kho_err *err);

extern const struct kho_step_ops kho_step_detach;

#endif
