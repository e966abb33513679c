/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages of a move, in both directions, and the rollback: a move back, for which the
 * old side asks and which the new side runs.
 *
 *	old side                            new side
 *	MoveBack ------------------------->  begins a move, as khoctl move does there
 *	  <--------- MoveStep, MoveResult -->  steps of it, the other way round
 *	  <------------------- MoveOver       how it ended, and its report
 *
 * MoveOver is sent after a move from the old side, too: both have the report.
 */
#ifndef KHO_AGENT_ROLLBACK_H
#define KHO_AGENT_ROLLBACK_H

#include "agent/session.h"

/* Old side: begins a move to the new one. Errors of kho_mover_begin(). */
int kho_move_there(struct kho_agent *agent, struct kho_err *err);

/*
 * On either side. The waiting client is answered when it's over.
 *   -ENOTCONN    there's no peer
 *   -EALREADY    the workloads are in the old kernel
 *   -EOPNOTSUPP  the new agent can't do it
 */
int kho_rollback(struct kho_agent *agent, struct kho_err *err);

/*
 * Old side, to which they have come: asks for the end of that move, of which what's after its
 * commit may be under way. Answered as kho_rollback().
 */
int kho_rollback_finish(struct kho_agent *agent, struct kho_err *err);

/* New side: how a move back goes, for whoever waits in the old kernel. */
void kho_rollback_progress(struct kho_agent *agent, const char *text);

/* Old side: the new one's agent was started again. */
void kho_rollback_drop(struct kho_session *session);

/* When a move from here has ended, this agent's or one that it has taken up (move.h). */
void kho_move_is_over(struct kho_mover *mover);

/* Whether it was one of a move. Inside the channel. */
bool kho_move_on_message(struct kho_session *session, const Kho__Envelope *envelope);

#endif
