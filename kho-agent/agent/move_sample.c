// SPDX-License-Identifier: GPL-2.0-only
/*
 * A sample of a workload for its rehearsal: CRIU dumps it as in the switch, and is told
 * "no" when all is dumped, so that it runs on. It stands still for as long as that
 * takes: its memory went over before, but for what it wrote to since. Packets to the
 * addresses wait for that long, or its sockets would change while they're read.
 *
 *	CRIU dumps --post-dump--> files are read, "no" --> it runs on --> images and files go over
 *
 * What of its memory this takes counts as a round of pre-copy like any other.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/departure.h"
#include "agent/parcel.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/now.h"
#include "migrate/workload/stand_in.h"

#define MS		1000000ull

void kho_sample_done(struct kho_departure *d, const struct kho_err *err)
{
	kho_mover_done(d->mover, KHO_STEP_SAMPLE, d->item, err);
}

/* Done while it stands still, so that the list is of the same files as the dump. */
static int write_stand_ins(struct kho_departure *d, struct kho_err *err)
{
	struct kho_file_content content = { .mode = 0600 };
	_cleanup_free_ char *text = NULL;
	char path[64];
	int r = kho_stand_ins_list(d->unit.cgroup, d->mover->config, &text, err);

	if (r < 0)
		return r;
	content.data = text;
	content.size = strlen(text);
	snprintf(path, sizeof(path), "/proc/self/fd/%d/" KHO_STAND_INS, d->dir);
	return kho_file_write_atomic(path, &content, err);
}

/* Files, too, have to be as the dump has seen them: CRIU wants them of the same size. */
static int take_files(struct kho_departure *d, struct kho_err *err)
{
	int r = write_stand_ins(d, err);

	kho_archive_done(&d->sample_files);
	return r < 0 ? r : kho_departure_pack_files(d, &d->sample_files, err);
}

/* All is dumped, and it stands still. What goes wrong now is told when it runs again. */
int kho_sample_on_post_dump(struct kho_departure *d, struct kho_err *err)
{
	struct kho_err trouble = {};

	d->state = DEPARTURE_SAMPLED;
	if (take_files(d, &trouble) < 0)
		d->sample_err = trouble;
	kho_departure_leave_queues(d);
	return kho_criu_answer(d->criu, false, err);
}

/* CRIU died at it, or was killed: nobody else puts its tasks' sockets right. */
void kho_sample_mend(struct kho_departure *d, struct kho_err *err)
{
	struct kho_err thaw;

	kho_departure_mend(d, err);
	if (kho_cgroup_freeze(d->unit.cgroup, false, &thaw) < 0 && !err->code)
		*err = thaw;
	kho_sample_release(d);
}

/* All addresses are held together: by the first of the samples under way, until the last is over. */
static bool are_held(const struct kho_mover *mover)
{
	for (unsigned int i = 0; i < mover->config->nr_workloads; i++)
		if (mover->departures[i] && mover->departures[i]->sample_holds)
			return true;
	return false;
}

/*
 * As in the switch: CRIU reads a queue's length first and its bytes later, and gives up if an
 * ACK came between.
 */
static int hold_packets(struct kho_departure *d, struct kho_err *err)
{
	int r = are_held(d->mover) ? 0 : kho_step_hold.begin(d->mover, 0, err);

	d->sample_holds = r >= 0;
	return r;
}

void kho_sample_release(struct kho_departure *d)
{
	struct kho_err err;

	if (!d->sample_holds)
		return;
	d->sample_holds = false;
	if (!are_held(d->mover) && kho_step_hold.undo(d->mover, 0, &err) < 0)
		kho_agent_progress(d->mover->agent, "%s: %s", d->config->name, err.msg);
}

static void on_arrived(struct kho_mover *mover, uint32_t item, const struct kho_err *err)
{
	struct kho_departure *d = mover->departures[item];

	if (!d || d->state != DEPARTURE_SAMPLED)
		return;
	d->streams--;
	if (err->code == 0 && d->streams)
		return;
	d->state = DEPARTURE_HERE;
	kho_sample_done(d, err);
}

static int send_one(struct kho_departure *d, const char *sort, struct kho_archive *archive,
		    struct kho_err *err)
{
	d->streams++;
	return kho_parcel_send(d->mover, d->item, sort, archive, on_arrived, err);
}

static int send_images(struct kho_departure *d, struct kho_err *err)
{
	struct kho_archive archive;
	int r = kho_departure_pack_images(d, &archive, err);

	return r < 0 ? r : send_one(d, "sample", &archive, err);
}

static int send_files(struct kho_departure *d, struct kho_err *err)
{
	struct kho_archive archive = d->sample_files;

	d->sample_files = (struct kho_archive){};
	return send_one(d, "files", &archive, err);
}

/* CRIU is over, and it runs. */
void kho_sample_on_over(struct kho_departure *d)
{
	struct kho_err err = d->sample_err;

	kho_departure_note_round(d);
	d->sample_ns = kho_now_ns() - d->round_began_ns;
	d->state = DEPARTURE_SAMPLED;
	d->streams = 0;
	if (!err.code)
		send_images(d, &err);
	if (!err.code)
		send_files(d, &err);
	if (err.code) {
		d->state = DEPARTURE_HERE;
		kho_sample_done(d, &err);
	}
}

static int sample(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	struct kho_departure *d = mover->departures[item];
	struct kho_err unmended = {};
	int r;

	d->sample_err = (struct kho_err){};
	d->state = DEPARTURE_SAMPLING;
	r = hold_packets(d, err);
	if (r >= 0)
		r = kho_departure_begin_round(d, KHO_CRIU_DUMP, err);
	if (r >= 0)
		return 1;
	d->state = DEPARTURE_HERE;
	/* a guard that was armed froze it when its CRIU was killed */
	kho_sample_mend(d, &unmended);
	return r;
}

/* CRIU puts all back by itself; what is on its way there is dropped with the rest. */
static int undo_sample(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	struct kho_departure *d = mover->departures[item];

	(void)err;
	if (kho_departure_undo_round(d, KHO_STEP_SAMPLE))
		return 1;
	d->state = DEPARTURE_HERE;
	return 0;
}

const struct kho_step_ops kho_step_sample = { .begin = sample, .undo = undo_sample };
