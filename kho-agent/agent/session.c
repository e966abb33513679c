// SPDX-License-Identifier: GPL-2.0-only
/* Sessions: the channel in the event loop; session.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "agent/session.h"
#include "base/now.h"
#include "base/version.h"
#include "migrate/criu/abilities.h"

#define PUMP_ROUNDS	256
#define NS_PER_US	1000ULL

void *kho_session_arena(struct kho_session *session, const char *name, uint64_t *ret_size)
{
	const struct kho_handover_arena *arena = kho_handover_arena(&session->handover, name);

	if (!arena || arena->offset + arena->size > session->map.size)
		return NULL;
	if (ret_size)
		*ret_size = arena->size;
	return (char *)session->map.data + arena->offset;
}

/* ---- what the channel asks for ---- */

static int ring(void *ctx)
{
	struct kho_session *session = ctx;

	return kho_device_ring(&session->agent->device, session->region.id, NULL);
}

static uint32_t peer_status(void *ctx)
{
	struct kho_session *session = ctx;

	return session->peer->magic == MK_STATUS_MAGIC ? session->peer->state : MK_STATE_NONE;
}

static uint64_t peer_pulse(void *ctx)
{
	struct kho_session *session = ctx;

	return session->peer->magic == MK_STATUS_MAGIC ? session->peer->pulse : 0;
}

static void got_message(void *ctx, const Kho__Envelope *envelope, uint64_t epoch)
{
	struct kho_session *session = ctx;

	(void)epoch;
	if (!kho_bench_on_message(session, envelope) &&
	    !kho_transfer_on_message(session, envelope))
		session->role->message(session, envelope);
}

/* Kept until the channel is done with us: the role may end the session. */
static void got_event(void *ctx, const struct kho_link_event *event)
{
	struct kho_session *session = ctx;

	/* nothing is kept across the peer's restart, so there's nothing to void */
	if (event->kind != KHO_LINK_EVENT_RESTARTED && event->kind != KHO_LINK_EVENT_RESUMED)
		session->event = *event;
}

static const struct kho_channel_ops channel_ops = {
	.ring = ring,
	.peer_status = peer_status,
	.peer_pulse = peer_pulse,
	.message = got_message,
	.event = got_event,
};

/* ---- event loop ---- */

static void handle_event(struct kho_session *session)
{
	struct kho_link_event event = session->event;

	session->event.kind = 0;
	switch (event.kind) {
	case KHO_LINK_EVENT_UP:
		kho_bench_drop(session);
		kho_transfer_drop(session);
		session->role->up(session);
		break;
	case KHO_LINK_EVENT_REFUSED:
	case KHO_LINK_EVENT_DEAD:
		kho_bench_drop(session);
		kho_transfer_drop(session);
		session->role->down(session, &event);
		break;
	case KHO_LINK_EVENT_STALLED:
		kho_agent_progress(session->agent, "the peer is silent");
		break;
	case KHO_LINK_EVENT_RESUMED:
	case KHO_LINK_EVENT_RESTARTED:
		break;
	}
}

void kho_session_pump(struct kho_session *session)
{
	struct kho_agent *agent = session->agent;
	uint64_t now, deadline = KHO_LINK_NEVER;
	bool more;

	for (int i = 0; i < PUMP_ROUNDS; i++) {
		now = kho_now_ns();
		kho_channel_process(session->channel, now);
		kho_bench_serve(session);
		more = kho_transfer_serve(session);
		if (session->event.kind) {
			handle_event(session);
			if (agent->session != session)
				return;
		}
		if (kho_channel_wait(session->channel, now, &deadline) <= 0 && !more)
			break;
		deadline = now;
	}
	if (session->role->look)
		session->role->look(session);
	if (agent->session != session)
		return;
	sd_event_source_set_time(session->timer, deadline / NS_PER_US);
	sd_event_source_set_enabled(session->timer, deadline == KHO_LINK_NEVER ?
				    SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static int on_bell(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	eventfd_t count;

	(void)source;
	(void)revents;
	eventfd_read(fd, &count);
	kho_session_pump(userdata);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	kho_session_pump(userdata);
	return 0;
}

int kho_session_set_deadline(struct kho_session *session, uint64_t ms,
			     sd_event_time_handler_t fn, struct kho_err *err)
{
	int r;

	session->deadline = sd_event_source_disable_unref(session->deadline);
	if (!ms)
		return 0;
	r = sd_event_add_time_relative(session->agent->event, &session->deadline, CLOCK_MONOTONIC,
				       ms * 1000, 0, fn, session);
	return r < 0 ? kho_fail_errno(err, r, "a timer can't be set") : 0;
}

/* ---- opening ---- */

static void describe_self(struct kho_session *session, struct kho_hello *hello)
{
	struct kho_agent *agent = session->agent;
	struct utsname name;

	uname(&name);
	hello->protocol_min = KHO_PROTOCOL_MIN;
	hello->protocol_max = KHO_PROTOCOL_MAX;
	hello->role = session->role->role;
	memcpy(hello->upgrade_id, session->handover.upgrade_id, sizeof(hello->upgrade_id));
	hello->epoch = session->handover.epoch;
	hello->nonce = agent->nonce;
	hello->instance = agent->spawned ? agent->own.instance : 0;
	hello->boot_apic_id = agent->info.boot_apic_id;
	hello->online_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	hello->memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
	kho_text_clean(hello->agent_version, sizeof(hello->agent_version), KHO_VERSION);
	kho_text_clean(hello->kernel_release, sizeof(hello->kernel_release), name.release);
	kho_features_add(&hello->features, KHO_FEATURE_BULK_CRC);
	kho_features_add(&hello->features, KHO_FEATURE_RETIRE_NOTED);
	kho_features_add(&hello->features, KHO_FEATURE_MOVE_BACK);
	kho_features_add(&hello->features, KHO_FEATURE_LOOK);
	kho_text_clean(hello->criu_version, sizeof(hello->criu_version), agent->criu_version);
	for (unsigned int i = 0; i < _KHO_ABILITY_MAX; i++)
		if (agent->abilities & 1u << i)
			kho_features_add(&hello->criu_features, kho_ability_name(i));
}

static int find_lanes(struct kho_session *session, struct kho_channel_lanes *lanes,
		      struct kho_err *err)
{
	bool is_old = session->role->role == KHO_ROLE_OLD;
	uint64_t bulk = 0, control = 0;

	lanes->control_out = kho_session_arena(session, is_old ? "control-0" : "control-1", &control);
	lanes->control_in = kho_session_arena(session, is_old ? "control-1" : "control-0", &control);
	lanes->bulk_out = kho_session_arena(session, is_old ? "bulk-0" : "bulk-1", &bulk);
	lanes->bulk_in = kho_session_arena(session, is_old ? "bulk-1" : "bulk-0", &bulk);
	lanes->control_size = control;
	lanes->bulk_size = bulk;
	if (!lanes->control_out || !lanes->control_in || !lanes->bulk_out || !lanes->bulk_in)
		return kho_fail(err, -EBADMSG, "the handover tree names no lanes; "
				"the other agent is of a version that this one can't work with");
	return 0;
}

static int open_channel(struct kho_session *session, struct kho_err *err)
{
	struct kho_channel_spec spec = {
		.link = {
			.heartbeat_ns = KHO_LINK_HEARTBEAT_NS,
			.stall_ns = KHO_LINK_STALL_NS,
			/* under emulation a whole machine may stand still for seconds */
			.dead_ns = KHO_LINK_DEAD_NS,
			.busy_ns = KHO_LINK_BUSY_NS,
		},
		.ops = &channel_ops,
		.ctx = session,
		.doorbell = true,
		.spin_ns = KHO_CHANNEL_SPIN_NS,
		.poll_min_ns = KHO_CHANNEL_POLL_MIN_NS,
		.poll_max_ns = KHO_CHANNEL_POLL_MAX_NS,
	};
	int r = find_lanes(session, &spec.lanes, err);

	if (r < 0)
		return r;
	describe_self(session, &spec.link.hello);
	return kho_channel_open(&spec, &session->channel, err);
}

static int open_link(struct kho_session *session, struct kho_err *err)
{
	bool is_old = session->role->role == KHO_ROLE_OLD;
	const char *own = is_old ? "status-old" : "status-new";
	const char *peer = is_old ? "status-new" : "status-old";
	const struct kho_handover_arena *own_arena = kho_handover_arena(&session->handover, own);
	const struct kho_handover_arena *peer_arena = kho_handover_arena(&session->handover, peer);
	struct mk_link link = {
		.region = session->region.id,
		.event_fd = session->event_fd,
	};
	const volatile struct mk_status_page *status;
	int r;

	session->peer = kho_session_arena(session, peer, NULL);
	if (!own_arena || !session->peer)
		return kho_fail(err, -EBADMSG, "the handover tree names no status pages; "
				"the other agent is of a version that this one can't work with");
	link.own_status = own_arena->offset;
	link.peer_status = peer_arena->offset;
	r = kho_device_link(&session->agent->device, &link, err);
	if (r < 0)
		return r;
	/* the module has written there by now where it can be rung, if it can */
	status = kho_session_arena(session, own, NULL);
	kho_channel_set_doorbell(session->channel,
				 status && status->doorbell & MK_DOORBELL_VALID);
	return 0;
}

static int add_sources(struct kho_session *session, struct kho_err *err)
{
	sd_event *event = session->agent->event;
	int r;

	r = sd_event_add_io(event, &session->bell, session->event_fd, EPOLLIN, on_bell, session);
	if (r >= 0)
		r = sd_event_add_time(event, &session->timer, CLOCK_MONOTONIC, 0, 1, on_timer,
				      session);
	return r < 0 ? kho_fail_errno(err, r, "the event loop can't take the channel") : 0;
}

static void dispose(struct kho_session *session)
{
	session->bell = sd_event_source_disable_unref(session->bell);
	session->timer = sd_event_source_disable_unref(session->timer);
	session->deadline = sd_event_source_disable_unref(session->deadline);
	kho_console_close(session);
	if (session->channel) {
		kho_bench_drop(session);
		kho_transfer_drop(session);
	}
	kho_channel_free(session->channel);
	if (session->event_fd >= 0)
		close(session->event_fd);
	free(session);
}

int kho_session_open(struct kho_agent *agent, const struct kho_session_spec *spec,
		     struct kho_err *err)
{
	struct kho_session *session = calloc(1, sizeof(*session));
	int r;

	if (!session)
		return kho_fail(err, -ENOMEM, "no memory for a session");
	session->agent = agent;
	session->role = spec->role;
	session->region = *spec->region;
	session->handover = *spec->handover;
	session->map = spec->map;
	session->started_ns = kho_now_ns();
	session->console.fd = -EBADF;
	session->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (session->event_fd < 0)
		r = kho_fail_errno(err, -errno, "no eventfd can be made");
	else
		r = open_channel(session, err);
	if (r >= 0 && spec->role->role == KHO_ROLE_OLD)
		r = kho_console_open(session, err);
	if (r >= 0)
		r = open_link(session, err);
	if (r >= 0)
		r = add_sources(session, err);
	if (r < 0) {
		dispose(session);
		return r;
	}
	agent->session = session;
	kho_channel_start(session->channel, kho_now_ns());
	kho_session_pump(session);
	return 0;
}

void kho_session_close(struct kho_agent *agent)
{
	struct kho_session *session = agent->session;
	struct kho_mapping map;

	if (!session)
		return;
	map = session->map;
	agent->session = NULL;
	dispose(session);
	kho_device_unmap(&agent->device, &map);
}

int kho_session_send(struct kho_session *session, const Kho__Envelope *envelope,
		     struct kho_err *err)
{
	int r = kho_channel_send(session->channel, envelope, err);

	if (r >= 0)
		kho_channel_kick(session->channel);
	return r;
}
