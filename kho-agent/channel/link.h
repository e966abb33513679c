/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * State machine of the link between two agents.
 *
 * Theory of operation
 *
 *	          start()            peer's hello accepted, ours acknowledged
 *	   DOWN ----------> HELLO_SENT ----------------------------> UP <------+
 *	                     |  |  ^                                 |  |      | heard
 *	         refused, by |  |  |  peer's agent started again     |  |      | again
 *	         either side |  |  +--------- (new nonce) -----------+  |      |
 *	                     v  |                     ^                 |      |
 *	                 REFUSED|                     |                 v      |
 *	                        |                     +-------------- STALLED -+
 *	            no hello in |                     silent for stall_ns |
 *	               hello_ns |                                         | silent for
 *	                        v                                         v dead_ns
 *	                       DEAD <---------------------------------- DEAD
 *	                         ^ (busy_ns while its kernel has a pulse)
 *	                         | from any state but DOWN and REFUSED: garbage, or the
 *	                           peer's kernel stopped, panicked or retired
 *
 * DOWN        nothing was said yet; what comes in waits in the lane
 * HELLO_SENT  our hello is out; messages other than hellos are an earlier session's
 * UP          messages pass, heartbeats go both ways
 * STALLED     as UP, but the peer was not heard for a while
 * REFUSED     final: the two won't work together; the event says why
 * DEAD        final: the peer is gone or not to be trusted; the event says how
 *
 * A peer that is silent is not proven stopped. DEAD by silence or garbage means:
 * fence it before anything it owned is taken.
 *
 * An agent that was killed starts again with a hello of a new nonce. The other
 * side answers with a hello of its own, a START as well, and both go through
 * HELLO_SENT to UP. A hello with the nonce already known is only acknowledged.
 * An acknowledgement counts only for the last hello that was sent (session):
 * so whoever is UP knows that the peer has dropped all of the session before.
 *
 * Pure: no I/O and no clock. Inputs carry the time (@now, ns of one monotonic
 * clock; if it runs backwards, no time has passed). Outputs are what to send and
 * what to tell; the caller clears them (struct kho_link_output = {}) before and
 * carries them out after each call, or gathers several calls' outputs in one.
 */
#ifndef KHO_CHANNEL_LINK_H
#define KHO_CHANNEL_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "channel/hello.h"

/* Defaults. Heartbeats ring no doorbell; the peer sees them when it wakes. */
#define KHO_LINK_HEARTBEAT_NS	250000000ULL
#define KHO_LINK_STALL_NS	2000000000ULL
#define KHO_LINK_DEAD_NS	15000000000ULL
#define KHO_LINK_BUSY_NS	60000000000ULL
#define KHO_LINK_HELLO_NS	60000000000ULL
#define KHO_LINK_NEVER		UINT64_MAX	/* a deadline that never comes */

enum kho_link_state {
	KHO_LINK_DOWN = 0,
	KHO_LINK_HELLO_SENT,
	KHO_LINK_UP,
	KHO_LINK_STALLED,
	KHO_LINK_REFUSED,
	KHO_LINK_DEAD,
	_KHO_LINK_STATE_MAX,
};

/* Why a link is dead. */
enum kho_link_cause {
	KHO_LINK_ALIVE = 0,
	KHO_LINK_NO_HELLO,		/* -ETIMEDOUT */
	KHO_LINK_SILENT,		/* -ETIMEDOUT */
	KHO_LINK_GARBAGE,		/* -EBADMSG or what the codec said */
	KHO_LINK_PEER_STOPPED,		/* -ECONNRESET: halted or restarted in order */
	KHO_LINK_PEER_PANICKED,		/* -ECONNRESET */
	KHO_LINK_PEER_RETIRED,		/* -ESHUTDOWN: as it should at the end */
	_KHO_LINK_CAUSE_MAX,
};

enum kho_link_event_kind {
	KHO_LINK_EVENT_UP = 1,		/* first or again */
	KHO_LINK_EVENT_RESTARTED,	/* the peer's agent; streams and replies are void */
	KHO_LINK_EVENT_STALLED,		/* since_ns: when it was last heard */
	KHO_LINK_EVENT_RESUMED,		/* heard again after a stall */
	KHO_LINK_EVENT_REFUSED,		/* err: who refused, reason and remedy */
	KHO_LINK_EVENT_DEAD,		/* cause, err */
};

struct kho_link_event {
	enum kho_link_event_kind kind;
	enum kho_link_cause cause;	/* DEAD only */
	uint64_t since_ns;		/* STALLED only */
	struct kho_err err;		/* REFUSED and DEAD: code and what to do */
};

/* What to send, in this order. */
#define KHO_LINK_SEND_HELLO	(1u << 0)	/* in a START frame */
#define KHO_LINK_SEND_ACK	(1u << 1)
#define KHO_LINK_SEND_REFUSE	(1u << 2)
#define KHO_LINK_SEND_HEARTBEAT	(1u << 3)

#define KHO_LINK_EVENTS_MAX	4		/* of one call; further ones are dropped */

struct kho_link_output {
	unsigned int send;		/* KHO_LINK_SEND_* */
	unsigned int nr_events;
	struct kho_link_event events[KHO_LINK_EVENTS_MAX];
};

struct kho_link_config {
	struct kho_hello hello;		/* our offer */
	uint64_t heartbeat_ns;		/* > 0 */
	uint64_t stall_ns;		/* > heartbeat_ns */
	uint64_t dead_ns;		/* > stall_ns, or 0: silence never kills */
	uint64_t busy_ns;		/* >= dead_ns: the same, while the kernel has a pulse */
	uint64_t hello_ns;		/* 0: wait for ever */
};

/* Read only for callers. */
struct kho_link {
	struct kho_link_config config;	/* hello.session: of our last hello */
	enum kho_link_state state;
	enum kho_link_cause cause;
	struct kho_hello peer;		/* valid if peer_known */
	struct kho_agreement agreement;	/* likewise */
	struct kho_refusal refusal;	/* what we refuse with */
	bool peer_known;
	uint64_t refused_nonce;		/* of the hello that we refuse */
	uint64_t hello_since;
	uint64_t heard;			/* last sign of life */
	uint64_t pulse;			/* the peer's kernel's, as seen last; 0: it tells none */
	uint64_t pulsed;		/* when that was new */
	uint64_t beat;			/* when the last heartbeat was asked for */
	uint64_t beat_seq;
	uint64_t peer_beat_seq;
	uint32_t own_state;		/* told in heartbeats */
	uint32_t peer_state;
	uint64_t stale;			/* messages dropped as an earlier session's */
	uint64_t unknown;		/* messages of kinds we don't know */
};

/* A message that borrows from a struct kho_link; see kho_link_write(). */
struct kho_link_message {
	Kho__Envelope envelope;
	Kho__HelloAck ack;
	Kho__Refuse refuse;
	Kho__Heartbeat heartbeat;
	struct kho_hello_message hello;
	char *features[KHO_FEATURES_MAX];
};

/* -EINVAL: timings that contradict each other, or an offer without role or nonce. */
int kho_link_init(struct kho_link *link, const struct kho_link_config *config,
		  struct kho_err *err);

/* DOWN to HELLO_SENT. No effect in other states. */
void kho_link_start(struct kho_link *link, uint64_t now, struct kho_link_output *out);

/*
 * A valid frame with @envelope came, @start: it was a START. True: the message
 * is for the user of the link; false: it was the link's own, or is dropped.
 */
bool kho_link_receive(struct kho_link *link, const Kho__Envelope *envelope, bool start,
		      uint64_t now, struct kho_link_output *out);

/* Time has passed. To be called at kho_link_deadline() or earlier. */
void kho_link_tick(struct kho_link *link, uint64_t now, struct kho_link_output *out);

/* A lane, a frame or a stream is broken; @err says how and has the code. */
void kho_link_garbage(struct kho_link *link, const struct kho_err *err,
		      struct kho_link_output *out);

/* What the peer's status page says (MK_STATE_*). Values not known mean nothing. */
void kho_link_peer_status(struct kho_link *link, uint32_t mk_state,
			  struct kho_link_output *out);

/*
 * What the status page says of the peer's kernel itself: a number that changes while
 * its timers run, or 0. To be called before each tick.
 */
void kho_link_peer_pulse(struct kho_link *link, uint64_t pulse, uint64_t now);

/* The phase that our heartbeats report from now on. */
void kho_link_set_state(struct kho_link *link, uint32_t state);

/* When kho_link_tick() has something to do; KHO_LINK_NEVER: when something comes. */
uint64_t kho_link_deadline(const struct kho_link *link);

/* Whether messages pass. */
bool kho_link_is_up(const struct kho_link *link);

/* Whether the state is final. */
bool kho_link_is_over(const struct kho_link *link);

/* Fills @ret with the message for exactly one KHO_LINK_SEND_* bit. */
void kho_link_write(const struct kho_link *link, unsigned int which,
		    struct kho_link_message *ret);

/* "up", "dead"...; never NULL. */
const char *kho_link_state_name(enum kho_link_state state);
const char *kho_link_cause_name(enum kho_link_cause cause);

#endif
