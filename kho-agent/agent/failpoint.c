// SPDX-License-Identifier: GPL-2.0-only
/* Failpoints of a test build; failpoint.h has the idea. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/failpoint.h"
#include "agent/session.h"
#include "base/cleanup.h"
#include "base/file.h"

#ifdef KHO_FAILPOINTS

#define FAILPOINTS	KHO_RUN_DIR "/failpoints"
#define ANY_MACHINE	KHO_RUN_DIR "/any-machine"
#define LIST_MAX	65536
#define HANG_MODULE	"/usr/lib/kho-lab/%s/lab_hang.ko"	/* %s: the release */

struct action {
	const char *name;
	int (*fn)(struct kho_agent *agent, uint64_t number);
};

/* ---- actions ---- */

static pid_t self;

static int kill_self(struct kho_agent *agent, uint64_t number)
{
	(void)agent;
	(void)number;
	return kill(self, SIGKILL);
}

static void kill_program(const char *program)
{
	glob_t found = {};
	char target[256];
	ssize_t n;

	glob("/proc/[0-9]*/exe", GLOB_NOSORT, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		n = readlink(found.gl_pathv[i], target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		if (strcmp(target, program) == 0)
			kill((pid_t)strtol(found.gl_pathv[i] + strlen("/proc/"), NULL, 10),
			     SIGKILL);
	}
	globfree(&found);
}

static int end_criu(struct kho_agent *agent, uint64_t number)
{
	(void)agent;
	(void)number;
	kill_program("/usr/sbin/criu");
	return 0;
}

/* By another process: what the agent may do nobody else may. */
static int kill_criu(struct kho_agent *agent, uint64_t number)
{
	pid_t pid = fork();

	if (pid == 0) {
		end_criu(agent, number);
		_exit(0);
	}
	return pid < 0 || waitpid(pid, NULL, 0) != pid ? -errno : 0;
}

static int kill_restore(struct kho_agent *agent, uint64_t number)
{
	(void)agent;
	(void)number;
	kill_program("/usr/libexec/kho-agent/kho-restore");
	return 0;
}

static int kill_redis(struct kho_agent *agent, uint64_t number)
{
	(void)agent;
	(void)number;
	/* which redis-server is a link to */
	kill_program("/usr/bin/redis-check-rdb");
	return 0;
}

static int fail(struct kho_agent *agent, uint64_t number)
{
	(void)agent;
	(void)number;
	return -EIO;
}

static int be_late(struct kho_agent *agent, uint64_t number)
{
	(void)agent;
	(void)number;
	return KHO_FAIL_LATE;
}

static int panic(struct kho_agent *agent, uint64_t number)
{
	(void)agent;
	(void)number;
	return kho_file_write_string("/proc/sysrq-trigger", "c", NULL);
}

static int hang(struct kho_agent *agent, uint64_t number)
{
	struct utsname name;
	char path[256];

	(void)agent;
	(void)number;
	uname(&name);
	snprintf(path, sizeof(path), HANG_MODULE, name.release);
	if (fork() == 0)
		_exit(execl("/usr/sbin/insmod", "insmod", path, NULL) < 0);
	return 0;
}

static int garbage(struct kho_agent *agent, uint64_t number)
{
	bool is_old = agent->session->role->role == KHO_ROLE_OLD;
	uint64_t size;
	char *lane = kho_session_arena(agent->session, is_old ? "control-0" : "control-1", &size);

	(void)number;
	/* its head as well: what's behind it is written anew before it's read */
	if (lane)
		memset(lane, 0xa5, size);
	return 0;
}

static int spoil(struct kho_agent *agent, uint64_t number)
{
	glob_t found = {};

	(void)agent;
	(void)number;
	glob(KHO_RUN_DIR "/move/*/images/core-*.img", 0, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++)
		if (truncate(found.gl_pathv[i], 16) < 0)
			fprintf(stderr, "%s: %s\n", found.gl_pathv[i], strerror(errno));
	globfree(&found);
	return 0;
}

/* CRIU reads it when it starts: one that does before the next step begins. */
static int criu_fault(struct kho_agent *agent, uint64_t number)
{
	char text[16];

	(void)agent;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	return setenv("CRIU_FAULT", text, 1);
}

static const struct action actions[] = {
	{ "kill", kill_self }, { "kill-criu", kill_criu }, { "end-criu", end_criu },
	{ "kill-restore", kill_restore },
	{ "error", fail }, { "late", be_late }, { "panic", panic }, { "hang", hang },
	{ "garbage", garbage }, { "spoil", spoil }, { "criu-fault", criu_fault },
	{ "kill-redis", kill_redis },
};

/* ---- later ---- */

/*
 * Wherever this agent is then, which is what it's for: so by a process of its own, without
 * the agent's files, and that nobody has to wait for.
 */
static int act_later(const struct action *action, uint64_t ms)
{
	const struct timespec rest = {
		.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000,
	};
	pid_t child = fork();

	if (child == 0) {
		if (fork() == 0) {
			close_range(3, ~0u, 0);
			nanosleep(&rest, NULL);
			action->fn(NULL, 0);
		}
		_exit(0);
	}
	return child < 0 || waitpid(child, NULL, 0) != child ? -errno : 0;
}

static int act(struct kho_agent *agent, const struct action *action, uint64_t number,
	       struct kho_err *err)
{
	int r;

	self = getpid();
	kho_agent_progress(agent, "failpoint: %s %llu", action->name, (unsigned long long)number);
	if (number && action->fn != criu_fault)
		r = act_later(action, number);
	else
		r = action->fn(agent, number);
	return r < 0 ? kho_fail(err, r, "failpoint: %s", action->name) : r;
}

/* ---- the list ---- */

static void write_list(const char *text)
{
	const struct kho_file_content content = {
		.data = text, .size = strlen(text), .mode = 0600,
	};

	kho_file_write_atomic(FAILPOINTS, &content, NULL);
}

/* The line's action, if it's for this point. */
static const struct action *match(const char *line, const struct kho_failpoint *point,
				  uint64_t *ret_number)
{
	static const char *const whens[] = {
		[KHO_FAIL_BEFORE] = "before", [KHO_FAIL_AFTER] = "after",
		[KHO_FAIL_ANSWER] = "answer",
	};
	char step[64], when[16], name[32], want[64];
	unsigned long long number = 0;

	if (sscanf(line, "%63s %15s %31s %llu", step, when, name, &number) < 3)
		return NULL;
	snprintf(want, sizeof(want), "%s%s", point->undo ? "undo-" : "",
		 kho_step_info(point->step)->name);
	if (strcmp(step, want) != 0 || strcmp(when, whens[point->when]) != 0)
		return NULL;
	*ret_number = number;
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	return NULL;
}

bool kho_failpoint_any_machine(void)
{
	return access(ANY_MACHINE, F_OK) == 0;
}

int kho_failpoint(struct kho_agent *agent, const struct kho_failpoint *point,
		  struct kho_err *err)
{
	_cleanup_free_ char *text = NULL, *left = NULL;
	const struct action *action = NULL;
	uint64_t number = 0;
	char *line, *rest;

	if (point->when == KHO_FAIL_BEFORE)
		unsetenv("CRIU_FAULT");
	if (kho_file_read(FAILPOINTS, LIST_MAX, &text, NULL, NULL) < 0)
		return 0;
	left = calloc(1, strlen(text) + 2);
	if (!left)
		return 0;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (!action && (action = match(line, point, &number)))
			continue;
		memcpy(left + strlen(left), line, strlen(line));
		left[strlen(left)] = '\n';
	}
	if (!action)
		return 0;
	write_list(left);
	return act(agent, action, number, err);
}

#endif
