// SPDX-License-Identifier: GPL-2.0-only
/*
 * The old kernel retires: tells the new one what it leaves, gives up all CPUs but
 * one, arms the module, and restarts in order. The restart doesn't reset the
 * machine but ends in the new kernel's park loop (kernel/retire.c).
 *
 * Until the restart is under way everything can be undone, and is if a step fails.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/pci.h"
#include "agent/spawn.h"
#include "base/bits.h"
#include "spawn/layout.h"
#include "spawn/park.h"
#include "system/pci.h"
#include "system/proc.h"

#define CPU_TIMEOUT_MS		10000
#define COMMAND_TIMEOUT_MS	30000
#define PCI_BRIDGE_CLASS	0x0604
#define MAX_LEFT		256

/* ---- what is left behind ---- */

/* PCI-to-PCI bridges go on forwarding as they were set up; nobody drives them. */
static bool is_left(const struct kho_pci_function *function)
{
	return function->class >> 8 != PCI_BRIDGE_CLASS &&
	       strcmp(function->driver, KHO_PCI_DRIVER) != 0;
}

static int send_ready(struct kho_agent *agent, struct kho_pci_message *messages, size_t nr,
		      struct kho_err *err)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__RetireReady ready = KHO__RETIRE_READY__INIT;
	Kho__PciGrant *pointers[MAX_LEFT];

	for (size_t i = 0; i < nr; i++)
		pointers[i] = &messages[i].grant;
	ready.n_functions = nr;
	ready.functions = pointers;
	envelope.body_case = KHO__ENVELOPE__BODY_RETIRE_READY;
	envelope.retire_ready = &ready;
	return kho_session_send(agent->session, &envelope, err);
}

static int tell_what_is_left(struct kho_agent *agent, struct kho_err *err)
{
	struct kho_pci_message *messages = calloc(MAX_LEFT, sizeof(*messages));
	struct kho_pci_list list = {};
	uint64_t config;
	size_t nr = 0;
	int r;

	if (!messages)
		return kho_fail(err, -ENOMEM, "no memory to list PCI functions");
	r = kho_pci_list_read(&agent->root, &list, err);
	if (r == -EOPNOTSUPP)
		r = 0;
	for (size_t i = 0; r >= 0 && i < list.nr && nr < MAX_LEFT; i++)
		if (is_left(&list.functions[i]) &&
		    kho_pci_config(agent, &list.functions[i].addr, &config, NULL) >= 0)
			kho_pci_message_init(&messages[nr++], &list.functions[i].addr, config);
	kho_pci_list_done(&list);
	if (r >= 0)
		r = send_ready(agent, messages, nr, err);
	free(messages);
	return r;
}

/* ---- CPUs ---- */

static int offline_others(struct kho_agent *agent, struct kho_err *err)
{
	struct kho_cpu_list list;
	int r = kho_cpu_list_read(&agent->root, &list, err);

	for (size_t i = 0; r >= 0 && i < list.nr; i++)
		if (list.cpus[i].online && list.cpus[i].cpu != 0)
			r = kho_cpu_offline(&agent->root, list.cpus[i].cpu, CPU_TIMEOUT_MS, err);
	return r;
}

static void online_others(struct kho_agent *agent)
{
	const struct kho_handover *h = &agent->session->handover;
	struct mk_cpu cpu;

	for (uint32_t i = 0; i < h->nr_later_cpus; i++)
		if (kho_device_cpu_state(&agent->device, h->later_cpus[i], &cpu, NULL) >= 0 &&
		    cpu.state == MK_CPU_OFFLINE)
			kho_cpu_online(&agent->root, cpu.cpu, CPU_TIMEOUT_MS, NULL);
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

static int arm(struct kho_agent *agent, uint32_t action, struct kho_err *err)
{
	const struct kho_session *session = agent->session;
	uint64_t base = session->handover.ranges[0].start;
	const struct mk_retire retire = {
		.region = session->region.id,
		.action = action,
		.park_entry = kho_park_entry(base + KHO_OFF_PARK),
		.pgtable = base + KHO_OFF_PGTABLE,
		.pgtable5 = base + KHO_OFF_PGTABLE + KHO_PAGE_SIZE,
	};

	return kho_device_retire(&agent->device, &retire, err);
}

/* ---- the restart ---- */

static bool has_systemd(void)
{
	return access("/run/systemd/system", F_OK) == 0;
}

/*
 * systemd arms a hardware watchdog for its shutdown. Nobody would pet it
 * afterwards, and the machine would be reset under the new kernel.
 */
static int disarm_watchdog(struct kho_err *err)
{
	static const char *const argv[] = {
		"busctl", "set-property", "org.freedesktop.systemd1",
		"/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
		"RebootWatchdogUSec", "t", "0", NULL
	};
	const struct kho_proc_spec spec = { .argv = argv, .timeout_ms = COMMAND_TIMEOUT_MS };

	return has_systemd() ? kho_proc_check(&spec, err) : 0;
}

static int restart(struct kho_err *err)
{
	static const char *const argv[] = { "systemctl", "--no-block", "reboot", NULL };
	const struct kho_proc_spec spec = { .argv = argv, .timeout_ms = COMMAND_TIMEOUT_MS };

	if (has_systemd())
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
	return 0;
}

static int leave(struct kho_agent *agent, struct kho_err *err)
{
	int r = tell_what_is_left(agent, err);

	if (r >= 0)
		r = disarm_watchdog(err);
	if (r >= 0)
		r = offline_others(agent, err);
	if (r >= 0)
		r = send_boot_cpu(agent, err);
	if (r >= 0)
		r = arm(agent, MK_RETIRE_ARM, err);
	return r;
}

int kho_retire(struct kho_agent *agent, struct kho_err *err)
{
	struct kho_err undone;
	int r = check(agent, err);

	if (r < 0)
		return r;
	agent->phase = KHO_PHASE_RETIRE;
	kho_agent_progress(agent, "giving up CPUs and devices");
	r = leave(agent, err);
	if (r >= 0) {
		kho_agent_progress(agent, "shutting down; the machine goes on without this kernel");
		/* whoever waits can't be told when it's over */
		kho_agent_answer(agent, &(struct kho_err){});
		r = restart(err);
	}
	if (r >= 0)
		return 0;
	arm(agent, MK_RETIRE_DISARM, &undone);
	online_others(agent);
	agent->phase = KHO_PHASE_SYNC;
	return kho_wrap(err, r, "retire");
}
