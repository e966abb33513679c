/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Children with a deadline.
 *
 * kho_proc_run() starts a program, waits for it at most so long, and keeps at
 * most so much of what it prints. It's for small helpers whose answer we need
 * before we go on (modprobe, systemctl). The child gets a process group of its
 * own, /dev/null as its input, no descriptor but its three, no blocked signals
 * and a small fixed environment unless told otherwise; when time is up the whole
 * group is killed.
 *
 * kho_proc_call() runs one of our own functions in a forked child. Some writes to
 * sysfs block in the kernel for as long as they please (offlining memory retries
 * until a fatal signal arrives); only a process of its own can be given up on.
 *
 * Nothing here uses SIGCHLD; children are waited for by pidfd. A caller that has
 * set SIGCHLD to SIG_IGN gets -ECHILD.
 */
#ifndef KHO_SYSTEM_PROC_H
#define KHO_SYSTEM_PROC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define KHO_PROC_OUTPUT_MAX	(1024u * 1024)	/* the most that max_output may be */
#define KHO_PROC_OUTPUT_DEFAULT	(64u * 1024)

struct kho_proc_spec {
	const char *const *argv;	/* ends with NULL; [0] is sought in our PATH */
	const char *const *envp;	/* NULL: PATH of the system and LANG=C.UTF-8 */
	unsigned int timeout_ms;	/* more than 0 */
	size_t max_output;		/* bytes kept a stream; 0: the default */
};

struct kho_proc_result {
	int exit_code;			/* 0 to 255; -1: ended by a signal */
	int signal;			/* which, or 0 */
	bool truncated;			/* it printed more than was kept */
	char *out;			/* standard output, NUL-terminated, owned */
	size_t out_size;		/* without the terminator */
	char *err;			/* standard error, likewise */
	size_t err_size;
};

/*
 * 0 if the program ran to its end, however it ended. *@ret is then the caller's,
 * to be freed by kho_proc_result_done().
 *   -EINVAL     no argv, no timeout, or max_output is too large
 *   -ENOENT     no such program (-EACCES: it can't be executed)
 *   -ETIMEDOUT  it was killed because time was up
 */
int kho_proc_run(const struct kho_proc_spec *spec, struct kho_proc_result *ret,
		 struct kho_err *err);

/*
 * As kho_proc_run(), for when only success counts and nobody reads the output:
 * -EIO, with the last line that the program printed, if it didn't exit with 0.
 */
int kho_proc_check(const struct kho_proc_spec *spec, struct kho_err *err);

void kho_proc_result_done(struct kho_proc_result *result);

/*
 * Runs @fn(@arg) in a child and returns what it returned (0 or a negative errno).
 * @fn may only do what is safe after fork(); what it changes in memory is lost.
 *   -ETIMEDOUT  time was up; the child was killed
 *   -EINTR      it died by a signal that wasn't ours
 */
int kho_proc_call(int (*fn)(void *arg), void *arg, unsigned int timeout_ms);

#endif
