/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files that outlive a kexec: LUO, the kernel's live update orchestrator.
 *
 *	old kernel    open ---> create ---> preserve, file by file ---> kexec
 *	                                        |
 *	                                    close: all is as before
 *	new kernel    open ---> retrieve ---> fetch, file by file ---> finish
 *
 * A session is a name for some files (memfds), each with a number that its owner chooses.
 * It lives as long as its descriptor: once that's closed nothing of it is preserved any
 * more, and in the new kernel what wasn't fetched is lost. From preserve on a file can't be
 * written to any more. /dev/liveupdate is there with the option liveupdate=on, and open to
 * one process at a time.
 *
 * Functions return 0, or what's said, or a negative errno with a message.
 */
#ifndef KHO_SYSTEM_LUO_H
#define KHO_SYSTEM_LUO_H

#include <stdint.h>

#include "base/err.h"

#define KHO_LUO_DEVICE		"/dev/liveupdate"

/*
 * The device; the descriptor is the caller's.
 *   -ENOENT  this kernel has no LUO, or it's switched off
 *   -EBUSY   another process has it open
 *   -EIO     what the kernel before has left can't be read
 */
int kho_luo_open(struct kho_err *err);

/* Old kernel: a session of that name, empty. -EEXIST: there's one. Returns its descriptor. */
int kho_luo_create(int device, const char *name, struct kho_err *err);
int kho_luo_preserve(int session, int fd, uint64_t token, struct kho_err *err);

/* New kernel: returns a descriptor. -ENOENT: the kernel before has left none of that name. */
int kho_luo_retrieve(int device, const char *name, struct kho_err *err);
int kho_luo_fetch(int session, uint64_t token, struct kho_err *err);
int kho_luo_finish(int session, struct kho_err *err);

#endif
