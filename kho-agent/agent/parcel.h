/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An archive on its way to the new side, for a step of a move. A stream may outlive the
 * move that it's of: then nobody is told. In a move by kexec it's kept for the next kernel
 * (bequeath.h), and @arrived is told from within.
 */
#ifndef KHO_AGENT_PARCEL_H
#define KHO_AGENT_PARCEL_H

#include "agent/move.h"
#include "migrate/workload/archive.h"

typedef void (*kho_parcel_fn)(struct kho_mover *mover, uint32_t item, const struct kho_err *err);

/*
 * Sends it as "SORT:NAME-OF-THE-WORKLOAD", and takes it over in any case. @arrived is
 * told when the new side has all of it, or it failed; not if this fails.
 */
int kho_parcel_send(struct kho_mover *mover, uint32_t item, const char *sort,
		    struct kho_archive *archive, kho_parcel_fn arrived, struct kho_err *err);

#endif
