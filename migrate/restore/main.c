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
#include <sys/un.h>
#include <time.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/criu/criu.h"
#include "migrate/net/hush.h"
#include "migrate/pages/serve.h"
#include "migrate/pages/store.h"
#include "migrate/restore/restore.h"
#include "migrate/workload/attributes.h"

#define OUTPUT_FD	100		/* where CRIU finds our standard output */
#define NULL_FD		101		/* and /dev/null */
#define EXTERNAL_MAX	4096
#define PAGE		4096u
#define BARRIER_USEC	10000000

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
	fprintf(stderr, "%s\n", err->msg);
	tell(restore, "failed %s", err->msg);
	/* once it's gone, what isn't there yet would read as zeroes: the agent ends us all */
	while (restore->state == STATE_SERVING)
		pause();
	restore->state = STATE_OVER;
	restore->status = 1;
}

/* ---- restoring ---- */

static int read_external(int dir, struct kho_criu_request *request, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	char *line, *rest;
	int r;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/" KHO_RESTORE_EXTERNAL, dir);
	r = kho_file_read(path, EXTERNAL_MAX, &text, NULL, err);
	if (r < 0)
		return r;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		struct kho_criu_inherit *inherit = &request->inherit[request->nr_inherit];

		if (request->nr_inherit == KHO_CRIU_EXTERNALS || strlen(line) >= KHO_CRIU_KEY)
			return kho_fail(err, -EBADMSG, "the list of externals is damaged");
		snprintf(inherit->key, sizeof(inherit->key), "%s", line);
		inherit->fd = strncmp(line, "socket:", 7) == 0 ? OUTPUT_FD : NULL_FD;
		request->nr_inherit++;
	}
	return 0;
}

static int open_server(struct restore *restore, struct kho_err *err)
{
	struct kho_page_server_config config = {
		.work_fd = restore->fds[0],
		.images_fd = restore->fds[0],
		.release = true,
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
		r = read_external(restore->fds[0], &request, err);
	if (r >= 0)
		hush(restore);
	if (r >= 0)
		r = kho_criu_request(restore->criu, &request, err);
	restore->state = STATE_RESTORING;
	return r;
}

/* What CRIU doesn't restore; none in a dump of an older agent. */
static int set_attributes(int dir, struct kho_err *err)
{
	struct kho_attributes attributes = {};
	_cleanup_free_ char *text = NULL;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/" KHO_ATTRIBUTES_FILE, dir);
	if (access(path, F_OK) < 0)
		return 0;
	r = kho_file_read(path, KHO_ATTRIBUTES_MAX, &text, NULL, err);
	if (r >= 0)
		r = kho_attributes_parse(text, &attributes, err);
	if (r >= 0)
		r = kho_attributes_set(&attributes, err);
	kho_attributes_done(&attributes);
	return r;
}

static int on_stopped(struct restore *restore, pid_t pid, struct kho_err *err)
{
	int r = set_attributes(restore->fds[0], err);

	if (r < 0)
		return r;
	restore->state = STATE_STOPPED;
	tell(restore, "stopped %d", pid);
	return 0;
}

/* What systemd is told has reached it before we end: or else we'd be the main process still. */
static void tell_systemd(pid_t pid)
{
	sd_notifyf(0, "MAINPID=%d\nREADY=1", pid);
	sd_notify_barrier(0, BARRIER_USEC);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void end_if_served(struct restore *restore)
{
	struct kho_page_server_stats stats;

	if (restore->state != STATE_SERVING || !restore->served)
		return;
	kho_page_server_stats(restore->server, &stats);
	tell(restore, "complete %llu %llu", (unsigned long long)stats.done * PAGE,
	     (unsigned long long)(now_ns() - restore->resumed_ns) / 1000000);
	restore->state = STATE_OVER;
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

static int on_criu(struct restore *restore, struct kho_err *err)
{
	struct kho_criu_event event;

	kho_criu_process(restore->criu, &event);
	switch (event.kind) {
	case KHO_CRIU_NOTIFY:
		if (strcmp(event.script, "pre-resume") != 0)
			return kho_criu_answer(restore->criu, true, err);
		return on_stopped(restore, event.pid, err);
	case KHO_CRIU_DONE:
		if (event.err.code < 0)
			break;
		kho_hush_end(&restore->hush);
		tell_systemd(event.pid);
		restore->resumed_ns = now_ns();
		restore->state = STATE_SERVING;
		tell(restore, "resumed %d", event.pid);
		kho_page_server_go(restore->server);
		end_if_served(restore);
		return 0;
	case KHO_CRIU_DIED:
		break;
	default:
		return 0;
	}
	*err = event.err;
	return err->code;
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

	if (n <= 0 && restore->state == STATE_SERVING) {
		/* it's being started again; memory has to come all the same */
		close(restore->agent);
		restore->agent = -EBADF;
		return 0;
	}
	if (n <= 0)
		return kho_fail(err, -ECONNRESET, "the agent has gone away");
	line[n] = '\0';
	if (restore->state == STATE_READY && strcmp(line, "restore") == 0 &&
	    take_fds(restore, &message))
		return begin(restore, err);
	if (restore->state == STATE_STOPPED && strcmp(line, "resume") == 0) {
		restore->state = STATE_RESUMING;
		return kho_criu_answer(restore->criu, true, err);
	}
	if (strcmp(line, "abort") == 0)
		return kho_fail(err, -ECANCELED, "the agent wants it to end");
	return kho_fail(err, -EPROTO, "the agent said '%.40s' out of turn", line);
}

static int run(struct restore *restore, struct kho_err *err)
{
	int r = 0;

	while (r >= 0 && restore->state != STATE_OVER) {
		bool serving = restore->server && !restore->served;
		bool busy = serving && kho_page_server_busy(restore->server);
		/* CRIU's child is of no use any more once it has said that it's done */
		struct pollfd fds[3] = {
			{ .fd = restore->agent, .events = POLLIN },
			{ .fd = restore->state < STATE_SERVING ? kho_criu_fd(restore->criu) : -1,
			  .events = POLLIN },
			{ .fd = serving ? kho_page_server_fd(restore->server) : -1,
			  .events = POLLIN },
		};

		if (poll(fds, 3, busy ? 0 : -1) < 0)
			return kho_fail_errno(err, -errno, "poll");
		if (busy || fds[2].revents)
			r = on_pages(restore, err);
		if (r >= 0 && fds[1].revents)
			r = on_criu(restore, err);
		else if (r >= 0 && fds[0].revents)
			r = on_agent(restore, err);
	}
	return r;
}

/* ---- beginning ---- */

static int connect_agent(struct restore *restore, struct kho_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv(KHO_RESTORE_SOCKET_ENV);

	if (!path || strlen(path) >= sizeof(address.sun_path))
		return kho_fail(err, -EINVAL, "$" KHO_RESTORE_SOCKET_ENV " is missing; kho-restore "
				"is started by kho-agent only");
	memcpy(address.sun_path, path, strlen(path) + 1);
	restore->agent = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (restore->agent < 0 ||
	    connect(restore->agent, (struct sockaddr *)&address, sizeof(address)) < 0)
		return kho_fail_errno(err, -errno, "the agent's socket %s", path);
	return 0;
}

/* At numbers that CRIU's child inherits them by. */
static int prepare_fds(struct kho_err *err)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, NULL_FD) < 0 || dup2(STDOUT_FILENO, OUTPUT_FD) < 0)
		return kho_fail_errno(err, -errno, "standard output");
	return 0;
}

int main(void)
{
	struct restore restore = { .agent = -EBADF };
	struct kho_err err = {};
	int r = connect_agent(&restore, &err);

	signal(SIGPIPE, SIG_IGN);
	if (r >= 0)
		r = prepare_fds(&err);
	if (r >= 0)
		r = kho_criu_start(0, -1, &restore.criu, &err);
	if (r >= 0) {
		tell(&restore, "ready");
		r = run(&restore, &err);
	}
	if (r < 0)
		fail(&restore, &err);
	kho_criu_free(restore.criu);
	return restore.status;
}
