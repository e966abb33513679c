/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Watches over a CRIU that dumps: its death releases nothing.
 *
 * Theory of operation
 *
 * CRIU's code runs in the tasks that it dumps, so their cgroup can't be frozen meanwhile:
 * what holds them is CRIU's ptrace. One that is killed lets go of them, with TCP sockets in
 * repair mode: a program that reads from such a socket gets EPERM, and closes it, and its
 * peer is never told. To freeze the cgroup when the death is seen is too late by a little,
 * and that little was enough for a client to wait for ever.
 *
 * So a process of its own traces CRIU, for its exit alone (PTRACE_O_TRACEEXIT). A CRIU that
 * dies by a signal, SIGKILL too, stops at the beginning of its exit, while it still holds
 * its tasks; the guard freezes the cgroup, and only then lets it die:
 *
 *	start() ---> arm() ---> CRIU exits ---> by itself, or after disarm(): it has put all back
 *	                             |
 *	                             +--------> by a signal: frozen, then it's gone
 *
 * The guard is forked by the one who started CRIU and outlives it: so it holds the tasks
 * even if both are killed. It's nobody's child, and ends with CRIU, or when its caller
 * closes the socket (or ends) without having armed it.
 *
 * Whoever has armed it mends sockets (repair.h) and thaws, as after any dump that died.
 */
#ifndef KHO_MIGRATE_GUARD_H
#define KHO_MIGRATE_GUARD_H

#include <sys/types.h>

#include "base/err.h"

/*
 * Forks one for the child @criu of the caller, and the folder of its tasks' cgroup. Returns a
 * socket that is the caller's, or a negative errno. The caller must have one thread.
 */
int kho_criu_guard_start(pid_t criu, const char *cgroup, struct kho_err *err);

/*
 * From now on. 0, or a negative errno of ptrace: -ESRCH: there's no such process any more,
 * -EPERM: somebody else traces it; -ETIMEDOUT.
 */
int kho_criu_guard_arm(int guard, struct kho_err *err);

/*
 * CRIU has answered, so it holds no task any more: it may be killed. Otherwise that would freeze
 * tasks which nobody thaws. A guard that isn't armed ends.
 */
void kho_criu_guard_disarm(int guard);

#endif
