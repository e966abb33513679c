// SPDX-License-Identifier: GPL-2.0-only
/*
 * A workload that came while another agent was there, which was killed: what is known of
 * it stands in the step that's asked for, and in its unit, which is a stub until it's
 * settled. Its images and rounds of memory are lost, so it can't be restored any more:
 * it's undone, or runs already and is settled when its memory is there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/arrival.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/restore/restore.h"
#include "migrate/workload/cgroup.h"

#define NUMBERS_MAX	64

struct kho_arrival *kho_arrival_adopt(struct kho_receiver *receiver, const Kho__MoveStep *step,
				      struct kho_err *err)
{
	const Kho__MoveWorkload *workload = step->workload;
	struct kho_arrival *a;

	if (!workload || !workload->unit || !kho_arrival_is_good_name(step->name)) {
		kho_fail(err, -EBADMSG, "the step names no workload; update the older agent");
		return NULL;
	}
	if (kho_unit_check_name(workload->unit, err) < 0 || !kho_unit_is_stub(workload->unit))
		return NULL;
	a = calloc(1, sizeof(*a));
	if (!a) {
		kho_fail(err, -ENOMEM, "no memory for a workload");
		return NULL;
	}
	a->receiver = receiver;
	a->item = step->item;
	a->listener = a->conn = -EBADF;
	a->state = ARRIVAL_RUNS;
	snprintf(a->name, sizeof(a->name), "%s", step->name);
	snprintf(a->unit, sizeof(a->unit), "%s", workload->unit);
	kho_arrival_set_dir(a);
	receiver->arrivals[step->item] = a;
	return a;
}

/* ---- its memory ---- */

static void server_ended(struct kho_arrival *a)
{
	_cleanup_free_ char *numbers = NULL;
	char path[160];

	snprintf(path, sizeof(path), "%s/" KHO_RESTORE_COMPLETE, a->dir);
	if (kho_file_read_string(path, NUMBERS_MAX, &numbers, NULL) < 0)
		kho_arrival_lost(a, "kho-restore ended before all memory was there");
	else
		kho_arrival_completed(a, numbers);
}

static int on_end(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct kho_arrival *a = userdata;

	(void)source;
	(void)fd;
	(void)revents;
	a->server = sd_event_source_disable_unref(a->server);
	server_ended(a);
	return 0;
}

/* A pidfd of the unit's kho-restore; -ENOENT: it has ended. */
static int find_server(const struct kho_arrival *a, struct kho_err *err)
{
	struct kho_unit unit;
	struct kho_pids pids;
	char path[64], target[256];
	int r = kho_unit_show(a->unit, &unit, err), fd = -ENOENT;
	ssize_t n;

	if (r >= 0)
		r = kho_cgroup_pids(unit.cgroup, &pids, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < pids.nr && fd < 0; i++) {
		snprintf(path, sizeof(path), "/proc/%d/exe", pids.pids[i]);
		n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		if (strcmp(target, KHO_RESTORE_PROGRAM) == 0)
			fd = (int)syscall(SYS_pidfd_open, pids.pids[i], 0);
	}
	kho_pids_done(&pids);
	return fd < 0 ? -ENOENT : fd;
}

int kho_arrival_wait_server(struct kho_arrival *a, struct kho_err *err)
{
	int fd, r;

	if (a->server)
		return 0;
	fd = find_server(a, err);
	if (fd == -ENOENT) {
		*err = (struct kho_err){};
		server_ended(a);
		return a->state == ARRIVAL_COMPLETE ? 0 :
		       kho_fail(err, -EIO, "the workload's memory didn't all come; it was killed");
	}
	if (fd < 0)
		return fd;
	r = sd_event_add_io(a->receiver->agent->event, &a->server, fd, EPOLLIN, on_end, a);
	if (r < 0) {
		close(fd);
		return kho_fail_errno(err, r, "event loop");
	}
	return sd_event_source_set_io_fd_own(a->server, true);
}
