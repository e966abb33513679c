// SPDX-License-Identifier: GPL-2.0-only
/* The canary's dump and restore; canary.h has the contract. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "migrate/criu/canary.h"
#include "migrate/criu/canary_tree.h"
#include "migrate/criu/criu.h"
#include "migrate/workload/isolate.h"

#define KDAT		"/run/criu.kdat"
#define CRIU_MS		30000
#define FEW		3u

/* ---- CRIU ---- */

static int drive(struct kho_criu *criu, struct kho_err *err)
{
	struct pollfd event_fd = { .fd = kho_criu_fd(criu), .events = POLLIN };
	struct kho_criu_event event;
	int r = 0;

	while (r >= 0) {
		if (poll(&event_fd, 1, CRIU_MS) <= 0)
			return kho_fail(err, -ETIMEDOUT, "CRIU doesn't come to an end");
		kho_criu_process(criu, &event);
		if (event.kind == KHO_CRIU_NOTIFY)
			r = kho_criu_answer(criu, true, err);
		else if (event.kind != KHO_CRIU_NOTHING)
			break;
	}
	if (r >= 0 && event.err.code)
		*err = event.err;
	return r < 0 ? r : err->code;
}

static int call(enum kho_criu_kind kind, pid_t pid, int dir, struct kho_err *err)
{
	const struct kho_criu_request request = {
		.kind = kind, .pid = pid, .images_fd = dir, .page_fd = -1,
		.log = kind == KHO_CRIU_DUMP ? "dump.log" : "restore.log",
	};
	struct kho_criu *criu = NULL;
	int r = kho_criu_start(0, -1, &criu, err);

	if (r >= 0)
		r = kho_criu_request(criu, &request, err);
	if (r >= 0)
		r = drive(criu, err);
	kho_criu_free(criu);
	return r;
}

/* ---- in the child ---- */

/* Who was dumped is killed then; the PIDs are free when all were waited for. */
static void reap(void)
{
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

static int dump_and_restore(const char *path, int dir, struct kho_err *err)
{
	uint64_t before, after;
	pid_t pid;
	int r = kho_canary_tree(path, &pid, err);

	if (r >= 0)
		r = kho_canary_wait(path, FEW, &before, err);
	if (r >= 0)
		r = call(KHO_CRIU_DUMP, pid, dir, err);
	if (r < 0)
		return r;
	reap();
	r = call(KHO_CRIU_RESTORE, 0, dir, err);
	if (r >= 0)
		r = kho_canary_wait(path, before + FEW, &after, err);
	return r;
}

static int run(const char *path, int dir, struct kho_err *err)
{
	int r = kho_isolate_mounts(err);

	if (r >= 0)
		r = kho_isolate_network(err);
	return r < 0 ? r : dump_and_restore(path, dir, err);
}

/* ---- around it ---- */

static int make_dir(const char *path, struct kho_err *err)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_close_ int beat = -EBADF;
	const struct dirent *entry;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return kho_fail_errno(err, -errno, "%s", path);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	beat = dir ? openat(dirfd(dir), KHO_CANARY_BEAT, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			    0600) : -1;
	return beat < 0 ? kho_fail_errno(err, -errno, "%s", path) : 0;
}

static int watch(const char *path, int dir, struct kho_err *shared, struct kho_err *err)
{
	int status;
	pid_t pid = kho_isolate_fork();

	if (pid == 0)
		_exit(run(path, dir, shared) < 0);
	if (pid < 0)
		return kho_fail_errno(err, -errno, "a canary needs namespaces");
	if (waitpid(pid, &status, 0) < 0)
		return kho_fail_errno(err, -errno, "a canary");
	if (shared->code)
		*err = *shared;
	else if (status)
		kho_fail(err, -ECHILD, "the canary's keeper ended with status 0x%x", status);
	return err->code;
}

int kho_canary(const char *path, struct kho_err *err)
{
	_cleanup_close_ int dir = -EBADF;
	struct kho_err *shared;
	int r = make_dir(path, err);

	if (r < 0)
		return r;
	if (unlink(KDAT) < 0 && errno != ENOENT)
		return kho_fail_errno(err, -errno, KDAT);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (dir < 0 || shared == MAP_FAILED)
		return kho_fail_errno(err, -errno, "%s", path);
	*err = (struct kho_err){};
	r = watch(path, dir, shared, err);
	munmap(shared, sizeof(*shared));
	return r;
}
