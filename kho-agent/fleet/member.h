/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One machine of a fleet: what its daemon does, with etcd and the machine behind ops tables.
 *
 * Theory of operation
 *
 * A step keeps the lease and the view of etcd up to date, asks kho_fleet_decide() what's next,
 * and does that. All that's kept between steps is what saves work, and how long things have
 * been so by a clock that isn't set; a daemon that was killed begins anew with nothing.
 *
 * What must not collide is one transaction that compares what was decided on:
 *
 *	take	rollout, semaphore and own registration unchanged, no machine's record and no
 *		slot changed since the view's revision; puts semaphore, slot, record
 *	release	own slot, record and semaphore unchanged; puts semaphore, record, no slot
 *	free	the same of another one, and that it's still missing. A machine that registers
 *		writes its record as well, so one that was there for a moment isn't freed
 *	halt, finish	the rollout, no machine's record changed
 *
 * A transaction whose answer was lost may have been made. The view then shows it; a slot that
 * was got this way isn't fresh and is given back.
 *
 * Without etcd nothing is decided, so nothing begins. What's under way is the machine's,
 * goes on, and is reported when etcd is there again; its deadline is kept without etcd, too.
 */
#ifndef KHO_FLEET_MEMBER_H
#define KHO_FLEET_MEMBER_H

#include "fleet/view.h"

struct kho_machine_ops {
	uint64_t (*now_ms)(void *ctx);		/* since 1970 */
	uint64_t (*mono_ms)(void *ctx);		/* never set, goes on in suspend */
	/*
	 * machine, result, message, blackout_ms of @facts. @since_ms: when it had its slot; upgrades
	 * from before that, or that began too late after it to be by it, don't count. 0: none does.
	 * -EAGAIN: it can't be said now.
	 */
	int (*look)(void *ctx, const struct kho_rollout_spec *spec, uint64_t since_ms,
		    struct kho_fleet_facts *facts, struct kho_err *err);
	/* -EAGAIN: it can't be said whether it has begun; looked at again. Others: it was refused. */
	int (*start)(void *ctx, const struct kho_rollout_spec *spec, struct kho_err *err);
	int (*abort)(void *ctx, const char *why, struct kho_err *err);
	/* The message is only for a verdict that isn't good. */
	enum kho_verdict (*check)(void *ctx, const struct kho_rollout_spec *spec, enum kho_ask ask,
				  char message[KHO_FLEET_MESSAGE]);
	/* Whether one of the rollout's windows is open, of which there are some. */
	bool (*is_open)(void *ctx, const struct kho_windows *windows, uint64_t now_ms);
};

struct kho_member_spec {
	char id[KHO_FLEET_ID], group[KHO_FLEET_ID];
	struct kho_labels labels;
	char release[KHO_FLEET_ID], boot[KHO_FLEET_ID];
	uint64_t ttl_sec;		/* of the lease */
};

struct kho_member {
	struct kho_member_spec spec;
	struct kho_etcd etcd;
	const struct kho_machine_ops *machine;
	void *ctx;			/* of the machine */
	struct kho_fleet_cache cache;
	bool loaded;			/* there's a view, and a watch */
	unsigned int failures;		/* steps in a row that failed, up to some */
	uint64_t lease, kept_ms;	/* 0: none */
	uint64_t registered;		/* revision of live/ID that's ours; 0: none */
	uint64_t asked_ms;		/* when the slot was asked for that it has; 0: not by this one */
	uint64_t held_ms;		/* since when this daemon knows of its slot; 0: it has none */
	char digest[KHO_FLEET_DIGEST];	/* of the image of this kernel, as far as it's known */
	enum kho_verdict verdicts[_KHO_ASK_MAX];
	uint64_t asked[_KHO_ASK_MAX], bad_since[_KHO_ASK_MAX];	/* when; 0: never */
	char messages[_KHO_ASK_MAX][KHO_FLEET_MESSAGE];
	char refused[KHO_FLEET_MESSAGE];	/* what a start was refused with; "": it wasn't */
	struct kho_semaphore *semaphore;	/* room for one */
	struct kho_decision last;	/* what was done last; other isn't valid */
};

#define KHO_MEMBER_POLL_MS	5000u	/* how long nothing that's told may go unnoticed */

int kho_member_init(struct kho_member *member, const struct kho_member_spec *spec,
		    struct kho_etcd etcd, struct kho_err *err);
/* Ends the registration, if etcd is there. */
void kho_member_leave(struct kho_member *member);
void kho_member_done(struct kho_member *member);

/*
 * A step. *@ret_wait_ms: how long to wait for the watch before the next one, at most. An error is
 * etcd's (etcd.h), or the machine's; the next step tries again, *@ret_wait_ms later.
 */
int kho_member_step(struct kho_member *member, uint32_t *ret_wait_ms, struct kho_err *err);

/* Waits for news; errors are the next step's to find. */
void kho_member_wait(struct kho_member *member, uint32_t wait_ms);

#endif
