// SPDX-License-Identifier: GPL-2.0-only
/* The child and its socket; criu.h has the idea. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/criu/criu.h"
#include "migrate/criu/guard.h"
#include "rpc.pb-c.h"

#define MESSAGE_MAX	65536
#define LOG_MAX		(16u << 20)

struct kho_criu {
	pid_t pid;
	int fd;
	enum kho_criu_kind kind;
	int images_fd;			/* ours, for the log's sake */
	int guard;			/* -EBADF: none */
	char log[64];
	bool done;
};

/* ---- the child ---- */

static void keep_open(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, 0);
}

static void tell_score(const char *text)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, text, strlen(text)) < 0) {
		/* it works as well, just not under pressure */
	}
	if (fd >= 0)
		close(fd);
}

/*
 * Namespaces that systemd makes for a service; CRIU joins them, so it sees none of them.
 * Not that of IPC (PrivateIPC=): what is in there is the workload's, and goes with it.
 */
static const char *const joined[] = { "mnt", "uts", "net", "cgroup" };

#define NR_JOINED (sizeof(joined) / sizeof(joined[0]))

static void __attribute__((noreturn)) run_child(int fd, const int ns[NR_JOINED], int keep_fd)
{
	char number[16];
	char *const argv[] = { (char[]){ "criu" }, (char[]){ "swrk" }, number, NULL };
	/* opened out here: in a sandbox it may stand on a mount without execution */
	int null = open("/dev/null", O_RDWR), criu = open(KHO_CRIU_PROGRAM, O_PATH | O_CLOEXEC);

	snprintf(number, sizeof(number), "%d", fd);
	keep_open(fd);
	keep_open(keep_fd);
	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
	}
	tell_score("-1000");
	for (size_t i = 0; i < NR_JOINED; i++)
		if (ns[i] >= 0 && setns(ns[i], 0) < 0)
			_exit(126);
	setsid();
	execveat(criu, "", argv, environ, AT_EMPTY_PATH);
	_exit(127);
}

static bool same_ns(pid_t pid, const char *name)
{
	char path[64];
	struct stat own, other;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	if (stat(path, &own) < 0)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	return stat(path, &other) == 0 && own.st_ino == other.st_ino;
}

int kho_criu_check_namespaces(pid_t pid, struct kho_err *err)
{
	static const struct {
		const char *name;
		const char *remedy;
	} refused[] = {
		{ "user", "set PrivateUsers=no for its unit" },
		{ "pid", "set PrivatePIDs=no for its unit, or move what's in the container" },
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (!same_ns(pid, refused[i].name))
			return kho_fail(err, -EOPNOTSUPP, "process %d has a %s namespace of its own, "
					"which can't be moved; %s", pid, refused[i].name,
					refused[i].remedy);
	return 0;
}

/* Those that aren't ours already; -1 for the others. */
static int open_namespaces(pid_t pid, int ret[NR_JOINED])
{
	char path[64];

	for (size_t i = 0; i < NR_JOINED; i++) {
		ret[i] = -1;
		if (!pid || same_ns(pid, joined[i]))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, joined[i]);
		ret[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (ret[i] < 0)
			return -errno;
	}
	return 0;
}

static void close_namespaces(const int ns[NR_JOINED])
{
	for (size_t i = 0; i < NR_JOINED; i++)
		if (ns[i] >= 0)
			close(ns[i]);
}

static int spawn(struct kho_criu *criu, const int ns[NR_JOINED], int keep_fd, struct kho_err *err)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return kho_fail_errno(err, -errno, "no socket for CRIU");
	criu->pid = fork();
	if (criu->pid == 0)
		run_child(fds[1], ns, keep_fd);
	close(fds[1]);
	criu->fd = fds[0];
	return criu->pid < 0 ? kho_fail_errno(err, -errno, "CRIU can't be started") : 0;
}

int kho_criu_start(pid_t ns_pid, int keep_fd, struct kho_criu **ret, struct kho_err *err)
{
	struct kho_criu *criu = calloc(1, sizeof(*criu));
	int ns[NR_JOINED] = { -1, -1, -1, -1 };
	int r;

	if (!criu)
		return kho_fail(err, -ENOMEM, "no memory for CRIU");
	criu->fd = criu->images_fd = criu->guard = -EBADF;
	r = open_namespaces(ns_pid, ns);
	if (r < 0)
		kho_fail_errno(err, r, "process %d is gone", ns_pid);
	else
		r = spawn(criu, ns, keep_fd, err);
	close_namespaces(ns);
	if (r < 0)
		kho_criu_free(criu);
	else
		*ret = criu;
	return r;
}

int kho_criu_guard(struct kho_criu *criu, const char *cgroup, struct kho_err *err)
{
	int r = kho_criu_guard_start(criu->pid, cgroup, err);

	if (r < 0)
		return r;
	criu->guard = r;
	return 0;
}

struct kho_criu *kho_criu_free(struct kho_criu *criu)
{
	if (!criu)
		return NULL;
	if (criu->pid > 0) {
		kill(criu->pid, SIGKILL);
		waitpid(criu->pid, NULL, 0);
	}
	if (criu->fd >= 0)
		close(criu->fd);
	if (criu->images_fd >= 0)
		close(criu->images_fd);
	if (criu->guard >= 0)
		close(criu->guard);
	free(criu);
	return NULL;
}

struct kho_criu *kho_criu_leave(struct kho_criu *criu, int timeout_ms)
{
	struct pollfd end = { .events = POLLIN };

	if (!criu)
		return NULL;
	if (criu->fd >= 0)
		close(criu->fd);
	criu->fd = -EBADF;
	end.fd = criu->pid > 0 ? (int)syscall(SYS_pidfd_open, criu->pid, 0) : -EBADF;
	if (end.fd >= 0) {
		poll(&end, 1, timeout_ms);
		close(end.fd);
	}
	return kho_criu_free(criu);
}

int kho_criu_fd(const struct kho_criu *criu)
{
	return criu->fd;
}

pid_t kho_criu_pid(const struct kho_criu *criu)
{
	return criu->pid;
}

/* ---- requests ---- */

struct lists {
	char *externals[KHO_CRIU_EXTERNALS];
	InheritFd inherit[KHO_CRIU_EXTERNALS];
	InheritFd *inherits[KHO_CRIU_EXTERNALS];
	CriuPageServerInfo ps;
};

static void fill_lists(const struct kho_criu_request *request, struct lists *lists, CriuOpts *opts)
{
	for (size_t i = 0; i < request->nr_external; i++)
		lists->externals[i] = (char *)request->external[i].dump;
	opts->n_external = request->nr_external;
	opts->external = lists->externals;
	for (size_t i = 0; i < request->nr_inherit; i++) {
		inherit_fd__init(&lists->inherit[i]);
		lists->inherit[i].key = (char *)request->inherit[i].key;
		lists->inherit[i].fd = request->inherit[i].fd;
		lists->inherits[i] = &lists->inherit[i];
	}
	opts->n_inherit_fd = request->nr_inherit;
	opts->inherit_fd = lists->inherits;
	if (request->page_fd >= 0) {
		criu_page_server_info__init(&lists->ps);
		lists->ps.has_fd = true;
		lists->ps.fd = request->page_fd;
		opts->ps = &lists->ps;
	}
}

#define SET(opts, field, value) ((opts)->has_##field = true, (opts)->field = (value))

static void fill_opts(const struct kho_criu_request *request, CriuOpts *opts)
{
	bool dump = request->kind != KHO_CRIU_RESTORE;

	opts->images_dir_fd = request->images_fd;
	SET(opts, work_dir_fd, request->images_fd);
	opts->log_file = (char *)request->log;
	/* one more, and each page has three lines: a tenth of the dump's time */
	SET(opts, log_level, 3);
	SET(opts, tcp_established, true);
	SET(opts, network_lock, CRIU_NETWORK_LOCK_METHOD__SKIP);
	SET(opts, file_locks, true);
	SET(opts, link_remap, true);
	SET(opts, manage_cgroups_mode, CRIU_CG_MODE__IGNORE);
	SET(opts, orphan_pts_master, true);
	SET(opts, ghost_limit, 16u << 20);
	SET(opts, notify_scripts, true);
	SET(opts, evasive_devices, true);
	if (dump) {
		SET(opts, pid, request->pid);
		SET(opts, ext_unix_sk, true);
		SET(opts, track_mem, request->page_fd >= 0 || request->parent);
		opts->parent_img = (char *)request->parent;
		opts->freeze_cgroup = (char *)request->freeze_cgroup;
		SET(opts, tcp_skip_in_flight, request->skip_in_flight);
		SET(opts, leave_running, request->leave_running);
	} else {
		SET(opts, rst_sibling, true);
		SET(opts, lazy_pages, request->lazy_pages);
	}
}

static int send_message(struct kho_criu *criu, const CriuReq *req, struct kho_err *err)
{
	size_t size = criu_req__get_packed_size(req);
	_cleanup_free_ uint8_t *bytes = malloc(size);

	if (!bytes)
		return kho_fail(err, -ENOMEM, "no memory for a request to CRIU");
	criu_req__pack(req, bytes);
	if (send(criu->fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size)
		return kho_fail_errno(err, -errno, "CRIU takes no request: it isn't installed, or it "
				      "ended or was killed before it was asked; try again");
	return 0;
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = {};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == pid;
}

static int arm_guard(const struct kho_criu *criu, struct kho_err *err)
{
	int r = kho_criu_guard_arm(criu->guard, err);

	/* one that nobody waited for can't be traced, which would be taken for a lack of rights */
	if (r < 0 && has_ended(criu->pid))
		return kho_fail(err, -ESRCH, "CRIU ended, or was killed, before it was asked to "
				"dump; try again");
	return r;
}

int kho_criu_request(struct kho_criu *criu, const struct kho_criu_request *request,
		     struct kho_err *err)
{
	static const CriuReqType types[] = {
		[KHO_CRIU_PRE_DUMP] = CRIU_REQ_TYPE__SINGLE_PRE_DUMP,
		[KHO_CRIU_DUMP] = CRIU_REQ_TYPE__DUMP,
		[KHO_CRIU_RESTORE] = CRIU_REQ_TYPE__RESTORE,
	};
	CriuReq req = CRIU_REQ__INIT;
	CriuOpts opts = CRIU_OPTS__INIT;
	struct lists lists = {};

	if (request->nr_external > KHO_CRIU_EXTERNALS || request->nr_inherit > KHO_CRIU_EXTERNALS)
		return kho_fail(err, -E2BIG, "more than %d sockets lead out of the workload; make "
				"it log by fewer", KHO_CRIU_EXTERNALS);
	fill_opts(request, &opts);
	fill_lists(request, &lists, &opts);
	req.type = types[request->kind];
	req.opts = &opts;
	criu->kind = request->kind;
	snprintf(criu->log, sizeof(criu->log), "%s", request->log);
	criu->images_fd = fcntl(request->images_fd, F_DUPFD_CLOEXEC, 3);
	if (request->kind == KHO_CRIU_DUMP && criu->guard >= 0) {
		int r = arm_guard(criu, err);

		if (r < 0)
			return r;
	}
	return send_message(criu, &req, err);
}

int kho_criu_answer(struct kho_criu *criu, bool go_on, struct kho_err *err)
{
	CriuReq req = CRIU_REQ__INIT;

	req.type = CRIU_REQ_TYPE__NOTIFY;
	req.has_notify_success = true;
	req.notify_success = go_on;
	return send_message(criu, &req, err);
}

/* ---- events ---- */

/*
 * What a task met in the middle of its restore ("pie:"), or the last error that isn't just
 * "FAILED": the one or the other says more than cr_errno, and than what followed from it.
 */
static const char *find_error(const char *text)
{
	const char *at, *last = NULL;

	at = strstr(text, "Error (criu/pie/");
	if (at)
		return at;
	for (at = text; (at = strstr(at, "Error (")); at += strcspn(at, "\n"))
		if (!memmem(at, strcspn(at, "\n"), "FAILED", 6))
			last = at;
	return last;
}

static void find_reason(struct kho_criu *criu, char *ret, size_t size)
{
	_cleanup_free_ char *text = NULL;
	char path[128];
	const char *error;
	size_t length, i;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", criu->images_fd, criu->log);
	snprintf(ret, size, "see its log");
	if (kho_file_read(path, LOG_MAX, &text, &length, NULL) < 0)
		return;
	/* names of abstract sockets are in it as they are */
	for (i = 0; i < length; i++)
		text[i] = text[i] ?: '@';
	error = find_error(text);
	if (error)
		snprintf(ret, size, "%.*s", (int)strcspn(error, "\n"), error);
}

static void fail_done(struct kho_criu *criu, const CriuResp *resp, struct kho_err *err)
{
	static const char *const what[] = {
		[KHO_CRIU_PRE_DUMP] = "pre-dump", [KHO_CRIU_DUMP] = "dump",
		[KHO_CRIU_RESTORE] = "restore",
	};
	char reason[320];

	find_reason(criu, reason, sizeof(reason));
	kho_fail(err, resp->has_cr_errno && resp->cr_errno > 0 ? -resp->cr_errno : -EIO,
		 "CRIU's %s failed: %s%s%s", what[criu->kind], resp->cr_errmsg ?: "",
		 resp->cr_errmsg ? ": " : "", reason);
	err->msg[strcspn(err->msg, "\n")] = '\0';
}

static void died(struct kho_criu *criu, struct kho_criu_event *ret)
{
	char reason[320] = "it isn't installed, or was killed";
	int status = 0;

	if (criu->pid > 0 && waitpid(criu->pid, &status, 0) == criu->pid)
		criu->pid = 0;
	if (criu->images_fd >= 0)
		find_reason(criu, reason, sizeof(reason));
	ret->kind = KHO_CRIU_DIED;
	kho_fail(&ret->err, -ECHILD, "CRIU ended with status 0x%x: %s", status, reason);
}

static void decode(struct kho_criu *criu, const CriuResp *resp, struct kho_criu_event *ret)
{
	if (resp->type == CRIU_REQ_TYPE__NOTIFY && resp->notify) {
		ret->kind = KHO_CRIU_NOTIFY;
		snprintf(ret->script, sizeof(ret->script), "%s", resp->notify->script ?: "");
		ret->pid = resp->notify->has_pid ? resp->notify->pid : 0;
		return;
	}
	ret->kind = KHO_CRIU_DONE;
	criu->done = true;
	if (criu->guard >= 0)
		kho_criu_guard_disarm(criu->guard);
	ret->pid = resp->restore ? resp->restore->pid : 0;
	if (!resp->success)
		fail_done(criu, resp, &ret->err);
}

void kho_criu_process(struct kho_criu *criu, struct kho_criu_event *ret)
{
	uint8_t bytes[MESSAGE_MAX];
	CriuResp *resp;
	ssize_t n = recv(criu->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	*ret = (struct kho_criu_event){};
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		if (!criu->done)
			died(criu, ret);
		return;
	}
	resp = criu_resp__unpack(NULL, n, bytes);
	if (!resp) {
		ret->kind = KHO_CRIU_DONE;
		kho_fail(&ret->err, -EBADMSG, "CRIU's answer can't be read; is it 4.2 or later?");
		return;
	}
	decode(criu, resp, ret);
	criu_resp__free_unpacked(resp, NULL);
}
