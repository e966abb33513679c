/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Less CPU time for a workload, for a while: cpu.max of its cgroup.
 *
 * The controller is switched on above it if it isn't: it stays on, which changes nothing
 * as long as nobody sets limits or weights. What cpu.max said before is kept in a file,
 * so that it's put back even if who slowed it down has died: two lines, the cgroup and
 * the text.
 */
#ifndef KHO_MIGRATE_THROTTLE_H
#define KHO_MIGRATE_THROTTLE_H

#include <stdint.h>

#include "base/err.h"

/* Where the workload is, and the file that keeps what was set before. */
struct kho_throttle {
	const char *cgroup;		/* "/sys/fs/cgroup/system.slice/redis.service" */
	const char *kept;
};

/* CPU time of all that's in it, since it began. */
int kho_throttle_usage(const char *cgroup, uint64_t *ret_ns, struct kho_err *err);

/* At most @permille of a CPU from now on (1 and up). Again: another limit. */
int kho_throttle_set(const struct kho_throttle *throttle, uint32_t permille, struct kho_err *err);

/* As it was, by the file @kept. Does nothing without one; a workload that's gone is fine. */
int kho_throttle_end(const char *kept, struct kho_err *err);

#endif
