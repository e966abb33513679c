// SPDX-License-Identifier: GPL-2.0-only
/* Steps of the old side that concern volumes. */
#include "agent/move.h"

static int nothing(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	(void)mover;
	(void)item;
	(void)err;
	return 0;
}

const struct kho_step_ops kho_step_release = { .begin = nothing, .undo = nothing };
const struct kho_step_ops kho_step_forget = { .begin = nothing };
