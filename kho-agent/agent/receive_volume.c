// SPDX-License-Identifier: GPL-2.0-only
/* Volumes on the side that they go to: taken when their disks come, kept at commit. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/command.h"
#include "agent/pci.h"
#include "agent/receive.h"
#include "agent/side.h"
#include "agent/volume_disk.h"
#include "base/cleanup.h"
#include "migrate/volume/volume.h"
#include "migrate/workload/config.h"

struct kho_taken {
	struct kho_receiver *receiver;
	uint32_t item;
	struct kho_volume volume;
	struct kho_disk_wait disk;
	struct kho_command *modules;
	struct kho_volume_store store;
	bool granted;
	bool kept;			/* and not settled yet */
};

static struct kho_taken *taken(struct kho_receiver *receiver, const Kho__MoveStep *step)
{
	return receiver->volumes[step->item];
}

void kho_taken_free(struct kho_taken *t)
{
	if (!t)
		return;
	kho_disk_wait_end(&t->disk);
	kho_command_free(t->modules);
	kho_volume_end_store(&t->store);
	free(t);
}

static int copy(char *to, size_t size, const char *text, struct kho_err *err)
{
	if (!text || strlen(text) >= size)
		return kho_fail(err, -EBADMSG, "the step describes no volume; update the older "
				"agent");
	memcpy(to, text, strlen(text) + 1);
	return 0;
}

static int read_step(struct kho_taken *t, const Kho__MoveStep *step, struct kho_err *err)
{
	const Kho__MoveVolume *volume = step->volume;
	int r;

	if (!volume || !volume->disk)
		return kho_fail(err, -EBADMSG, "the step names no disk; update the older agent");
	t->disk.partition = volume->has_partition ? volume->partition : 0;
	r = kho_pci_read_grant(volume->disk, &t->disk.function, err);
	if (r >= 0)
		r = copy(t->volume.name, sizeof(t->volume.name), step->name, err);
	if (r >= 0)
		r = copy(t->volume.mount_point, sizeof(t->volume.mount_point),
			 volume->mount_point, err);
	if (r >= 0)
		r = copy(t->volume.file_system, sizeof(t->volume.file_system),
			 volume->file_system, err);
	return r < 0 ? r : copy(t->volume.options, sizeof(t->volume.options),
				volume->options ?: "", err);
}

/* One that another agent had, which was killed: the step and the kernel tell all of it. */
static struct kho_taken *adopt(struct kho_receiver *receiver, const Kho__MoveStep *step,
			       struct kho_err *err)
{
	struct kho_taken *t = calloc(1, sizeof(*t));

	if (!t) {
		kho_fail(err, -ENOMEM, "no memory for a volume");
		return NULL;
	}
	if (read_step(t, step, err) < 0) {
		free(t);
		return NULL;
	}
	t->receiver = receiver;
	t->item = step->item;
	t->store.fd = -EBADF;
	t->granted = true;
	receiver->volumes[step->item] = t;
	return t;
}

static void on_disk(void *ctx, const struct kho_err *seen)
{
	struct kho_taken *t = ctx;
	struct kho_err err = *seen;

	if (err.code == 0)
		kho_volume_take(&t->volume, t->disk.disk, &t->store, &err);
	kho_receive_answer(t->receiver, KHO_STEP_TAKE, false, t->item, &err);
}

static void on_modules(void *ctx, const struct kho_err *ignored)
{
	struct kho_err err = {};
	struct kho_taken *t = ctx;

	(void)ignored;
	t->modules = kho_command_free(t->modules);
	kho_volume_make_store(&t->volume, &t->store, &err);
	kho_receive_answer(t->receiver, KHO_STEP_EXPECT, false, t->item, &err);
}

static int expect(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	struct kho_taken *t;
	int r;

	if (taken(receiver, step))
		return kho_fail(err, -EBUSY, "this volume is expected already");
	t = calloc(1, sizeof(*t));
	if (!t)
		return kho_fail(err, -ENOMEM, "no memory for a volume");
	t->receiver = receiver;
	t->item = step->item;
	t->store.fd = -EBADF;
	receiver->volumes[step->item] = t;
	r = read_step(t, step, err);
	if (r < 0)
		return r;
	/* a rehearsal in a sandbox that's read-only finds it, and can't make it */
	if (mkdir(t->volume.mount_point, 0755) < 0 && errno != EEXIST)
		return kho_fail_errno(err, -errno, "%s", t->volume.mount_point);
	r = kho_volume_modules(receiver->agent->event, t->volume.file_system, on_modules, t,
			       &t->modules, err);
	return r < 0 ? r : 1;
}

static int take(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	struct kho_taken *t = taken(receiver, step);
	int r;

	if (!t || t->granted)
		return kho_fail(err, -EPROTO, "this volume isn't expected, or is here already");
	r = read_step(t, step, err);
	if (r >= 0)
		r = kho_side(receiver->agent)->take(receiver->agent, &t->disk.function, err);
	if (r < 0)
		return r;
	t->granted = true;
	t->disk.fn = on_disk;
	t->disk.ctx = t;
	r = kho_disk_await(receiver->agent->event, &t->disk, err);
	return r < 0 ? r : 1;
}

static int undo_take(struct kho_receiver *receiver, const Kho__MoveStep *step,
		     struct kho_err *err)
{
	struct kho_taken *t = taken(receiver, step) ?: adopt(receiver, step, err);
	int r;

	if (!t)
		return err->code;
	r = kho_volume_drop(&t->volume, err);
	if (r >= 0 && t->granted)
		r = kho_side(receiver->agent)->give(receiver->agent, &t->disk.function, err);
	if (r < 0)
		return r;
	receiver->volumes[step->item] = NULL;
	kho_taken_free(t);
	return 0;
}

static int keep(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	struct kho_taken *t = taken(receiver, step) ?: adopt(receiver, step, err);
	int r;

	if (!t || kho_volume_disk(&t->disk.function, t->disk.partition, t->disk.disk, err) < 0)
		return kho_wrap(err, err->code, "the volume isn't here");
	r = kho_volume_keep(&t->volume, err);
	t->kept = r >= 0;
	return r;
}

int kho_taken_check(struct kho_receiver *receiver, struct kho_err *err)
{
	for (unsigned int i = 0; i < KHO_MOVE_ITEMS; i++) {
		const struct kho_taken *t = receiver->volumes[i];
		int r = t ? kho_volume_check(&t->volume, err) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* An agent that was killed had kept them. */
static void settle_others(struct kho_receiver *receiver)
{
	_cleanup_free_ struct kho_config *config = NULL;
	char disk[KHO_VOLUME_PATH];
	struct kho_err err;

	if (kho_config_load(&config, &err) < 0) {
		kho_agent_progress(receiver->agent, "%s", err.msg);
		return;
	}
	for (unsigned int i = 0; i < config->nr_volumes; i++) {
		const struct kho_config_volume *one = &config->volumes[i];
		struct kho_volume volume = {};

		snprintf(volume.name, sizeof(volume.name), "%s", one->name);
		if (kho_volume_merge(&volume) != KHO_MERGE_OVER)
			continue;
		if (kho_volume_disk(&one->function, one->partition, disk, &err) < 0 ||
		    kho_volume_settle(&volume, disk, &err) < 0)
			kho_agent_progress(receiver->agent, "%s", err.msg);
	}
}

void kho_taken_settle(struct kho_receiver *receiver)
{
	struct kho_err err;

	for (unsigned int i = 0; i < KHO_MOVE_ITEMS; i++) {
		struct kho_taken *t = receiver->volumes[i];

		if (!t || !t->kept)
			continue;
		t->kept = false;
		if (kho_volume_settle(&t->volume, t->disk.disk, &err) < 0)
			kho_agent_progress(receiver->agent, "%s", err.msg);
		kho_volume_end_store(&t->store);
	}
	settle_others(receiver);
}

const struct kho_receive_ops kho_receive_expect = { .begin = expect };
const struct kho_receive_ops kho_receive_take = { .begin = take, .undo = undo_take };
const struct kho_receive_ops kho_receive_keep = { .begin = keep };
