/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A volume: a file system whose disk moves from one kernel to the other.
 *
 * Theory of operation
 *
 * It's mounted from /dev/mapper/kho-NAME, a device-mapper device over the disk. A
 * device-mapper device that is suspended outlives its disk: I/O just waits. So on the
 * old side tasks that stand still keep their open files, and all can be put back as
 * it was, until commit:
 *
 *	old side                             new side
 *	start     linear, mounted
 *	release   frozen, suspended
 *	   (the disk's PCI function moves)
 *	                                     take   snapshot, mounted: writes go to a store
 *	reattach  linear again, thawed       drop   unmounted; the disk is as it was
 *	or
 *	forget    gone, nothing written      keep   what's in the store goes to the disk
 *	                                     settle linear
 *
 * The new side's snapshot keeps all writes in a store, a file in memory, until commit,
 * so that the old side's file system, with what it holds in its caches, stays true to
 * the disk. From "keep" on the disk is written, by the new side alone, through what
 * was the snapshot; "settle" takes that out of the way, and can be done at leisure.
 *
 * All return 0 or a negative errno and may block for as long as the disk takes.
 */
#ifndef KHO_MIGRATE_VOLUME_H
#define KHO_MIGRATE_VOLUME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/parse.h"

#define KHO_VOLUME_PATH	320

struct kho_volume {
	char name[32];
	char mount_point[256];
	char file_system[32];
	char options[256];		/* as of mount(8); "": none */
};

/*
 * The block device of a PCI function: "/dev/vdb", or its partition if @partition isn't 0.
 * -ENODEV: it has none, or not yet. -ENOTUNIQ: it has several.
 */
int kho_volume_disk(const struct kho_pci_addr *function, uint32_t partition,
		    char ret[KHO_VOLUME_PATH], struct kho_err *err);

/* Whether it's at its mount point, by start() or by a move. */
bool kho_volume_is_mounted(const struct kho_volume *volume);

int kho_volume_start(const struct kho_volume *volume, const char *disk, struct kho_err *err);
/* Nothing to do where it has moved away. */
int kho_volume_stop(const struct kho_volume *volume, struct kho_err *err);

int kho_volume_release(const struct kho_volume *volume, struct kho_err *err);
/* Frozen only, as its disk stays: a sync of everything, which goes through it, doesn't wait. */
int kho_volume_freeze(const struct kho_volume *volume, struct kho_err *err);
/* After either. */
int kho_volume_reattach(const struct kho_volume *volume, const char *disk, struct kho_err *err);
int kho_volume_forget(const struct kho_volume *volume, struct kho_err *err);

/* A block device in memory. It's there until it's ended and the snapshot is gone. */
struct kho_volume_store {
	int fd;				/* negative: none */
	char loop[KHO_VOLUME_PATH];
};

int kho_volume_make_store(const struct kho_volume *volume, struct kho_volume_store *ret,
			  struct kho_err *err);
void kho_volume_end_store(struct kho_volume_store *store);

int kho_volume_take(const struct kho_volume *volume, const char *disk,
		    const struct kho_volume_store *store, struct kho_err *err);
/* Before commit. -ENOSPC: more was written than there's room for, and is lost but on the old side. */
int kho_volume_check(const struct kho_volume *volume, struct kho_err *err);
int kho_volume_keep(const struct kho_volume *volume, struct kho_err *err);
/* What was written before commit is on its way to the disk from keep() on; settle() is then due. */
enum kho_volume_merge {
	KHO_MERGE_NONE,			/* or it's settled */
	KHO_MERGE_GOES_ON,
	KHO_MERGE_OVER,
};

enum kho_volume_merge kho_volume_merge(const struct kho_volume *volume);
/* -EBUSY: it's merging. */
int kho_volume_settle(const struct kho_volume *volume, const char *disk, struct kho_err *err);
int kho_volume_drop(const struct kho_volume *volume, struct kho_err *err);

#endif
