/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A real agent, in a process of its own, on a module that isn't there: what it shows is a first
 * kernel to which nothing has happened. It has /run, /var/lib and /etc/kho-agent to itself, in a mount
 * namespace that the test and its children share.
 */
#ifndef TESTS_AGENT_PROCESS_H
#define TESTS_AGENT_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

struct agent_process {
	pid_t pid;
	int pidfd;
	int notify;			/* what it tells systemd comes here */
};

/* Once a program, before its tests: the namespaces. Ends the program if that can't be. */
void agent_process_isolate(void);

/* Starts one, and waits until it's ready; @watchdog_sec 0: it has none to tell. */
void agent_process_start(struct agent_process *agent, unsigned int watchdog_sec);

/* SIGTERM; the exit status has to be 0. */
void agent_process_stop(struct agent_process *agent);

/* Waits until it has told systemd this, among what else it tells. */
void agent_process_wait_told(const struct agent_process *agent, const char *line);

/* Lets so many ms pass in which it may do what it wants, but not end; what it tells is read. */
void agent_process_let(const struct agent_process *agent, int ms);

/* A line of /proc/PID/status: its first number. */
uint64_t agent_process_status(const struct agent_process *agent, const char *name);

unsigned int agent_process_fds(const struct agent_process *agent);

/* A connection to its API. */
int agent_process_connect(void);

#endif
