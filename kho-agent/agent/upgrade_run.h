/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An upgrade as a whole, run by the old kernel's agent: upgrade/upgrade.h says what comes
 * next, this does it.
 *
 * What an upgrade consists of (spawn, move, retire, ...) is what the operator's single
 * commands do, and tells its end as to a client that waits: kho_agent_answer() asks here
 * first. Each state is in the journal before it's acted on (upgrade/journal.h), in
 * /var/lib/kho-agent. When it's over, what happened goes to the history (history.h).
 *
 * A client that goes away stops nothing.
 */
#ifndef KHO_AGENT_UPGRADE_RUN_H
#define KHO_AGENT_UPGRADE_RUN_H

#include "agent/spawn.h"
#include "upgrade/journal.h"

struct kho_config;
struct kho_upgrade_run;

struct kho_upgrade_request {
	struct kho_spawn_request spawn;
	const char *by;			/* who asked for it */
	uint64_t max_frozen_ms;		/* as kho_config_limit_frozen() */
	bool no_rehearsal;
	bool now;			/* whatever the time windows say */
	bool keep, hold;		/* as of struct kho_upgrade */
	bool kexec;			/* never without being asked for */
	bool has_soak;
	uint64_t soak_sec;		/* otherwise that of the configuration */
};

/*
 * agent->waiter, if there's one, is answered when it's over. Errors of kho_spawn(), -EBUSY: one is
 * under way, or it's outside of the time windows.
 */
int kho_upgrade_start(struct kho_agent *agent, const struct kho_upgrade_request *request,
		      struct kho_err *err);

/* How long the old kernel stands by after the move. */
uint64_t kho_upgrade_soak_sec(const struct kho_upgrade_request *request,
			      const struct kho_config *config);

/* -EBUSY: an upgrade may not begin now, and when it may; errors of kho_windows_are_open(). */
int kho_upgrade_is_in_window(const struct kho_config *config, struct kho_err *err);

/* The operator's words; errors of kho_upgrade_commit(), kho_upgrade_abort(). */
int kho_upgrade_run_commit(struct kho_agent *agent, struct kho_err *err);
int kho_upgrade_run_abort(struct kho_agent *agent, const struct kho_err *why,
			  struct kho_err *err);

/* Its move is committed and not all went well since: said before its end is. */
void kho_upgrade_move_trouble(struct kho_agent *agent, const struct kho_err *trouble);

/* From kho_agent_answer(): whether it was the upgrade's to hear. */
bool kho_upgrade_heard(struct kho_agent *agent, const struct kho_err *err);

/* The new kernel's agent has said hello, for the first time: whether an upgrade is under way. */
bool kho_upgrade_said_hello(struct kho_agent *agent);

/* Whether single commands would be in its way. */
bool kho_upgrade_is_busy(const struct kho_agent *agent);

/* The two agents have agreed anew. */
void kho_upgrade_peer_up(struct kho_agent *agent);

/* agent->waiter is. */
void kho_upgrade_client_gone(struct kho_agent *agent);

/* Workloads were moved back by the new side. */
void kho_upgrade_run_returned(struct kho_agent *agent);

uint64_t kho_upgrade_now_ms(void);	/* since 1970 */

/* NULL: no upgrade is under way. */
const struct kho_journal *kho_upgrade_journal(const struct kho_agent *agent);

/* ms until the soak is over by itself; 0: it isn't one, or has no end. */
uint64_t kho_upgrade_soak_left_ms(const struct kho_agent *agent);

/* ms since 1970, by the wall's clock. */
uint64_t kho_upgrade_now_ms(void);

/* After a start of the agent, when what is below has been taken up. */
void kho_upgrade_recover(struct kho_agent *agent);

#endif
