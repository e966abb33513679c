// SPDX-License-Identifier: GPL-2.0-only
/* A workload that comes: what kho-restore is told, and says; arrival.h has the idea. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/arrival.h"
#include "agent/gauge.h"
#include "base/cleanup.h"
#include "base/parse.h"
#include "migrate/criu/repair.h"
#include "migrate/restore/restore.h"
#include "migrate/workload/cgroup.h"

#define KILL_MS		5000
#define SETTLE_MS	60000

const char *kho_arrival_dir(const struct kho_arrival *a)
{
	return a->dir;
}

bool kho_arrival_is_busy(const struct kho_arrival *a)
{
	return a->state == ARRIVAL_RUNS;
}

struct kho_arrival_pages *kho_arrival_pages(const struct kho_arrival *a)
{
	return a->pages;
}

struct kho_arrival *kho_arrival_find(struct kho_receiver *receiver, const char *name)
{
	for (unsigned int i = 0; receiver && i < KHO_MOVE_ITEMS; i++)
		if (receiver->arrivals[i] && strcmp(receiver->arrivals[i]->name, name) == 0)
			return receiver->arrivals[i];
	return NULL;
}

static void close_all(struct kho_arrival *a)
{
	a->listen_source = sd_event_source_disable_unref(a->listen_source);
	a->conn_source = sd_event_source_disable_unref(a->conn_source);
	a->server = sd_event_source_disable_unref(a->server);
	if (a->listener >= 0)
		close(a->listener);
	if (a->conn >= 0)
		close(a->conn);
	a->listener = a->conn = -EBADF;
}

void kho_arrival_free(struct kho_arrival *a)
{
	if (!a)
		return;
	kho_command_free(a->start);
	kho_command_free(a->health);
	kho_command_free(a->unit_work);
	sd_event_source_disable_unref(a->load);
	kho_arrival_pages_free(a->pages);
	close_all(a);
	free(a);
}

/* ---- what kho-restore says ---- */

static void answer(struct kho_arrival *a, const struct kho_err *err)
{
	enum kho_step step = a->asked;

	a->asked = KHO_STEP_NONE;
	if (step)
		kho_receive_answer(a->receiver, step, false, a->item, err);
}

static void reached(struct kho_arrival *a, enum arrival_state state)
{
	const struct kho_err none = {};

	a->state = state;
	if (a->asked != KHO_STEP_SETTLE || state == ARRIVAL_COMPLETE)
		answer(a, &none);
}

void kho_arrival_failed(struct kho_arrival *a, const char *why)
{
	char text[KHO_RESTORE_LINE];

	kho_text_clean(text, sizeof(text), why);
	kho_fail(&a->failed, -EIO, "%.400s; see journalctl -u %.40s there", text, a->unit);
	a->state = ARRIVAL_FAILED;
	answer(a, &a->failed);
}

/* Tasks whose memory isn't all there mustn't run on without who serves it. */
void kho_arrival_lost(struct kho_arrival *a, const char *why)
{
	struct kho_err err;
	struct kho_unit unit;

	if (a->state == ARRIVAL_RUNS && kho_unit_show(a->unit, &unit, &err) >= 0 && *unit.cgroup)
		kho_cgroup_kill(unit.cgroup, &err);
	kho_arrival_failed(a, why);
}

static void on_settled(void *ctx, const struct kho_err *err)
{
	struct kho_arrival *a = ctx;

	a->unit_work = kho_command_free(a->unit_work);
	a->asked = KHO_STEP_NONE;
	a->settled = true;
	kho_receive_answer_settled(a, err);
	kho_gauge_release(a->receiver);
}

/* In a child. */
static int settle_unit(void *arg, struct kho_err *err)
{
	const struct kho_arrival *a = arg;

	return kho_unit_settle(a->unit, err);
}

static void settle_now(struct kho_arrival *a)
{
	const struct kho_command_work work = {
		.name = "making it an ordinary unit",
		.call = settle_unit,
		.arg = a,
		.timeout_ms = SETTLE_MS,
	};
	struct kho_err err = {};

	a->unit_work = kho_command_free(a->unit_work);
	if (kho_command_call(a->receiver->agent->event, &work, on_settled, a, &a->unit_work,
			     &err) < 0)
		on_settled(a, &err);
}

void kho_arrival_completed(struct kho_arrival *a, const char *numbers)
{
	char *end;

	a->lazy_bytes = strtoull(numbers, &end, 10);
	a->lazy_ms = strtoull(end, NULL, 10);
	a->state = ARRIVAL_COMPLETE;
	a->pages = kho_arrival_pages_free(a->pages);
	if (a->asked == KHO_STEP_SETTLE)
		settle_now(a);
}

static void on_line(struct kho_arrival *a, const char *line)
{
	if (a->state == ARRIVAL_WAITING && strcmp(line, "ready") == 0)
		reached(a, ARRIVAL_READY);
	else if (a->state == ARRIVAL_RESTORING && strncmp(line, "stopped ", 8) == 0)
		reached(a, ARRIVAL_STOPPED);
	else if (a->state == ARRIVAL_RESUMING && strncmp(line, "resumed ", 8) == 0)
		reached(a, ARRIVAL_RUNS);
	else if (a->state == ARRIVAL_RUNS && strncmp(line, "complete ", 9) == 0)
		kho_arrival_completed(a, line + 9);
	else if (a->state == ARRIVAL_READY && strncmp(line, "rehearsed ", 10) == 0)
		kho_arrival_rehearsed(a, line + 10);
	else if (a->state == ARRIVAL_READY && strncmp(line, "unrehearsed ", 12) == 0)
		kho_arrival_unrehearsed(a, line + 12);
	else if (strncmp(line, "failed ", 7) == 0)
		kho_arrival_lost(a, line + 7);
}

static int on_conn(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct kho_arrival *a = userdata;
	char line[KHO_RESTORE_LINE + 1];
	ssize_t n = recv(fd, line, sizeof(line) - 1, MSG_DONTWAIT);

	(void)source;
	(void)revents;
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0) {
		a->conn_source = sd_event_source_disable_unref(a->conn_source);
		if (a->state != ARRIVAL_COMPLETE && a->state != ARRIVAL_FAILED)
			kho_arrival_lost(a, "kho-restore ended");
		return 0;
	}
	line[n] = '\0';
	on_line(a, line);
	return 0;
}

int kho_arrival_on_connect(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct kho_arrival *a = userdata;

	(void)source;
	(void)revents;
	if (a->conn >= 0)
		return 0;
	a->conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (a->conn < 0)
		return 0;
	sd_event_add_io(a->receiver->agent->event, &a->conn_source, a->conn, EPOLLIN, on_conn, a);
	kho_gauge_arrived(a);
	return 0;
}

static int tell_message(struct kho_arrival *a, const struct msghdr *message, struct kho_err *err)
{
	if (a->conn < 0 || sendmsg(a->conn, message, MSG_NOSIGNAL) < 0)
		return kho_fail(err, -EPIPE, "kho-restore of %s is gone; see its journal", a->unit);
	return 0;
}

static int tell(struct kho_arrival *a, const char *line, struct kho_err *err)
{
	struct iovec text = { .iov_base = (void *)line, .iov_len = strlen(line) };
	const struct msghdr message = { .msg_iov = &text, .msg_iovlen = 1 };

	return tell_message(a, &message, err);
}

int kho_arrival_tell_with(struct kho_arrival *a, const char *line,
			  const int fds[KHO_RESTORE_FDS], struct kho_err *err)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(KHO_RESTORE_FDS * sizeof(int))];
	} control = {};
	struct iovec text = { .iov_base = (void *)line, .iov_len = strlen(line) };
	const struct msghdr message = {
		.msg_iov = &text, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(KHO_RESTORE_FDS * sizeof(int));
	memcpy(CMSG_DATA(head), fds, KHO_RESTORE_FDS * sizeof(int));
	return tell_message(a, &message, err);
}

/* ---- restore, resume ---- */

static int expect(struct kho_arrival *a, enum arrival_state state, struct kho_err *err)
{
	if (!a || a->state != state)
		return kho_fail(err, -EPROTO, "the workload isn't in the state for this step");
	return 0;
}

static int load(struct kho_arrival *a, struct kho_err *err)
{
	_cleanup_close_ int dir = -EBADF, index = -EBADF;
	int r, data;

	dir = open(a->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return kho_fail_errno(err, -errno, "%s", a->dir);
	r = kho_arrival_pages_compose(a->pages, dir, &data, &index, err);
	if (r < 0)
		return r;
	unlinkat(dir, KHO_RESTORE_COMPLETE, 0);
	r = kho_arrival_tell_with(a, "restore", (int[KHO_RESTORE_FDS]){ dir, data, index }, err);
	if (r >= 0)
		a->state = ARRIVAL_LOADING;
	return r;
}

static int go(struct kho_arrival *a, struct kho_err *err)
{
	a->state = ARRIVAL_RESTORING;
	return tell(a, "go", err);
}

static int on_load(sd_event_source *source, void *userdata)
{
	struct kho_arrival *a = userdata;
	struct kho_err err = {};
	int r;

	(void)source;
	a->load = sd_event_source_disable_unref(a->load);
	if (a->state != ARRIVAL_READY)
		return 0;
	r = load(a, &err);
	if (r >= 0 && a->asked == KHO_STEP_RESTORE)
		r = go(a, &err);
	if (r < 0)
		kho_arrival_failed(a, err.msg);
	return 0;
}

/* Not at once: the other side is told first that it's here. */
void kho_arrival_got(struct kho_arrival *a, unsigned int part)
{
	a->here |= part;
	if (a->here == ARRIVAL_ALL && a->state == ARRIVAL_READY && !a->load)
		sd_event_add_defer(a->receiver->agent->event, &a->load, on_load, a);
}

static int restore(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	struct kho_arrival *a = arrival(receiver, step);
	int r = 0;

	if (a && a->state == ARRIVAL_FAILED && a->failed.code) {
		*err = a->failed;
		return err->code;
	}
	if (!a || (a->state != ARRIVAL_READY && a->state != ARRIVAL_LOADING))
		return kho_fail(err, -EPROTO, "the workload isn't in the state for this step");
	a->asked = KHO_STEP_RESTORE;
	kho_gauge_mark(a, KHO_WATCH_COMING);
	if (a->state == ARRIVAL_LOADING)
		r = go(a, err);
	return r < 0 ? r : 1;
}

static int resume(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	struct kho_arrival *a = arrival(receiver, step);
	int r = expect(a, ARRIVAL_STOPPED, err);

	if (r < 0)
		return r;
	a->state = ARRIVAL_RESUMING;
	a->asked = KHO_STEP_RESUME;
	kho_gauge_mark(a, KHO_WATCH_RESUMED);
	r = tell(a, "resume", err);
	return r < 0 ? r : 1;
}

/* Whatever is in the unit ends, CRIU and kho-restore with it. */
static int kill_all(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	struct kho_arrival *a = arrival(receiver, step) ?: kho_arrival_adopt(receiver, step, err);
	struct kho_unit unit;

	if (!a)
		return err->code;
	a->asked = KHO_STEP_NONE;
	a->state = ARRIVAL_FAILED;
	if (kho_unit_show(a->unit, &unit, err) < 0) {
		if (err->code != -ENOENT || !kho_unit_is_scope(a->unit))
			return err->code;
		/* it's gone, and all that was in it */
		*err = (struct kho_err){};
		return 0;
	}
	/* what can't be made quiet is killed all the same */
	if (*unit.cgroup && kho_cgroup_freeze(unit.cgroup, true, err) >= 0 &&
	    kho_cgroup_wait(unit.cgroup, "frozen", 1, KILL_MS, err) >= 0)
		kho_criu_quiet(unit.cgroup, err);
	*err = (struct kho_err){};
	if (!*unit.cgroup || kho_cgroup_kill(unit.cgroup, err) == -ENOENT) {
		*err = (struct kho_err){};
		return 0;
	}
	if (err->code < 0)
		return err->code;
	if (kho_cgroup_wait(unit.cgroup, "populated", 0, KILL_MS, err) == -ETIMEDOUT)
		return -ETIMEDOUT;
	*err = (struct kho_err){};
	return 0;
}

/* ---- health, settle ---- */

static void on_health(void *ctx, const struct kho_err *err)
{
	struct kho_arrival *a = ctx;
	struct kho_err seen = *err;

	a->health = kho_command_free(a->health);
	if (seen.code >= 0)
		kho_taken_check(a->receiver, &seen);
	answer(a, &seen);
}

static int health(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	struct kho_arrival *a = arrival(receiver, step);
	const Kho__MoveWorkload *workload = step->workload;
	int r;

	if (!a || (a->state != ARRIVAL_RUNS && a->state != ARRIVAL_COMPLETE))
		return kho_fail(err, -EPROTO, "the workload doesn't run");
	if (!workload || !workload->health_command)
		return kho_taken_check(receiver, err);
	a->asked = KHO_STEP_HEALTH;
	r = kho_command_run(receiver->agent->event, workload->health_command,
			    workload->has_health_timeout_ms ? workload->health_timeout_ms : 5000,
			    on_health, a, &a->health, err);
	return r < 0 ? r : 1;
}

static int settle(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	struct kho_arrival *a = arrival(receiver, step) ?: kho_arrival_adopt(receiver, step, err);
	int r;

	/* it is settled, but maybe for what systemd knows of it */
	if (!a && !err->code)
		return kho_unit_settle(step->workload->unit, err);
	if (a && !a->pages && a->state == ARRIVAL_RUNS && kho_arrival_wait_server(a, err) < 0)
		return err->code;
	if (!a || a->state < ARRIVAL_RUNS || a->state == ARRIVAL_FAILED)
		return kho_fail(err, -EPROTO, "the workload doesn't run");
	a->asked = KHO_STEP_SETTLE;
	kho_taken_settle(receiver);
	if (a->state == ARRIVAL_COMPLETE) {
		settle_now(a);
		return 1;
	}
	/* one that an agent before had asked begins by itself */
	if (a->conn < 0)
		return 1;
	r = tell(a, "fetch", err);
	return r < 0 ? r : 1;
}

const struct kho_receive_ops kho_receive_restore = { .begin = restore, .undo = kill_all };
const struct kho_receive_ops kho_receive_resume = { .begin = resume, .undo = kill_all };
const struct kho_receive_ops kho_receive_health = { .begin = health };
const struct kho_receive_ops kho_receive_settle = { .begin = settle };
