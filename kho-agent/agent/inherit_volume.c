// SPDX-License-Identifier: GPL-2.0-only
/*
 * Volumes after a kexec: the kernel before has left their file systems frozen, so whole, on disks
 * that are here as they were there. They're mounted as in any boot, one after the other, before
 * the workloads whose files are on them are restored:
 *
 *	modules ---> disk is there ---> kho-volume@NAME.service ---> the next one
 *
 * One that can't be mounted is told. Its workloads can't be restored then.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/inherit_private.h"
#include "migrate/volume/volume.h"

#define START_MS	60000

static void begin_one(struct kho_heir *heir);

static const struct kho_config_volume *current(const struct kho_heir *heir)
{
	return &heir->volumes.config->volumes[heir->volumes.at];
}

static void note(struct kho_heir *heir, const struct kho_err *err)
{
	kho_agent_progress(heir->agent, "volumes: %s", err->msg);
	if (!heir->trouble.code)
		heir->trouble = *err;
}

static void end_one(struct kho_heir *heir, const struct kho_err *err)
{
	struct kho_err told = *err;

	if (err->code < 0) {
		kho_wrap(&told, err->code, "volume %s", current(heir)->name);
		note(heir, &told);
	}
	heir->volumes.at++;
	begin_one(heir);
}

static void on_started(void *ctx, const struct kho_err *err)
{
	struct kho_heir *heir = ctx;
	const struct kho_err seen = *err;

	heir->volumes.command = kho_command_free(heir->volumes.command);
	end_one(heir, &seen);
}

static void start(struct kho_heir *heir)
{
	struct kho_err err = {};
	char line[128];

	snprintf(line, sizeof(line), "/usr/bin/systemctl start kho-volume@%s.service",
		 current(heir)->name);
	if (kho_command_run(heir->agent->event, line, START_MS, on_started, heir,
			    &heir->volumes.command, &err) < 0)
		end_one(heir, &err);
}

static void on_disk(void *ctx, const struct kho_err *err)
{
	struct kho_heir *heir = ctx;
	const struct kho_err seen = *err;

	if (seen.code < 0)
		end_one(heir, &seen);
	else
		start(heir);
}

static void on_modules(void *ctx, const struct kho_err *ignored)
{
	struct kho_heir *heir = ctx;
	struct kho_err err = {};

	(void)ignored;
	heir->volumes.command = kho_command_free(heir->volumes.command);
	heir->volumes.disk = (struct kho_disk_wait){
		.function = current(heir)->function,
		.partition = current(heir)->partition,
		.fn = on_disk,
		.ctx = heir,
	};
	if (kho_disk_await(heir->agent->event, &heir->volumes.disk, &err) < 0)
		end_one(heir, &err);
}

static void begin_one(struct kho_heir *heir)
{
	struct kho_err err = {};

	if (heir->volumes.at >= heir->volumes.config->nr_volumes) {
		heir->volumes.over(heir);
		return;
	}
	kho_agent_progress(heir->agent, "volume %s", current(heir)->name);
	if (kho_volume_modules(heir->agent->event, current(heir)->file_system, on_modules, heir,
			       &heir->volumes.command, &err) < 0)
		end_one(heir, &err);
}

void kho_inherit_volumes(struct kho_heir *heir, void (*over)(struct kho_heir *heir))
{
	struct kho_err err = {};

	heir->volumes.over = over;
	if (kho_config_load(&heir->volumes.config, &err) >= 0) {
		begin_one(heir);
		return;
	}
	note(heir, &err);
	over(heir);
}

void kho_inherit_free_volumes(struct kho_heir *heir)
{
	kho_disk_wait_end(&heir->volumes.disk);
	kho_command_free(heir->volumes.command);
	free(heir->volumes.config);
}
