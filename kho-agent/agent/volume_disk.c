// SPDX-License-Identifier: GPL-2.0-only
/* Waiting for a volume's disk; volume_disk.h has the contract. sysfs has no event for "probed". */
#include "agent/volume_disk.h"

#include <errno.h>
#include <stdio.h>

#define MODULES_MS	30000
#define LOOKS		2000
#define LOOK_MS		5

int kho_volume_modules(sd_event *event, const char *file_system, kho_command_fn fn, void *ctx,
		       struct kho_command **ret, struct kho_err *err)
{
	char line[256];

	snprintf(line, sizeof(line), "/usr/sbin/modprobe -a -q dm-mod dm-snapshot loop virtio_blk "
		 "nvme fs-%s", file_system);
	return kho_command_run(event, line, MODULES_MS, fn, ctx, ret, err);
}

static int look_later(sd_event *event, struct kho_disk_wait *wait, unsigned int ms);

static int on_look(sd_event_source *source, uint64_t usec, void *userdata)
{
	sd_event *event = sd_event_source_get_event(source);
	struct kho_disk_wait *wait = userdata;
	struct kho_err err = {};
	int r = kho_volume_disk(&wait->function, wait->partition, wait->disk, &err);

	(void)usec;
	wait->timer = sd_event_source_disable_unref(wait->timer);
	if (r == -ENODEV && wait->looks++ < LOOKS)
		return look_later(event, wait, LOOK_MS);
	if (r >= 0)
		err = (struct kho_err){};
	wait->fn(wait->ctx, &err);
	return 0;
}

static int look_later(sd_event *event, struct kho_disk_wait *wait, unsigned int ms)
{
	return sd_event_add_time_relative(event, &wait->timer, CLOCK_MONOTONIC, ms * 1000, 0,
					  on_look, wait);
}

int kho_disk_await(sd_event *event, struct kho_disk_wait *wait, struct kho_err *err)
{
	int r;

	wait->looks = 0;
	r = look_later(event, wait, 0);
	return r < 0 ? kho_fail_errno(err, r, "event loop") : 0;
}

void kho_disk_wait_end(struct kho_disk_wait *wait)
{
	wait->timer = sd_event_source_disable_unref(wait->timer);
}
