// SPDX-License-Identifier: GPL-2.0-only
/* What was left by kexec; inherit.h has the idea. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/arrival.h"
#include "agent/bequeath.h"
#include "agent/clock.h"
#include "agent/inherit.h"
#include "agent/inherit_private.h"
#include "agent/join.h"
#include "base/cleanup.h"
#include "migrate/workload/config.h"
#include "system/luo.h"
#include "system/proc.h"

#define START_MS	10000

static void go_on(struct kho_heir *heir);

static const struct row {
	enum kho_step step;
	bool lost;			/* it's undone, for workloads that aren't well */
} rows[] = {
	{ KHO_STEP_ADDRESS, false },
	{ KHO_STEP_ATTACH, false },
	{ KHO_STEP_PREPARE, false },
	{ KHO_STEP_RESTORE, false },
	{ KHO_STEP_RESUME, false },
	{ KHO_STEP_ANNOUNCE, false },
	{ KHO_STEP_HEALTH, false },
	{ KHO_STEP_RESTORE, true },
	{ KHO_STEP_PREPARE, true },
	{ KHO_STEP_SETTLE, false },
};

#define ROWS	(sizeof(rows) / sizeof(rows[0]))

static void free_heir(struct kho_heir *heir)
{
	if (!heir)
		return;
	sd_event_source_disable_unref(heir->soon);
	sd_event_source_disable_unref(heir->deadline);
	kho_inherit_free_volumes(heir);
	if (heir->receiver)
		heir->receiver->answered = NULL;
	if (heir->bequest)
		kho__bequest__free_unpacked(heir->bequest, NULL);
	if (heir->session >= 0)
		close(heir->session);
	free(heir);
}

/* ---- one step ---- */

static bool is_of_addresses(enum kho_step step)
{
	return kho_step_info(step)->scope == KHO_SCOPE_ADDRESS;
}

static Kho__MoveStep *find_step(const struct kho_heir *heir, enum kho_step step, uint32_t item)
{
	const Kho__Bequest *bequest = heir->bequest;
	Kho__MoveStep **list = is_of_addresses(step) ? bequest->addresses : bequest->workloads;
	size_t nr = is_of_addresses(step) ? bequest->n_addresses : bequest->n_workloads;

	for (size_t i = 0; i < nr; i++)
		if (list[i]->item == item)
			return list[i];
	return NULL;
}

/* A workload that can't be restored is lost; what else fails is only to be told. */
static void failed(struct kho_heir *heir, enum kho_step step, uint32_t item,
		   const struct kho_err *err)
{
	const Kho__MoveStep *what = find_step(heir, step, item);
	bool noted = step == KHO_STEP_HEALTH || rows[heir->at].lost;

	kho_agent_progress(heir->agent, "%s of %s: %s", kho_step_info(step)->name,
			   what ? what->name : "?", err->msg);
	if (!is_of_addresses(step) && !noted && !heir->why[item].code) {
		heir->why[item] = *err;
		heir->workloads &= ~(1u << item);
	} else if (!heir->trouble.code) {
		heir->trouble = *err;
		kho_wrap(&heir->trouble, err->code, "%s of %s", kho_step_info(step)->name,
			 what ? what->name : "?");
	}
}

static int on_soon(sd_event_source *source, void *userdata)
{
	struct kho_heir *heir = userdata;

	(void)source;
	heir->soon = sd_event_source_disable_unref(heir->soon);
	/* others were asked after that one was done */
	if (!heir->pending)
		go_on(heir);
	return 0;
}

/* Not at once: this may be inside of what the step is about. */
static void done(struct kho_heir *heir, uint32_t item)
{
	heir->pending &= ~(1u << item);
	if (!heir->pending && !heir->soon)
		sd_event_add_defer(heir->agent->event, &heir->soon, on_soon, heir);
}

static void on_answer(void *ctx, const Kho__MoveResult *result)
{
	struct kho_heir *heir = ctx;
	struct kho_err err = {};

	if (heir->at >= ROWS || result->step != rows[heir->at].step ||
	    (result->has_undo && result->undo) != rows[heir->at].lost ||
	    result->item >= KHO_BEQUEST_ITEMS || !(heir->pending & 1u << result->item))
		return;
	if (result->code < 0) {
		kho_fail(&err, result->code, "%s", result->text ?: "no reason given");
		failed(heir, result->step, result->item, &err);
	}
	done(heir, result->item);
}

static int on_late(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct kho_heir *heir = userdata;
	enum kho_step step = rows[heir->at].step;
	struct kho_err err;

	(void)source;
	(void)usec;
	kho_fail(&err, -ETIMEDOUT, "%s was not done within %u s; see the journal",
		 kho_step_info(step)->name, kho_step_info(step)->deadline_ms / 1000);
	for (uint32_t item = 0; item < KHO_BEQUEST_ITEMS; item++)
		if (heir->pending & 1u << item)
			failed(heir, step, item, &err);
	heir->pending = 0;
	go_on(heir);
	return 0;
}

static void ask(struct kho_heir *heir, uint32_t item)
{
	const struct row *row = &rows[heir->at];
	Kho__MoveStep *step = find_step(heir, row->step, item);
	struct kho_err err = {};
	int r;

	step->has_step = step->has_undo = true;
	step->step = row->step;
	step->undo = row->lost;
	heir->pending |= 1u << item;
	r = kho_receive_do(heir->receiver, step, &err);
	if (r > 0)
		return;
	if (r < 0)
		failed(heir, row->step, item, &err);
	done(heir, item);
}

static uint32_t items_of(const struct kho_heir *heir, const struct row *row)
{
	uint32_t all = 0;

	if (is_of_addresses(row->step))
		return heir->addresses;
	if (!row->lost)
		return heir->workloads;
	for (size_t i = 0; i < heir->bequest->n_workloads; i++)
		all |= 1u << heir->bequest->workloads[i]->item;
	return all & ~heir->workloads;
}

static void begin_row(struct kho_heir *heir)
{
	const struct row *row = &rows[heir->at];
	uint32_t items = items_of(heir, row);

	kho_agent_progress(heir->agent, "%s%s", row->lost ? "undoing " : "",
			   kho_step_info(row->step)->name);
	heir->deadline = sd_event_source_disable_unref(heir->deadline);
	sd_event_add_time_relative(heir->agent->event, &heir->deadline, CLOCK_MONOTONIC,
				   kho_step_info(row->step)->deadline_ms * 1000ull, 0, on_late,
				   heir);
	for (uint32_t item = 0; item < KHO_BEQUEST_ITEMS; item++)
		if (items & 1u << item)
			ask(heir, item);
	/* nobody was asked */
	if (!heir->pending && !heir->soon)
		go_on(heir);
}

/* ---- what was kept ---- */

/* Of the size that it had. */
static int fetch(const struct kho_heir *heir, enum kho_bequest_sort sort, uint32_t item,
		 struct kho_err *err)
{
	const Kho__BequestFile *file = kho_bequest_file(heir->bequest, sort, item);
	_cleanup_close_ int fd = kho_luo_fetch(heir->session, file->token, err);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size != file->size)
		return kho_fail(err, -EBADMSG, "%s didn't come whole", file->sort);
	return TAKE_FD(fd);
}

static int take_archive(struct kho_heir *heir, struct kho_arrival *a, enum kho_bequest_sort sort,
			unsigned int part, struct kho_err *err)
{
	_cleanup_close_ int fd = fetch(heir, sort, a->item, err);

	return fd < 0 ? fd : kho_arrival_take_archive(a, part, fd, err);
}

static int take_memory(struct kho_heir *heir, struct kho_arrival *a, struct kho_err *err)
{
	_cleanup_close_ int data = fetch(heir, KHO_BEQUEST_PAGES, a->item, err);
	_cleanup_close_ int index = -EBADF;

	if (data < 0)
		return data;
	index = fetch(heir, KHO_BEQUEST_INDEX, a->item, err);
	if (index < 0)
		return index;
	return kho_arrival_pages_take(&a->pages, TAKE_FD(data), TAKE_FD(index), err);
}

/* Its unit waits: all that was kept of it is put where it would have come by the lanes. */
static void take_kept(struct kho_heir *heir, uint32_t item)
{
	struct kho_arrival *a = heir->receiver->arrivals[item];
	struct kho_err err = {};
	int r = a ? take_memory(heir, a, &err) : kho_fail(&err, -EPROTO, "its unit isn't ready");

	if (r >= 0)
		r = take_archive(heir, a, KHO_BEQUEST_FILES, ARRIVAL_FILES, &err);
	if (r >= 0)
		r = take_archive(heir, a, KHO_BEQUEST_IMAGES, ARRIVAL_IMAGES, &err);
	if (r < 0)
		failed(heir, KHO_STEP_PREPARE, item, &err);
}

/* ---- the whole ---- */

/* Of the kernel before, just before it ended. */
static struct kho_clock_sample last_sample(const Kho__Bequest *bequest)
{
	return (struct kho_clock_sample){
		.tsc = bequest->tsc,
		.realtime_ns = bequest->realtime_ns,
		.monotonic_ns = bequest->monotonic_ns,
	};
}

static void measure(struct kho_heir *heir)
{
	const Kho__Bequest *bequest = heir->bequest;
	const struct kho_clock_sample then = last_sample(bequest);
	struct kho_clock_sample now;
	int64_t there;
	struct kho_err err;

	if (kho_clock_sample(&heir->agent->clock, 16, &now, &err) >= 0 &&
	    kho_clock_monotonic_at(&then, bequest->tsc_khz, now.tsc, &there, &err) >= 0 &&
	    there > (int64_t)bequest->frozen_ns)
		heir->blackout_ms = ((uint64_t)there - bequest->frozen_ns) / 1000000;
}

/* What couldn't be restored runs all the same, from its definition. */
static void start_anew(struct kho_heir *heir)
{
	for (size_t i = 0; i < heir->bequest->n_workloads; i++) {
		const Kho__MoveStep *step = heir->bequest->workloads[i];
		const char *const argv[] = {
			"systemctl", "--no-block", "start", step->workload->unit, NULL
		};
		const struct kho_proc_spec spec = { .argv = argv, .timeout_ms = START_MS };
		struct kho_err err;

		if (heir->workloads & 1u << step->item)
			continue;
		kho_agent_tell(heir->agent, KHO_MESSAGE_STARTED_ANEW,
			       &(struct kho_about){ .workload = step->name },
			       "%s couldn't be restored and is started anew: %s", step->name,
			       heir->why[step->item].msg);
		if (kho_proc_check(&spec, &err) < 0)
			kho_agent_progress(heir->agent, "%s: %s", step->name, err.msg);
	}
}

static void end(struct kho_heir *heir)
{
	struct kho_agent *agent = heir->agent;
	struct kho_err err;

	start_anew(heir);
	kho_inherit_tell(heir);
	if (kho_luo_finish(heir->session, &err) < 0)
		kho_agent_progress(agent, "%s", err.msg);
	agent->heir = NULL;
	free_heir(heir);
	kho_start_services(agent);
}

static void end_row(struct kho_heir *heir)
{
	enum kho_step step = rows[heir->at].step;

	if (step == KHO_STEP_RESUME)
		measure(heir);
	for (uint32_t item = 0; step == KHO_STEP_PREPARE && item < KHO_BEQUEST_ITEMS; item++)
		if (!rows[heir->at].lost && heir->workloads & 1u << item)
			take_kept(heir, item);
}

static void begin_next(struct kho_heir *heir)
{
	if (++heir->at == ROWS) {
		end(heir);
		return;
	}
	begin_row(heir);
}

/*
 * Volumes come when the units wait, as in any move: what's mounted then is writable in their
 * sandboxes, whether or not the image knows the units' ReadWritePaths=.
 */
static void go_on(struct kho_heir *heir)
{
	end_row(heir);
	/* volumes have deadlines of their own */
	heir->deadline = sd_event_source_disable_unref(heir->deadline);
	if (rows[heir->at].step == KHO_STEP_PREPARE && !rows[heir->at].lost)
		kho_inherit_volumes(heir, begin_next);
	else
		begin_next(heir);
}

/* ---- the beginning ---- */

static int read_bequest(struct kho_heir *heir, struct kho_err *err)
{
	_cleanup_close_ int fd = kho_luo_fetch(heir->session, KHO_BEQUEST_TOKEN, err);
	_cleanup_free_ char *data = NULL;
	struct stat st;
	size_t size;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || st.st_size <= 0 ||
	    st.st_size > (off_t)(KHO_BEQUEST_MAX + KHO_BEQUEST_HEADER_SIZE))
		return kho_fail(err, -EBADMSG, "what the kernel before has left is of no size that it "
				"can have");
	size = (size_t)st.st_size;
	data = malloc(size);
	if (!data)
		return kho_fail(err, -ENOMEM, "no memory for what the kernel before has left");
	if (pread(fd, data, size, 0) != (ssize_t)size)
		return kho_fail(err, -EIO, "what the kernel before has left can't be read");
	return kho_bequest_unpack(data, size, &heir->bequest, err);
}

static int take_up(struct kho_heir *heir, struct kho_err *err)
{
	const Kho__Bequest *bequest = heir->bequest;
	const struct kho_clock_sample sample = last_sample(bequest);
	int r = kho_journal_parse(bequest->journal, strlen(bequest->journal), &heir->journal, err);

	if (r >= 0)
		r = kho_config_replace(bequest->config, err);
	if (r < 0)
		return r;
	/* the hardware's clock has seconds only */
	if (kho_clock_adopt(heir->agent, &sample, bequest->tsc_khz, err) < 0)
		kho_agent_progress(heir->agent, "the clock was not set: %s", err->msg);
	heir->receiver = kho_receive_open(heir->agent, bequest->workloads[0]->move);
	if (!heir->receiver)
		return kho_fail(err, -ENOMEM, "no memory to restore workloads");
	heir->receiver->answered = on_answer;
	heir->receiver->ctx = heir;
	for (size_t i = 0; i < bequest->n_workloads; i++)
		heir->workloads |= 1u << bequest->workloads[i]->item;
	for (size_t i = 0; i < bequest->n_addresses; i++)
		heir->addresses |= 1u << bequest->addresses[i]->item;
	return 0;
}

/* -ENOENT: nothing was left. */
static int open_session(struct kho_heir *heir, struct kho_err *err)
{
	_cleanup_close_ int device = kho_luo_open(err);

	if (device < 0)
		return device;
	heir->session = kho_luo_retrieve(device, KHO_BEQUEST_SESSION, err);
	return heir->session;
}

void kho_inherit(struct kho_agent *agent)
{
	struct kho_heir *heir = calloc(1, sizeof(*heir));
	struct kho_err err = {};
	int r;

	if (!heir)
		return;
	heir->agent = agent;
	heir->session = -EBADF;
	r = open_session(heir, &err);
	if (r < 0) {
		if (r != -ENOENT)
			kho_agent_progress(agent, "%s", err.msg);
		free_heir(heir);
		return;
	}
	kho_agent_progress(agent, "this kernel was started by a kexec, with workloads to be restored");
	r = read_bequest(heir, &err);
	if (r >= 0)
		r = take_up(heir, &err);
	if (r < 0) {
		agent->last = err;
		kho_agent_progress(agent, "%s", err.msg);
		free_heir(heir);
		kho_start_services(agent);
		return;
	}
	agent->heir = heir;
	begin_row(heir);
}
