/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The new kernel is lost while the old one stands by: what to do, as a pure function.
 *
 *	                     who owns the workloads
 *	                 old side          new side, or not to be read
 *	dead, or told    reclaim           restart: fence, take all back, start anew
 *	silent           reclaim           the same
 *	policy stay      reclaim           wait: for the operator; a silent agent may come back
 *	gone             reclaim           restart, whatever the policy: there's nothing to wait for
 *
 * Silence proves nothing: whoever starts workloads anew has to fence the new kernel first.
 * A record that can't be read is taken for the new side's: its workloads are started
 * nowhere else then before it's fenced, and old tasks don't run either way.
 */
#ifndef KHO_UPGRADE_FAILOVER_H
#define KHO_UPGRADE_FAILOVER_H

#include <stdbool.h>

#include "upgrade/owner.h"

enum kho_loss {
	KHO_LOSS_SILENT = 0,	/* nothing is heard of its agent */
	KHO_LOSS_DEAD,		/* its kernel said that it panicked or stopped */
	KHO_LOSS_GONE,		/* it's fenced: its CPUs and memory are this kernel's */
};

enum kho_answer {
	KHO_ANSWER_RECLAIM = 0,	/* nothing of ours is there: take back what was lent */
	KHO_ANSWER_RESTART,	/* fence, take back, and start the workloads anew */
	KHO_ANSWER_LISTEN,	/* leave it as it is, and hear whether its agent comes back */
	KHO_ANSWER_STAY,	/* leave it as it is */
};

/* @owner: as read from the record, NULL: it can't be. */
enum kho_answer kho_failover_decide(const struct kho_owner *owner, enum kho_loss loss, bool stay);

#endif
