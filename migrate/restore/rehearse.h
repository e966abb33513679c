/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside kho-restore: a rehearsal, in a child with PIDs, mounts and a network of its own.
 *
 * Theory of operation
 *
 * The child is made with new PID, mount and network namespaces and is the first process
 * in there: so all that a restore would make (tasks of the same PIDs, sockets at the
 * same addresses) is out of everybody's way, and gone with the child.
 *   mounts    those of the unit, as kho-restore has them; nothing spreads to others. At
 *             the volumes, which aren't here yet, stand-ins (migrate/workload/stand_in.h)
 *   network   loopback only, to which all addresses belong: sockets are bound to theirs,
 *             and what they send reaches nobody
 * In there it does just what it would do for the real one, and talks to its parent as kho-restore
 * does to the agent. When all is restored and nothing has run the parent ends them all: a CRIU that
 * is told "no" then lets the tasks run all the same, with what little of their memory is there.
 */
#ifndef KHO_MIGRATE_REHEARSE_H
#define KHO_MIGRATE_REHEARSE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct kho_rehearsal {
	pid_t pid;			/* 0: none is under way */
	int fd;				/* what the child says */
	uint64_t began_ns;
	struct kho_err err;		/* what it said of why it fails */
};

/*
 * Begins: @body runs in the child, in isolation, with the socket that its parent listens
 * at, and returns the child's exit status. @dir: images, with the list of stand-ins.
 */
struct kho_rehearsal_body {
	int (*run)(void *ctx, int fd);
	void *ctx;
	int dir;
};

int kho_rehearsal_begin(struct kho_rehearsal *rehearsal, const struct kho_rehearsal_body *body,
			struct kho_err *err);

/*
 * Reads what it has to say. 1: it goes on; 0: it's over, and well: *ret_ns is how long the
 * restore took; negative: it's over, and *err says why.
 */
int kho_rehearsal_process(struct kho_rehearsal *rehearsal, uint64_t *ret_ns, struct kho_err *err);

/*
 * In the child, when all is restored: the tasks end before CRIU does, which traces them. One that its
 * tracer's death lets go of would run until it's killed itself.
 */
void kho_rehearsal_kill_tasks(pid_t criu);

/* In the child, before all else: mounts, stand-ins and network as above. */
int kho_rehearsal_isolate(int dir, struct kho_err *err);

#endif
