// SPDX-License-Identifier: GPL-2.0-only
/* Joining the old kernel; join.h has the contract. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/history.h"
#include "agent/join.h"
#include "agent/move.h"
#include "agent/pci.h"
#include "agent/reboot_file.h"
#include "agent/receive.h"
#include "agent/rollback.h"
#include "agent/spawn.h"
#include "base/bits.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "spawn/setup_data.h"
#include "system/memmap.h"
#include "system/proc.h"
#include "upgrade/takeover.h"

#define COMMAND_TIMEOUT_MS	10000
#define SETUP_DATA	"kernel/boot_params/setup_data"
#define RECORD_MAX	4096
#define LEFT_FILE	KHO_RUN_DIR "/left"

/* ---- where the tree is ---- */

static int read_record(const char *dir, const char *name, uint32_t type, char **ret, size_t *size)
{
	char path[640];
	uint64_t found;

	snprintf(path, sizeof(path), "%s/%s/type", dir, name);
	if (kho_file_read_u64(path, &found, NULL) < 0 || found != type)
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/%s/data", dir, name);
	return kho_file_read(path, RECORD_MAX, ret, size, NULL);
}

static int find_record(const struct kho_sysroot *root, uint32_t type, char **ret, size_t *size)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	char path[256];

	snprintf(path, sizeof(path), "%s/" SETUP_DATA, root->sys);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' &&
		    read_record(path, entry->d_name, type, ret, size) >= 0)
			return 0;
	return -ENOENT;
}

static int find_tree(const struct kho_sysroot *root, struct kho_setup_kho *ret,
		     struct kho_err *err)
{
	_cleanup_free_ char *data = NULL;
	size_t size;

	if (find_record(root, KHO_SETUP_TYPE_KHO, &data, &size) < 0)
		return kho_fail(err, -ENOENT, "this kernel was given no handover tree; "
				"was it spawned by another version?");
	return kho_setup_kho_parse(data, size, ret, err);
}

/*
 * The control area as this kernel has it. If the kernel took the tree in by itself, only
 * its start is reserved; the rest is RAM that the tree preserves:
 *
 *	 reserved       preserved, for life    preserved, for the link
 *	+--------------+----------------------+-----------------------+
 *	| ranges[0]    | ranges[1]            | ranges[2]             |
 *	+--------------+----------------------+-----------------------+
 *	                ^ the tree            ^ keep                  ^ size
 */
struct control_area {
	uint32_t kind;			/* MK_REGION_* */
	uint32_t nr_ranges;
	struct mk_range ranges[3];
	uint64_t size;
};

#define NR_KEPT	2			/* ranges that outlive the link, of a preserved area */

/* The reserved piece of our memory map that the tree lies in. */
static int find_reserved(const struct kho_sysroot *root, const struct kho_setup_kho *kho,
			 struct mk_range *ret, struct kho_err *err)
{
	struct kho_fw_map map = {};
	int r = kho_fw_map_read(root, &map, err);

	if (r < 0)
		return r;
	r = -EBADMSG;
	for (size_t i = 0; i < map.nr; i++) {
		const struct kho_fw_range *range = &map.ranges[i];

		if (range->type == KHO_FW_RESERVED && kho->fdt_addr >= range->start &&
		    kho_within(kho->fdt_addr - range->start, kho->fdt_size, range->size)) {
			*ret = (struct mk_range){ range->start, range->size };
			r = 0;
		}
	}
	kho_fw_map_done(&map);
	return r < 0 ? kho_fail(err, r, "the handover tree isn't in reserved memory; "
				"this kernel must not touch it") : 0;
}

static int check_preserved(const struct kho_setup_kho *kho,
			   const struct kho_setup_control *control, struct kho_err *err)
{
	if (kho->fdt_addr <= control->start ||
	    kho->fdt_addr - control->start >= control->keep ||
	    !kho_within(kho->fdt_addr - control->start, kho->fdt_size, control->keep))
		return kho_fail(err, -EBADMSG, "the handover tree isn't in the control area; "
				"this kernel must not touch it");
	return 0;
}

/* From a control record, which is there if the tree was meant to be taken in. */
static int find_control_area(const struct kho_sysroot *root, const struct kho_setup_kho *kho,
			     struct control_area *ret, struct kho_err *err)
{
	_cleanup_free_ char *data = NULL;
	struct kho_setup_control control;
	uint64_t tree = kho->fdt_addr;
	size_t size;
	int r;

	*ret = (struct control_area){ .kind = MK_REGION_RESERVED, .nr_ranges = 1 };
	if (find_record(root, KHO_SETUP_TYPE_CONTROL, &data, &size) < 0) {
		r = find_reserved(root, kho, &ret->ranges[0], err);
		ret->size = ret->ranges[0].size;
		return r;
	}
	r = kho_setup_control_parse(data, size, &control, err);
	if (r >= 0)
		r = check_preserved(kho, &control, err);
	if (r < 0)
		return r;
	*ret = (struct control_area){
		.kind = MK_REGION_PRESERVED,
		.nr_ranges = KHO_ARRAY_SIZE(ret->ranges),
		.ranges = {
			{ control.start, tree - control.start },
			{ tree, control.start + control.keep - tree },
			{ control.start + control.keep, control.size - control.keep },
		},
		.size = control.size,
	};
	return 0;
}

/* Claimed already, which gives 1, if an earlier agent got that far. */
static int adopt(struct kho_agent *agent, const struct control_area *area,
		 struct mk_region *ret, struct kho_err *err)
{
	const struct kho_claim claim = {
		.kind = area->kind,
		.ranges = area->ranges,
		.nr_ranges = area->nr_ranges,
	};
	struct mk_info now;
	int r = kho_device_info(&agent->device, &now, err);

	if (r < 0)
		return r;
	for (int i = 0; i < MK_MAX_REGIONS; i++)
		if (now.region_ids[i] &&
		    kho_device_region(&agent->device, now.region_ids[i], ret, NULL) >= 0 &&
		    ret->kind == area->kind && ret->ranges[0].start == area->ranges[0].start)
			return 1;
	return kho_device_claim(&agent->device, &claim, ret, err);
}

static int read_tree(struct kho_agent *agent, const struct kho_setup_kho *kho,
		     const struct mk_region *region, const struct kho_mapping *map,
		     struct kho_err *err)
{
	const uint64_t start = region->ranges[0].start;
	/* its ranges follow each other */
	const struct mk_range whole = { start, region->size };
	struct kho_region_view view = { .ranges = &whole, .nr_ranges = 1, .base = map->data };
	struct kho_mem mem = kho_region_mem(&view);
	const char *fdt = (const char *)map->data + (kho->fdt_addr - start);
	int r = kho_tree_read(fdt, kho->fdt_size, &mem, &agent->own, err);

	if (r < 0)
		return r;
	if (agent->own.ranges[0].start != start)
		return kho_fail(err, -EBADMSG, "the handover tree is of another region");
	return 0;
}

static void open_console(struct kho_agent *agent)
{
	const struct kho_handover_arena *out = kho_handover_arena(&agent->own, "console-out");
	const struct kho_handover_arena *in = kho_handover_arena(&agent->own, "console-in");
	struct mk_console console = { .region = agent->own_region };
	struct kho_err err;
	int r;

	if (!out || !in)
		return;
	console.out_ring = out->offset;
	console.in_ring = in->offset;
	r = kho_device_console(&agent->device, &console, &err);
	if (r < 0 && r != -EEXIST)
		kho_agent_progress(agent, "no console: %s", err.msg);
}

static void set_clock(struct kho_agent *agent)
{
	const struct kho_clock_sample sample = {
		.tsc = agent->own.clock.tsc,
		.realtime_ns = agent->own.clock.realtime_ns,
		.monotonic_ns = agent->own.clock.monotonic_ns,
		.window = agent->own.clock.window,
	};
	struct kho_err err;

	if (kho_clock_adopt(agent, &sample, agent->own.clock.tsc_khz, &err) < 0)
		kho_agent_progress(agent, "the clock was not set: %s", err.msg);
}

/*
 * With a successor of its own under way, this kernel's predecessor is long gone. So it is
 * where the link's memory was given back.
 */
static int open_session(struct kho_agent *agent, struct kho_session_spec *spec,
			const struct mk_region *region, struct kho_err *err)
{
	if (kho_spawn_has_lent(agent) ||
	    (region->kind == MK_REGION_PRESERVED && region->nr_ranges == NR_KEPT))
		return 0;
	agent->phase = KHO_PHASE_SPAWN;
	spec->region = region;
	return kho_session_open(agent, spec, err);
}

int kho_join(struct kho_agent *agent, struct kho_err *err)
{
	struct kho_session_spec spec = { .role = &kho_new_role, .handover = &agent->own };
	struct kho_setup_kho kho;
	struct control_area area;
	struct mk_region region;
	bool again = false;
	int r = find_tree(&agent->root, &kho, err);

	if (r >= 0)
		r = find_control_area(&agent->root, &kho, &area, err);
	if (r >= 0)
		r = adopt(agent, &area, &region, err);
	again = r > 0;
	if (r >= 0)
		r = kho_device_map(&agent->device, &region, &spec.map, err);
	if (r < 0)
		return kho_wrap(err, r, "join");
	agent->own_region = region.id;
	r = read_tree(agent, &kho, &region, &spec.map, err);
	if (r >= 0) {
		agent->info.boot_apic_id = agent->own.boot_apic_id;
		open_console(agent);
		/* later, the clock is NTP's, or the live peer's */
		if (!again)
			set_clock(agent);
		r = open_session(agent, &spec, &region, err);
	}
	if (r < 0 || !agent->session)
		kho_device_unmap(&agent->device, &spec.map);
	return r < 0 ? kho_wrap(err, r, "join") : 0;
}

/* ---- in the session ---- */

static void on_up(struct kho_session *session)
{
	session->agent->phase = KHO_PHASE_SYNC;
	session->transfer.sinks = kho_receive_sinks;
	kho_agent_progress(session->agent, "connected to %s",
			   kho_channel_link(session->channel)->peer.kernel_release);
	kho_clock_ask(session);
	/* of a move back */
	if (session->agent->mover)
		kho_mover_peer_up(session->agent->mover);
}

void kho_start_services(struct kho_agent *agent)
{
	static const char *const argv[] = {
		"systemctl", "--no-block", "start", "default.target", NULL
	};
	const struct kho_proc_spec spec = { .argv = argv, .timeout_ms = COMMAND_TIMEOUT_MS };
	struct kho_err err;

	if (access("/run/systemd/system", F_OK) == 0 && kho_proc_check(&spec, &err) < 0)
		kho_agent_progress(agent, "the machine's services were not started: %s", err.msg);
}

static void keep_left(struct kho_agent *agent, Kho__RetireReady *left)
{
	if (agent->left)
		kho__retire_ready__free_unpacked(agent->left, NULL);
	agent->left = left;
}

/* What the old kernel couldn't see the end of has ended well. */
static void keep_history(struct kho_agent *agent)
{
	struct kho_err err;

	for (size_t i = 0; agent->left && i < agent->left->n_history; i++)
		if (kho_history_keep_text(agent->left->history[i], &err) < 0)
			kho_agent_progress(agent, "the old kernel's history: %s", err.msg);
}

/* The link is over: its lanes are this kernel's to use, if KHO has preserved them for it. */
static void give_back_lanes(struct kho_agent *agent)
{
	struct mk_region region;
	struct kho_err err;

	if (kho_device_region(&agent->device, agent->own_region, &region, &err) < 0 ||
	    region.kind != MK_REGION_PRESERVED || region.nr_ranges == NR_KEPT)
		return;
	if (kho_device_trim(&agent->device, region.id, NR_KEPT, &err) < 0)
		kho_agent_progress(agent, "the lanes' memory was not given back: %s", err.msg);
}

static void take_over(struct kho_session *session)
{
	struct kho_agent *agent = session->agent;
	struct kho_err err = {};

	agent->phase = KHO_PHASE_RETIRE;
	/* an agent that was killed has noted it */
	if (!agent->left && kho_left_read(LEFT_FILE, &agent->left, &err) == -EBADMSG)
		kho_agent_progress(agent, "%s", err.msg);
	err = (struct kho_err){};
	if (kho_absorb_all(session, &err) < 0)
		kho_agent_progress(agent, "not all was taken over: %s", err.msg);
	else
		kho_agent_tell(agent, KHO_MESSAGE_TAKEN_OVER, NULL, "this kernel has the whole machine");
	agent->last = err;
	keep_history(agent);
	kho_reboot_hand_on(agent, agent->left);
	agent->phase = KHO_PHASE_IDLE;
	/* the next upgrade needs the module's link for itself */
	kho_session_close(agent);
	kho_device_unlink(&agent->device, agent->own_region, NULL);
	if (!agent->last.code)
		give_back_lanes(agent);
	keep_left(agent, NULL);
	unlink(LEFT_FILE);
	kho_start_services(agent);
}

/*
 * An old agent that is silent may be stopped, started again, or on its way out in a
 * shutdown that takes its time: whatever it is, this side is there again when it
 * comes back, and sees its kernel retire if it doesn't.
 */
static void join_again(struct kho_agent *agent)
{
	struct kho_err err;

	/* as of a new start: to an agent that only stood still, the old session is void too */
	if (getrandom(&agent->nonce, sizeof(agent->nonce), 0) != sizeof(agent->nonce))
		agent->nonce++;
	kho_session_close(agent);
	if (kho_join(agent, &err) < 0) {
		agent->last = err;
		kho_agent_progress(agent, "%s", err.msg);
	}
}

static void on_down(struct kho_session *session, const struct kho_link_event *event)
{
	struct kho_agent *agent = session->agent;

	if (event->kind == KHO_LINK_EVENT_DEAD && event->cause == KHO_LINK_PEER_RETIRED) {
		take_over(session);
		return;
	}
	agent->last = event->err;
	kho_agent_tell(agent, KHO_MESSAGE_PEER_LOST, NULL, "lost the old kernel: %s", event->err.msg);
	if (agent->mover)
		kho_mover_peer_lost(agent->mover, &event->err);
	if (event->kind == KHO_LINK_EVENT_DEAD && event->cause == KHO_LINK_SILENT)
		join_again(agent);
}

/* The message is void when the callback returns, and this agent may be killed. */
static int note_left(struct kho_agent *agent, const Kho__RetireReady *ready, struct kho_err *err)
{
	Kho__RetireReady *copy;
	int r = kho_left_write(LEFT_FILE, ready, err);

	if (r >= 0)
		r = kho_left_read(LEFT_FILE, &copy, err);
	if (r >= 0)
		keep_left(agent, copy);
	return r;
}

static void on_retire_ready(struct kho_session *session, const Kho__RetireReady *ready)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__RetireNoted noted = KHO__RETIRE_NOTED__INIT;
	struct kho_err err = {};

	if (note_left(session->agent, ready, &err) < 0)
		kho_agent_progress(session->agent, "the old kernel can't retire: %s", err.msg);
	noted.has_code = true;
	noted.code = err.code;
	noted.text = err.code ? err.msg : NULL;
	envelope.body_case = KHO__ENVELOPE__BODY_RETIRE_NOTED;
	envelope.retire_noted = &noted;
	/* unheard, the other side gives up by itself */
	(void)kho_session_send(session, &envelope, NULL);
}

static void on_message(struct kho_session *session, const Kho__Envelope *envelope)
{
	switch (envelope->body_case) {
	case KHO__ENVELOPE__BODY_CLOCK_SYNC_REPLY:
		kho_clock_on_reply(session, envelope->clock_sync_reply);
		break;
	case KHO__ENVELOPE__BODY_PCI_GRANT:
		kho_pci_on_grant(session, envelope->pci_grant);
		break;
	case KHO__ENVELOPE__BODY_PCI_REVOKE:
		kho_pci_on_revoke(session, envelope->pci_revoke);
		break;
	case KHO__ENVELOPE__BODY_RETIRE_READY:
		on_retire_ready(session, envelope->retire_ready);
		break;
	default:
		kho_move_on_message(session, envelope);
	}
}

const struct kho_session_role kho_new_role = {
	.role = KHO_ROLE_NEW,
	.up = on_up,
	.down = on_down,
	.message = on_message,
};
