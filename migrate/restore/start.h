/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside kho-restore: the agent's socket, and descriptors that restored tasks get. */
#ifndef KHO_MIGRATE_START_H
#define KHO_MIGRATE_START_H

#include "base/err.h"
#include "migrate/criu/criu.h"

/* To the agent that has started us. */
int kho_restore_connect(int *ret, struct kho_err *err);

/* Our standard output and /dev/null, at numbers that CRIU's child inherits them by. */
int kho_restore_prepare_fds(struct kho_err *err);

/* Which of them stands for what was left out of the dump, by the list in the folder @dir. */
int kho_restore_read_external(int dir, struct kho_criu_request *request, struct kho_err *err);

#endif
