/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A child that's alone: with PIDs, mounts and a network of its own, so that what it does
 * is in nobody's way, and gone with it.
 */
#ifndef KHO_MIGRATE_ISOLATE_H
#define KHO_MIGRATE_ISOLATE_H

#include <sys/types.h>

#include "base/err.h"

/*
 * As fork(2), into new namespaces. The child is the first process in there: when it
 * ends, all others are killed. It's killed when its parent dies.
 */
pid_t kho_isolate_fork(void);

/* In the child. Mounts don't spread to others from now on; /proc and pseudo-terminals are its own. */
int kho_isolate_mounts(struct kho_err *err);

/*
 * In the child. There's loopback only, and all addresses belong to it: sockets can be
 * bound to any, and what they send reaches nobody.
 */
int kho_isolate_network(struct kho_err *err);

#endif
