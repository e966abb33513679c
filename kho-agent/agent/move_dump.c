// SPDX-License-Identifier: GPL-2.0-only
/* The final dump of a workload that leaves, and what goes over with it; departure.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/departure.h"
#include "agent/parcel.h"
#include "base/file.h"
#include "base/cleanup.h"
#include "migrate/criu/repair.h"
#include "migrate/restore/restore.h"
#include "migrate/workload/attributes.h"

#define IMAGES_LIMIT	(1u << 30)

static void told(struct kho_departure *d, const struct kho_err *err)
{
	kho_mover_done(d->mover, KHO_STEP_DUMP, d->item, err);
}

/* One of the streams has arrived, or hasn't. The new side waits for both by itself. */
static void on_arrived(struct kho_mover *mover, uint32_t item, const struct kho_err *err)
{
	struct kho_departure *d = mover->departures[item];
	struct kho_err why = *err;

	if (!d || d->state != DEPARTURE_SENDING)
		return;
	if (err->code < 0) {
		kho_wrap(&why, why.code, "images of %s", d->config->name);
		kho_mover_abort(mover, &why);
	} else if (--d->streams == 0) {
		d->state = DEPARTURE_DUMPED;
	}
}

static int send_archive(struct kho_departure *d, const char *sort, struct kho_archive *archive,
			struct kho_err *err)
{
	d->streams++;
	return kho_parcel_send(d->mover, d->item, sort, archive, on_arrived, err);
}

static int write_external(struct kho_departure *d, struct kho_err *err)
{
	char path[64], text[KHO_CRIU_EXTERNALS * KHO_CRIU_KEY] = "";
	const struct kho_file_content content = { .data = text, .mode = 0600 };
	struct kho_file_content whole = content;

	for (size_t i = 0; i < d->nr_external; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n",
			 d->external[i].key);
	whole.size = strlen(text);
	snprintf(path, sizeof(path), "/proc/self/fd/%d/" KHO_RESTORE_EXTERNAL, d->dir);
	return kho_file_write_atomic(path, &whole, err);
}

/* What CRIU loses, while it's at work: tasks stand still. */
static int write_attributes(struct kho_departure *d, struct kho_err *err)
{
	struct kho_attributes attributes = {};
	struct kho_pids pids = {};
	_cleanup_free_ char *text = NULL;
	struct kho_file_content content = { .mode = 0600 };
	char path[64];
	int r = kho_cgroup_pids(d->unit.cgroup, &pids, err);

	if (r >= 0)
		r = kho_attributes_read(&pids, &attributes, err);
	if (r >= 0)
		r = kho_attributes_format(&attributes, &text, err);
	kho_attributes_done(&attributes);
	kho_pids_done(&pids);
	if (r < 0)
		return r;
	content.data = text;
	content.size = strlen(text);
	snprintf(path, sizeof(path), "/proc/self/fd/%d/" KHO_ATTRIBUTES_FILE, d->dir);
	return kho_file_write_atomic(path, &content, err);
}

int kho_departure_pack_images(struct kho_departure *d, struct kho_archive *ret,
			      struct kho_err *err)
{
	struct kho_archive archive = {};
	int r = write_external(d, err);

	if (r >= 0)
		r = kho_archive_begin(&archive, err);
	if (r >= 0)
		r = kho_archive_add_folder(&archive, d->dir, IMAGES_LIMIT, err);
	if (r >= 0)
		r = kho_archive_end(&archive, err);
	if (r < 0) {
		kho_archive_done(&archive);
		return r;
	}
	*ret = archive;
	return 0;
}

static int send_images(struct kho_departure *d, struct kho_err *err)
{
	struct kho_archive archive;
	int r = kho_departure_pack_images(d, &archive, err);

	return r < 0 ? r : send_archive(d, "images", &archive, err);
}

int kho_departure_pack_files(struct kho_departure *d, struct kho_archive *ret,
			     struct kho_err *err)
{
	const struct kho_carry carry = {
		.cgroup = d->unit.cgroup,
		.pid_file = d->unit.pid_file,
		.patterns = d->config->files,
		.nr_patterns = d->config->nr_files,
	};

	return kho_carry_pack(&carry, ret, err);
}

static int send_files(struct kho_departure *d, struct kho_err *err)
{
	struct kho_archive archive;
	int r = kho_departure_pack_files(d, &archive, err);

	return r < 0 ? r : send_archive(d, "files", &archive, err);
}

/* Without it, if all is put back, some of its connections wait for a timer: no more than that. */
void kho_departure_leave_queues(struct kho_departure *d)
{
	struct kho_err err = {};

	if (kho_criu_leave_queues(d->unit.cgroup, &err) < 0)
		kho_agent_progress(d->mover->agent, "%s: %s", d->config->name, err.msg);
}

/* All is dumped, and CRIU waits. The cgroup holds the tasks now, should CRIU die. */
static int on_post_dump(struct kho_departure *d, struct kho_err *err)
{
	int r = kho_cgroup_freeze(d->unit.cgroup, true, err);

	d->state = DEPARTURE_SENDING;
	d->streams = 0;
	kho_departure_note_round(d);
	if (r >= 0)
		r = send_images(d, err);
	if (r >= 0)
		r = send_files(d, err);
	if (d->mover->agent->session)
		kho_session_pump(d->mover->agent->session);
	kho_departure_leave_queues(d);
	return r;
}

void kho_departure_on_notify(struct kho_departure *d, const char *script)
{
	struct kho_err err = {};
	int r;

	if (d->state == DEPARTURE_DUMPING && strcmp(script, "post-dump") == 0) {
		on_post_dump(d, &err);
		told(d, &err);
		return;
	}
	if (d->state == DEPARTURE_SAMPLING && strcmp(script, "post-dump") == 0)
		r = kho_sample_on_post_dump(d, &err);
	else
		r = kho_criu_answer(d->criu, d->state != DEPARTURE_UNDOING, &err);
	if (r >= 0 && d->state == DEPARTURE_DUMPING && strcmp(script, "pre-dump") == 0)
		r = write_attributes(d, &err);
	if (r < 0 && (d->state == DEPARTURE_SAMPLING || d->state == DEPARTURE_SAMPLED))
		kho_sample_done(d, &err);
	else if (r < 0 && d->state != DEPARTURE_COPYING)
		told(d, &err);
}

static int dump(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	struct kho_departure *d = mover->departures[item];
	int r;

	d->predicted_ns = kho_rounds_predict_ns(&d->rounds);
	r = kho_departure_begin_round(d, KHO_CRIU_DUMP, err);
	if (r < 0)
		return r;
	d->state = DEPARTURE_DUMPING;
	return 1;
}

/*
 * In post-dump CRIU is told "no" and puts all back. At another time the end of its
 * stream of pages makes it fail, or its next question is answered so.
 */
static int undo_dump(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	struct kho_departure *d = mover->departures[item];
	bool waits = d->state == DEPARTURE_SENDING || d->state == DEPARTURE_DUMPED;

	if (!kho_departure_undo_round(d, KHO_STEP_DUMP))
		return 0;
	if (waits)
		return kho_criu_answer(d->criu, false, err) < 0 ? err->code : 1;
	return 1;
}

const struct kho_step_ops kho_step_dump = { .begin = dump, .undo = undo_dump };
