// SPDX-License-Identifier: GPL-2.0-only
/* State machine of a link; link.h has the diagram. */
#include <errno.h>
#include <string.h>

#include <uapi/multikernel.h>

#include "channel/link.h"

static uint64_t elapsed(uint64_t since, uint64_t now)
{
	return now > since ? now - since : 0;
}

static uint64_t after(uint64_t since, uint64_t delay)
{
	return since > KHO_LINK_NEVER - delay ? KHO_LINK_NEVER : since + delay;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static struct kho_link_event *tell(struct kho_link_output *out, enum kho_link_event_kind kind)
{
	/* the last place is kept for what ends a link */
	unsigned int limit = KHO_LINK_EVENTS_MAX;
	struct kho_link_event *event;

	if (kind != KHO_LINK_EVENT_DEAD && kind != KHO_LINK_EVENT_REFUSED)
		limit--;
	if (out->nr_events >= limit)
		return NULL;
	event = &out->events[out->nr_events++];
	*event = (struct kho_link_event){ .kind = kind };
	return event;
}

static void die(struct kho_link *link, enum kho_link_cause cause, const struct kho_err *err,
		struct kho_link_output *out)
{
	struct kho_link_event *event;

	link->state = KHO_LINK_DEAD;
	link->cause = cause;
	out->send = 0;
	event = tell(out, KHO_LINK_EVENT_DEAD);
	if (!event)
		return;
	event->cause = cause;
	event->err = *err;
}

static void refused(struct kho_link *link, const struct kho_err *err, struct kho_link_output *out)
{
	struct kho_link_event *event;

	link->state = KHO_LINK_REFUSED;
	event = tell(out, KHO_LINK_EVENT_REFUSED);
	if (event)
		event->err = *err;
}

int kho_link_init(struct kho_link *link, const struct kho_link_config *config,
		  struct kho_err *err)
{
	const struct kho_hello *hello = &config->hello;

	if (config->heartbeat_ns == 0 || config->stall_ns <= config->heartbeat_ns ||
	    (config->dead_ns && config->dead_ns <= config->stall_ns))
		return kho_fail(err, -EINVAL,
				"link: heartbeat %llu, stall %llu, dead %llu ns; "
				"each must exceed the one before",
				(unsigned long long)config->heartbeat_ns,
				(unsigned long long)config->stall_ns,
				(unsigned long long)config->dead_ns);
	if (config->busy_ns && config->busy_ns < config->dead_ns)
		return kho_fail(err, -EINVAL, "link: a busy peer would be given up before a dead "
				"one");
	if ((hello->role != KHO_ROLE_OLD && hello->role != KHO_ROLE_NEW) || hello->nonce == 0 ||
	    hello->protocol_min == 0 || hello->protocol_min > hello->protocol_max)
		return kho_fail(err, -EINVAL,
				"link: the offer lacks a role, a nonce or a protocol range; "
				"fill them in");
	memset(link, 0, sizeof(*link));
	link->config = *config;
	return 0;
}

bool kho_link_is_up(const struct kho_link *link)
{
	return link->state == KHO_LINK_UP || link->state == KHO_LINK_STALLED;
}

bool kho_link_is_over(const struct kho_link *link)
{
	return link->state == KHO_LINK_REFUSED || link->state == KHO_LINK_DEAD;
}

void kho_link_set_state(struct kho_link *link, uint32_t state)
{
	link->own_state = state;
}

static void say_hello(struct kho_link *link, uint64_t now, struct kho_link_output *out)
{
	link->state = KHO_LINK_HELLO_SENT;
	link->hello_since = now;
	link->config.hello.session++;
	out->send |= KHO_LINK_SEND_HELLO;
}

void kho_link_start(struct kho_link *link, uint64_t now, struct kho_link_output *out)
{
	if (link->state == KHO_LINK_DOWN)
		say_hello(link, now, out);
}

static void refuse(struct kho_link *link, int code, uint64_t nonce, struct kho_link_output *out)
{
	struct kho_err err;

	link->refused_nonce = nonce;
	kho_fail(&err, code, "%s; %s", link->refusal.reason, link->refusal.remedy);
	out->send = KHO_LINK_SEND_REFUSE;
	/* an agent that started again hears nothing but a START, so not the reason either */
	if (link->peer_known)
		out->send |= KHO_LINK_SEND_HELLO;
	refused(link, &err, out);
}

static void receive_hello(struct kho_link *link, const Kho__Hello *message, uint64_t now,
			  struct kho_link_output *out)
{
	struct kho_agreement agreement;
	struct kho_hello peer;
	int r;

	r = kho_hello_read(message, &peer, &link->refusal);
	if (r == 0)
		r = kho_hello_negotiate(&link->config.hello, &peer, &agreement, &link->refusal);
	if (r < 0) {
		refuse(link, r, message->nonce, out);
		return;
	}
	if (link->peer_known && link->peer.nonce != peer.nonce) {
		(void)tell(out, KHO_LINK_EVENT_RESTARTED);
		say_hello(link, now, out);
	}
	link->peer = peer;
	link->agreement = agreement;
	link->peer_known = true;
	link->peer_beat_seq = 0;
	out->send |= KHO_LINK_SEND_ACK;
}

static void garbage(struct kho_link *link, const char *what, struct kho_link_output *out)
{
	struct kho_err err;

	kho_fail(&err, -EBADMSG, "the peer broke the protocol: %s; fence it and spawn again", what);
	die(link, KHO_LINK_GARBAGE, &err, out);
}

static void receive_ack(struct kho_link *link, const Kho__HelloAck *ack, uint64_t now,
			struct kho_link_output *out)
{
	struct kho_features features;

	/* of a hello of our predecessor, of one before our last, or once more */
	if (ack->nonce != link->config.hello.nonce ||
	    ack->session != link->config.hello.session || link->state != KHO_LINK_HELLO_SENT) {
		link->stale++;
		return;
	}
	if (!link->peer_known) {
		garbage(link, "it acknowledged a hello before it sent its own", out);
		return;
	}
	if (ack->protocol != link->agreement.protocol ||
	    kho_features_read(ack->features, ack->n_features, &features) < 0 ||
	    !kho_features_equal(&features, &link->agreement.features)) {
		garbage(link, "it agreed to something else than its hello offered", out);
		return;
	}
	link->state = KHO_LINK_UP;
	link->heard = now;
	link->beat = now;
	(void)tell(out, KHO_LINK_EVENT_UP);
}

static void receive_refuse(struct kho_link *link, const Kho__Refuse *message,
			   struct kho_link_output *out)
{
	char reason[KHO_REFUSAL_TEXT_SIZE], remedy[KHO_REFUSAL_TEXT_SIZE];
	struct kho_err err;

	if (message->nonce != link->config.hello.nonce) {
		link->stale++;
		return;
	}
	kho_text_clean(reason, sizeof(reason), message->reason);
	kho_text_clean(remedy, sizeof(remedy), message->remedy);
	kho_fail(&err, -ECONNREFUSED, "the peer refused: %s; %s",
		 reason[0] ? reason : "it gave no reason",
		 remedy[0] ? remedy : "see its agent's log");
	refused(link, &err, out);
}

static void receive_heartbeat(struct kho_link *link, const Kho__Heartbeat *message)
{
	link->peer_beat_seq = message->seq;
	link->peer_state = message->state;
}

/* Hellos and answers to them, in any state in which one listens. */
static bool receive_handshake(struct kho_link *link, const Kho__Envelope *envelope,
			      uint64_t now, struct kho_link_output *out)
{
	switch (envelope->body_case) {
	case KHO__ENVELOPE__BODY_HELLO:
		receive_hello(link, envelope->hello, now, out);
		return true;
	case KHO__ENVELOPE__BODY_HELLO_ACK:
		receive_ack(link, envelope->hello_ack, now, out);
		return true;
	case KHO__ENVELOPE__BODY_REFUSE:
		receive_refuse(link, envelope->refuse, out);
		return true;
	default:
		return false;
	}
}

static void heard(struct kho_link *link, uint64_t now, struct kho_link_output *out)
{
	if (now > link->heard)
		link->heard = now;
	if (link->state != KHO_LINK_STALLED)
		return;
	link->state = KHO_LINK_UP;
	(void)tell(out, KHO_LINK_EVENT_RESUMED);
}

bool kho_link_receive(struct kho_link *link, const Kho__Envelope *envelope, bool start,
		      uint64_t now, struct kho_link_output *out)
{
	if (link->state == KHO_LINK_DOWN || kho_link_is_over(link))
		return false;
	if (start != (envelope->body_case == KHO__ENVELOPE__BODY_HELLO)) {
		garbage(link, start ? "a session that doesn't start with a hello"
				    : "a hello in the middle of a session", out);
		return false;
	}
	heard(link, now, out);
	if (receive_handshake(link, envelope, now, out))
		return false;
	if (link->state == KHO_LINK_HELLO_SENT) {
		link->stale++;
		return false;
	}
	if (envelope->body_case == KHO__ENVELOPE__BODY_HEARTBEAT) {
		receive_heartbeat(link, envelope->heartbeat);
		return false;
	}
	if (envelope->body_case == KHO__ENVELOPE__BODY__NOT_SET) {
		link->unknown++;
		return false;
	}
	return true;
}

static void tick_hello(struct kho_link *link, uint64_t now, struct kho_link_output *out)
{
	uint64_t waited = elapsed(link->hello_since, now);
	struct kho_err err;

	if (link->config.hello_ns == 0 || waited < link->config.hello_ns)
		return;
	kho_fail(&err, -ETIMEDOUT,
		 "no %s from the peer's agent in %llu ms; see its kernel's console",
		 link->peer_known ? "answer to our hello" : "hello",
		 (unsigned long long)(waited / 1000000));
	die(link, KHO_LINK_NO_HELLO, &err, out);
}

/*
 * When silence kills. An agent that can't run for a while on a kernel that runs is no
 * reason to stop that one: it has until its kernel falls silent as well, or too long passes.
 */
static uint64_t dead_at(const struct kho_link *link)
{
	const struct kho_link_config *config = &link->config;
	uint64_t at = after(link->heard, config->dead_ns), busy;

	if (!link->pulse)
		return at;
	busy = earlier(after(link->pulsed, config->dead_ns), after(link->heard, config->busy_ns));
	return busy > at ? busy : at;
}

void kho_link_peer_pulse(struct kho_link *link, uint64_t pulse, uint64_t now)
{
	if (pulse == link->pulse)
		return;
	link->pulse = pulse;
	link->pulsed = now;
}

static void tick_silence(struct kho_link *link, uint64_t now, struct kho_link_output *out)
{
	uint64_t silent = elapsed(link->heard, now);
	struct kho_link_event *event;
	struct kho_err err;

	if (link->state == KHO_LINK_UP && silent >= link->config.stall_ns) {
		link->state = KHO_LINK_STALLED;
		event = tell(out, KHO_LINK_EVENT_STALLED);
		if (event)
			event->since_ns = link->heard;
	}
	if (link->config.dead_ns == 0 || now < dead_at(link))
		return;
	kho_fail(&err, -ETIMEDOUT,
		 "the peer was not heard for %llu ms; fence it before taking what it owns",
		 (unsigned long long)(silent / 1000000));
	die(link, KHO_LINK_SILENT, &err, out);
}

void kho_link_tick(struct kho_link *link, uint64_t now, struct kho_link_output *out)
{
	if (link->state == KHO_LINK_HELLO_SENT)
		tick_hello(link, now, out);
	if (!kho_link_is_up(link))
		return;
	tick_silence(link, now, out);
	if (!kho_link_is_up(link) || elapsed(link->beat, now) < link->config.heartbeat_ns)
		return;
	link->beat = now;
	link->beat_seq++;
	out->send |= KHO_LINK_SEND_HEARTBEAT;
}

void kho_link_garbage(struct kho_link *link, const struct kho_err *err,
		      struct kho_link_output *out)
{
	if (link->state == KHO_LINK_DOWN || kho_link_is_over(link))
		return;
	die(link, KHO_LINK_GARBAGE, err, out);
}

void kho_link_peer_status(struct kho_link *link, uint32_t mk_state,
			  struct kho_link_output *out)
{
	struct kho_err err;

	if (link->state == KHO_LINK_DOWN || kho_link_is_over(link))
		return;
	switch (mk_state) {
	case MK_STATE_STOPPED:
		kho_fail(&err, -ECONNRESET,
			 "the peer's kernel was shut down in order; spawn it again if it's wanted");
		die(link, KHO_LINK_PEER_STOPPED, &err, out);
		break;
	case MK_STATE_PANICKED:
		kho_fail(&err, -ECONNRESET, "the peer's kernel panicked; its log is in its memory");
		die(link, KHO_LINK_PEER_PANICKED, &err, out);
		break;
	case MK_STATE_RETIRED:
		kho_fail(&err, -ESHUTDOWN, "the peer's kernel has retired; absorb what it left");
		die(link, KHO_LINK_PEER_RETIRED, &err, out);
		break;
	default:
		break;
	}
}

uint64_t kho_link_deadline(const struct kho_link *link)
{
	const struct kho_link_config *config = &link->config;
	uint64_t deadline;

	if (link->state == KHO_LINK_HELLO_SENT)
		return config->hello_ns ? after(link->hello_since, config->hello_ns)
					: KHO_LINK_NEVER;
	if (!kho_link_is_up(link))
		return KHO_LINK_NEVER;
	deadline = after(link->beat, config->heartbeat_ns);
	if (link->state == KHO_LINK_UP)
		deadline = earlier(deadline, after(link->heard, config->stall_ns));
	if (config->dead_ns)
		deadline = earlier(deadline, dead_at(link));
	return deadline;
}

static void write_ack(const struct kho_link *link, struct kho_link_message *ret)
{
	kho__hello_ack__init(&ret->ack);
	ret->ack.has_nonce = true;
	ret->ack.nonce = link->peer.nonce;
	ret->ack.has_session = true;
	ret->ack.session = link->peer.session;
	ret->ack.has_protocol = true;
	ret->ack.protocol = link->agreement.protocol;
	ret->ack.n_features = kho_features_write(&link->agreement.features, ret->features);
	ret->ack.features = ret->features;
	ret->envelope.body_case = KHO__ENVELOPE__BODY_HELLO_ACK;
	ret->envelope.hello_ack = &ret->ack;
}

static void write_refuse(const struct kho_link *link, struct kho_link_message *ret)
{
	kho__refuse__init(&ret->refuse);
	ret->refuse.has_nonce = true;
	ret->refuse.nonce = link->refused_nonce;
	ret->refuse.has_code = true;
	ret->refuse.code = link->refusal.code;
	ret->refuse.reason = (char *)link->refusal.reason;
	ret->refuse.remedy = (char *)link->refusal.remedy;
	ret->envelope.body_case = KHO__ENVELOPE__BODY_REFUSE;
	ret->envelope.refuse = &ret->refuse;
}

static void write_heartbeat(const struct kho_link *link, struct kho_link_message *ret)
{
	kho__heartbeat__init(&ret->heartbeat);
	ret->heartbeat.has_seq = true;
	ret->heartbeat.seq = link->beat_seq;
	ret->heartbeat.has_state = true;
	ret->heartbeat.state = link->own_state;
	ret->heartbeat.has_monotonic_ns = true;
	ret->heartbeat.monotonic_ns = link->beat;
	ret->heartbeat.has_seen = true;
	ret->heartbeat.seen = link->peer_beat_seq;
	ret->envelope.body_case = KHO__ENVELOPE__BODY_HEARTBEAT;
	ret->envelope.heartbeat = &ret->heartbeat;
}

void kho_link_write(const struct kho_link *link, unsigned int which,
		    struct kho_link_message *ret)
{
	kho__envelope__init(&ret->envelope);
	switch (which) {
	case KHO_LINK_SEND_HELLO:
		kho_hello_write(&link->config.hello, &ret->hello);
		ret->envelope.body_case = KHO__ENVELOPE__BODY_HELLO;
		ret->envelope.hello = &ret->hello.hello;
		break;
	case KHO_LINK_SEND_ACK:
		write_ack(link, ret);
		break;
	case KHO_LINK_SEND_REFUSE:
		write_refuse(link, ret);
		break;
	default:
		write_heartbeat(link, ret);
		break;
	}
}

const char *kho_link_state_name(enum kho_link_state state)
{
	static const char *const names[_KHO_LINK_STATE_MAX] = {
		[KHO_LINK_DOWN] = "down",
		[KHO_LINK_HELLO_SENT] = "hello sent",
		[KHO_LINK_UP] = "up",
		[KHO_LINK_STALLED] = "stalled",
		[KHO_LINK_REFUSED] = "refused",
		[KHO_LINK_DEAD] = "dead",
	};

	return (unsigned int)state < _KHO_LINK_STATE_MAX ? names[state] : "unknown";
}

const char *kho_link_cause_name(enum kho_link_cause cause)
{
	static const char *const names[_KHO_LINK_CAUSE_MAX] = {
		[KHO_LINK_ALIVE] = "alive",
		[KHO_LINK_NO_HELLO] = "no hello",
		[KHO_LINK_SILENT] = "silent",
		[KHO_LINK_GARBAGE] = "garbage",
		[KHO_LINK_PEER_STOPPED] = "stopped",
		[KHO_LINK_PEER_PANICKED] = "panicked",
		[KHO_LINK_PEER_RETIRED] = "retired",
	};

	return (unsigned int)cause < _KHO_LINK_CAUSE_MAX ? names[cause] : "unknown";
}
