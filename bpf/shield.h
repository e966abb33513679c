/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Processes, with their children and theirs, that nobody may send a signal to but the one who
 * shields them and they themselves: whoever tries gets EPERM, root too. It's for the time of a
 * dump, for a CRIU whose death would be that of the tasks that it's at (guard.h, docs/limits.md).
 *
 * A program in the place where the kernel asks its security modules whether a signal may be
 * sent. None of them has to be switched on for it. Signals by the kernel itself (a fault,
 * no memory left, cgroup.kill) aren't asked about, so nothing is kept from those.
 *
 *	new() ---> cover(pid) ---> uncover(pid), before it's waited for ---> free()
 *
 * It ends with the caller, whatever becomes of it: it's the kernel that lets go of it then.
 */
#ifndef KHO_BPF_SHIELD_H
#define KHO_BPF_SHIELD_H

#ifndef __bpf__
#include <sys/types.h>

#include "bpf/load.h"

struct kho_shield;

/* As kho_bpf_ops.load; -ENOMEM. */
int kho_shield_new(const struct kho_bpf *bpf, struct kho_shield **ret, struct kho_err *err);

/*
 * @pid: a child of the caller's that wasn't waited for, or the number may be another's;
 * in the first PID namespace, as the caller. @shield NULL: nothing happens. -E2BIG: more than
 * KHO_SHIELDED.
 */
int kho_shield_cover(struct kho_shield *shield, pid_t pid, struct kho_err *err);

/* Also one that isn't covered. */
void kho_shield_uncover(struct kho_shield *shield, pid_t pid);

/* NULL is fine; returns NULL. */
struct kho_shield *kho_shield_free(struct kho_shield *shield);
#endif

#define KHO_SHIELDED	64u		/* at the same time */

#endif
