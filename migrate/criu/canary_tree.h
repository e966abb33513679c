/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside the canary: the processes that are dumped and restored. */
#ifndef KHO_MIGRATE_CANARY_TREE_H
#define KHO_MIGRATE_CANARY_TREE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define KHO_CANARY_BEAT	"beat"		/* file in the folder, eight bytes: the count */

/*
 * The program that they run, as "PROGRAM OPTION DIR". It has to be one that's started after
 * the canary's mount namespace was made: what was mapped before is of mounts that CRIU
 * doesn't find in there.
 */
#define KHO_CANARY_PROGRAM	"/usr/libexec/kho-agent/kho-restore"
#define KHO_CANARY_OPTION	"--canary"

/*
 * Starts them, in a session of their own and without any descriptor of ours. The count
 * grows with each question that the second has answered to the first.
 */
int kho_canary_tree(const char *dir, pid_t *ret, struct kho_err *err);

/* What the program does then. */
void kho_canary_be_tree(const char *dir) __attribute__((noreturn));

/* Waits until the count is more than @than; *@ret is what it is. -ETIMEDOUT. */
int kho_canary_wait(const char *dir, uint64_t than, uint64_t *ret, struct kho_err *err);

#endif
