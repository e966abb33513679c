// SPDX-License-Identifier: GPL-2.0-only
/*
 * A workload that comes: its unit waits as kho-restore, images arrive, it's restored,
 * runs, and is an ordinary unit in the end.
 *
 *	prepare           restore              resume              settle
 *	  | stub starts     | "restore"          | "resume"          |
 *	  v                 v                    v                   v
 *	WAITING -ready-> READY -stopped-> STOPPED -resumed-> RUNS -complete-> drop-in gone
 *	                                    undo of restore, of resume: killed
 *	                                    undo of prepare: unit dropped
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/command.h"
#include "agent/receive.h"
#include "base/cleanup.h"
#include "base/parse.h"
#include "migrate/restore/restore.h"
#include "migrate/workload/cgroup.h"
#include "migrate/workload/unit.h"

#define MOVE_DIR	KHO_RUN_DIR "/move"
#define KILL_MS		5000
#define START_MS	(24 * 3600 * 1000)	/* as long as the move */

enum arrival_state {
	ARRIVAL_WAITING = 0,		/* for kho-restore */
	ARRIVAL_READY,
	ARRIVAL_RESTORING,
	ARRIVAL_STOPPED,
	ARRIVAL_RESUMING,
	ARRIVAL_RUNS,
	ARRIVAL_COMPLETE,		/* all memory is there */
	ARRIVAL_FAILED,
};

struct kho_arrival {
	struct kho_receiver *receiver;
	uint32_t item;
	char name[64];
	char unit[KHO_UNIT_NAME];
	char dir[128];			/* images */
	enum arrival_state state;
	enum kho_step asked;		/* to be answered when it's so far; 0: nothing */
	struct kho_arrival_pages *pages;
	int listener, conn;
	sd_event_source *listen_source, *conn_source;
	struct kho_command *start;	/* of the unit; ends when it's active, or has failed */
	struct kho_command *health;
};

const char *kho_arrival_dir(const struct kho_arrival *a)
{
	return a->dir;
}

struct kho_arrival_pages *kho_arrival_pages(const struct kho_arrival *a)
{
	return a->pages;
}

static struct kho_arrival *arrival(struct kho_receiver *receiver, const Kho__MoveStep *step)
{
	return receiver->arrivals[step->item];
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

static void failed(struct kho_arrival *a, const char *why)
{
	struct kho_err err;
	char text[KHO_RESTORE_LINE];

	kho_text_clean(text, sizeof(text), why);
	kho_fail(&err, -EIO, "%.400s; see journalctl -u %.40s there", text, a->unit);
	a->state = ARRIVAL_FAILED;
	answer(a, &err);
}

/* Tasks whose memory isn't all there mustn't run on without who serves it. */
static void lost(struct kho_arrival *a, const char *why)
{
	struct kho_err err;
	struct kho_unit unit;

	if (a->state == ARRIVAL_RUNS && kho_unit_show(a->unit, &unit, &err) >= 0 && *unit.cgroup)
		kho_cgroup_kill(unit.cgroup, &err);
	failed(a, why);
}

static int settle_now(struct kho_arrival *a)
{
	struct kho_err err = {};

	kho_unit_settle(a->unit, &err);
	answer(a, &err);
	return 0;
}

static void on_line(struct kho_arrival *a, const char *line)
{
	if (a->state == ARRIVAL_WAITING && strcmp(line, "ready") == 0)
		reached(a, ARRIVAL_READY);
	else if (a->state == ARRIVAL_RESTORING && strncmp(line, "stopped ", 8) == 0)
		reached(a, ARRIVAL_STOPPED);
	else if (a->state == ARRIVAL_RESUMING && strncmp(line, "resumed ", 8) == 0)
		reached(a, ARRIVAL_RUNS);
	else if (a->state == ARRIVAL_RUNS && strncmp(line, "complete ", 9) == 0) {
		a->state = ARRIVAL_COMPLETE;
		a->pages = kho_arrival_pages_free(a->pages);
		if (a->asked == KHO_STEP_SETTLE)
			settle_now(a);
	} else if (strncmp(line, "failed ", 7) == 0)
		lost(a, line + 7);
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
			lost(a, "kho-restore ended");
		return 0;
	}
	line[n] = '\0';
	on_line(a, line);
	return 0;
}

static int on_connect(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct kho_arrival *a = userdata;

	(void)source;
	(void)revents;
	if (a->conn >= 0)
		return 0;
	a->conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (a->conn >= 0)
		sd_event_add_io(a->receiver->agent->event, &a->conn_source, a->conn, EPOLLIN,
				on_conn, a);
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

static int tell_with(struct kho_arrival *a, const char *line, const int fds[KHO_RESTORE_FDS],
		     struct kho_err *err)
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

/* ---- prepare ---- */

static bool is_taken(long pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%ld", pid);
	return access(path, F_OK) == 0;
}

static int check_pids(const char *pids, struct kho_err *err)
{
	char *end;

	while (pids && *pids) {
		long pid = strtol(pids, &end, 10);

		if (end == pids || pid <= 0)
			return kho_fail(err, -EBADMSG, "a list of PIDs can't be read");
		if (is_taken(pid))
			return kho_fail(err, -EEXIST, "PID %ld is taken in the new kernel; start the "
					"workload again, it gets another one then", pid);
		pids = *end == ',' ? end + 1 : end;
	}
	return 0;
}

static bool is_good_name(const char *name)
{
	if (!name || !*name || strlen(name) >= 64)
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("-_.", *name))
			return false;
	return true;
}

static int listen_at(struct kho_arrival *a, const char *path, struct kho_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int r;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	a->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (a->listener < 0 ||
	    bind(a->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(a->listener, 1) < 0)
		return kho_fail_errno(err, -errno, "socket %s", path);
	r = sd_event_add_io(a->receiver->agent->event, &a->listen_source, a->listener, EPOLLIN,
			    on_connect, a);
	return r < 0 ? kho_fail_errno(err, r, "event loop") : 0;
}

static int make_dirs(struct kho_arrival *a, struct kho_err *err)
{
	char path[128];

	snprintf(path, sizeof(path), MOVE_DIR "/%s", a->name);
	snprintf(a->dir, sizeof(a->dir), MOVE_DIR "/%s/images", a->name);
	if ((mkdir(MOVE_DIR, 0700) < 0 && errno != EEXIST) ||
	    (mkdir(path, 0700) < 0 && errno != EEXIST) ||
	    (mkdir(a->dir, 0700) < 0 && errno != EEXIST))
		return kho_fail_errno(err, -errno, "%s", a->dir);
	return 0;
}

static void on_start(void *ctx, const struct kho_err *err)
{
	struct kho_arrival *a = ctx;

	a->start = kho_command_free(a->start);
	if (err->code < 0 && a->state != ARRIVAL_FAILED)
		failed(a, "its unit could not be started");
}

static int start_unit(struct kho_arrival *a, struct kho_err *err)
{
	char line[KHO_UNIT_NAME + 32];

	snprintf(line, sizeof(line), "/usr/bin/systemctl start -- %s", a->unit);
	return kho_command_run(a->receiver->agent->event, line, START_MS, on_start, a, &a->start,
			       err);
}

static int prepare_arrival(struct kho_arrival *a, const Kho__MoveWorkload *workload,
			   struct kho_err *err)
{
	char path[100];
	int r = check_pids(workload->pids, err);

	snprintf(path, sizeof(path), MOVE_DIR "/%s/s", a->name);
	if (r >= 0)
		r = kho_arrival_pages_new(&a->pages, err);
	if (r >= 0)
		r = make_dirs(a, err);
	if (r >= 0)
		r = listen_at(a, path, err);
	if (r >= 0)
		r = kho_unit_stub(a->unit, path, err);
	if (r >= 0)
		r = start_unit(a, err);
	return r;
}

static int prepare(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	const Kho__MoveWorkload *workload = step->workload;
	struct kho_arrival *a;
	int r;

	if (!workload || !workload->unit || !is_good_name(step->name))
		return kho_fail(err, -EBADMSG, "the step names no workload; update the older agent");
	r = kho_unit_check_name(workload->unit, err);
	if (r < 0)
		return r;
	if (arrival(receiver, step))
		return kho_fail(err, -EBUSY, "this workload is expected already");
	a = calloc(1, sizeof(*a));
	if (!a)
		return kho_fail(err, -ENOMEM, "no memory for a workload");
	a->receiver = receiver;
	a->item = step->item;
	a->listener = a->conn = -EBADF;
	snprintf(a->name, sizeof(a->name), "%s", step->name);
	snprintf(a->unit, sizeof(a->unit), "%s", workload->unit);
	receiver->arrivals[step->item] = a;
	a->asked = KHO_STEP_PREPARE;
	r = prepare_arrival(a, workload, err);
	if (r < 0)
		a->asked = KHO_STEP_NONE;
	return r < 0 ? r : 1;
}

static int undo_prepare(struct kho_receiver *receiver, const Kho__MoveStep *step,
			struct kho_err *err)
{
	struct kho_arrival *a = arrival(receiver, step);
	int r;

	if (!a)
		return 0;
	a->asked = KHO_STEP_NONE;
	r = kho_unit_drop(a->unit, err);
	receiver->arrivals[step->item] = NULL;
	kho_arrival_free(a);
	return r;
}

/* ---- restore, resume ---- */

static int expect(struct kho_arrival *a, enum arrival_state state, struct kho_err *err)
{
	if (!a || a->state != state)
		return kho_fail(err, -EPROTO, "the workload isn't in the state for this step");
	return 0;
}

static int restore(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	struct kho_arrival *a = arrival(receiver, step);
	_cleanup_close_ int dir = -EBADF, index = -EBADF;
	int r = expect(a, ARRIVAL_READY, err), data;

	if (r < 0)
		return r;
	dir = open(a->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return kho_fail_errno(err, -errno, "%s", a->dir);
	r = kho_arrival_pages_compose(a->pages, dir, &data, &index, err);
	if (r < 0)
		return r;
	a->state = ARRIVAL_RESTORING;
	a->asked = KHO_STEP_RESTORE;
	r = tell_with(a, "restore", (int[KHO_RESTORE_FDS]){ dir, data, index }, err);
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
	r = tell(a, "resume", err);
	return r < 0 ? r : 1;
}

/* Whatever is in the unit ends, CRIU and kho-restore with it. */
static int kill_all(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	struct kho_arrival *a = arrival(receiver, step);
	struct kho_unit unit;

	if (!a)
		return 0;
	a->asked = KHO_STEP_NONE;
	a->state = ARRIVAL_FAILED;
	if (kho_unit_show(a->unit, &unit, err) < 0)
		return err->code;
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

	a->health = kho_command_free(a->health);
	answer(a, err);
}

static int health(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	struct kho_arrival *a = arrival(receiver, step);
	const Kho__MoveWorkload *workload = step->workload;
	int r;

	if (!a || (a->state != ARRIVAL_RUNS && a->state != ARRIVAL_COMPLETE))
		return kho_fail(err, -EPROTO, "the workload doesn't run");
	if (!workload || !workload->health_command)
		return 0;
	a->asked = KHO_STEP_HEALTH;
	r = kho_command_run(receiver->agent->event, workload->health_command,
			    workload->has_health_timeout_ms ? workload->health_timeout_ms : 5000,
			    on_health, a, &a->health, err);
	return r < 0 ? r : 1;
}

static int settle(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	struct kho_arrival *a = arrival(receiver, step);

	if (!a || a->state < ARRIVAL_RUNS || a->state == ARRIVAL_FAILED)
		return kho_fail(err, -EPROTO, "the workload doesn't run");
	if (a->state == ARRIVAL_COMPLETE)
		return kho_unit_settle(a->unit, err);
	a->asked = KHO_STEP_SETTLE;
	return 1;
}

const struct kho_receive_ops kho_receive_prepare = { .begin = prepare, .undo = undo_prepare };
const struct kho_receive_ops kho_receive_restore = { .begin = restore, .undo = kill_all };
const struct kho_receive_ops kho_receive_resume = { .begin = resume, .undo = kill_all };
const struct kho_receive_ops kho_receive_health = { .begin = health };
const struct kho_receive_ops kho_receive_settle = { .begin = settle };
