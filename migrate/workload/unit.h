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
 * the restored one. drop() ends it instead.
 *
 * All talk to systemd by systemctl(1) and take as long as that takes, some 100 ms, at
 * most the deadline of 30 s each.
 */
#ifndef KHO_MIGRATE_UNIT_H
#define KHO_MIGRATE_UNIT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define KHO_UNIT_NAME	256
#define KHO_UNIT_PATH	512

struct kho_unit {
	char active[32];		/* "active", "inactive", "failed", ... */
	pid_t main_pid;			/* 0: none */
	char cgroup[KHO_UNIT_PATH];	/* folder under /sys/fs/cgroup; "": none */
	char pid_file[KHO_UNIT_PATH];	/* "": none */
};

/* -EINVAL: not the name of a service or scope. */
int kho_unit_check_name(const char *name, struct kho_err *err);

/* -ENOENT: systemd knows no such unit. */
int kho_unit_show(const char *name, struct kho_unit *ret, struct kho_err *err);

int kho_unit_let_go(const char *name, struct kho_err *err);
int kho_unit_hold(const char *name, struct kho_err *err);

/* @socket: where kho-restore finds the agent. The unit is then to be started. */
int kho_unit_stub(const char *name, const char *socket, struct kho_err *err);
/* Whether stub() was called for it, by whichever agent, and neither of these two. */
bool kho_unit_is_stub(const char *name);
int kho_unit_settle(const char *name, struct kho_err *err);

/* Kills what runs of it, and forgets that it ever did. */
int kho_unit_drop(const char *name, struct kho_err *err);

#endif
