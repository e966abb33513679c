/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whoever watches: Status with "more". Each message is the whole state, and the lines of
 * the log since the one before.
 *
 * Theory of operation
 *
 * Nothing tells of changes but kho_agent_progress(), and nothing has to: while somebody
 * watches, the state is looked at after every turn of the event loop, as plain data, and
 * told if it isn't what was told last (or, in a move, once a second: bytes go on).
 * What changes and changes back within one turn shows by its line of the log. Without
 * clients there's nothing but the last lines of the log, kept for the next one.
 */
#ifndef KHO_AGENT_WATCH_H
#define KHO_AGENT_WATCH_H

#include "agent/agent.h"

struct kho_watch;

/* agent->watch; needs the event loop. */
int kho_watch_new(struct kho_agent *agent, struct kho_err *err);
void kho_watch_free(struct kho_agent *agent);

/* A line of the log. Without agent->watch it's ignored. */
void kho_watch_log(struct kho_agent *agent, const char *text);

/* All of the state, with the last lines of the log. *@ret is a reference. */
int kho_watch_now(struct kho_agent *agent, sd_json_variant **ret);

/* One more who's told, besides the clients: at most one. NULL: it doesn't want to any more. */
typedef void (*kho_watch_fn)(void *ctx, sd_json_variant *state);
void kho_watch_listen(struct kho_agent *agent, kho_watch_fn listener, void *ctx);

/* A connection is gone, whosever. */
void kho_watch_gone(struct kho_agent *agent, sd_varlink *link);

/* The method Status, of both kinds. */
int kho_method_status(sd_varlink *link, sd_json_variant *parameters,
		      sd_varlink_method_flags_t flags, void *userdata);

#endif
