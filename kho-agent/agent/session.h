/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A session: one region shared with one other kernel, from the first claim to the
 * last release. It ties the module's link, the channel and the event loop
 * together; what to do about messages and events is its role's business.
 *
 * Everything a session needs to exist stands in the region's handover tree, so an
 * agent that was killed opens the same session again.
 */
#ifndef KHO_AGENT_SESSION_H
#define KHO_AGENT_SESSION_H

#include "agent/agent.h"
#include "agent/bench.h"
#include "agent/transfer.h"
#include "channel/channel.h"
#include "spawn/world.h"

struct kho_session;

/* What a role does. Called outside of the channel's callbacks: may end the session. */
struct kho_session_role {
	enum kho_role role;
	/* the agents agree; again after either was restarted */
	void (*up)(struct kho_session *session);
	/* refused, dead or garbage: @event says which */
	void (*down)(struct kho_session *session, const struct kho_link_event *event);
	/* a message; called inside the channel: may send, may not end the session */
	void (*message)(struct kho_session *session, const Kho__Envelope *envelope);
	/* called whenever the session was looked after */
	void (*look)(struct kho_session *session);
};

struct kho_console_tap {
	struct mk_console_ring *ring;
	uint32_t size;			/* checked at open */
	uint64_t tail;			/* ours */
	struct mk_console_ring *in_ring;
	uint32_t in_size;
	uint64_t in_head;
	int fd;				/* file that it's kept in */
	uint64_t kept;			/* bytes in the file */
};

struct kho_session {
	struct kho_agent *agent;
	const struct kho_session_role *role;
	struct mk_region region;
	struct kho_mapping map;
	struct kho_handover handover;
	struct kho_channel *channel;
	const volatile struct mk_status_page *peer;
	int event_fd;
	sd_event_source *bell;
	sd_event_source *timer;
	sd_event_source *deadline;	/* of the phase; NULL: none */
	struct kho_link_event event;	/* kind 0: none is waiting to be handled */
	struct kho_console_tap console;	/* old side only */
	struct kho_bench bench;
	struct kho_transfer transfer;
	bool retiring;			/* old side: RetireReady is out, its answer isn't here */
	bool rolling_back;		/* old side: MoveBack is out, MoveOver isn't here */
	bool asked_again;		/* new side: for a move back, while one is being undone */
	bool asked;			/* old side: so is a grant or revoke, of this function */
	struct kho_pci_addr asked_addr;
	uint64_t started_ns;		/* when the new kernel was started */
	uint64_t hello_ns;		/* how long until it said hello; 0: not yet */
};

struct kho_session_spec {
	const struct kho_session_role *role;
	const struct mk_region *region;
	const struct kho_handover *handover;
	struct kho_mapping map;		/* taken over on success */
};

/* Opens the module's link and the channel, and says hello. */
int kho_session_open(struct kho_agent *agent, const struct kho_session_spec *spec,
		     struct kho_err *err);

/* Ends it on this side: sources, channel, link and mapping. agent->session is NULL after. */
void kho_session_close(struct kho_agent *agent);

/* Arms (ms > 0) or drops the phase's deadline; @fn gets the session. */
int kho_session_set_deadline(struct kho_session *session, uint64_t ms,
			     sd_event_time_handler_t fn, struct kho_err *err);

/* An arena of the region in our address space; NULL: it isn't there. */
void *kho_session_arena(struct kho_session *session, const char *name, uint64_t *ret_size);

/* Sends; a full lane is a failure like any other. */
int kho_session_send(struct kho_session *session, const Kho__Envelope *envelope,
		     struct kho_err *err);

/* Does now what a doorbell would make it do. */
void kho_session_pump(struct kho_session *session);

/* console.c */
int kho_console_open(struct kho_session *session, struct kho_err *err);
void kho_console_close(struct kho_session *session);
/* Formats the rings, before the new kernel starts. */
void kho_console_format(void *region);
/* Moves what came into the file. */
void kho_console_drain(struct kho_session *session);
/* -EAGAIN: not all fits */
int kho_console_type(struct kho_session *session, const char *text, struct kho_err *err);
#define KHO_CONSOLE_LOG	KHO_RUN_DIR "/console.log"

#endif
