// SPDX-License-Identifier: GPL-2.0-only
/* kho-restore; restore.h has the idea. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/now.h"
#include "migrate/criu/canary_tree.h"
#include "migrate/criu/criu.h"
#include "migrate/criu/repair.h"
#include "migrate/criu/terminals.h"
#include "migrate/net/hush.h"
#include "migrate/pages/serve.h"
#include "migrate/pages/store.h"
#include "migrate/restore/rehearse.h"
#include "migrate/restore/restore.h"
#include "migrate/restore/start.h"
#include "migrate/workload/attributes.h"

#define PAGE		4096u
#define NS_PER_MS	1000000u
#define BARRIER_USEC	10000000
#define LEAVE_MS	20000
#define FETCH_MS	5000		/* after which memory comes whatever the agent does */

enum state {
	STATE_READY,			/* waits for "restore" */
	STATE_RESTORING,
	STATE_STOPPED,			/* waits for "resume" */
	STATE_RESUMING,
	STATE_SERVING,			/* it runs; memory is on its way */
	STATE_OVER,
};

struct restore {
	enum state state;
	int agent;
	int fds[KHO_RESTORE_FDS];	/* images, data, index */
	struct kho_criu *criu;
	struct kho_page_store *store;
	struct kho_page_server *server;
	struct kho_hush hush;		/* from before the restore until it runs */
	bool served;			/* all memory is there */
	bool rehearses;			/* it's a copy, in isolation, and never to run */
	struct kho_rehearsal rehearsal;	/* that is under way, in a child */
	bool alone;			/* the agent is gone, and nothing has run */
	bool fetching;			/* it's brought in, not just served */
	bool held, go;			/* CRIU waits before it makes tasks; it needn't */
	int terminals;			/* the lock; negative: it isn't ours */
	uint64_t resumed_ns;
	int status;			/* to exit with */
};

/* ---- telling the agent ---- */

static void tell(struct restore *restore, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void tell(struct restore *restore, const char *fmt, ...)
{
	char line[KHO_RESTORE_LINE];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (send(restore->agent, line, strlen(line), MSG_NOSIGNAL) < 0)
		fprintf(stderr, "the agent can't be told '%s': %s\n", line, strerror(errno));
}

static void fail(struct restore *restore, const struct kho_err *err)
{
	struct kho_err quiet;

	fprintf(stderr, "%s\n", err->msg);
	tell(restore, "failed %s", err->msg);
	/* once it's gone, what isn't there yet would read as zeroes: the agent ends us all */
	while (restore->state == STATE_SERVING)
		pause();
	/* or else their peers would hear of the end of tasks that never ran */
	if (restore->state == STATE_STOPPED && kho_criu_quiet(NULL, &quiet) < 0)
		fprintf(stderr, "%s\n", quiet.msg);
	restore->state = STATE_OVER;
	restore->status = 1;
}

/* ---- restoring ---- */

static int open_server(struct restore *restore, struct kho_err *err)
{
	struct kho_page_server_config config = {
		.work_fd = restore->fds[0],
		.images_fd = restore->fds[0],
		/* the store stays as it is for the real one */
		.release = !restore->rehearses,
		/* until they run, nothing is to be in CRIU's way */
		.wait = true,
	};
	int r = kho_page_store_load(restore->fds[1], restore->fds[2], &restore->store, err);

	config.store = restore->store;
	return r < 0 ? r : kho_page_server_new(&config, &restore->server, err);
}

/* Most workloads have no connections to themselves: those do without. */
static void hush(struct restore *restore)
{
	struct kho_err err;

	if (kho_hush_begin(&restore->hush, &err) < 0)
		fprintf(stderr, "connections within this kernel may be reset: %s\n", err.msg);
}

static int begin(struct restore *restore, struct kho_err *err)
{
	struct kho_criu_request request = {
		.kind = KHO_CRIU_RESTORE,
		.log = "restore.log",
		.page_fd = -1,
		.lazy_pages = true,
		.images_fd = restore->fds[0],
	};
	int r = open_server(restore, err);

	if (r >= 0)
		r = kho_restore_read_external(restore->fds[0], &request, err);
	if (r >= 0)
		hush(restore);
	if (r >= 0)
		r = kho_criu_request(restore->criu, &request, err);
	restore->state = STATE_RESTORING;
	return r;
}

static int on_stopped(struct restore *restore, pid_t pid, struct kho_err *err)
{
	/* a rehearsal's tasks have other PIDs, and never run: our parent kills us all now */
	int r = restore->rehearses ? 0 : kho_attributes_set_from(restore->fds[0], err);

	kho_terminals_unlock(&restore->terminals);
	if (r < 0)
		return r;
	restore->state = STATE_STOPPED;
	if (restore->alone)
		return kho_fail(err, -ECONNRESET, "the agent has gone away");
	if (restore->rehearses)
		kho_rehearsal_kill_tasks(kho_criu_pid(restore->criu));
	tell(restore, "stopped %d", pid);
	return 0;
}

/* For an agent that was started again, and will find us gone. */
static void leave_word(const struct restore *restore, const char *numbers)
{
	_cleanup_close_ int fd = openat(restore->fds[0], KHO_RESTORE_COMPLETE,
					O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, numbers, strlen(numbers)) < 0)
		fprintf(stderr, KHO_RESTORE_COMPLETE ": %s\n", strerror(errno));
}

static void end_if_served(struct restore *restore)
{
	struct kho_page_server_stats stats;
	char numbers[64];

	if (restore->state != STATE_SERVING || !restore->served)
		return;
	/* what systemd was told has reached it before we end: or we'd be the main process still */
	sd_notify_barrier(0, BARRIER_USEC);
	kho_page_server_stats(restore->server, &stats);
	snprintf(numbers, sizeof(numbers), "%llu %llu", (unsigned long long)stats.done * PAGE,
		 (unsigned long long)(kho_now_ns() - restore->resumed_ns) / 1000000);
	leave_word(restore, numbers);
	tell(restore, "complete %s", numbers);
	restore->state = STATE_OVER;
}

/* What doesn't have to be done before clients are answered waits for "fetch". */
static void resumed(struct restore *restore, pid_t pid)
{
	restore->resumed_ns = kho_now_ns();
	restore->state = STATE_SERVING;
	sd_notifyf(0, "MAINPID=%d\nREADY=1", pid);
	tell(restore, "resumed %d", pid);
	end_if_served(restore);
}

static void fetch(struct restore *restore)
{
	restore->fetching = true;
	kho_page_server_go(restore->server);
}

static int on_pages(struct restore *restore, struct kho_err *err)
{
	int r = kho_page_server_process(restore->server, err);

	if (r != 0)
		return r;
	restore->served = true;
	end_if_served(restore);
	return 0;
}

static int make_tasks(struct restore *restore, struct kho_err *err)
{
	restore->terminals = kho_terminals_lock(restore->fds[0]);
	if (restore->terminals < 0 && restore->terminals != -ENOENT)
		fprintf(stderr, "terminals: %s\n", strerror(-restore->terminals));
	return kho_criu_answer(restore->criu, true, err);
}

/* Two of its questions are the agent's to answer. */
static int on_notify(struct restore *restore, const struct kho_criu_event *event,
		     struct kho_err *err)
{
	if (strcmp(event->script, "pre-resume") == 0)
		return on_stopped(restore, event->pid, err);
	if (strcmp(event->script, "pre-restore") != 0)
		return kho_criu_answer(restore->criu, true, err);
	if (restore->go)
		return make_tasks(restore, err);
	if (restore->alone)
		return kho_fail(err, -ECONNRESET, "the agent has gone away");
	restore->held = true;
	return 0;
}

static int go(struct restore *restore, struct kho_err *err)
{
	restore->go = true;
	if (!restore->held)
		return 0;
	restore->held = false;
	return make_tasks(restore, err);
}

static int on_criu(struct restore *restore, struct kho_err *err)
{
	struct kho_criu_event event;

	kho_criu_process(restore->criu, &event);
	switch (event.kind) {
	case KHO_CRIU_NOTIFY:
		return on_notify(restore, &event, err);
	case KHO_CRIU_DONE:
		if (event.err.code < 0)
			break;
		kho_hush_end(&restore->hush);
		resumed(restore, event.pid);
		return 0;
	case KHO_CRIU_DIED:
		break;
	default:
		return 0;
	}
	*err = event.err;
	return err->code;
}

static int run(struct restore *restore, struct kho_err *err);

/* ---- rehearsing ---- */

/* In the child, with what it has of its parent's. */
static int rehearse_here(void *ctx, int fd)
{
	struct restore *restore = ctx;
	struct kho_err err = {};
	int r;

	restore->agent = fd;
	restore->rehearses = restore->go = true;
	restore->rehearsal = (struct kho_rehearsal){};
	r = kho_rehearsal_isolate(restore->fds[0], &err);
	if (r >= 0)
		r = kho_criu_start(0, -1, &restore->criu, &err);
	if (r >= 0)
		r = begin(restore, &err);
	if (r >= 0)
		r = run(restore, &err);
	if (r < 0)
		fail(restore, &err);
	return restore->status;
}

static void close_fds(struct restore *restore)
{
	for (size_t i = 0; i < KHO_RESTORE_FDS; i++) {
		close(restore->fds[i]);
		restore->fds[i] = -EBADF;
	}
}

static int rehearse(struct restore *restore, struct kho_err *err)
{
	const struct kho_rehearsal_body body = {
		.run = rehearse_here, .ctx = restore, .dir = restore->fds[0],
	};
	int r = kho_rehearsal_begin(&restore->rehearsal, &body, err);

	close_fds(restore);
	return r;
}

static void on_rehearsal(struct restore *restore)
{
	struct kho_err why = {};
	uint64_t ns;
	int r = kho_rehearsal_process(&restore->rehearsal, &ns, &why);

	if (r == 0)
		tell(restore, "rehearsed %llu", (unsigned long long)ns);
	else if (r < 0)
		tell(restore, "unrehearsed %.900s", why.msg);
}

static bool take_fds(struct restore *restore, struct msghdr *message)
{
	struct cmsghdr *head = CMSG_FIRSTHDR(message);

	if (!head || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS ||
	    head->cmsg_len != CMSG_LEN(sizeof(restore->fds)) ||
	    message->msg_flags & MSG_CTRUNC)
		return false;
	memcpy(restore->fds, CMSG_DATA(head), sizeof(restore->fds));
	return true;
}

static int on_agent(struct restore *restore, struct kho_err *err)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(KHO_RESTORE_FDS * sizeof(int))];
	} control;
	char line[KHO_RESTORE_LINE];
	struct iovec text = { .iov_base = line, .iov_len = sizeof(line) - 1 };
	struct msghdr message = {
		.msg_iov = &text, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(restore->agent, &message, MSG_CMSG_CLOEXEC);

	if (n <= 0 && (restore->state == STATE_SERVING || restore->state == STATE_RESUMING)) {
		/* it's being started again; they run, and memory has to come all the same */
		close(restore->agent);
		restore->agent = -EBADF;
		if (restore->state == STATE_SERVING)
			fetch(restore);
		return 0;
	}
	if (n <= 0 && restore->state == STATE_RESTORING) {
		/* until CRIU asks: then all that is restored can be taken down quietly */
		close(restore->agent);
		restore->agent = -EBADF;
		restore->alone = true;
		/* no task is made yet, and nobody will say "go" */
		return restore->held ? kho_fail(err, -ECONNRESET, "the agent has gone away") : 0;
	}
	if (n <= 0)
		return kho_fail(err, -ECONNRESET, "the agent has gone away");
	line[n] = '\0';
	if (restore->state == STATE_READY && strcmp(line, "restore") == 0 &&
	    take_fds(restore, &message))
		return begin(restore, err);
	if (restore->state == STATE_RESTORING && strcmp(line, "go") == 0)
		return go(restore, err);
	if (restore->state == STATE_READY && !restore->rehearsal.pid &&
	    strcmp(line, "rehearse") == 0 && take_fds(restore, &message))
		return rehearse(restore, err);
	if (restore->state == STATE_STOPPED && strcmp(line, "resume") == 0) {
		restore->state = STATE_RESUMING;
		return kho_criu_answer(restore->criu, true, err);
	}
	if (restore->state == STATE_SERVING && strcmp(line, "fetch") == 0) {
		fetch(restore);
		return 0;
	}
	if (strcmp(line, "abort") == 0)
		return kho_fail(err, -ECANCELED, "the agent wants it to end");
	return kho_fail(err, -EPROTO, "the agent said '%.40s' out of turn", line);
}

/* How long the agent may still take to say "fetch"; -1: that isn't waited for. */
static int patience_ms(const struct restore *restore)
{
	uint64_t passed;

	if (restore->state != STATE_SERVING || restore->fetching)
		return -1;
	passed = (kho_now_ns() - restore->resumed_ns) / NS_PER_MS;
	return passed < FETCH_MS ? (int)(FETCH_MS - passed) : 0;
}

static int run(struct restore *restore, struct kho_err *err)
{
	int r = 0;

	while (r >= 0 && restore->state != STATE_OVER) {
		bool serving = restore->server && !restore->served;
		bool busy = serving && kho_page_server_busy(restore->server);
		/* CRIU's child is of no use any more once it has said that it's done */
		struct pollfd fds[4] = {
			{ .fd = restore->agent, .events = POLLIN },
			{ .fd = restore->state < STATE_SERVING ? kho_criu_fd(restore->criu) : -1,
			  .events = POLLIN },
			{ .fd = serving ? kho_page_server_fd(restore->server) : -1,
			  .events = POLLIN },
			{ .fd = restore->rehearsal.pid ? restore->rehearsal.fd : -1,
			  .events = POLLIN },
		};

		if (poll(fds, 4, busy ? 0 : patience_ms(restore)) < 0)
			return kho_fail_errno(err, -errno, "poll");
		if (patience_ms(restore) == 0)
			fetch(restore);
		if (fds[3].revents)
			on_rehearsal(restore);
		if (busy || fds[2].revents)
			r = on_pages(restore, err);
		if (r >= 0 && fds[1].revents)
			r = on_criu(restore, err);
		else if (r >= 0 && fds[0].revents)
			r = on_agent(restore, err);
	}
	return r;
}

int main(int argc, char **argv)
{
	struct restore restore = { .agent = -EBADF, .terminals = -EBADF };
	struct kho_err err = {};
	int r;

	if (argc == 3 && strcmp(argv[1], KHO_CANARY_OPTION) == 0)
		kho_canary_be_tree(argv[2]);
	r = kho_restore_connect(&restore.agent, &err);
	signal(SIGPIPE, SIG_IGN);
	if (r >= 0)
		r = kho_restore_prepare_fds(&err);
	if (r >= 0)
		r = kho_criu_start(0, -1, &restore.criu, &err);
	if (r >= 0) {
		tell(&restore, "ready");
		r = run(&restore, &err);
	}
	if (r < 0)
		fail(&restore, &err);
	/* what it has restored so far is taken down by itself, and not left half made */
	kho_criu_leave(restore.criu, r < 0 ? LEAVE_MS : 0);
	return restore.status;
}
