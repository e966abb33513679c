/* SPDX-License-Identifier: GPL-2.0-only */
/* The journal's two files, /var/lib/kho-agent/upgrade.0 and .1 (upgrade/journal.h). */
#ifndef KHO_AGENT_UPGRADE_DISK_H
#define KHO_AGENT_UPGRADE_DISK_H

#include "upgrade/journal.h"

/* Onto the disk, with the next number, into the file that isn't the last one. */
int kho_upgrade_disk_write(struct kho_journal *journal, struct kho_err *err);

/* The last one that's whole. -ENOENT: there's none; -EBADMSG: there is, and it isn't. */
int kho_upgrade_disk_read(struct kho_journal *ret, struct kho_err *err);

void kho_upgrade_disk_forget(void);

/* Of this kernel, as of the journal. */
int kho_upgrade_disk_boot(char ret[KHO_UUID_TEXT], struct kho_err *err);

#endif
