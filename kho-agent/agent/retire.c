// SPDX-License-Identifier: GPL-2.0-only
/*
 * The old kernel retires: tells the new one what it leaves, waits until that has
 * noted it, gives up all CPUs but one, arms the module, and restarts in order. The
 * restart doesn't reset the machine but ends in the new kernel's park loop
 * (kernel/retire.c).
 *
 * Until the restart is under way everything can be undone, and is if a step fails.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/history.h"
#include "agent/pci.h"
#include "agent/reboot_file.h"
#include "agent/retire_undo.h"
#include "agent/spawn.h"
#include "agent/upgrade_run.h"
#include "base/bits.h"
#include "spawn/layout.h"
#include "spawn/park.h"
#include "system/pci.h"
#include "system/proc.h"
#include "system/watchdog.h"

#define CPU_TIMEOUT_MS		10000
#define NOTED_TIMEOUT_MS	15000
#define COMMAND_TIMEOUT_MS	30000
#define PCI_BRIDGE_CLASS	0x0604
#define MAX_LEFT		256

/* ---- what is left behind ---- */

/* PCI-to-PCI bridges go on forwarding as they were set up; nobody drives them. */
bool kho_retire_leaves(const struct kho_pci_function *function)
{
	return function->class >> 8 != PCI_BRIDGE_CLASS && !kho_pci_is_held(function);
}

/* What RetireReady is made of; large. */
struct leaving {
	struct kho_pci_message functions[MAX_LEFT];
	size_t nr_functions;
	uint32_t asleep[KHO_CPUS_MAX];
	size_t nr_asleep;
};

static int add_functions(struct kho_agent *agent, struct leaving *leaving, struct kho_err *err)
{
	struct kho_pci_list list = {};
	uint64_t config;
	int r = kho_pci_list_read(&agent->root, &list, err);

	if (r == -EOPNOTSUPP)
		r = 0;
	for (size_t i = 0; r >= 0 && i < list.nr; i++) {
		if (!kho_retire_leaves(&list.functions[i]) ||
		    kho_pci_config(agent, &list.functions[i].addr, &config, NULL) < 0)
			continue;
		if (leaving->nr_functions == MAX_LEFT)
			r = kho_fail(err, -E2BIG, "more than %d PCI functions would be left; "
				     "khoctl grant some before", MAX_LEFT);
		else
			kho_pci_message_init(&leaving->functions[leaving->nr_functions++],
					     &list.functions[i].addr, config);
	}
	kho_pci_list_done(&list);
	return r;
}

/* Somebody has taken these offline on purpose; the new kernel is to leave them so. */
static void add_asleep(struct kho_agent *agent, struct leaving *leaving)
{
	const struct kho_handover *h = &agent->session->handover;
	struct mk_cpu cpu;

	for (uint32_t i = 0; i < h->nr_later_cpus; i++)
		if (kho_device_cpu_state(&agent->device, h->later_cpus[i], &cpu, NULL) >= 0 &&
		    cpu.state == MK_CPU_OFFLINE)
			leaving->asleep[leaving->nr_asleep++] = h->later_cpus[i];
}

static int send_ready(struct kho_agent *agent, struct leaving *leaving, struct kho_err *err)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__RetireReady ready = KHO__RETIRE_READY__INIT;
	Kho__PciGrant *pointers[MAX_LEFT];
	char *history[KHO_HISTORY_TEXTS];
	struct kho_reboot_note reboot;
	int r;

	for (size_t i = 0; i < leaving->nr_functions; i++)
		pointers[i] = &leaving->functions[i].grant;
	ready.n_functions = leaving->nr_functions;
	ready.functions = pointers;
	ready.n_asleep = leaving->nr_asleep;
	ready.asleep = leaving->asleep;
	ready.n_history = kho_history_hand_over(kho_upgrade_journal(agent), history);
	ready.history = history;
	kho_reboot_note(&reboot, &ready);
	envelope.body_case = KHO__ENVELOPE__BODY_RETIRE_READY;
	envelope.retire_ready = &ready;
	r = kho_session_send(agent->session, &envelope, err);
	for (size_t i = 0; i < ready.n_history; i++)
		free(history[i]);
	kho_reboot_note_done(&reboot);
	return r;
}

static int tell_what_is_left(struct kho_agent *agent, struct kho_err *err)
{
	struct leaving *leaving = calloc(1, sizeof(*leaving));
	int r;

	if (!leaving)
		return kho_fail(err, -ENOMEM, "no memory to list what is left");
	r = add_functions(agent, leaving, err);
	if (r >= 0) {
		add_asleep(agent, leaving);
		r = send_ready(agent, leaving, err);
	}
	free(leaving);
	return r;
}

/* ---- CPUs ---- */

static int offline_others(struct kho_agent *agent, const struct kho_cpus *cpus,
			  struct kho_err *err)
{
	int r = 0;

	for (unsigned int n = kho_cpus_next(cpus, 0); r >= 0 && n < KHO_CPUS_MAX;
	     n = kho_cpus_next(cpus, n + 1)) {
		r = kho_cpu_offline(&agent->root, n, KHO_CPU_HOTPLUG_MS, err);
		kho_agent_is_alive();
	}
	return r;
}

/*
 * In a chain the machine's boot CPU isn't this kernel's CPU 0, so it waits at this
 * kernel's mailbox by now. It can't be fetched by INIT: it's sent.
 */
static int send_boot_cpu(struct kho_agent *agent, struct kho_err *err)
{
	const struct kho_session *session = agent->session;
	struct mk_cpu_start start = {
		.apic_id = agent->info.boot_apic_id,
		.flags = MK_CPU_MAILBOX,
		.region = session->region.id,
		.timeout_ms = CPU_TIMEOUT_MS,
		.entry = kho_park_entry(session->handover.ranges[0].start + KHO_OFF_PARK),
	};
	struct mk_cpu cpu;
	int r;

	if (!agent->spawned)
		return 0;
	r = kho_device_cpu_state(&agent->device, start.apic_id, &cpu, err);
	if (r < 0 || cpu.state != MK_CPU_OFFLINE)
		return r;
	start.mailbox = kho_handover_phys(&agent->own,
		kho_handover_arena(&agent->own, "mailbox")->offset);
	return kho_device_cpu_start(&agent->device, &start, err);
}

static int arm(struct kho_agent *agent, struct kho_err *err)
{
	const struct kho_session *session = agent->session;
	uint64_t base = session->handover.ranges[0].start;
	const struct mk_retire retire = {
		.region = session->region.id,
		.action = MK_RETIRE_ARM,
		.park_entry = kho_park_entry(base + KHO_OFF_PARK),
		.pgtable = base + KHO_OFF_PGTABLE,
		.pgtable5 = base + KHO_OFF_PGTABLE + KHO_PAGE_SIZE,
	};

	return kho_device_retire(&agent->device, &retire, err);
}

/* ---- the restart ---- */

static int restart(struct kho_err *err)
{
	static const char *const argv[] = { "systemctl", "--no-block", "reboot", NULL };
	const struct kho_proc_spec spec = { .argv = argv, .timeout_ms = COMMAND_TIMEOUT_MS };

	if (kho_retire_has_systemd())
		return kho_proc_check(&spec, err);
	/* what the target image's init, like busybox's, takes for "restart" */
	if (kill(1, SIGTERM) < 0)
		return kho_fail_errno(err, -errno, "PID 1 can't be told to restart");
	return 0;
}

static int check(struct kho_agent *agent, struct kho_err *err)
{
	if (agent->phase != KHO_PHASE_SYNC || !agent->session ||
	    agent->session->role != &kho_old_role)
		return kho_fail(err, -ENOTCONN, "no spawned kernel is connected that could take "
				"the machine; khoctl spawn one first");
	if (!kho_link_is_up(kho_channel_link(agent->session->channel)))
		return kho_fail(err, -ENOTCONN, "the new kernel's agent is silent; wait for it, or "
				"khoctl reclaim");
	if (agent->mover || agent->session->rolling_back)
		return kho_fail(err, -EBUSY, "a move is under way; wait for its end");
	if (agent->session->retiring)
		return kho_fail(err, -EALREADY, "this kernel is about to retire");
	return 0;
}

static int leave(struct kho_agent *agent, struct kho_retiring *retiring, struct kho_err *err)
{
	int r = kho_retire_note(agent, retiring, err);

	if (r >= 0 && retiring->watchdog_usec)
		r = kho_reboot_watchdog_set(0, err);
	if (r >= 0)
		r = offline_others(agent, &retiring->cpus, err);
	if (r >= 0)
		r = send_boot_cpu(agent, err);
	if (r >= 0)
		r = arm(agent, err);
	return r;
}

static int leave_and_restart(struct kho_agent *agent, struct kho_err *err)
{
	struct kho_retiring retiring = {};
	int r;

	agent->phase = KHO_PHASE_RETIRE;
	kho_agent_progress(agent, "giving up CPUs and devices");
	r = leave(agent, &retiring, err);
	if (r >= 0) {
		kho_agent_tell(agent, KHO_MESSAGE_RETIRING, NULL, "shutting down; the machine goes on "
			       "without this kernel");
		r = restart(err);
	}
	if (r >= 0) {
		/* whoever waits can't be told when it's over */
		kho_agent_answer(agent, &(struct kho_err){});
		return 0;
	}
	kho_retire_undo(agent, &retiring);
	agent->phase = KHO_PHASE_SYNC;
	return kho_wrap(err, r, "retire");
}

/* ---- what the new side says ---- */

static int on_not_noted(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct kho_session *session = userdata;
	struct kho_err err;

	(void)source;
	(void)usec;
	session->retiring = false;
	kho_fail(&err, -ETIMEDOUT, "retire: the new kernel's agent did not confirm what it will "
		 "get; nothing was given up, see its log");
	kho_agent_answer(session->agent, &err);
	return 0;
}

/* The restart would be refused as long as this agent keeps others from shutting down. */
static void on_let_go(struct kho_agent *agent)
{
	struct kho_err err;

	/* called off meanwhile */
	if (!agent->session || !agent->session->retiring)
		return;
	agent->session->retiring = false;
	if (leave_and_restart(agent, &err) < 0) {
		agent->last = err;
		kho_agent_answer(agent, &err);
	}
}

static int on_go(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct kho_session *session = userdata;

	(void)source;
	(void)usec;
	kho_session_set_deadline(session, 0, NULL, NULL);
	if (session->retiring)
		kho_inhibit_release(session->agent, on_let_go);
	return 0;
}

void kho_retire_on_noted(struct kho_session *session, const Kho__RetireNoted *noted)
{
	struct kho_err err;
	char text[256];

	/* late: of a try that was given up */
	if (!session->retiring)
		return;
	if (noted->has_code && noted->code < 0) {
		session->retiring = false;
		kho_session_set_deadline(session, 0, NULL, NULL);
		kho_text_clean(text, sizeof(text), noted->text ?: "no reason given");
		kho_fail(&err, -EIO, "retire: the new kernel's agent can't note what it will get: "
			 "%s", text);
		kho_agent_answer(session->agent, &err);
		return;
	}
	/* this is inside of the channel, and what follows takes seconds */
	kho_session_set_deadline(session, 1, on_go, NULL);
}

void kho_retire_drop(struct kho_session *session)
{
	struct kho_err err;

	if (!session->retiring)
		return;
	session->retiring = false;
	kho_inhibit_forget(session->agent);
	kho_fail(&err, -EIO, "retire: the new kernel's agent was started again meanwhile; nothing "
		 "was given up, try again");
	kho_agent_answer(session->agent, &err);
}

int kho_retire(struct kho_agent *agent, struct kho_err *err)
{
	struct kho_session *session = agent->session;
	int r = check(agent, err);

	if (r >= 0)
		r = tell_what_is_left(agent, err);
	if (r < 0)
		return r;
	if (!kho_features_has(&kho_channel_link(session->channel)->agreement.features,
			      KHO_FEATURE_RETIRE_NOTED))
		return leave_and_restart(agent, err);
	kho_inhibit_forget(agent);
	session->retiring = true;
	kho_agent_progress(agent, "telling the new kernel what it will get");
	return kho_session_set_deadline(session, NOTED_TIMEOUT_MS, on_not_noted, err);
}
