/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A canary: whether CRIU can dump and restore anything at all on this kernel.
 *
 * Two processes that talk over a TCP connection and a pipe, woken by a timer, are
 * dumped, killed and restored, and have to go on counting. All that happens in
 * namespaces of its own and leaves nothing but the folder with CRIU's logs. Takes a few
 * seconds on a slow machine; blocks as long.
 *
 * What CRIU knows of the kernel it keeps in /run/criu.kdat, by no more than its own
 * version: a file from another kernel would be believed. So it's removed first.
 */
#ifndef KHO_MIGRATE_CANARY_H
#define KHO_MIGRATE_CANARY_H

#include "base/err.h"

/*
 * @dir is made, or used again. Fails with what CRIU said; -ETIMEDOUT: the restored
 * processes stand still.
 */
int kho_canary(const char *dir, struct kho_err *err);

#endif
