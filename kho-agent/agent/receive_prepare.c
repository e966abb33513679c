// SPDX-License-Identifier: GPL-2.0-only
/* A workload that comes: its unit, as a stub that waits; arrival.h has the idea. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/arrival.h"
#include "agent/gauge.h"
#include "agent/side.h"
#include "base/bits.h"
#include "base/folder.h"
#include "migrate/workload/config.h"
#include "migrate/workload/mapped.h"
#include "system/memory.h"

#define MOVE_DIR	KHO_RUN_DIR "/move"
#define SOCKET_PATH	100	/* bytes; what sun_path has room for */
#define WARM_MS		60000
#define MEMORY_LEFT	(64 * KHO_MIB)
#define FOOTPRINT_MAX	(1ULL << 48)
#define DROP_MS		80000
#define START_MS	(24 * 3600 * 1000)	/* as long as the move */

static bool is_taken(long pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%ld", pid);
	return access(path, F_OK) == 0;
}

static int check_pids(const char *pids, struct kho_err *err)
{
	char *end;

	while (pids && *pids) {
		long pid = strtol(pids, &end, 10);

		if (end == pids || pid <= 0)
			return kho_fail(err, -EBADMSG, "a list of PIDs can't be read");
		if (is_taken(pid))
			return kho_fail(err, -EEXIST, "PID %ld is taken in the new kernel; start the "
					"workload again, it gets another one then", pid);
		pids = *end == ',' ? end + 1 : end;
	}
	return 0;
}

/*
 * Room for all that are expected: a kernel that runs out of memory kills what it likes. What
 * a rehearsal takes for a while isn't in it; that may fail by itself.
 */
static int check_memory(const struct kho_receiver *receiver, struct kho_err *err)
{
	const struct kho_sysroot *root = &receiver->agent->root;
	uint64_t available, needed = MEMORY_LEFT;
	int r = kho_memory_available(root, &available, err);

	for (unsigned int i = 0; i < KHO_MOVE_ITEMS; i++)
		if (receiver->arrivals[i])
			needed += receiver->arrivals[i]->footprint;
	if (r < 0 || needed <= available)
		return r;
	return kho_fail(err, -ENOMEM, "the workloads' memory is %llu MiB, %llu MiB stay free, and the "
			"new kernel has %llu MiB available; spawn it with more (--memory=)",
			(unsigned long long)((needed - MEMORY_LEFT) / KHO_MIB),
			(unsigned long long)(MEMORY_LEFT / KHO_MIB),
			(unsigned long long)(available / KHO_MIB));
}

bool kho_arrival_is_good_name(const char *name)
{
	if (!name || !*name || strlen(name) >= 64)
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("-_.", *name))
			return false;
	return true;
}

static int listen_at(struct kho_arrival *a, const char *path, struct kho_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int r;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	a->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (a->listener < 0 ||
	    bind(a->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(a->listener, 1) < 0)
		return kho_fail_errno(err, -errno, "socket %s", path);
	r = sd_event_add_io(a->receiver->agent->event, &a->listen_source, a->listener, EPOLLIN,
			    kho_arrival_on_connect, a);
	return r < 0 ? kho_fail_errno(err, r, "event loop") : 0;
}

void kho_arrival_set_dir(struct kho_arrival *a)
{
	snprintf(a->dir, sizeof(a->dir), MOVE_DIR "/%s/images", a->name);
}

static int make_dirs(struct kho_arrival *a, struct kho_err *err)
{
	char path[128];

	snprintf(path, sizeof(path), MOVE_DIR "/%s", a->name);
	kho_arrival_set_dir(a);
	if ((mkdir(MOVE_DIR, 0700) < 0 && errno != EEXIST) ||
	    (mkdir(path, 0700) < 0 && errno != EEXIST) ||
	    (mkdir(a->dir, 0700) < 0 && errno != EEXIST))
		return kho_fail_errno(err, -errno, "%s", a->dir);
	/* what another move left */
	kho_folder_clear(a->dir);
	return 0;
}

static void socket_path(const struct kho_arrival *a, char ret[SOCKET_PATH])
{
	snprintf(ret, SOCKET_PATH, MOVE_DIR "/%s/s", a->name);
}

static void on_start(void *ctx, const struct kho_err *err)
{
	struct kho_arrival *a = ctx;

	a->start = kho_command_free(a->start);
	if (err->code < 0 && a->state != ARRIVAL_FAILED)
		kho_arrival_failed(a, "its unit could not be started");
}

static int start_unit(struct kho_arrival *a, struct kho_err *err)
{
	char line[KHO_UNIT_LINE], socket[SOCKET_PATH];

	socket_path(a, socket);
	kho_unit_start_line(a->unit, a->cgroup, socket, line);
	return kho_command_run(a->receiver->agent->event, line, START_MS, on_start, a, &a->start,
			       err);
}

/*
 * CRIU asks the kernel what it can do when it's called first, which takes longer than
 * all of a restore, and keeps the answer: so it's asked now. What it misses shows later.
 */
static void on_warm(void *ctx, const struct kho_err *ignored)
{
	struct kho_arrival *a = ctx;
	struct kho_err err = {};

	(void)ignored;
	a->start = kho_command_free(a->start);
	if (start_unit(a, &err) < 0)
		kho_arrival_failed(a, err.msg);
}

static void on_ready(void *ctx, const struct kho_err *failed)
{
	struct kho_arrival *a = ctx;
	struct kho_err err = *failed;

	a->start = kho_command_free(a->start);
	if (err.code >= 0)
		kho_command_run(a->receiver->agent->event, "/usr/sbin/criu check", WARM_MS, on_warm,
				a, &a->start, &err);
	if (err.code < 0)
		kho_arrival_failed(a, err.msg);
}

/* Programs that will run here are read now: who touches them first would wait for that. */
static void read_files(const Kho__MoveWorkload *workload)
{
	kho_mapped_read(workload->mapped ?: "");
	if (workload->health_command) {
		char path[1024];

		snprintf(path, sizeof(path), "%.*s", (int)strcspn(workload->health_command, " \t"),
			 workload->health_command);
		kho_mapped_read(path);
	}
}

struct to_make_ready {
	const struct kho_arrival *arrival;
	const Kho__MoveWorkload *workload;
};

/* In a child: systemd takes seconds to read its units again when the machine is busy. */
static int make_ready(void *arg, struct kho_err *err)
{
	const struct to_make_ready *what = arg;
	char path[SOCKET_PATH];
	const struct kho_unit_stub stub = {
		.socket = path,
		.has_watchdog = what->workload->has_watchdog_usec,
		.watchdog_usec = what->workload->watchdog_usec,
	};
	int r;

	socket_path(what->arrival, path);
	r = kho_unit_stub(what->arrival->unit, &stub, err);
	if (r >= 0)
		read_files(what->workload);
	return r;
}

static int begin_ready(struct kho_arrival *a, const Kho__MoveWorkload *workload,
		       struct kho_err *err)
{
	struct to_make_ready what = { .arrival = a, .workload = workload };
	const struct kho_command_work work = {
		.name = "making its unit ready",
		.call = make_ready,
		.arg = &what,
		.timeout_ms = WARM_MS,
	};

	return kho_command_call(a->receiver->agent->event, &work, on_ready, a, &a->start, err);
}

static int prepare_arrival(struct kho_arrival *a, const Kho__MoveWorkload *workload,
			   struct kho_err *err)
{
	char path[SOCKET_PATH];
	int r = check_pids(workload->pids, err);

	if (r >= 0)
		r = check_memory(a->receiver, err);
	socket_path(a, path);
	if (r >= 0)
		r = kho_arrival_pages_new(&a->pages, err);
	if (r >= 0)
		r = make_dirs(a, err);
	if (r >= 0)
		r = listen_at(a, path, err);
	if (r >= 0)
		r = begin_ready(a, workload, err);
	return r;
}

static int prepare(struct kho_receiver *receiver, const Kho__MoveStep *step, struct kho_err *err)
{
	const Kho__MoveWorkload *workload = step->workload;
	struct kho_arrival *a;
	int r;

	if (!workload || !workload->unit || !kho_arrival_is_good_name(step->name))
		return kho_fail(err, -EBADMSG, "the step names no workload; update the older agent");
	r = kho_unit_check_name(workload->unit, err);
	/* this kernel's own is older; the old kernel's is what the operator has given */
	if (r >= 0 && step->config && kho_side(receiver->agent)->is_new)
		r = kho_config_replace(step->config, err);
	if (r < 0)
		return r;
	if (arrival(receiver, step))
		return kho_fail(err, -EBUSY, "this workload is expected already");
	a = calloc(1, sizeof(*a));
	if (!a)
		return kho_fail(err, -ENOMEM, "no memory for a workload");
	a->receiver = receiver;
	a->item = step->item;
	a->listener = a->conn = -EBADF;
	/* what is out of all reason must not overflow the sum */
	if (workload->has_memory)
		a->footprint = workload->memory < FOOTPRINT_MAX ? workload->memory : FOOTPRINT_MAX;
	snprintf(a->name, sizeof(a->name), "%s", step->name);
	snprintf(a->unit, sizeof(a->unit), "%s", workload->unit);
	snprintf(a->cgroup, sizeof(a->cgroup), "%s", workload->cgroup ?: "");
	receiver->arrivals[step->item] = a;
	kho_gauge_coming(receiver);
	a->asked = KHO_STEP_PREPARE;
	r = prepare_arrival(a, workload, err);
	if (r < 0)
		a->asked = KHO_STEP_NONE;
	return r < 0 ? r : 1;
}

/* In a child. */
static int drop_unit(void *arg, struct kho_err *err)
{
	const struct kho_arrival *a = arg;

	return kho_unit_drop(a->unit, err);
}

static void on_dropped(void *ctx, const struct kho_err *failed)
{
	struct kho_arrival *a = ctx;
	struct kho_receiver *receiver = a->receiver;
	const struct kho_err err = *failed;
	uint32_t item = a->item;

	receiver->arrivals[item] = NULL;
	kho_arrival_free(a);
	kho_gauge_release(receiver);
	kho_receive_answer(receiver, KHO_STEP_PREPARE, true, item, &err);
}

static int undo_prepare(struct kho_receiver *receiver, const Kho__MoveStep *step,
			struct kho_err *err)
{
	struct kho_arrival *a = arrival(receiver, step) ?: kho_arrival_adopt(receiver, step, err);
	const struct kho_command_work work = {
		.name = "dropping its unit",
		.call = drop_unit,
		.arg = a,
		.timeout_ms = DROP_MS,
	};
	int r;

	if (!a)
		return err->code;
	a->asked = KHO_STEP_NONE;
	a->state = ARRIVAL_FAILED;
	a->start = kho_command_free(a->start);
	a->unit_work = kho_command_free(a->unit_work);
	r = kho_command_call(receiver->agent->event, &work, on_dropped, a, &a->unit_work, err);
	return r < 0 ? r : 1;
}

const struct kho_receive_ops kho_receive_prepare = { .begin = prepare, .undo = undo_prepare };
