// SPDX-License-Identifier: GPL-2.0-only
/*
 * A workload that can't move, on the old side: stopped before the switch, with the files
 * that the operator wants to go along sent then; started again if the move is undone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/move.h"
#include "agent/parcel.h"
#include "migrate/workload/carry.h"

#define STOP_MS		140000

static const struct kho_config_workload *config_of(const struct kho_mover *mover, uint32_t item)
{
	return &mover->config->workloads[item];
}

static void on_sent(struct kho_mover *mover, uint32_t item, const struct kho_err *err)
{
	kho_mover_done(mover, KHO_STEP_STOP, item, err);
}

static int send_files(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	const struct kho_config_workload *config = config_of(mover, item);
	const struct kho_carry carry = {
		.cgroup = "", .pid_file = "",
		.patterns = config->files, .nr_patterns = config->nr_files,
	};
	struct kho_archive archive;
	int r = kho_carry_pack(&carry, &archive, err);

	if (r < 0)
		return r;
	r = kho_parcel_send(mover, item, "files", &archive, on_sent, err);
	kho_session_pump(mover->agent->session);
	return r;
}

static void on_stopped(void *ctx, const struct kho_err *failed)
{
	struct kho_mover_restart *restart = ctx;
	struct kho_mover *mover = restart->mover;
	struct kho_err err = *failed;

	restart->command = kho_command_free(restart->command);
	if (!err.code && config_of(mover, restart->item)->nr_files &&
	    send_files(mover, restart->item, &err) >= 0)
		return;
	kho_mover_done(mover, KHO_STEP_STOP, restart->item, &err);
}

static void on_started_again(void *ctx, const struct kho_err *err)
{
	struct kho_mover_restart *restart = ctx;

	restart->command = kho_command_free(restart->command);
	kho_mover_undone(restart->mover, KHO_STEP_STOP, restart->item, err);
}

static int systemctl(struct kho_mover *mover, uint32_t item, const char *verb, kho_command_fn fn,
		     struct kho_err *err)
{
	struct kho_mover_restart *restart = &mover->restarts[item];
	char line[KHO_CONFIG_TEXT + 64];
	int r;

	restart->mover = mover;
	restart->item = item;
	restart->command = kho_command_free(restart->command);
	snprintf(line, sizeof(line), "/usr/bin/systemctl %s -- %s", verb,
		 config_of(mover, item)->unit);
	r = kho_command_run(mover->agent->event, line, STOP_MS, fn, restart, &restart->command,
			    err);
	return r < 0 ? r : 1;
}

static int stop(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	return systemctl(mover, item, "stop", on_stopped, err);
}

static int start_again(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	return systemctl(mover, item, "start", on_started_again, err);
}

uint64_t kho_mover_down_ms(const struct kho_mover *mover)
{
	uint64_t from = mover->times.begin_ns[KHO_STEP_STOP];
	uint64_t to = mover->times.end_ns[KHO_STEP_START];

	return from && to > from ? (to - from) / 1000000 : 0;
}

void kho_mover_free_restarts(struct kho_mover *mover)
{
	for (unsigned int i = 0; i < KHO_MOVE_ITEMS; i++)
		kho_command_free(mover->restarts[i].command);
}

const struct kho_step_ops kho_step_stop = { .begin = stop, .undo = start_again };
