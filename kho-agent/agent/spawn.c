// SPDX-License-Identifier: GPL-2.0-only
/* Spawning, and what becomes of the session; spawn.h has the contract. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent/admit.h"
#include "agent/check_machine.h"
#include "agent/clock.h"
#include "agent/dmesg.h"
#include "agent/failover.h"
#include "agent/move.h"
#include "agent/move_record.h"
#include "agent/pci.h"
#include "agent/receive.h"
#include "agent/rollback.h"
#include "agent/spawn.h"
#include "agent/upgrade_run.h"
#include "base/bits.h"
#include "base/now.h"
#include "spawn/layout.h"
#include "spawn/park.h"
#include "spawn/pgtable.h"

#define CPU_TIMEOUT_MS		5000
#define APIC_IDS		4096	/* ids that are asked for */

static int claim_and_map(struct kho_agent *agent, const struct kho_reserved *reserved,
			 struct mk_region *region, struct kho_mapping *map, struct kho_err *err)
{
	const struct kho_claim claim = {
		.kind = MK_REGION_OFFLINE,
		.ranges = reserved->ranges,
		.nr_ranges = reserved->nr_ranges,
	};
	int r = kho_device_claim(&agent->device, &claim, region, err);

	return r < 0 ? r : kho_device_map(&agent->device, region, map, err);
}

static int start_cpu(struct kho_agent *agent, struct kho_session *session, uint32_t apic_id,
		     uint64_t entry, struct kho_err *err)
{
	struct mk_cpu_start start = {
		.apic_id = apic_id,
		.region = session->region.id,
		.timeout_ms = CPU_TIMEOUT_MS,
		.pgtable = session->handover.ranges[0].start + KHO_OFF_PGTABLE,
		.entry = entry,
	};

	if (agent->spawned) {
		start.flags = MK_CPU_MAILBOX;
		start.mailbox = kho_handover_phys(&agent->own,
			kho_handover_arena(&agent->own, "mailbox")->offset);
	}
	return kho_device_cpu_start(&agent->device, &start, err);
}

/* The others first: the boot CPU will look for them at the mailbox. */
static int start_cpus(struct kho_agent *agent, const struct kho_world *world, struct kho_err *err)
{
	struct kho_session *session = agent->session;
	int r;

	for (uint32_t i = 1; i < session->handover.nr_own_cpus; i++) {
		r = start_cpu(agent, session, session->handover.own_cpus[i], world->park_entry, err);
		if (r < 0)
			return r;
	}
	session->started_ns = kho_now_ns();
	return start_cpu(agent, session, session->handover.own_cpus[0], world->boot_entry, err);
}

static int on_no_hello(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct kho_session *session = userdata;
	struct kho_agent *agent = session->agent;
	struct kho_err err;

	(void)source;
	(void)usec;
	kho_fail(&err, -ETIMEDOUT, "the new kernel's agent did not say hello in time; "
		 "see khoctl console for how far it came");
	kho_admit_failed(agent, KHO_REFUSED_NO_HELLO, &err);
	if (agent->mover)
		kho_mover_peer_lost(agent->mover, &err);
	else
		kho_failover_on_loss(agent, KHO_LINK_NO_HELLO, &err);
	return 0;
}

static int run_in_region(struct kho_agent *agent, struct kho_build *build, struct kho_err *err)
{
	struct kho_session_spec spec = { .role = &kho_old_role };
	struct kho_mapping map = {};
	struct mk_region region = {};
	uint64_t timeout = build->request->timeout_ms ?: KHO_HELLO_TIMEOUT_MS;
	int r = claim_and_map(agent, build->reserved, &region, &map, err);

	if (r < 0)
		return r;
	r = kho_build_region(agent, build, &map, err);
	spec.region = &region;
	spec.handover = &build->handover;
	spec.map = map;
	if (r >= 0)
		r = kho_session_open(agent, &spec, err);
	if (r < 0) {
		kho_device_unmap(&agent->device, &map);
		return r;
	}
	agent->phase = KHO_PHASE_SPAWN;
	r = kho_session_set_deadline(agent->session, timeout, on_no_hello, err);
	return r < 0 ? r : start_cpus(agent, &build->world, err);
}

static int reserve_and_run(struct kho_agent *agent, struct kho_build *build, struct kho_err *err)
{
	const struct kho_spawn_request *request = build->request;
	const struct kho_reserve_spec spec = {
		.cpus = request->cpus,
		.blocks = request->blocks,
		.memory = request->memory,
		.contiguous = build->contiguous,
	};
	struct kho_reserved reserved;
	struct kho_err undo;
	int r;

	agent->phase = KHO_PHASE_RESERVE;
	kho_agent_progress(agent, "reserving CPUs and memory");
	r = kho_reserve(agent, &spec, &reserved, err);
	if (r < 0) {
		agent->phase = KHO_PHASE_IDLE;
		return kho_wrap(err, r, "reserve");
	}
	build->reserved = &reserved;
	kho_agent_progress(agent, "starting %s on %u CPUs", build->release, reserved.nr_cpus);
	r = run_in_region(agent, build, err);
	build->reserved = NULL;
	if (r < 0 && kho_reclaim(agent, &undo) < 0)
		kho_wrap(err, r, "not all could be taken back (%s)", undo.msg);
	return r < 0 ? kho_wrap(err, r, "spawn") : 0;
}

int kho_spawn(struct kho_agent *agent, const struct kho_spawn_request *request,
	      struct kho_err *err)
{
	struct kho_build *build;
	int r;

	if (agent->phase != KHO_PHASE_IDLE)
		return kho_fail(err, -EBUSY, "an upgrade is under way (%s); wait for it, or undo "
				"it with khoctl reclaim", kho_phase_name(agent->phase));
	r = kho_refuse_machine(agent, err);
	if (r < 0)
		return r;
	build = calloc(1, sizeof(*build));
	if (!build)
		return kho_fail(err, -ENOMEM, "no memory to build a world");
	build->request = request;
	kho_agent_progress(agent, "checking %s", request->image);
	r = kho_build_load(build, err);
	if (r >= 0)
		r = kho_admit(agent, build, err);
	if (r >= 0)
		r = reserve_and_run(agent, build, err);
	kho_build_done(build);
	free(build);
	return r;
}

/* ---- taking back ---- */

/* A spawned kernel's CPUs have to end at its own mailbox, or it can't wake them. */
static int take_cpu(struct kho_agent *agent, uint32_t apic_id, struct kho_err *err)
{
	struct mk_cpu_start park = {
		.apic_id = apic_id,
		.region = agent->own_region,
		.timeout_ms = CPU_TIMEOUT_MS,
	};

	if (!agent->spawned)
		return kho_device_cpu_stop(&agent->device, apic_id, err);
	park.pgtable = kho_handover_phys(&agent->own,
		kho_handover_arena(&agent->own, "pgtable")->offset);
	park.entry = kho_park_entry(kho_handover_phys(&agent->own,
		kho_handover_arena(&agent->own, "park")->offset));
	return kho_device_cpu_park(&agent->device, &park, err);
}

/* Asks for every CPU there may be: what was lent is known to the module alone. */
static int take_cpus(struct kho_agent *agent, struct kho_err *err)
{
	struct mk_cpu cpu;
	int r;

	for (uint32_t apic_id = 0; apic_id < APIC_IDS; apic_id++) {
		if (kho_device_cpu_state(&agent->device, apic_id, &cpu, NULL) < 0 ||
		    cpu.state != MK_CPU_LENT)
			continue;
		r = take_cpu(agent, apic_id, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int release_region(struct kho_agent *agent, uint32_t id, struct kho_err *err)
{
	int r = kho_device_unlink(&agent->device, id, err);

	if (r < 0 && r != -ENOTCONN)
		return r;
	return kho_device_release(&agent->device, id, err);
}

/* The region that was lent out, if there's one. */
static uint32_t find_lent_region(struct kho_agent *agent, struct mk_region *region)
{
	struct mk_info info;

	if (kho_device_info(&agent->device, &info, NULL) < 0)
		return 0;
	for (int i = 0; i < MK_MAX_REGIONS; i++)
		if (info.region_ids[i] &&
		    kho_device_region(&agent->device, info.region_ids[i], region, NULL) >= 0 &&
		    region->kind == MK_REGION_OFFLINE)
			return info.region_ids[i];
	return 0;
}

bool kho_spawn_has_lent(struct kho_agent *agent)
{
	struct mk_region region;

	return find_lent_region(agent, &region);
}

/* Left by an agent that was killed on the way out, if that was called off. */
static int disarm_retirement(struct kho_agent *agent, struct kho_err *err)
{
	const struct mk_retire disarm = { .action = MK_RETIRE_DISARM };
	struct mk_info info;
	int r = kho_device_info(&agent->device, &info, err);

	if (r < 0 || !(info.flags & MK_INFO_RETIRE_ARMED))
		return r;
	return kho_device_retire(&agent->device, &disarm, err);
}

/*
 * Nobody drives them now: back to their drivers here. Also without a session, which a reclaim that
 * failed half-way has ended, and whose region couldn't be read after a new start: a function that
 * its dead kernel left enabled would go on writing to that kernel's memory.
 */
static int take_functions(struct kho_agent *agent, uint32_t region, struct kho_err *err)
{
	bool has_session = agent->session && agent->session->role == &kho_old_role;
	int r = 0;

	if (has_session)
		kho_dmesg_keep(agent->session);
	if (has_session || region)
		r = kho_pci_take_all_back(agent, err);
	if (has_session)
		kho_session_close(agent);
	return r;
}

int kho_reclaim(struct kho_agent *agent, struct kho_err *err)
{
	struct mk_region region;
	uint32_t id;
	int r = disarm_retirement(agent, err);

	if (r >= 0)
		r = take_cpus(agent, err);
	if (r < 0)
		return r;
	id = find_lent_region(agent, &region);
	r = take_functions(agent, id, err);
	if (r >= 0 && id)
		r = release_region(agent, id, err);
	if (r >= 0)
		r = kho_reserve_give_back(agent, err);
	if (r >= 0)
		agent->phase = KHO_PHASE_IDLE;
	return r < 0 ? kho_wrap(err, r, "reclaim") : 0;
}

/* ---- what happens in a session ---- */

static void on_up(struct kho_session *session)
{
	struct kho_agent *agent = session->agent;
	const struct kho_link *link = kho_channel_link(session->channel);
	struct kho_err none = {};

	kho_session_set_deadline(session, 0, NULL, NULL);
	session->transfer.sinks = kho_receive_sinks;
	if (agent->phase != KHO_PHASE_SPAWN) {
		/* what the agent before was asked won't be answered any more */
		kho_retire_drop(session);
		kho_pci_drop(session);
		kho_rollback_drop(session);
		if (agent->mover)
			kho_mover_peer_up(agent->mover);
		kho_upgrade_peer_up(agent);
		return;
	}
	session->hello_ns = kho_now_ns() - session->started_ns;
	agent->phase = KHO_PHASE_SYNC;
	kho_admit_up(agent);
	kho_agent_progress(agent, "hello from %s after %" PRIu64 " ms", link->peer.kernel_release,
			   session->hello_ns / 1000000);
	/* to an agent that was started again it's the end of nothing */
	if (!kho_upgrade_said_hello(agent))
		kho_agent_end_wait(agent, &none);
	if (agent->mover)
		kho_mover_peer_up(agent->mover);
	kho_upgrade_peer_up(agent);
}

/*
 * The new kernel is dead, silent or not to be worked with. Until it has the workloads,
 * all it has is taken back; then it's a matter of policy. Once this kernel is on its way
 * out, there's no way back: the session's end is what was wanted.
 */
static void on_down(struct kho_session *session, const struct kho_link_event *event)
{
	struct kho_agent *agent = session->agent;
	struct kho_err err = event->err;
	bool panicked;

	kho_console_drain(session);
	if (agent->phase == KHO_PHASE_RETIRE)
		return;
	kho_agent_tell(agent, KHO_MESSAGE_PEER_LOST, NULL, "lost the new kernel: %s", err.msg);
	panicked = session->peer->magic == MK_STATUS_MAGIC &&
		   session->peer->state == MK_STATE_PANICKED;
	if (panicked)
		kho_wrap(&err, err.code, "the new kernel panicked (%.200s); see khoctl console",
			 (const char *)session->peer->panic);
	kho_admit_failed(agent, panicked ? KHO_REFUSED_PANICKED : KHO_REFUSED_NO_HELLO, &err);
	if (agent->mover) {
		/* stops the new kernel before anything is used here again */
		kho_mover_peer_lost(agent->mover, &err);
		return;
	}
	kho_failover_on_loss(agent, event->cause, &err);
}

static void on_message(struct kho_session *session, const Kho__Envelope *envelope)
{
	switch (envelope->body_case) {
	case KHO__ENVELOPE__BODY_CLOCK_SYNC_REQUEST:
		kho_clock_on_request(session, envelope);
		break;
	case KHO__ENVELOPE__BODY_PCI_RESULT:
		kho_pci_result(session, envelope->pci_result);
		break;
	case KHO__ENVELOPE__BODY_RETIRE_NOTED:
		kho_retire_on_noted(session, envelope->retire_noted);
		break;
	default:
		kho_move_on_message(session, envelope);
	}
}

const struct kho_session_role kho_old_role = {
	.role = KHO_ROLE_OLD,
	.up = on_up,
	.down = on_down,
	.message = on_message,
	.look = kho_console_drain,
};

/* ---- after a kill ---- */

static int reopen(struct kho_agent *agent, const struct mk_region *region, struct kho_err *err)
{
	struct kho_session_spec spec = { .role = &kho_old_role, .region = region };
	struct kho_handover *handover = calloc(1, sizeof(*handover));
	struct kho_region_view view = { .ranges = region->ranges, .nr_ranges = region->nr_ranges };
	struct kho_mem mem;
	int r;

	if (!handover)
		return kho_fail(err, -ENOMEM, "no memory for a session");
	r = kho_device_map(&agent->device, region, &spec.map, err);
	if (r >= 0) {
		view.base = spec.map.data;
		mem = kho_region_mem(&view);
		r = kho_tree_read((char *)spec.map.data + KHO_OFF_TREE, KHO_PAGE_SIZE, &mem,
				  handover, err);
		spec.handover = handover;
		if (r >= 0)
			r = kho_session_open(agent, &spec, err);
		if (r < 0)
			kho_device_unmap(&agent->device, &spec.map);
	}
	free(handover);
	return r;
}

int kho_spawn_reopen(struct kho_agent *agent, struct kho_err *err)
{
	struct mk_region region;

	if (!find_lent_region(agent, &region))
		return kho_fail(err, -ENOTCONN, "no memory is lent to another kernel");
	/* as of a new start: to an agent that only stood still, the old session is void too */
	if (getrandom(&agent->nonce, sizeof(agent->nonce), 0) != sizeof(agent->nonce))
		agent->nonce++;
	kho_session_close(agent);
	return reopen(agent, &region, err);
}

/* The CPU that boots the new kernel is the last one to be lent. */
static bool was_started(struct kho_agent *agent)
{
	uint32_t boot = agent->session->handover.own_cpus[0];
	struct mk_cpu cpu;

	return kho_device_cpu_state(&agent->device, boot, &cpu, NULL) >= 0 &&
	       cpu.state == MK_CPU_LENT;
}

/*
 * The region is there, and what's in it can't be read. A move or a failover under way goes on
 * without it; otherwise it's as if the new kernel were lost, which may have the workloads.
 */
static int give_up(struct kho_agent *agent, struct kho_err *err)
{
	struct kho_err why = *err;

	if (access(KHO_MOVE_RECORD, F_OK) == 0 || kho_failover_is_pending())
		return kho_reclaim(agent, err);
	kho_failover_on_loss(agent, KHO_LINK_GARBAGE, &why);
	return 0;
}

int kho_spawn_recover(struct kho_agent *agent, struct kho_err *err)
{
	struct mk_region region;
	int r;

	if (!find_lent_region(agent, &region))
		return kho_reserve_give_back(agent, err);
	agent->phase = KHO_PHASE_SPAWN;
	r = reopen(agent, &region, err);
	if (r < 0)
		return give_up(agent, err);
	/* nobody will say hello if that agent didn't get as far as starting anybody */
	if (!was_started(agent))
		return kho_reclaim(agent, err);
	/* a kernel that is well may have said it while the session was opened */
	if (kho_link_is_up(kho_channel_link(agent->session->channel)))
		return 0;
	return kho_session_set_deadline(agent->session, KHO_HELLO_TIMEOUT_MS, on_no_hello, err);
}
