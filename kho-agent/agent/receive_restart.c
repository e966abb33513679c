// SPDX-License-Identifier: GPL-2.0-only
/* A workload that can't move, on the new side: known before, started after. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/receive.h"
#include "agent/command.h"
#include "migrate/workload/unit.h"

#define START_MS	110000

struct kho_newcomer {
	struct kho_receiver *receiver;
	uint32_t item;
	char name[64];
	char unit[KHO_UNIT_NAME];
	struct kho_command *start;
};

void kho_newcomer_free(struct kho_newcomer *newcomer)
{
	if (!newcomer)
		return;
	kho_command_free(newcomer->start);
	free(newcomer);
}

bool kho_newcomer_expected(const struct kho_receiver *receiver, const char *name)
{
	for (unsigned int i = 0; receiver && i < KHO_MOVE_ITEMS; i++)
		if (receiver->newcomers[i] && strcmp(receiver->newcomers[i]->name, name) == 0)
			return true;
	return false;
}

/* It has to be known here, and mustn't run: two of it would be at its volumes. */
static int check_unit(const char *name, struct kho_err *err)
{
	struct kho_unit unit;
	int r = kho_unit_check_name(name, err);

	if (r >= 0)
		r = kho_unit_show(name, &unit, err);
	if (r < 0)
		return r;
	if (strcmp(unit.active, "active") == 0 || strcmp(unit.active, "activating") == 0)
		return kho_fail(err, -EBUSY, "%.100s runs in the new kernel already; stop it there",
				name);
	return 0;
}

static int admit(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	const Kho__MoveWorkload *workload = step->workload;
	struct kho_newcomer *newcomer;
	int r;

	if (!workload || !workload->unit || !step->name)
		return kho_fail(err, -EBADMSG, "the step names no workload; update the older agent");
	r = check_unit(workload->unit, err);
	if (r < 0)
		return r;
	newcomer = calloc(1, sizeof(*newcomer));
	if (!newcomer)
		return kho_fail(err, -ENOMEM, "no memory for a workload");
	newcomer->receiver = receiver;
	newcomer->item = step->item;
	snprintf(newcomer->name, sizeof(newcomer->name), "%s", step->name);
	snprintf(newcomer->unit, sizeof(newcomer->unit), "%s", workload->unit);
	kho_newcomer_free(receiver->newcomers[step->item]);
	receiver->newcomers[step->item] = newcomer;
	return 0;
}

static void on_started(void *ctx, const struct kho_err *failed)
{
	struct kho_newcomer *newcomer = ctx;
	struct kho_err err = *failed;

	newcomer->start = kho_command_free(newcomer->start);
	if (err.code)
		kho_wrap(&err, err.code, "%.100s isn't started; see its journal there",
			 newcomer->unit);
	kho_receive_answer(newcomer->receiver, KHO_STEP_START, false, newcomer->item, &err);
}

static int start(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	struct kho_newcomer *newcomer = receiver->newcomers[step->item];
	char line[KHO_UNIT_NAME + 64];
	int r;

	if (!newcomer)
		return kho_fail(err, -EPROTO, "the workload isn't expected");
	if (newcomer->start)
		return 1;	/* asked again, by an agent that was killed meanwhile */
	snprintf(line, sizeof(line), "/usr/bin/systemctl start -- %s", newcomer->unit);
	r = kho_command_run(receiver->agent->event, line, START_MS, on_started, newcomer,
			    &newcomer->start, err);
	return r < 0 ? r : 1;
}

const struct kho_receive_ops kho_receive_admit = { .begin = admit };
const struct kho_receive_ops kho_receive_start = { .begin = start };
