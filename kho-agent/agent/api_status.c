// SPDX-License-Identifier: GPL-2.0-only
/* What the agent says of itself: the answer of Status, and how far a move is. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/api_status.h"
#include "agent/api_upgrade.h"
#include "agent/departure.h"
#include "base/cleanup.h"
#include "base/version.h"

#define MS	1000000ull
#define PAGE	4096u

const char *kho_peer_state_name(const struct kho_session *session)
{
	static const char *const names[] = {
		[MK_STATE_NONE] = "none",
		[MK_STATE_RUNNING] = "running",
		[MK_STATE_STOPPED] = "stopped",
		[MK_STATE_PANICKED] = "panicked",
		[MK_STATE_RETIRED] = "retired",
	};
	uint32_t state = session ? session->peer->state : MK_STATE_NONE;

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}

int kho_status_json(struct kho_agent *agent, sd_json_variant **ret, struct kho_err *err)
{
	const struct kho_session *session = agent->session;
	const struct kho_link *peer = session ? kho_channel_link(session->channel) : NULL;
	bool connected = peer && kho_link_is_up(peer);
	_cleanup_variant_ sd_json_variant *upgrade = kho_upgrade_json(agent);
	char id[KHO_UUID_TEXT] = "";
	struct utsname name;
	struct mk_info info;
	int r = kho_device_info(&agent->device, &info, err);

	if (r < 0)
		return r;
	uname(&name);
	if (session)
		kho_uuid_format(session->handover.upgrade_id, id);
	r = sd_json_buildo(
		ret,
		SD_JSON_BUILD_PAIR_STRING("role", agent->spawned ? "spawned" : "first"),
		SD_JSON_BUILD_PAIR_STRING("release", name.release),
		SD_JSON_BUILD_PAIR_STRING("agentVersion", KHO_VERSION),
		SD_JSON_BUILD_PAIR_STRING("phase", kho_agent_phase_name(agent)),
		SD_JSON_BUILD_PAIR_STRING("message", agent->last.code ? agent->last.msg : ""),
		SD_JSON_BUILD_PAIR_UNSIGNED("instance", agent->spawned ? agent->own.instance : 0),
		SD_JSON_BUILD_PAIR_UNSIGNED("epoch", agent->spawned ? agent->own.epoch : 0),
		SD_JSON_BUILD_PAIR_CONDITION(!!session, "upgradeId", SD_JSON_BUILD_STRING(id)),
		SD_JSON_BUILD_PAIR_INTEGER("onlineCpus", sysconf(_SC_NPROCESSORS_ONLN)),
		SD_JSON_BUILD_PAIR_UNSIGNED("lentCpus", info.nr_lent_cpus),
		SD_JSON_BUILD_PAIR_INTEGER("memoryBytes",
			sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE)),
		SD_JSON_BUILD_PAIR_UNSIGNED("regionBytes", session ? session->region.size : 0),
		SD_JSON_BUILD_PAIR_UNSIGNED("functionsHeld", info.nr_pci_held),
		SD_JSON_BUILD_PAIR_UNSIGNED("functionsGranted", info.nr_pci_granted),
		SD_JSON_BUILD_PAIR_STRING("peerState", kho_peer_state_name(session)),
		SD_JSON_BUILD_PAIR_CONDITION(connected, "peerRelease", SD_JSON_BUILD_STRING(
			connected ? peer->peer.kernel_release : "")),
		SD_JSON_BUILD_PAIR_BOOLEAN("connected", connected),
		SD_JSON_BUILD_PAIR_CONDITION(!!upgrade, "upgrade",
					     SD_JSON_BUILD_VARIANT(upgrade)));
	return r < 0 ? kho_fail_errno(err, r, "the status") : 0;
}

/* ---- how far a move is ---- */

/* Texts of structs that are compared as memory: all bytes behind it are zero. */
static void set_word(char *to, size_t size, const char *word)
{
	memset(to, 0, size);
	snprintf(to, size, "%s", word);
}

static const char *move_state_name(enum kho_move_state state)
{
	static const char *const names[_KHO_MOVE_STATE_MAX] = {
		[KHO_MOVE_IDLE] = "idle",
		[KHO_MOVE_RUNNING] = "running",
		[KHO_MOVE_FORWARD] = "forward",
		[KHO_MOVE_UNDOING] = "undoing",
		[KHO_MOVE_DONE] = "done",
		[KHO_MOVE_FAILED] = "failed",
	};

	return names[state];
}

static const char *state_of(const struct kho_mover *mover, const struct kho_departure *d)
{
	if (mover->move.state == KHO_MOVE_FAILED)
		return "stayed";
	if (mover->move.state == KHO_MOVE_UNDOING)
		return "undoing";
	if (kho_move_committed(&mover->move))
		return "moved";
	if (d->runs_ns)
		return "runs there";
	if (kho_departure_is_frozen(d))
		return "frozen";
	if (d->state == DEPARTURE_SAMPLING || d->state == DEPARTURE_SAMPLED)
		return "sampled";
	return d->state == DEPARTURE_COPYING ? "copying" : "here";
}

static uint64_t bytes_of(const struct kho_departure *d)
{
	struct kho_page_relay_stats stats = {};
	uint64_t pages = 0;

	for (unsigned int i = 0; i < d->rounds.nr; i++)
		pages += d->rounds.rounds[i].pages;
	/* the one under way */
	if (d->criu && (d->state == DEPARTURE_COPYING || d->state == DEPARTURE_DUMPING))
		kho_page_stream_stats(d->memory, &stats);
	return (pages + stats.pages) * PAGE;
}

static void fill(const struct kho_mover *mover, const struct kho_departure *d,
		 struct kho_progress_workload *ret)
{
	uint64_t predicted = d->predicted_ns ?: kho_rounds_predict_ns(&d->rounds);

	set_word(ret->state, sizeof(ret->state), state_of(mover, d));
	ret->rounds = d->rounds.nr;
	ret->bytes = bytes_of(d);
	ret->dirty_per_sec = kho_rounds_dirty_rate(&d->rounds) * PAGE;
	ret->predicted_ms = predicted / MS;
	if (d->frozen_ns && d->runs_ns > d->frozen_ns)
		ret->frozen_ms = (d->runs_ns - d->frozen_ns) / MS;
}

/* One that isn't looked at yet, or is restarted. */
static const char *state_without(const struct kho_mover *mover, unsigned int item)
{
	if (!(mover->move.restarted & 1u << item))
		return "here";
	return kho_move_committed(&mover->move) ? "restarted" : "to restart";
}

void kho_status_progress(const struct kho_mover *mover, struct kho_progress *ret)
{
	const struct kho_config *config = mover->config;
	enum kho_step step = mover->move.step;

	memset(ret, 0, sizeof(*ret));
	set_word(ret->state, sizeof(ret->state), move_state_name(mover->move.state));
	if (step > KHO_STEP_NONE && step < _KHO_STEP_MAX) {
		set_word(ret->phase, sizeof(ret->phase), kho_step_info(step)->phase);
		set_word(ret->step, sizeof(ret->step), kho_step_info(step)->name);
	}
	for (unsigned int i = 0; i < config->nr_workloads; i++) {
		struct kho_progress_workload *w = &ret->workloads[ret->nr++];

		set_word(w->name, sizeof(w->name), config->workloads[i].name);
		if (mover->departures[i])
			fill(mover, mover->departures[i], w);
		else
			set_word(w->state, sizeof(w->state), state_without(mover, i));
	}
}
