// SPDX-License-Identifier: GPL-2.0-only
/* Staying after all; retire_undo.h has the idea. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/retire_undo.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "system/watchdog.h"

#define RETIRING_FILE	KHO_RUN_DIR "/retiring"

bool kho_retire_has_systemd(void)
{
	return access("/run/systemd/system", F_OK) == 0;
}

static int look(struct kho_agent *agent, struct kho_retiring *ret, struct kho_err *err)
{
	struct kho_cpu_list list;
	int r = kho_cpu_list_read(&agent->root, &list, err);

	for (size_t i = 0; r >= 0 && i < list.nr; i++)
		if (list.cpus[i].online && list.cpus[i].cpu != 0)
			kho_cpus_add(&ret->cpus, list.cpus[i].cpu);
	if (r >= 0 && kho_retire_has_systemd())
		r = kho_reboot_watchdog_get(&ret->watchdog_usec, err);
	return r;
}

int kho_retire_note(struct kho_agent *agent, struct kho_retiring *ret, struct kho_err *err)
{
	struct kho_retiring retiring = {};
	char text[KHO_RETIRING_MAX];
	struct kho_file_content content = { .data = text, .mode = 0600 };
	int r = look(agent, &retiring, err);

	if (r >= 0 && kho_retiring_format(&retiring, text, sizeof(text)) < 0)
		r = kho_fail(err, -E2BIG, "the list of CPUs is longer than %u bytes", KHO_RETIRING_MAX);
	if (r < 0)
		return r;
	content.size = strlen(text);
	r = kho_file_write_atomic(RETIRING_FILE, &content, err);
	if (r >= 0)
		*ret = retiring;
	return r;
}

static void disarm(struct kho_agent *agent)
{
	const struct mk_retire disarm = { .action = MK_RETIRE_DISARM };
	struct mk_info info;
	struct kho_err err;

	if (kho_device_info(&agent->device, &info, &err) < 0 || !(info.flags & MK_INFO_RETIRE_ARMED))
		return;
	if (kho_device_retire(&agent->device, &disarm, &err) < 0)
		kho_agent_progress(agent, "retirement stays armed: %s; khoctl reclaim disarms it",
				   err.msg);
}

void kho_retire_undo(struct kho_agent *agent, const struct kho_retiring *retiring)
{
	const struct kho_cpus *cpus = &retiring->cpus;
	struct kho_err err;

	disarm(agent);
	for (unsigned int n = kho_cpus_next(cpus, 0); n < KHO_CPUS_MAX; n = kho_cpus_next(cpus, n + 1)) {
		if (kho_cpu_online(&agent->root, n, KHO_CPU_HOTPLUG_MS, &err) < 0)
			kho_agent_progress(agent, "CPU %u stays offline: %s", n, err.msg);
		kho_agent_is_alive();
	}
	if (retiring->watchdog_usec && kho_reboot_watchdog_set(retiring->watchdog_usec, &err) < 0)
		kho_agent_progress(agent, "the watchdog for restarts stays off: %s", err.msg);
	unlink(RETIRING_FILE);
}

void kho_retire_recover(struct kho_agent *agent)
{
	_cleanup_free_ char *text = NULL;
	struct kho_retiring retiring = {};
	struct kho_err err;
	int r = kho_file_read(RETIRING_FILE, KHO_RETIRING_MAX, &text, NULL, &err);

	if (r == -ENOENT)
		return;
	if (r >= 0)
		r = kho_retiring_parse(text, &retiring, &err);
	if (r < 0)
		kho_agent_progress(agent, "%s", err.msg);
	kho_agent_progress(agent, "this kernel was about to retire when the agent ended, and stays");
	kho_retire_undo(agent, &retiring);
}
