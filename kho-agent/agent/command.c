// SPDX-License-Identifier: GPL-2.0-only
/* Commands; command.h has the contract. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/command.h"

#define MAX_WORDS	64

struct kho_command {
	kho_command_fn fn;
	void *ctx;
	pid_t pid;
	bool group;			/* pid is that of a process group, too */
	int pidfd;
	int said;			/* pipe: struct kho_err of a function that failed */
	uint32_t timeout_ms;
	sd_event_source *exit, *timer;
	char line[1024];
};

struct kho_command *kho_command_free(struct kho_command *command)
{
	if (!command)
		return NULL;
	sd_event_source_disable_unref(command->exit);
	sd_event_source_disable_unref(command->timer);
	if (command->pid > 0) {
		kill(command->group ? -command->pid : command->pid, SIGKILL);
		waitpid(command->pid, NULL, 0);
	}
	if (command->pidfd >= 0)
		close(command->pidfd);
	if (command->said >= 0)
		close(command->said);
	free(command);
	return NULL;
}

static void take_result(const struct kho_command *command, int status, struct kho_err *err)
{
	if (WIFSIGNALED(status)) {
		kho_fail(err, -EIO, "%.200s was ended by signal %d", command->line,
			 WTERMSIG(status));
		return;
	}
	if (!WEXITSTATUS(status))
		return;
	if (command->said >= 0 && read(command->said, err, sizeof(*err)) == sizeof(*err) &&
	    err->code < 0) {
		err->msg[sizeof(err->msg) - 1] = '\0';
		return;
	}
	kho_fail(err, -EIO, "%.200s ended with status %d", command->line, WEXITSTATUS(status));
}

static int on_exit_of(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct kho_command *command = userdata;
	struct kho_err err = {};
	int status = 0;

	(void)source;
	(void)fd;
	(void)revents;
	waitpid(command->pid, &status, 0);
	command->pid = 0;
	command->exit = sd_event_source_disable_unref(command->exit);
	command->timer = sd_event_source_disable_unref(command->timer);
	take_result(command, status, &err);
	command->fn(command->ctx, &err);
	return 0;
}

static int on_late(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct kho_command *command = userdata;
	struct kho_err err;

	(void)source;
	(void)usec;
	command->exit = sd_event_source_disable_unref(command->exit);
	kho_fail(&err, -ETIMEDOUT, "%.200s did not end within %u ms", command->line,
		 command->timeout_ms);
	command->fn(command->ctx, &err);
	return 0;
}

static void __attribute__((noreturn)) run_child(char *const *argv)
{
	int null = open("/dev/null", O_RDWR);

	dup2(null, 0);
	dup2(null, 1);
	execv(argv[0], argv);
	_exit(127);
}

/* 0 in the child. */
static int make_child(struct kho_command *command, const char *name, struct kho_err *err)
{
	sigset_t none;

	command->pid = fork();
	if (command->pid < 0)
		return kho_fail_errno(err, -errno, "%s", name);
	if (command->pid == 0) {
		/* the agent has some blocked, to read them as events */
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		return 0;
	}
	command->pidfd = pidfd_open(command->pid, 0);
	return command->pidfd < 0 ? kho_fail_errno(err, -errno, "pidfd") : 1;
}

static int start(struct kho_command *command, struct kho_err *err)
{
	char *argv[MAX_WORDS + 1] = {};
	char copy[sizeof(command->line)];
	char *word, *rest;
	int nr = 0, r;

	snprintf(copy, sizeof(copy), "%s", command->line);
	for (word = strtok_r(copy, " \t", &rest); word && nr < MAX_WORDS;
	     word = strtok_r(NULL, " \t", &rest))
		argv[nr++] = word;
	if (!nr || word)
		return kho_fail(err, -EINVAL, "a command of 1 to %d words is needed", MAX_WORDS);
	r = make_child(command, argv[0], err);
	if (r == 0)
		run_child(argv);
	return r;
}

static int watch(sd_event *event, struct kho_command *command, struct kho_err *err)
{
	int r;

	r = sd_event_add_io(event, &command->exit, command->pidfd, EPOLLIN, on_exit_of,
				    command);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &command->timer, CLOCK_MONOTONIC,
					       command->timeout_ms * 1000ULL, 0, on_late, command);
	return r < 0 ? kho_fail_errno(err, r, "event loop") : 0;
}

static struct kho_command *new(const char *line, uint32_t timeout_ms, kho_command_fn fn, void *ctx)
{
	struct kho_command *command = calloc(1, sizeof(*command));

	if (!command)
		return NULL;
	command->fn = fn;
	command->ctx = ctx;
	command->pidfd = command->said = -EBADF;
	command->timeout_ms = timeout_ms;
	snprintf(command->line, sizeof(command->line), "%s", line);
	return command;
}

int kho_command_run(sd_event *event, const char *line, uint32_t timeout_ms, kho_command_fn fn,
		    void *ctx, struct kho_command **ret, struct kho_err *err)
{
	struct kho_command *command = new(line, timeout_ms, fn, ctx);
	int r;

	if (!command)
		return kho_fail(err, -ENOMEM, "no memory for a command");
	r = start(command, err);
	if (r >= 0)
		r = watch(event, command, err);
	if (r < 0)
		kho_command_free(command);
	else
		*ret = command;
	return r < 0 ? r : 0;
}

static void __attribute__((noreturn)) exec_program(const struct kho_command_program *program)
{
	char *const argv[] = { (char *)program->path, (char *)program->argument, NULL };
	const char *const *word;

	setpgid(0, 0);
	for (word = program->environment; word && *word; word++)
		putenv((char *)*word);
	run_child(argv);
}

int kho_command_program(sd_event *event, const struct kho_command_program *program,
			kho_command_fn fn, void *ctx, struct kho_command **ret, struct kho_err *err)
{
	struct kho_command *command = new(program->path, program->timeout_ms, fn, ctx);
	int r;

	if (!command)
		return kho_fail(err, -ENOMEM, "no memory for a command");
	r = make_child(command, program->path, err);
	if (r == 0)
		exec_program(program);
	if (r > 0) {
		/* whichever of us comes first */
		setpgid(command->pid, command->pid);
		command->group = true;
		r = watch(event, command, err);
	}
	if (r < 0)
		kho_command_free(command);
	else
		*ret = command;
	return r < 0 ? r : 0;
}

static void __attribute__((noreturn)) call_in_child(const struct kho_command_work *work, int said,
						    pid_t parent)
{
	struct kho_err err = {};
	int r;

	/* the next agent may do the opposite */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	r = work->call(work->arg, &err);
	/* shorter than PIPE_BUF: whole or not at all */
	if (r < 0 && err.code < 0 && write(said, &err, sizeof(err)) != sizeof(err))
		_exit(1);
	_exit(r < 0);
}

int kho_command_call(sd_event *event, const struct kho_command_work *work, kho_command_fn fn,
		     void *ctx, struct kho_command **ret, struct kho_err *err)
{
	struct kho_command *command = new(work->name, work->timeout_ms, fn, ctx);
	pid_t self = getpid();
	int r, said[2];

	if (!command)
		return kho_fail(err, -ENOMEM, "no memory for a command");
	if (pipe2(said, O_CLOEXEC | O_NONBLOCK) < 0) {
		r = kho_fail_errno(err, -errno, "%s: pipe", work->name);
		kho_command_free(command);
		return r;
	}
	command->said = said[0];
	r = make_child(command, work->name, err);
	if (r == 0)
		call_in_child(work, said[1], self);
	close(said[1]);
	if (r >= 0)
		r = watch(event, command, err);
	if (r < 0)
		kho_command_free(command);
	else
		*ret = command;
	return r < 0 ? r : 0;
}
