// SPDX-License-Identifier: GPL-2.0-only
/* A move's record on the file system (upgrade/record.h), written as the move goes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/departure.h"
#include "agent/move_record.h"
#include "base/cleanup.h"
#include "base/file.h"

static void fill(const struct kho_mover *mover, struct kho_move_record *record)
{
	record->move = mover->id;
	record->epoch = mover->epoch;
	kho_move_record_note(&mover->move, record);
	record->nics_given = mover->nics_given;
	memcpy(record->macs, mover->macs, sizeof(record->macs));
	for (unsigned int i = 0; i < record->nr[KHO_SCOPE_WORKLOAD]; i++)
		if (mover->departures[i])
			snprintf(record->cgroups[i], sizeof(record->cgroups[i]), "%s",
				 mover->departures[i]->unit.cgroup);
}

int kho_mover_note(const struct kho_mover *mover, struct kho_err *err)
{
	_cleanup_free_ struct kho_move_record *record = calloc(1, sizeof(*record));
	_cleanup_free_ char *text = NULL;
	struct kho_file_content content = { .mode = 0600 };
	int r;

	if (!record)
		return kho_fail(err, -ENOMEM, "no memory for the record of a move");
	fill(mover, record);
	r = kho_move_record_format(record, mover->config_text, &text, err);
	if (r < 0)
		return r;
	content.data = text;
	content.size = strlen(text);
	if (content.size > KHO_RECORD_MAX)
		return kho_fail(err, -EFBIG, "the configuration is longer than %u bytes; shorten it",
				KHO_RECORD_MAX);
	return kho_file_write_atomic(KHO_MOVE_RECORD, &content, err);
}

void kho_mover_forget(void)
{
	unlink(KHO_MOVE_RECORD);
}

int kho_mover_read_record(struct kho_mover *mover, struct kho_move_record *ret,
			  struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	char *config_text;
	int r = kho_file_read(KHO_MOVE_RECORD, KHO_RECORD_MAX, &text, NULL, err);

	if (r >= 0)
		r = kho_move_record_parse(text, ret, &config_text, err);
	if (r < 0)
		return r;
	mover->config_text = strdup(config_text);
	mover->config = calloc(1, sizeof(*mover->config));
	if (!mover->config_text || !mover->config)
		return kho_fail(err, -ENOMEM, "no memory for a move");
	r = kho_config_parse(KHO_MOVE_RECORD, config_text, mover->config, err);
	if (r >= 0)
		r = kho_config_finish(mover->config, err);
	if (r < 0)
		return r;
	if (ret->nr[KHO_SCOPE_WORKLOAD] != mover->config->nr_workloads ||
	    ret->nr[KHO_SCOPE_ADDRESS] != mover->config->nr_addresses ||
	    ret->nr[KHO_SCOPE_VOLUME] != mover->config->nr_volumes)
		return kho_fail(err, -EBADMSG, "the record of a move contradicts itself");
	return 0;
}
