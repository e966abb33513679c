// SPDX-License-Identifier: GPL-2.0-only
/*
 * The move of an agent that was killed, taken up by the next one.
 *
 *	record ---> CRIUs end ---> mended ---> the machine undoes, or goes on
 *
 * A CRIU outlives its agent (KillMode=process), sees its socket close, and puts the
 * tasks back by itself; as it was told, it leaves them frozen. Only then can anything
 * here be undone. One that doesn't end in time stands in a kernel bug, or is stopped:
 * it's killed, and what it leaves is mended.
 *
 * What died with the agent isn't undone but cleaned: streams of pages, packets in the
 * queue (their senders send them again). What's on the new side is undone there, asked
 * by the same messages; the new side's agent still knows the move by its number.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/departure.h"
#include "agent/move_record.h"
#include "agent/rollback.h"
#include "agent/side.h"
#include "agent/upgrade_run.h"
#include "base/now.h"
#include "migrate/criu/repair.h"
#include "migrate/net/clean.h"

#define CRIU_MS		30000

/* CRIUs that are still there. */
struct kho_left {
	struct kho_mover *mover;
	struct kho_criu_left criu;
	sd_event_source **sources;
	sd_event_source *deadline;
	size_t running;
	struct kho_move_record record;
};

static void first_of(struct kho_err *first, const struct kho_err *err)
{
	if (!first->code)
		*first = *err;
}

/* ---- CRIUs are gone ---- */

static bool is_committed(struct kho_mover *mover, const struct kho_move_record *record)
{
	struct kho_owner owner;
	bool known = kho_side_owner(mover->agent, &owner, NULL) >= 0;

	return kho_move_record_committed(record, known ? &owner : NULL);
}

/* Their sockets are as they were; packets come again, and go out again. */
static void clean(struct kho_mover *mover, const struct kho_move_record *record)
{
	struct kho_err err = {};

	for (unsigned int i = 0; i < record->nr[KHO_SCOPE_WORKLOAD]; i++) {
		err = (struct kho_err){};
		if (record->begun[KHO_STEP_FREEZE] & 1u << i)
			kho_departure_mend(mover->departures[i], &err);
		else if (record->begun[KHO_STEP_SAMPLE] & 1u << i)
			kho_sample_mend(mover->departures[i], &err);
		if (err.code < 0)
			first_of(&mover->move.undo_err, &err);
	}
	err = (struct kho_err){};
	if (record->begun[KHO_STEP_ARM] && kho_net_clean(KHO_CLEAN_HOLD, &err) < 0)
		first_of(&mover->move.undo_err, &err);
}

static void take_up(struct kho_mover *mover)
{
	const struct kho_move_record record = mover->left->record;
	bool committed = is_committed(mover, &record);
	struct kho_err trouble;
	struct kho_move_output out;

	kho_mover_free_left(mover);
	if (!committed)
		clean(mover, &record);
	trouble = mover->move.undo_err;
	/* without a session it's gone; lost while CRIUs were waited for, it's to be fenced */
	mover->move.fenced = !mover->agent->session;
	mover->move.peer_lost |= mover->move.fenced;
	out = kho_move_record_resume(&record, committed, &mover->move);
	if (trouble.code)
		mover->move.undo_err = trouble;
	kho_agent_progress(mover->agent, "a move was under way when the agent ended: %s",
			   committed ? "it was committed, and goes on" : "it's undone");
	kho_mover_go_on(mover, out);
}

/* ---- CRIUs end ---- */

static int on_end(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct kho_mover *mover = userdata;

	(void)fd;
	(void)revents;
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	if (--mover->left->running == 0)
		take_up(mover);
	return 0;
}

static int on_late(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct kho_mover *mover = userdata;

	(void)source;
	(void)usec;
	kho_agent_progress(mover->agent, "CRIU doesn't end by itself; it's killed");
	for (size_t i = 0; i < mover->left->criu.nr; i++)
		syscall(SYS_pidfd_send_signal, mover->left->criu.fds[i], SIGKILL, NULL, 0);
	return 0;
}

void kho_mover_free_left(struct kho_mover *mover)
{
	struct kho_left *left = mover->left;

	if (!left)
		return;
	sd_event_source_disable_unref(left->deadline);
	for (size_t i = 0; left->sources && i < left->criu.nr; i++)
		sd_event_source_disable_unref(left->sources[i]);
	free(left->sources);
	kho_criu_left_done(&left->criu);
	free(left);
	mover->left = NULL;
}

static int watch(struct kho_left *left, struct kho_err *err)
{
	sd_event *event = left->mover->agent->event;
	int r;

	left->sources = calloc(left->criu.nr, sizeof(*left->sources));
	if (!left->sources)
		return kho_fail(err, -ENOMEM, "no memory to wait for CRIU");
	for (size_t i = 0; i < left->criu.nr; i++) {
		r = sd_event_add_io(event, &left->sources[i], left->criu.fds[i], EPOLLIN, on_end,
				    left->mover);
		if (r < 0)
			return kho_fail_errno(err, r, "event loop");
	}
	left->running = left->criu.nr;
	r = sd_event_add_time_relative(event, &left->deadline, CLOCK_MONOTONIC, CRIU_MS * 1000ULL,
				       0, on_late, left->mover);
	return r < 0 ? kho_fail_errno(err, r, "event loop") : 0;
}

/* ---- at the start ---- */

static int set_up(struct kho_mover *mover, struct kho_err *err)
{
	struct kho_left *left = calloc(1, sizeof(*left));
	int r;

	if (!left)
		return kho_fail(err, -ENOMEM, "no memory for a move");
	mover->left = left;
	left->mover = mover;
	r = kho_mover_read_record(mover, &left->record, err);
	if (r < 0)
		return r;
	mover->id = left->record.move;
	mover->epoch = left->record.epoch;
	mover->nics_given = left->record.nics_given;
	memcpy(mover->macs, left->record.macs, sizeof(mover->macs));
	memcpy(mover->move.nr, left->record.nr, sizeof(mover->move.nr));
	for (unsigned int i = 0; i < left->record.nr[KHO_SCOPE_WORKLOAD]; i++) {
		mover->departures[i] = kho_departure_recover(mover, i, left->record.cgroups[i]);
		if (!mover->departures[i])
			return kho_fail(err, -ENOMEM, "no memory for a workload");
	}
	return kho_criu_find_left(&left->criu, err);
}

int kho_mover_recover(struct kho_agent *agent, struct kho_err *err)
{
	struct kho_mover *mover;
	int r;

	if (access(KHO_MOVE_RECORD, F_OK) < 0)
		return 0;
	mover = calloc(1, sizeof(*mover));
	if (!mover)
		return kho_fail(err, -ENOMEM, "no memory for a move");
	mover->agent = agent;
	mover->over = kho_move_is_over;
	mover->recovered = true;
	mover->began_ns = kho_now_ns();
	mover->began_ms = kho_upgrade_now_ms();
	r = set_up(mover, err);
	if (r >= 0 && mover->left->criu.nr)
		r = watch(mover->left, err);
	if (r < 0) {
		kho_mover_free(mover);
		return kho_wrap(err, r, "a move was under way when the agent ended, and can't be "
				"taken up");
	}
	agent->mover = mover;
	if (!mover->left->criu.nr)
		take_up(mover);
	return 0;
}

/* ---- the peer ---- */

bool kho_mover_is_connected(const struct kho_mover *mover)
{
	const struct kho_session *session = mover->agent->session;

	return session && kho_link_is_up(kho_channel_link(session->channel));
}

void kho_mover_peer_up(struct kho_mover *mover)
{
	struct kho_err err;

	kho_fail(&err, -ECONNRESET, "the new kernel's agent was started again; try again");
	kho_mover_go_on(mover, kho_move_peer_up(&mover->move, &err));
}
