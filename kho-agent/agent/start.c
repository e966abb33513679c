// SPDX-License-Identifier: GPL-2.0-only
/*
 * The agent's life: it finds out which kernel it runs in, takes up what an earlier agent
 * may have left, and serves the API. agent.h has the phases.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "agent/agent.h"
#include "agent/api_guard.h"
#include "agent/criu_known.h"
#include "agent/failover.h"
#include "agent/inherit.h"
#include "agent/join.h"
#include "agent/move.h"
#include "agent/publish.h"
#include "agent/retire_undo.h"
#include "agent/rollback.h"
#include "agent/session.h"
#include "agent/side.h"
#include "agent/spawn.h"
#include "agent/upgrade_run.h"
#include "agent/watch.h"
#include "base/now.h"
#include "migrate/criu/abilities.h"

const char *kho_phase_name(enum kho_phase phase)
{
	static const char *const names[_KHO_PHASE_MAX] = {
		[KHO_PHASE_IDLE] = "idle",
		[KHO_PHASE_RESERVE] = "reserve",
		[KHO_PHASE_SPAWN] = "spawn",
		[KHO_PHASE_SYNC] = "sync",
		[KHO_PHASE_RETIRE] = "retire",
	};

	return names[phase];
}

const char *kho_agent_phase_name(struct kho_agent *agent)
{
	bool new_owns = kho_side(agent)->is_new ? kho_side_owns(agent) : kho_side_peer_owns(agent);

	/* inherit.h: to those who ask it isn't idle */
	if (agent->heir)
		return "restore";
	return agent->phase == KHO_PHASE_SYNC && new_owns ? "soak" : kho_phase_name(agent->phase);
}

void kho_agent_is_alive(void)
{
	sd_notify(0, "WATCHDOG=1");
}

static int set_up(struct kho_agent *agent, const struct kho_agent_host *host, struct kho_err *err)
{
	int r;

	agent->root = kho_sysroot_host();
	agent->clock = kho_clock_host();
	if (getrandom(&agent->nonce, sizeof(agent->nonce), 0) != sizeof(agent->nonce))
		return kho_fail(err, -EIO, "no random numbers");
	if (mkdir(KHO_RUN_DIR, 0755) < 0 && errno != EEXIST)
		return kho_fail_errno(err, -errno, KHO_RUN_DIR);
	r = sd_event_default(&agent->event);
	if (r < 0)
		return kho_fail_errno(err, r, "no event loop");
	sd_event_set_watchdog(agent->event, true);
	sd_event_set_signal_exit(agent->event, true);
	r = kho_device_open(NULL, host->device_ops, host->ctx, &agent->device, err);
	if (r >= 0)
		r = kho_device_info(&agent->device, &agent->info, err);
	agent->spawned = agent->info.flags & MK_INFO_SPAWNED;
	return r;
}

/* Whatever has happened: the phase, and with it what's said of it, may be another one. */
static int on_any(sd_event_source *source, void *userdata)
{
	(void)source;
	kho_tell_phase(userdata);
	kho_inhibit_follow(userdata);
	return 0;
}

/* Before the first hello, which tells it. Without CRIU a kernel can be replaced all the same. */
static void look_at_criu(struct kho_agent *agent)
{
	struct kho_err err;

	agent->abilities = kho_abilities_probe();
	if (kho_criu_known_version(agent->criu_version, sizeof(agent->criu_version), &err) < 0)
		kho_agent_progress(agent, "workloads can't move: %s", err.msg);
}

static int take_up(struct kho_agent *agent, struct kho_err *err)
{
	/* one that begins here goes on by itself */
	bool pending = kho_failover_is_pending();
	int r;

	kho_retire_recover(agent);
	r = agent->spawned ? kho_join(agent, err) : 0;

	if (r >= 0 && agent->phase == KHO_PHASE_IDLE)
		r = kho_spawn_recover(agent, err);
	if (r >= 0 && pending)
		kho_failover_resume(agent);
	return r;
}

/* Whatever becomes of it, the agent has to serve. */
static void take_up_move(struct kho_agent *agent)
{
	struct kho_err err = {};

	if (kho_mover_recover(agent, &err) >= 0)
		return;
	agent->last = err;
	kho_agent_progress(agent, "%s", err.msg);
}

/* systemctl reload: what's read at the start alone is read anew. */
static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct kho_agent *agent = userdata;
	struct kho_err err;

	(void)source;
	(void)info;
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		   (unsigned long long)(kho_now_ns() / 1000));
	kho_api_read_access(agent);
	if (kho_api_protect_socket(agent, &err) < 0)
		kho_agent_progress(agent, "%s", err.msg);
	kho_publish_reload(agent);
	sd_notify(0, "READY=1");
	return 0;
}

static int serve(struct kho_agent *agent, struct kho_err *err)
{
	int r = sd_event_add_signal(agent->event, NULL, SIGHUP | SD_EVENT_SIGNAL_PROCMASK, on_reload,
				    agent);

	if (r >= 0)
		r = sd_event_add_post(agent->event, NULL, on_any, agent);
	if (r < 0)
		return kho_fail_errno(err, r, "event loop");
	kho_tell_phase(agent);
	sd_notify(0, "READY=1");
	r = sd_event_loop(agent->event);
	return r < 0 ? kho_fail_errno(err, r, "event loop") : 0;
}

static int run(struct kho_agent *agent, const struct kho_agent_host *host, struct kho_err *err)
{
	int r = set_up(agent, host, err);

	look_at_criu(agent);
	kho_mover_tidy(agent);
	if (r >= 0)
		r = kho_watch_new(agent, err);
	if (r >= 0)
		r = kho_agent_api_init(agent, err);
	if (r >= 0)
		r = kho_publish_new(agent, err);
	if (r >= 0)
		r = take_up(agent, err);
	if (r < 0)
		return r;
	take_up_move(agent);
	kho_upgrade_recover(agent);
	if (!agent->spawned)
		kho_inherit(agent);
	return serve(agent, err);
}

int kho_agent_run(const struct kho_agent_host *host, struct kho_err *err)
{
	struct kho_agent *agent = calloc(1, sizeof(*agent));
	int r;

	if (!agent)
		return kho_fail(err, -ENOMEM, "no memory for the agent");
	r = run(agent, host, err);
	kho_publish_free(agent);
	kho_watch_free(agent);
	sd_varlink_server_unref(agent->server);
	kho_session_close(agent);
	kho_device_close(&agent->device);
	free(agent);
	return r;
}
