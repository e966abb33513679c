// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rehearsal on the new side: a copy of the workload is restored in isolation from the
 * same store of pages that the real one will be, by the kho-restore that waits for it,
 * and dropped before any of it has run. Images of it lie in a folder of their own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/arrival.h"
#include "base/cleanup.h"

void kho_sample_path(const char *name, char ret[128])
{
	snprintf(ret, 128, KHO_RUN_DIR "/move/%.64s/sample", name);
}

/* Its images hold what isn't brought in later, and so as much memory. */
static void remove_images(const struct kho_arrival *a)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	char path[128];

	kho_sample_path(a->name, path);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && !strstr(entry->d_name, ".log"))
			unlinkat(dirfd(dir), entry->d_name, 0);
}

void kho_arrival_rehearsed(struct kho_arrival *a, const char *numbers)
{
	const struct kho_err none = {};
	uint64_t ns = strtoull(numbers, NULL, 10);

	remove_images(a);
	if (a->asked != KHO_STEP_REHEARSE)
		return;
	a->asked = KHO_STEP_NONE;
	kho_receive_answer_took(a->receiver, KHO_STEP_REHEARSE, a->item, ns, &none);
}

void kho_arrival_unrehearsed(struct kho_arrival *a, const char *why)
{
	struct kho_err err;
	char text[400];

	remove_images(a);
	if (a->asked != KHO_STEP_REHEARSE)
		return;
	a->asked = KHO_STEP_NONE;
	kho_text_clean(text, sizeof(text), why);
	kho_fail(&err, -EOPNOTSUPP, "a copy of it can't be restored there: %s; mend that, or set "
		 "CannotMove=restart", text);
	kho_receive_answer_took(a->receiver, KHO_STEP_REHEARSE, a->item, 0, &err);
}

static int rehearse(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	struct kho_arrival *a = arrival(receiver, step);
	_cleanup_close_ int dir = -EBADF, index = -EBADF;
	char path[128];
	int r, data;

	if (!a || a->state != ARRIVAL_READY || a->asked)
		return kho_fail(err, -EPROTO, "the workload isn't in the state for this step");
	kho_sample_path(a->name, path);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return kho_fail_errno(err, -errno, "%s", path);
	r = kho_arrival_pages_compose(a->pages, dir, &data, &index, err);
	if (r < 0)
		return r;
	/* files that came with the sample will come again */
	a->here = 0;
	a->asked = KHO_STEP_REHEARSE;
	r = kho_arrival_tell_with(a, "rehearse", (int[KHO_RESTORE_FDS]){ dir, data, index }, err);
	if (r < 0)
		a->asked = KHO_STEP_NONE;
	return r < 0 ? r : 1;
}

/* The undo of the first step, which comes next, ends all that runs in the unit. */
static int forget(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	struct kho_arrival *a = arrival(receiver, step);

	(void)err;
	if (a && a->asked == KHO_STEP_REHEARSE)
		a->asked = KHO_STEP_NONE;
	return 0;
}

const struct kho_receive_ops kho_receive_rehearse = { .begin = rehearse, .undo = forget };
