/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The cgroup (v2) of a workload: who's in it, standing still, the end.
 *
 * @path is its folder under /sys/fs/cgroup. All return 0 or a negative errno; those
 * of reading and writing the cgroup's files, and
 *   -ETIMEDOUT  it's not so within the time that was given
 */
#ifndef KHO_MIGRATE_CGROUP_H
#define KHO_MIGRATE_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define KHO_CGROUP_ROOT	"/sys/fs/cgroup"

/*
 * The folder of the cgroup that a process is in, @pid 0: the caller. -EOPNOTSUPP: it's in none of
 * version 2; -ENAMETOOLONG.
 */
int kho_cgroup_of(pid_t pid, char *ret, size_t size, struct kho_err *err);

/* Begins to freeze, or thaws; frozen is when kho_cgroup_wait() says so. */
int kho_cgroup_freeze(const char *path, bool freeze, struct kho_err *err);

/* Waits until cgroup.events says "@key @value", as in "frozen 1" and "populated 0". */
int kho_cgroup_wait(const char *path, const char *key, int value, unsigned int timeout_ms,
		    struct kho_err *err);

/* SIGKILL to all in it, at once. */
int kho_cgroup_kill(const char *path, struct kho_err *err);

struct kho_pids {
	pid_t *pids;			/* owned */
	size_t nr;
};

/* The processes in it and below it. */
int kho_cgroup_pids(const char *path, struct kho_pids *ret, struct kho_err *err);
void kho_pids_done(struct kho_pids *pids);

/* The one whose parent isn't in it. -ESRCH: none; -EMLINK: more than one. */
int kho_cgroup_root(const char *path, pid_t *ret, struct kho_err *err);

/* Resident bytes of all of them, as /proc says. */
uint64_t kho_cgroup_resident(const char *path);

/*
 * Bytes of memory that go with them: anonymous and shared, without files' pages. What's
 * shared counts once, if the cgroup is accounted for; else as often as it's mapped.
 */
uint64_t kho_cgroup_memory(const char *path);

/* Of the text of memory.stat. False: it isn't one. */
bool kho_cgroup_memory_parse(const char *stat, uint64_t *ret);

#endif
