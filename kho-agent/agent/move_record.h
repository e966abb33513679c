/* SPDX-License-Identifier: GPL-2.0-only */
/* A move's record on the file system; upgrade/record.h has what's in it. */
#ifndef KHO_AGENT_MOVE_RECORD_H
#define KHO_AGENT_MOVE_RECORD_H

#include "agent/move.h"
#include "upgrade/record.h"

#define KHO_MOVE_RECORD		KHO_RUN_DIR "/move-record"

/* The configuration becomes the mover's. -ENOENT: no move was under way. */
int kho_mover_read_record(struct kho_mover *mover, struct kho_move_record *ret,
			  struct kho_err *err);

#endif
