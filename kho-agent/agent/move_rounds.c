// SPDX-License-Identifier: GPL-2.0-only
/*
 * CRIU at a workload that leaves: one round at a time, each with a folder and a stream
 * of pages of its own, and the rounds of pre-copy; departure.h has the idea.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/departure.h"
#include "agent/slow.h"
#include "base/cleanup.h"
#include "base/folder.h"
#include "base/now.h"
#include "bpf/shield.h"
#include "migrate/pages/huge.h"
#include "migrate/pages/split.h"
#include "migrate/workload/cgroup.h"

#define IMAGES_DIR	KHO_RUN_DIR "/dump"
#define PAGE		4096u
#define SPLIT_MS	120000
#define MS		1000000ull

static const struct kho_huge huge = { .path = KHO_HUGE_SWITCH, .kept = KHO_RUN_DIR "/huge-pages" };

void kho_mover_tidy(struct kho_agent *agent)
{
	struct kho_err err;

	kho_slow_end_all(agent);
	if (kho_huge_allow(&huge, &err) < 0)
		kho_agent_progress(agent, "huge pages stay switched off: %s", err.msg);
}

void kho_departure_end_criu(struct kho_departure *d)
{
	d->source = sd_event_source_disable_unref(d->source);
	if (d->criu)
		kho_shield_uncover(d->mover->shield, kho_criu_pid(d->criu));
	d->criu = kho_criu_free(d->criu);
}

/* ---- the shield of CRIUs ---- */

/* Without it moves go as well, as long as nobody kills one. */
static void unshielded(struct kho_mover *mover, const struct kho_err *why)
{
	kho_agent_progress(mover->agent, "don't kill a criu while it dumps: tasks may end with "
			   "it. It isn't shielded: %s", why->msg);
}

void kho_mover_shield(struct kho_mover *mover)
{
	const struct kho_bpf host = kho_bpf_host();
	struct kho_err err;

	if (!mover->shield && kho_shield_new(&host, &mover->shield, &err) < 0)
		unshielded(mover, &err);
}

/* Of one that's asked already, or waits to be. */
static void cover(struct kho_departure *d, const struct kho_criu *criu)
{
	struct kho_err err;

	if (kho_shield_cover(d->mover->shield, kho_criu_pid(criu), &err) < 0)
		unshielded(d->mover, &err);
}

/* Unless there is one. */
static int make_ready(struct kho_departure *d, struct kho_err *err)
{
	int r;

	if (d->ready.criu)
		return 0;
	r = kho_criu_ready_make(&d->ready, d->root, err);
	if (r < 0)
		return r;
	/* at once: until then anybody may end it */
	cover(d, d->ready.criu);
	r = kho_criu_guard(d->ready.criu, d->unit.cgroup, err);
	if (r < 0)
		kho_departure_drop_ready(d);
	return r;
}

void kho_departure_drop_ready(struct kho_departure *d)
{
	if (d->ready.criu)
		kho_shield_uncover(d->mover->shield, kho_criu_pid(d->ready.criu));
	kho_criu_ready_drop(&d->ready);
}

/* ---- folders ---- */

static void round_path(const struct kho_departure *d, unsigned int round, char ret[128])
{
	snprintf(ret, 128, IMAGES_DIR "/%s/%u", d->config->name, round);
}

static int open_round(struct kho_departure *d, unsigned int round, struct kho_err *err)
{
	char path[128];

	snprintf(path, sizeof(path), IMAGES_DIR "/%s", d->config->name);
	if ((mkdir(IMAGES_DIR, 0700) < 0 && errno != EEXIST) ||
	    (mkdir(path, 0700) < 0 && errno != EEXIST))
		return kho_fail_errno(err, -errno, "%s", path);
	round_path(d, round, path);
	/* what an earlier move left */
	kho_folder_clear(path);
	rmdir(path);
	if (mkdir(path, 0700) < 0)
		return kho_fail_errno(err, -errno, "%s", path);
	if (d->dir >= 0)
		close(d->dir);
	d->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return d->dir < 0 ? kho_fail_errno(err, -errno, "%s", path) : 0;
}

/* ---- CRIU ---- */

static void end_copy(struct kho_departure *d, const struct kho_criu_event *event);

static void fail_round(struct kho_departure *d, const struct kho_criu_event *event,
		       struct kho_err *ret)
{
	const struct kho_err *known = kho_page_stream_error(d->memory);

	*ret = known->code ? *known : event->err;
	if (!ret->code)
		kho_fail(ret, -EPROTO, "CRIU ended the dump by itself");
}

static void on_over(struct kho_departure *d, const struct kho_criu_event *event)
{
	enum departure_state state = d->state;
	struct kho_err err = {};

	/* its guard has frozen what it has let go of, with half dumped sockets */
	if (event->kind == KHO_CRIU_DIED && kho_departure_is_frozen(d) &&
	    kho_departure_mend(d, &err) < 0)
		kho_agent_progress(d->mover->agent, "%s: %s", d->config->name, err.msg);
	err = (struct kho_err){};
	kho_departure_end_criu(d);
	/* after a death they're released when its sockets have been mended */
	if (event->kind != KHO_CRIU_DIED)
		kho_sample_release(d);
	d->state = DEPARTURE_HERE;
	switch (state) {
	case DEPARTURE_UNDOING:
		if (event->kind == KHO_CRIU_DIED && d->undoing == KHO_STEP_SAMPLE)
			kho_sample_mend(d, &err);
		kho_mover_undone(d->mover, d->undoing, d->item, &err);
		break;
	case DEPARTURE_COPYING:
		end_copy(d, event);
		break;
	case DEPARTURE_SAMPLED:
		if (event->kind == KHO_CRIU_DONE) {
			kho_sample_on_over(d);
			break;
		}
		/* fall through */
	case DEPARTURE_SAMPLING:
		if (event->kind == KHO_CRIU_DIED)
			kho_sample_mend(d, &err);
		else if (!kho_page_stream_error(d->memory)->code)
			kho_mover_doom(d->mover, d->item, event->err.msg);
		fail_round(d, event, &err);
		kho_sample_done(d, &err);
		break;
	case DEPARTURE_ENDING:
		d->state = DEPARTURE_GONE;
		kho_departure_kill(d, &err);
		kho_mover_done(d->mover, KHO_STEP_DISCARD, d->item, &err);
		break;
	default:
		fail_round(d, event, &err);
		kho_mover_done(d->mover, KHO_STEP_DUMP, d->item, &err);
	}
}

static int on_criu(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct kho_departure *d = userdata;
	struct kho_criu_event event;

	(void)source;
	(void)fd;
	(void)revents;
	kho_criu_process(d->criu, &event);
	if (event.kind == KHO_CRIU_NOTIFY)
		kho_departure_on_notify(d, event.script);
	else if (event.kind != KHO_CRIU_NOTHING)
		on_over(d, &event);
	return 0;
}

static int ask_criu(struct kho_departure *d, enum kho_criu_kind kind, int page_fd,
		    struct kho_err *err)
{
	char cgroup[KHO_UNIT_PATH + 32], parent[16];
	struct kho_criu_request request = {
		.kind = kind,
		.pid = d->root,
		.images_fd = d->dir,
		.log = "dump.log",
		.page_fd = page_fd,
		/* or CRIU wouldn't put back what is unread in terminals, even if it's undone */
		.leave_running = true,
		.nr_external = d->nr_external,
	};
	int r;

	memcpy(request.external, d->external, sizeof(request.external));
	snprintf(parent, sizeof(parent), "../%u", d->rounds.nr);
	if (d->rounds.nr)
		request.parent = parent;
	/* as we see it: in a sandbox cgroups may be read-only */
	snprintf(cgroup, sizeof(cgroup), "/proc/%d/root%s", getpid(), d->unit.cgroup);
	/* a sample is taken of what isn't frozen, and whose clients go on connecting */
	request.skip_in_flight = d->state == DEPARTURE_SAMPLING;
	if (kind == KHO_CRIU_DUMP && !request.skip_in_flight)
		request.freeze_cgroup = cgroup;
	r = kho_criu_request(d->criu, &request, err);
	if (r < 0)
		return r;
	r = sd_event_add_io(d->mover->agent->event, &d->source, kho_criu_fd(d->criu), EPOLLIN,
			    on_criu, d);
	return r < 0 ? kho_fail_errno(err, r, "event loop") : 0;
}

/* The CRIU that waits gets its request, and the new side is told of its pages. */
static int use_ready(struct kho_departure *d, enum kho_criu_kind kind, struct kho_err *err)
{
	struct kho_criu_ready ready = d->ready;
	int r;

	d->ready = (struct kho_criu_ready){};
	d->criu = ready.criu;
	r = kho_page_stream_begin(d->memory, ready.pages, err);
	return r < 0 ? r : ask_criu(d, kind, ready.page_fd, err);
}

int kho_departure_begin_round(struct kho_departure *d, enum kho_criu_kind kind,
			      struct kho_err *err)
{
	int r = open_round(d, d->rounds.nr + 1, err);

	d->round_began_ns = kho_now_ns();
	kho_slow_begin_round(d);
	if (r >= 0)
		r = make_ready(d, err);
	if (r >= 0)
		r = use_ready(d, kind, err);
	if (r >= 0) {
		/* for the round after this one; if it can't be made now, it's made then */
		if (kind == KHO_CRIU_PRE_DUMP || d->state == DEPARTURE_SAMPLING)
			make_ready(d, NULL);
		return 0;
	}
	kho_departure_end_criu(d);
	kho_page_stream_stop(d->memory);
	return r;
}

bool kho_departure_undo_round(struct kho_departure *d, enum kho_step step)
{
	if (!d->criu)
		return false;
	d->state = DEPARTURE_UNDOING;
	d->undoing = step;
	kho_page_stream_stop(d->memory);
	return true;
}

void kho_departure_note_round(struct kho_departure *d)
{
	struct kho_page_relay_stats stats;
	struct kho_round round;

	kho_page_stream_stats(d->memory, &stats);
	round.pages = stats.pages;
	round.began_ns = d->round_began_ns;
	round.duration_ns = kho_now_ns() - d->round_began_ns;
	round.cpu_ns = kho_slow_round_cpu_ns(d);
	kho_rounds_add(&d->rounds, &round);
	kho_agent_progress(d->mover->agent, "%s: round %u: %llu KiB in %llu ms", d->config->name,
			   d->rounds.nr, (unsigned long long)(stats.pages * PAGE / 1024),
			   (unsigned long long)(round.duration_ns / MS));
}

uint64_t kho_departure_copied(const struct kho_departure *d)
{
	struct kho_page_relay_stats stats = {};

	if (d->memory)
		kho_page_stream_stats(d->memory, &stats);
	/* a round's bytes count from its beginning */
	return stats.bytes + ((uint64_t)d->rounds.nr << 48);
}

/* ---- pre-copy ---- */

static int begin_copy(struct kho_departure *d, struct kho_err *err)
{
	int r = kho_departure_begin_round(d, KHO_CRIU_PRE_DUMP, err);

	if (r < 0)
		return r;
	d->state = DEPARTURE_COPYING;
	return 1;
}

static struct kho_rounds_policy policy_of(const struct kho_departure *d)
{
	return (struct kho_rounds_policy){
		.max_rounds = d->config->max_rounds,
		.max_blackout_ns = d->config->max_blackout_ms * MS,
		.go_on = d->config->go_on,
		.throttle = d->config->throttle,
	};
}

/* After a round of pre-copy: whether another one is to follow. *err if it's to be given up. */
static bool wants_more(struct kho_departure *d, struct kho_err *err)
{
	const struct kho_rounds_policy policy = policy_of(d);

	switch (kho_rounds_next(&d->rounds, &policy, err)) {
	case KHO_ROUNDS_AGAIN:
		return true;
	case KHO_ROUNDS_SLOW:
		return kho_slow_down(d, err) >= 0;
	default:
		return false;
	}
}

/* -ETIME: the freeze, as far as it's known by now, would take longer than is allowed. */
static int check_budget(const struct kho_departure *d, struct kho_err *err)
{
	const struct kho_rounds_policy policy = policy_of(d);

	return kho_rounds_allow(&d->rounds, &policy, err);
}

/* Of catching up: whether another one is to follow. *err if it's to be given up. */
static bool lags(struct kho_departure *d, struct kho_err *err)
{
	if (kho_rounds_catch_up(&d->rounds))
		return true;
	check_budget(d, err);
	return false;
}

/* True: another one is under way. */
static bool goes_on(struct kho_departure *d, struct kho_err *err)
{
	bool more = d->mover->move.step == KHO_STEP_PRECOPY ? wants_more(d, err) : lags(d, err);

	return more && begin_copy(d, err) > 0;
}

static void end_copy(struct kho_departure *d, const struct kho_criu_event *event)
{
	struct kho_err err = event->err;
	enum kho_step step = d->mover->move.step;

	if (event->kind == KHO_CRIU_DONE && !err.code) {
		kho_departure_note_round(d);
		if (goes_on(d, &err))
			return;
	} else {
		fail_round(d, event, &err);
	}
	kho_mover_done(d->mover, step, d->item, &err);
}

/* In a child: a write to a huge page would send all of it again. */
static int split(void *arg, struct kho_err *err)
{
	const struct kho_departure *d = arg;
	struct kho_pids pids;
	int r = kho_cgroup_pids(d->unit.cgroup, &pids, err);

	for (size_t i = 0; r >= 0 && i < pids.nr; i++)
		r = kho_pages_split(pids.pids[i], err);
	return r;
}

static void on_split(void *ctx, const struct kho_err *failed)
{
	struct kho_departure *d = ctx;
	struct kho_err err = {};

	d->splitter = kho_command_free(d->splitter);
	if (failed->code < 0)
		kho_agent_progress(d->mover->agent, "%s: huge pages stay whole, and rounds are "
				   "larger; is debugfs mounted?", d->config->name);
	if (begin_copy(d, &err) < 0)
		kho_mover_done(d->mover, KHO_STEP_PRECOPY, d->item, &err);
}

static int precopy(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	struct kho_departure *d = mover->departures[item];
	const struct kho_command_work work = {
		.name = "splitting huge pages",
		.call = split,
		.arg = d,
		.timeout_ms = SPLIT_MS,
	};
	int r;

	if (!d->config->max_rounds)
		return 0;
	/* rounds are larger with them; it works all the same */
	kho_huge_stop(&huge, NULL);
	r = kho_command_call(mover->agent->event, &work, on_split, d, &d->splitter, err);
	return r < 0 ? r : 1;
}

/* What was written to while other workloads were copied, and systemd was told. */
static int catch_up(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	struct kho_departure *d = mover->departures[item];
	int r;

	if (d->config->max_rounds)
		return begin_copy(d, err);
	r = check_budget(d, err);
	return r < 0 ? r : make_ready(d, err);
}

static int undo_precopy(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	struct kho_departure *d = mover->departures[item];

	(void)err;
	d->splitter = kho_command_free(d->splitter);
	kho_slow_end(d);
	return kho_departure_undo_round(mover->departures[item], KHO_STEP_PRECOPY);
}

static int undo_catch_up(struct kho_mover *mover, uint32_t item, struct kho_err *err)
{
	(void)err;
	return kho_departure_undo_round(mover->departures[item], KHO_STEP_CATCH_UP);
}

const struct kho_step_ops kho_step_precopy = { .begin = precopy, .undo = undo_precopy };
const struct kho_step_ops kho_step_catch_up = { .begin = catch_up, .undo = undo_catch_up };
