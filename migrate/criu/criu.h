/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Drives CRIU: a child `criu swrk` that takes requests over a socket.
 *
 * Theory of operation
 *
 *	start() ---> request() ---> process() ... NOTIFY ---> answer()
 *	                               |  ^                      |
 *	                               |  +----------------------+
 *	                               +---> DONE or DIED ---> free()
 *
 * One child for one request, started ahead of time: starting and probing the kernel
 * takes longer than many a dump. It runs in the namespaces of a task of the workload
 * (all but user, PID and IPC), so that the sandbox that systemd made for a service
 * (PrivateTmp=, ProtectHostname= and the like) is nothing to dump: CRIU sees those
 * mounts as its own. An IPC namespace of its own is dumped with all that's in it: so
 * System V shared memory moves if the unit says PrivateIPC=yes.
 *
 * Hooks. With notify set CRIU asks before it goes on ("post-dump", "pre-resume", ...):
 * each is an event of process(), and CRIU waits until it's answered, for as long as
 * that takes. An answer of "no" makes it undo what it did and fail:
 *   post-dump   all is dumped, tasks are stopped, sockets in repair mode. yes: the
 *               tasks are killed, silently for their peers; no: they run on in place
 *   pre-resume  all is restored and nothing has run. no: the restored tasks are killed
 *
 * Freezing. The caller freezes the workload's cgroup before and gives it as
 * freeze_cgroup. CRIU stops the tasks by ptrace, then thaws the cgroup, because its
 * code runs in the tasks; when it lets go of live tasks it freezes it again: so after
 * a dump that failed or was told "no" the caller thaws. In post-dump the caller may
 * freeze the cgroup as well.
 *
 * A child that dies releases the tasks with sockets in repair mode, which no program
 * expects. One with a guard (guard.h) that dies by a signal after it was asked for a dump has
 * its cgroup frozen by then: kho_criu_clear_repair() (repair.h), thaw. That holds for one
 * that kho_criu_free() kills, or to which the request couldn't be sent, too.
 */
#ifndef KHO_MIGRATE_CRIU_H
#define KHO_MIGRATE_CRIU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define KHO_CRIU_PROGRAM	"/usr/sbin/criu"
#define KHO_CRIU_EXTERNALS	16
#define KHO_CRIU_KEY		48
#define KHO_CRIU_SCRIPT		32

enum kho_criu_kind {
	KHO_CRIU_PRE_DUMP = 1,
	KHO_CRIU_DUMP,
	KHO_CRIU_RESTORE,
};

/*
 * Something of a task's that isn't dumped: a stream to the journal, or /dev/null as it
 * was before the task's sandbox was made (systemd opens it).
 */
struct kho_criu_external {
	char dump[KHO_CRIU_KEY];	/* for the dump: "unix[12345]", "file[18:5]" */
	char key[KHO_CRIU_KEY];		/* for the restore: "socket:[12345]", "file[18:5]" */
};

/* A descriptor that a restored task gets instead of something external. */
struct kho_criu_inherit {
	char key[KHO_CRIU_KEY];
	int fd;				/* stays the caller's */
};

struct kho_criu_request {
	enum kho_criu_kind kind;
	pid_t pid;			/* root of the tree; dumps only */
	int images_fd;			/* folder; stays the caller's */
	const char *parent;		/* images of the round before, relative; NULL: none */
	const char *log;		/* file in the folder */
	const char *freeze_cgroup;	/* path; NULL: none */
	int page_fd;			/* socket to a page server, or -1 */
	bool leave_running;		/* dump: what isn't undone isn't killed, either */
	bool skip_in_flight;		/* dump: connections that nobody has accepted don't count */
	bool lazy_pages;		/* restore: serve memory later, by a socket in the folder */
	struct kho_criu_external external[KHO_CRIU_EXTERNALS];	/* to leave out */
	size_t nr_external;
	struct kho_criu_inherit inherit[KHO_CRIU_EXTERNALS];
	size_t nr_inherit;
};

struct kho_criu;

enum kho_criu_event_kind {
	KHO_CRIU_NOTHING = 0,
	KHO_CRIU_NOTIFY,
	KHO_CRIU_DONE,
	KHO_CRIU_DIED,
};

struct kho_criu_event {
	enum kho_criu_event_kind kind;
	char script[KHO_CRIU_SCRIPT];	/* NOTIFY */
	pid_t pid;			/* root task; NOTIFY and DONE of a restore */
	struct kho_err err;		/* DONE: code 0: well; DIED */
};

/*
 * Starts the child. @ns_pid: whose namespaces it runs in, 0: ours. @keep_fd: the
 * descriptor that the request to come names (page_fd, inherit), which the child has to
 * inherit by that number; -1: none.
 */
int kho_criu_start(pid_t ns_pid, int keep_fd, struct kho_criu **ret, struct kho_err *err);

/* Has it guarded from its request for a dump on; before the request, and once. See guard.h. */
int kho_criu_guard(struct kho_criu *criu, const char *cgroup, struct kho_err *err);

/* -EOPNOTSUPP: the task has a namespace that can't be moved. */
int kho_criu_check_namespaces(pid_t pid, struct kho_err *err);

/* Kills the child if it lives. Takes NULL; returns NULL. */
struct kho_criu *kho_criu_free(struct kho_criu *criu);

/*
 * As above, but it's let undo what it has begun, as it does when its caller is gone: at
 * most @timeout_ms, then it's killed. Blocks.
 */
struct kho_criu *kho_criu_leave(struct kho_criu *criu, int timeout_ms);

/* Readable when there's an event. */
int kho_criu_fd(const struct kho_criu *criu);
pid_t kho_criu_pid(const struct kho_criu *criu);

int kho_criu_request(struct kho_criu *criu, const struct kho_criu_request *request,
		     struct kho_err *err);

/* The next event; NOTHING: none now. Never blocks. */
void kho_criu_process(struct kho_criu *criu, struct kho_criu_event *ret);

int kho_criu_answer(struct kho_criu *criu, bool go_on, struct kho_err *err);

/*
 * What's external of @pid, added to *@nr that are there; nothing of one that has ended.
 * -E2BIG: more than KHO_CRIU_EXTERNALS; -EOPNOTSUPP: a file from outside of its sandbox
 * that can't be replaced; the message says which.
 */
int kho_criu_find_externals(pid_t pid, struct kho_criu_external ret[KHO_CRIU_EXTERNALS],
			    size_t *nr, struct kho_err *err);

#endif
