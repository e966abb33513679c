// SPDX-License-Identifier: GPL-2.0-only
/* Steps of the old side that concern addresses: packets wait, and go on. */
#include "agent/move.h"

static int nothing(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	(void)mover;
	(void)item;
	(void)err;
	return 0;
}

const struct kho_step_ops kho_step_hold = { .begin = nothing, .undo = nothing };
const struct kho_step_ops kho_step_mute = { .begin = nothing, .undo = nothing };
const struct kho_step_ops kho_step_forward = { .begin = nothing };

const struct kho_pci_addr *kho_mover_spare_nic(struct kho_mover *mover, uint32_t item)
{
	(void)mover;
	(void)item;
	return NULL;
}
