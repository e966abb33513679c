/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside the agent: a child criu that waits for its request, with the socket that its
 * pages will go through.
 *
 * To start one takes as long as many a final dump: a program to load, namespaces to
 * join. So the one for the next round is made while a round is under way, and the
 * last one of them is there when the workload is frozen.
 */
#ifndef KHO_AGENT_CRIU_READY_H
#define KHO_AGENT_CRIU_READY_H

#include <sys/types.h>

#include "migrate/criu/criu.h"

/* All zero: none. */
struct kho_criu_ready {
	struct kho_criu *criu;
	int pages;		/* our end of the socket */
	int page_fd;		/* number of the other end in the child, for the request */
};

/*
 * Makes one where there's none, in the namespaces of @root, the first one of the tasks that it's
 * for. It has no guard (criu.h) yet.
 */
int kho_criu_ready_make(struct kho_criu_ready *ready, pid_t root, struct kho_err *err);

/* It's never asked. None is fine. */
void kho_criu_ready_drop(struct kho_criu_ready *ready);

#endif
