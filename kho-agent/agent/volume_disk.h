/* SPDX-License-Identifier: GPL-2.0-only */
/* A volume's disk in a kernel that it has just come to: its modules, and the wait for it. */
#ifndef KHO_AGENT_VOLUME_DISK_H
#define KHO_AGENT_VOLUME_DISK_H

#include <systemd/sd-event.h>

#include "agent/command.h"
#include "migrate/volume/volume.h"
#include "system/pci.h"

/*
 * Loads what a disk and @file_system may need. @fn is called when that's done; what's missing shows
 * when it's wanted, for not every disk needs all of them, so its error is of no interest.
 *
 * Returns 0, or the errors of kho_command_run(): then @fn isn't called.
 */
int kho_volume_modules(sd_event *event, const char *file_system, kho_command_fn fn, void *ctx,
		       struct kho_command **ret, struct kho_err *err);

/*
 * A disk that's waited for, its driver may be at it still. Zero at first. @fn is called once, not
 * from kho_disk_await() itself, with @disk set, or with -ENODEV or an error of kho_volume_disk().
 */
struct kho_disk_wait {
	struct kho_pci_addr function;
	uint32_t partition;		/* 0: the whole disk */
	void (*fn)(void *ctx, const struct kho_err *err);
	void *ctx;

	char disk[KHO_VOLUME_PATH];
	unsigned int looks;
	sd_event_source *timer;
};

/* Returns 0, or an error of the event loop: then @fn isn't called. */
int kho_disk_await(sd_event *event, struct kho_disk_wait *wait, struct kho_err *err);

/* Nobody is called any more. */
void kho_disk_wait_end(struct kho_disk_wait *wait);

#endif
