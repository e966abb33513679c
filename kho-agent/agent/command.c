// SPDX-License-Identifier: GPL-2.0-only
/* Commands; command.h has the contract. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/command.h"

#define MAX_WORDS	64

struct kho_command {
	kho_command_fn fn;
	void *ctx;
	pid_t pid;
	int pidfd;
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
		kill(command->pid, SIGKILL);
		waitpid(command->pid, NULL, 0);
	}
	if (command->pidfd >= 0)
		close(command->pidfd);
	free(command);
	return NULL;
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
	if (WIFSIGNALED(status))
		kho_fail(&err, -EIO, "%.200s was ended by signal %d", command->line,
			 WTERMSIG(status));
	else if (WEXITSTATUS(status))
		kho_fail(&err, -EIO, "%.200s ended with status %d", command->line,
			 WEXITSTATUS(status));
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

static int start(struct kho_command *command, struct kho_err *err)
{
	char *argv[MAX_WORDS + 1] = {};
	char copy[sizeof(command->line)];
	char *word, *rest;
	int nr = 0, null;

	snprintf(copy, sizeof(copy), "%s", command->line);
	for (word = strtok_r(copy, " \t", &rest); word && nr < MAX_WORDS;
	     word = strtok_r(NULL, " \t", &rest))
		argv[nr++] = word;
	if (!nr || word)
		return kho_fail(err, -EINVAL, "a command of 1 to %d words is needed", MAX_WORDS);
	command->pid = fork();
	if (command->pid < 0)
		return kho_fail_errno(err, -errno, "%s", argv[0]);
	if (command->pid == 0) {
		null = open("/dev/null", O_RDWR);
		dup2(null, 0);
		dup2(null, 1);
		execv(argv[0], argv);
		_exit(127);
	}
	command->pidfd = pidfd_open(command->pid, 0);
	return command->pidfd < 0 ? kho_fail_errno(err, -errno, "pidfd") : 0;
}

int kho_command_run(sd_event *event, const char *line, uint32_t timeout_ms, kho_command_fn fn,
		    void *ctx, struct kho_command **ret, struct kho_err *err)
{
	struct kho_command *command = calloc(1, sizeof(*command));
	int r;

	if (!command)
		return kho_fail(err, -ENOMEM, "no memory for a command");
	command->fn = fn;
	command->ctx = ctx;
	command->pidfd = -EBADF;
	command->timeout_ms = timeout_ms;
	snprintf(command->line, sizeof(command->line), "%s", line);
	r = start(command, err);
	if (r >= 0)
		r = sd_event_add_io(event, &command->exit, command->pidfd, EPOLLIN, on_exit_of,
				    command);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &command->timer, CLOCK_MONOTONIC,
					       timeout_ms * 1000ULL, 0, on_late, command);
	if (r < 0) {
		kho_command_free(command);
		return r;
	}
	*ret = command;
	return 0;
}
