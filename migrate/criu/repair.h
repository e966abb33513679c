/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * After the death of a CRIU, or of who had started it.
 *
 * A CRIU whose caller is gone sees its socket close, fails, and puts all back by itself:
 * it only has to be waited for. One that was killed leaves TCP sockets of its tasks in
 * repair mode, in which a program reads and writes nothing but errors. They are mended
 * from outside while the tasks stand still (cgroup.h: freeze, mend, thaw).
 */
#ifndef KHO_MIGRATE_REPAIR_H
#define KHO_MIGRATE_REPAIR_H

#include <sys/types.h>

#include "base/err.h"
#include "migrate/workload/cgroup.h"

/*
 * Ends repair mode of all TCP sockets of the tasks in a cgroup; returns of how many.
 * Those of the kernel; the first one of a task that can't be looked at is told, the
 * others are mended all the same.
 */
int kho_criu_clear_repair(const char *cgroup, struct kho_err *err);

/*
 * The other way round, of tasks that are to be killed: TCP sockets are put in repair mode,
 * in which they vanish with their task. Otherwise each would say goodbye to its peer, and
 * stay for minutes if nobody hears it, in the way of the same connection restored here.
 * Returns of how many. @cgroup as above; NULL: the caller's own.
 */
int kho_criu_quiet(const char *cgroup, struct kho_err *err);

/*
 * Of what CRIU has dumped, and may have to put back: it leaves chosen the queue that it
 * read last, the one to be sent. An ACK makes the kernel then take all of that queue for
 * sent, which it wasn't, so that a full connection waits for a timer, and the longer the
 * longer it stood still. Returns of how many sockets the queue was left.
 */
int kho_criu_leave_queues(const char *cgroup, struct kho_err *err);

/* CRIUs that run in the caller's own cgroup, as pidfds. *@ret is to be freed. */
struct kho_criu_left {
	int *fds;
	size_t nr;
};

int kho_criu_find_left(struct kho_criu_left *ret, struct kho_err *err);

/* Closes what wasn't taken (-EBADF). */
void kho_criu_left_done(struct kho_criu_left *left);

#endif
