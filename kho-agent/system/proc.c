// SPDX-License-Identifier: GPL-2.0-only
/*
 * Children with a deadline; proc.h has the contract.
 *
 * One poll() watches the two pipes and the pidfd. The pidfd decides: a grandchild
 * that keeps a pipe open doesn't make us wait for it; what the child itself wrote
 * before it exited is in the pipe by then and is drained without blocking.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/now.h"
#include "system/proc.h"

/* How long a killed child may take to go: it can be deep in the kernel. */
#define KILL_GRACE_MS	2000

static const char *const default_env[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"LANG=C.UTF-8",
	NULL,
};

/* One output of the child, and what we keep of it. */
struct stream {
	int fd;			/* our end of the pipe; -EBADF at its end */
	char *data;
	size_t size;
	size_t limit;
	bool truncated;
};

struct child {
	pid_t pid;
	int pidfd;
	struct stream out;
	struct stream err;
};

/* Milliseconds until @deadline, for poll(). */
static int time_left(uint64_t deadline)
{
	uint64_t now = kho_now_ms(CLOCK_MONOTONIC);

	if (now >= deadline)
		return 0;
	return deadline - now > INT32_MAX ? INT32_MAX : (int)(deadline - now);
}

/* ---- collecting output ---- */

static int stream_init(struct stream *stream, size_t limit)
{
	stream->data = malloc(limit + 1);
	if (!stream->data)
		return -ENOMEM;
	stream->data[0] = '\0';
	stream->limit = limit;
	return 0;
}

static void stream_close(struct stream *stream)
{
	kho_cleanup_close(&stream->fd);
	stream->fd = -EBADF;
}

static void stream_keep(struct stream *stream, const char *data, size_t size)
{
	size_t room = stream->limit - stream->size;

	if (size > room) {
		stream->truncated = true;
		size = room;
	}
	memcpy(stream->data + stream->size, data, size);
	stream->size += size;
	stream->data[stream->size] = '\0';
}

/*
 * Takes what is there. It reads at most a pipe's worth a call, so that a child
 * that prints for ever can't keep us from looking at the deadline.
 */
static void stream_drain(struct stream *stream)
{
	char chunk[4096];
	unsigned int i;
	ssize_t n;

	for (i = 0; i < 32 && stream->fd >= 0; i++) {
		n = read(stream->fd, chunk, sizeof(chunk));
		if (n > 0)
			stream_keep(stream, chunk, (size_t)n);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			stream_close(stream);
		else if (errno == EAGAIN)
			return;
	}
}

static void child_done(struct child *child)
{
	stream_close(&child->out);
	stream_close(&child->err);
	free(child->out.data);
	free(child->err.data);
	kho_cleanup_close(&child->pidfd);
}

/* ---- starting ---- */

static int make_pipe(struct stream *stream, int *ret_write_end)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	stream->fd = fds[0];
	*ret_write_end = fds[1];
	/* Our end only: the child must not see EAGAIN when it prints. */
	return fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int fill_actions(posix_spawn_file_actions_t *actions, int out, int err)
{
	int r;

	r = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, out, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, err, STDERR_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
	return -r;
}

/* No blocked and no ignored signals, and a group that can be killed whole. */
static int fill_attr(posix_spawnattr_t *attr)
{
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	r = posix_spawnattr_setsigmask(attr, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attr, &all);
	if (r == 0)
		r = posix_spawnattr_setpgroup(attr, 0);
	if (r == 0)
		r = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK |
					     POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	return -r;
}

static int spawn_with(struct child *child, const struct kho_proc_spec *spec,
		      posix_spawn_file_actions_t *actions, int out, int err)
{
	const char *const *envp = spec->envp ? spec->envp : default_env;
	posix_spawnattr_t attr;
	int r;

	r = -posix_spawnattr_init(&attr);
	if (r < 0)
		return r;
	r = fill_attr(&attr);
	if (r == 0)
		r = fill_actions(actions, out, err);
	if (r == 0)
		/* The casts only add what exec's old prototype lacks: nobody writes there. */
		r = -posix_spawnp(&child->pid, spec->argv[0], actions, &attr,
				  (char *const *)(uintptr_t)spec->argv,
				  (char *const *)(uintptr_t)envp);
	posix_spawnattr_destroy(&attr);
	return r;
}

static int child_spawn(struct child *child, const struct kho_proc_spec *spec)
{
	_cleanup_close_ int out = -EBADF, err = -EBADF;
	posix_spawn_file_actions_t actions;
	int r;

	r = make_pipe(&child->out, &out);
	if (r == 0)
		r = make_pipe(&child->err, &err);
	if (r == 0)
		r = -posix_spawn_file_actions_init(&actions);
	if (r < 0)
		return r;
	r = spawn_with(child, spec, &actions, out, err);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

/* ---- waiting ---- */

static int poll_fds(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	int r = poll(fds, count, timeout_ms);

	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	return r;
}

/* 0 when the child has ended, -ETIMEDOUT. The output is taken meanwhile. */
static int child_wait(struct child *child, uint64_t deadline)
{
	int left, r;

	for (;;) {
		struct pollfd fds[] = {
			{ .fd = child->pidfd, .events = POLLIN },
			{ .fd = child->out.fd, .events = POLLIN },
			{ .fd = child->err.fd, .events = POLLIN },
		};

		left = time_left(deadline);
		r = poll_fds(fds, 3, left);
		if (r < 0)
			return r;
		stream_drain(&child->out);
		stream_drain(&child->err);
		if (fds[0].revents)
			return 0;
		if (left == 0)
			return -ETIMEDOUT;
	}
}

static int pidfd_wait(int pidfd, uint64_t deadline)
{
	struct pollfd fd = { .fd = pidfd, .events = POLLIN };
	int left, r;

	do {
		left = time_left(deadline);
		r = poll_fds(&fd, 1, left);
		if (r < 0)
			return r;
		if (fd.revents)
			return 0;
	} while (left > 0);
	return -ETIMEDOUT;
}

/* Without a pidfd there's no deadline; the child isn't left to run without one. */
static int open_pidfd(pid_t pid)
{
	int fd = pidfd_open(pid, 0);
	int r = -errno;

	if (fd >= 0)
		return fd;
	kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	return r;
}

/*
 * Kills the child, and its group if it leads one, and reaps it if it goes in
 * time. One that doesn't, since the kernel won't let it, stays a zombie later on.
 */
static void kill_child(pid_t pid, int pidfd, bool group)
{
	siginfo_t info;

	kill(group ? -pid : pid, SIGKILL);
	if (pidfd_wait(pidfd, kho_now_ms(CLOCK_MONOTONIC) + KILL_GRACE_MS) == 0)
		(void)waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED);
}

static int reap(int pidfd, siginfo_t *ret)
{
	*ret = (siginfo_t) { 0 };
	while (waitid(P_PIDFD, (id_t)pidfd, ret, WEXITED) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static int child_finish(struct child *child, uint64_t deadline, siginfo_t *ret_info)
{
	int r;

	child->pidfd = open_pidfd(child->pid);
	if (child->pidfd < 0)
		return child->pidfd;
	r = child_wait(child, deadline);
	if (r < 0) {
		kill_child(child->pid, child->pidfd, true);
		return r;
	}
	return reap(child->pidfd, ret_info);
}

/* ---- the calls ---- */

static int check_spec(const struct kho_proc_spec *spec, struct kho_err *err)
{
	if (!spec->argv || !spec->argv[0] || !spec->argv[0][0])
		return kho_fail(err, -EINVAL, "no program to run; name one in argv");
	if (!spec->timeout_ms)
		return kho_fail(err, -EINVAL, "%s: no time to run; give a timeout of at least 1 ms",
				spec->argv[0]);
	if (spec->max_output > KHO_PROC_OUTPUT_MAX)
		return kho_fail(err, -EINVAL, "%s: keeping %zu bytes of output is too much; "
				"ask for at most %u", spec->argv[0], spec->max_output,
				KHO_PROC_OUTPUT_MAX);
	return 0;
}

static int fail_spawn(const struct kho_proc_spec *spec, int code, struct kho_err *err)
{
	if (code == -ENOENT)
		return kho_fail(err, code, "%s: no such program; install the package that has it",
				spec->argv[0]);
	return kho_fail_errno(err, code, "%s: can't be started", spec->argv[0]);
}

static int fail_wait(const struct kho_proc_spec *spec, int code, struct kho_err *err)
{
	if (code == -ETIMEDOUT)
		return kho_fail(err, code, "%s: didn't end within %u ms and was killed; see why "
				"it hangs, or give it more time", spec->argv[0], spec->timeout_ms);
	return kho_fail_errno(err, code, "%s: can't be waited for", spec->argv[0]);
}

static void give_result(struct child *child, const siginfo_t *info, struct kho_proc_result *ret)
{
	bool exited = info->si_code == CLD_EXITED;

	*ret = (struct kho_proc_result) {
		.exit_code = exited ? info->si_status : -1,
		.signal = exited ? 0 : info->si_status,
		.truncated = child->out.truncated || child->err.truncated,
		.out_size = child->out.size,
		.err_size = child->err.size,
		.out = TAKE_PTR(child->out.data),
		.err = TAKE_PTR(child->err.data),
	};
}

int kho_proc_run(const struct kho_proc_spec *spec, struct kho_proc_result *ret,
		 struct kho_err *err)
{
	_cleanup_(child_done) struct child child = {
		.pidfd = -EBADF, .out.fd = -EBADF, .err.fd = -EBADF,
	};
	size_t limit = spec->max_output ? spec->max_output : KHO_PROC_OUTPUT_DEFAULT;
	uint64_t deadline = kho_now_ms(CLOCK_MONOTONIC) + spec->timeout_ms;
	siginfo_t info;
	int r;

	r = check_spec(spec, err);
	if (r < 0)
		return r;
	if (stream_init(&child.out, limit) < 0 || stream_init(&child.err, limit) < 0)
		return kho_fail(err, -ENOMEM, "%s: no memory for its output; free some",
				spec->argv[0]);
	r = child_spawn(&child, spec);
	if (r < 0)
		return fail_spawn(spec, r, err);
	r = child_finish(&child, deadline, &info);
	if (r < 0)
		return fail_wait(spec, r, err);
	give_result(&child, &info, ret);
	return 0;
}

void kho_proc_result_done(struct kho_proc_result *result)
{
	free(result->out);
	free(result->err);
	*result = (struct kho_proc_result) { 0 };
}

/* The last line with anything on it; cuts @text behind it. */
static const char *last_line(char *text)
{
	size_t size = strlen(text);
	const char *newline;

	while (size && strchr(" \t\r\n", text[size - 1]))
		size--;
	text[size] = '\0';
	newline = strrchr(text, '\n');
	return newline ? newline + 1 : text;
}

int kho_proc_check(const struct kho_proc_spec *spec, struct kho_err *err)
{
	_cleanup_(kho_proc_result_done) struct kho_proc_result result = { 0 };
	const char *said;
	int r;

	r = kho_proc_run(spec, &result, err);
	if (r < 0)
		return r;
	if (result.exit_code == 0)
		return 0;
	said = last_line(result.err);
	if (!*said)
		said = last_line(result.out);
	if (!*said)
		said = "it said nothing; run it by hand";
	if (result.signal)
		return kho_fail(err, -EIO, "%s: ended by signal %d: %s", spec->argv[0],
				result.signal, said);
	return kho_fail(err, -EIO, "%s: failed with exit code %d: %s", spec->argv[0],
			result.exit_code, said);
}

static int call_result(const siginfo_t *info)
{
	if (info->si_code != CLD_EXITED)
		return -EINTR;
	return -info->si_status;
}

__attribute__((noreturn)) static void call_in_child(int (*fn)(void *arg), void *arg, pid_t parent)
{
	int r;

	/* Nobody would undo what a child does after its parent has died. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(ECHILD);
	r = fn(arg);
	_exit(r >= 0 ? 0 : (r > -256 ? -r : EIO));
}

int kho_proc_call(int (*fn)(void *arg), void *arg, unsigned int timeout_ms)
{
	uint64_t deadline = kho_now_ms(CLOCK_MONOTONIC) + timeout_ms;
	_cleanup_close_ int pidfd = -EBADF;
	pid_t parent = getpid(), pid;
	siginfo_t info;
	int r;

	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		call_in_child(fn, arg, parent);
	pidfd = open_pidfd(pid);
	if (pidfd < 0)
		return pidfd;
	r = pidfd_wait(pidfd, deadline);
	if (r < 0) {
		kill_child(pid, pidfd, false);
		return r;
	}
	r = reap(pidfd, &info);
	return r < 0 ? r : call_result(&info);
}
