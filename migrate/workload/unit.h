/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A workload's unit, as systemd sees it on either side.
 *
 * Old side. When the tasks of a unit vanish, systemd would take that for a failure:
 * start it again, run its stop commands. let_go() tells it not to, by a drop-in that
 * lives in /run, and is undone by hold(). After a move the unit is inactive there.
 *
 * New side. stub() has systemd start the unit with kho-restore as its program: so the
 * cgroup, mount namespace, limits and standard output are made by systemd itself, from
 * the unit's own definition, and the restored tasks have them as its children. When
 * they run, settle() takes the drop-in away: an ordinary unit again, whose main PID is
 * the restored one. drop() ends it instead. Its lines in the journal have the same
 * identifier as before, and its watchdog the same time (watchdog.h).
 *
 * A scope has no definition that it could be started from: kho-restore starts it by
 * systemd-run(1), with the same name and in the same slice, and all else that was set
 * for it is lost. Its output is the journal's, if it was before.
 *
 * All talk to systemd by systemctl(1) and take as long as that takes, some 100 ms, at
 * most the deadline of 30 s each.
 */
#ifndef KHO_MIGRATE_UNIT_H
#define KHO_MIGRATE_UNIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define KHO_UNIT_NAME	256
#define KHO_UNIT_PATH	512

struct kho_unit {
	char active[32];		/* "active", "inactive", "failed", ... */
	pid_t main_pid;			/* 0: none */
	char cgroup[KHO_UNIT_PATH];	/* folder under /sys/fs/cgroup; "": none */
	char pid_file[KHO_UNIT_PATH];	/* "": none */
	uint64_t watchdog_usec;		/* that's in force; 0: none */
};

/* -EINVAL: not the name of a service or scope. */
int kho_unit_check_name(const char *name, struct kho_err *err);

/* Then nothing is known of it where it doesn't run. */
bool kho_unit_is_scope(const char *name);

/* -ENOENT: systemd knows no such unit. */
int kho_unit_show(const char *name, struct kho_unit *ret, struct kho_err *err);

/*
 * @unit is what show() said before. What's taken from the unit is noted in the drop-in:
 * hold() gives it back, also if another agent has let go; if the main process has died since, it
 * starts the unit, unless its Restart= says otherwise. @main_pid 0: it has none.
 */
int kho_unit_let_go(const char *name, const struct kho_unit *unit, struct kho_err *err);
int kho_unit_hold(const char *name, pid_t main_pid, struct kho_err *err);

/* The main process that it had then; 0: it had none, or it isn't let go. */
pid_t kho_unit_main_let_go(const char *name);

/* Its main process is gone; one that has none (0) isn't. */
bool kho_unit_is_dead(pid_t main_pid);

struct kho_unit_stub {
	const char *socket;		/* where kho-restore finds the agent */
	bool has_watchdog;
	uint64_t watchdog_usec;		/* as it was; 0: none. Else as the unit says */
};

/* The unit is then to be started. */
int kho_unit_stub(const char *name, const struct kho_unit_stub *stub, struct kho_err *err);

#define KHO_UNIT_LINE	1024

/*
 * The words that start it, for kho_command_run(). @cgroup is its path on the old side,
 * "/system.slice/x.scope"; "": not known. Those that start a scope end when kho-restore
 * does, others when the unit is active.
 */
void kho_unit_start_line(const char *name, const char *cgroup, const char *socket,
			 char ret[KHO_UNIT_LINE]);
/* Whether stub() was called for it, by whichever agent, and neither of these two. */
bool kho_unit_is_stub(const char *name);
int kho_unit_settle(const char *name, struct kho_err *err);

/* Kills what runs of it, and forgets that it ever did. */
int kho_unit_drop(const char *name, struct kho_err *err);

#endif
