/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A move by kexec, on the side of the kernel that ends: what a move would send to the new
 * kernel is kept in memfds, which LUO (system/luo.h) hands to the kernel that is started in
 * place of this one. There inherit.h takes it up.
 *
 * It's a move (move.h) of this side's steps alone, up to commit:
 *
 *	pre-copy ... let-go ... hold, freeze, mute, dump, release ---> commit: preserve, kexec
 *	                                                        |
 *	                                      refused by the kernel: the move is undone
 *
 * Nothing of a workload ends here: CRIU waits in its post-dump hook, and the kernel is gone
 * before it could be told anything. So no peer hears of an end, and if the kernel refuses to
 * jump, all is undone as that of any other move.
 *
 * Volumes are frozen like for any other move, and stay on their disks: what was written is
 * there, and the next kernel finds the file system whole, with nothing to be replayed.
 *
 * Everything else on the machine ends with the kernel, unasked; file systems were synced.
 */
#ifndef KHO_AGENT_BEQUEATH_H
#define KHO_AGENT_BEQUEATH_H

#include "agent/move.h"
#include "agent/parcel.h"

#define KHO_BEQUEST_SESSION	"kho-agent"
#define KHO_BEQUEST_TOKEN	1u	/* of the bequest itself (channel/bequest.h) */

/* -EBUSY, -ENOENT, -EEXIST: as of LUO, which is asked now. */
int kho_bequeathal_new(uint64_t predicted_ms, struct kho_bequeathal **ret, struct kho_err *err);

/* What was preserved isn't any more. Takes NULL. */
void kho_bequeathal_free(struct kho_bequeathal *bequeathal);

/* Before it begins: what only a kernel beside this one could do is left out. */
void kho_bequeath_narrow(struct kho_mover *mover);

/* In place of kho_parcel_send(). */
int kho_bequeath_archive(struct kho_mover *mover, uint32_t item, const char *sort,
			 struct kho_archive *archive, kho_parcel_fn arrived, struct kho_err *err);

/* The commit: returns only if it fails, and this kernel goes on. */
int kho_bequeath(struct kho_mover *mover, struct kho_err *err);

#endif
