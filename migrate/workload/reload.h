/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * systemctl daemon-reload, for many who ask at the same time. systemd reads all units each time, one
 * reload after the other. Who has changed a unit needs one that has begun after that, whoever asked
 * for it: so of any number that wait for a reload that's under way, one asks for the next, and the
 * others find it done.
 */
#ifndef KHO_MIGRATE_WORKLOAD_RELOAD_H
#define KHO_MIGRATE_WORKLOAD_RELOAD_H

#include "base/err.h"

/*
 * @state: a file on a file system that's gone with the boot; it's locked while a reload is under way,
 * and says when the last good one began. Blocks: for a child process. Each reload has a deadline.
 */
int kho_systemd_reload(const char *state, struct kho_err *err);

#endif
