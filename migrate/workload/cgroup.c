// SPDX-License-Identifier: GPL-2.0-only
/* Files of a cgroup; cgroup.h has the contract. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/now.h"
#include "migrate/workload/cgroup.h"

#define PATH_SIZE	1024
#define LIST_MAX	(1u << 20)
#define STAT_MAX	65536
#define MAX_DEPTH	16
#define LOOK_MS		50

static int write_file(const char *path, const char *name, const char *text, struct kho_err *err)
{
	char file[PATH_SIZE];

	snprintf(file, sizeof(file), "%s/%s", path, name);
	return kho_file_write_string(file, text, err);
}

/* /proc has one line for version 2: "0::/system.slice/x.service". */
int kho_cgroup_of(pid_t pid, char *ret, size_t size, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[32] = "/proc/self/cgroup";
	const char *at;
	int r;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	r = kho_file_read_string(path, size, &text, err);
	if (r < 0)
		return r;
	at = strstr(text, "0::");
	if (!at || (at != text && at[-1] != '\n'))
		return kho_fail(err, -EOPNOTSUPP, "there's no cgroup of version 2 here; boot with "
				"systemd.unified_cgroup_hierarchy=1");
	at += 3;
	r = snprintf(ret, size, KHO_CGROUP_ROOT "%.*s", (int)strcspn(at, "\n"), at);
	return r < (int)size ? 0 : kho_fail(err, -ENAMETOOLONG, "%s: its name is too long", path);
}

int kho_cgroup_freeze(const char *path, bool freeze, struct kho_err *err)
{
	return write_file(path, "cgroup.freeze", freeze ? "1" : "0", err);
}

int kho_cgroup_kill(const char *path, struct kho_err *err)
{
	return write_file(path, "cgroup.kill", "1", err);
}

static bool says(const char *text, const char *key, int value)
{
	char line[64];
	const char *at;

	snprintf(line, sizeof(line), "%s %d\n", key, value);
	at = strstr(text, line);
	return at && (at == text || at[-1] == '\n');
}

int kho_cgroup_wait(const char *path, const char *key, int value, unsigned int timeout_ms,
		    struct kho_err *err)
{
	uint64_t now, end = kho_now_ms(CLOCK_MONOTONIC) + timeout_ms;
	_cleanup_close_ int fd = -EBADF;
	char file[PATH_SIZE], text[256];
	ssize_t n;

	snprintf(file, sizeof(file), "%s/cgroup.events", path);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return kho_fail_errno(err, -errno, "%s", file);
	for (;;) {
		struct pollfd change = { .fd = fd, .events = POLLPRI };

		n = pread(fd, text, sizeof(text) - 1, 0);
		if (n < 0)
			return kho_fail_errno(err, -errno, "%s", file);
		text[n] = '\0';
		if (says(text, key, value))
			return 0;
		now = kho_now_ms(CLOCK_MONOTONIC);
		if (now >= end)
			return kho_fail(err, -ETIMEDOUT, "%s is not \"%s %d\" after %u ms; see its "
					"tasks' stacks in /proc", path, key, value, timeout_ms);
		/* if the folder goes, which is the end of it as well, nobody is told */
		poll(&change, 1, (int)(end - now < LOOK_MS ? end - now : LOOK_MS));
	}
}

/* ---- who's in it ---- */

static int add_pids(const char *path, struct kho_pids *pids, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	char file[PATH_SIZE];
	char *line, *rest;
	pid_t *more;
	int r;

	snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	r = kho_file_read(file, LIST_MAX, &text, NULL, err);
	if (r < 0)
		return r;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		more = realloc(pids->pids, (pids->nr + 1) * sizeof(*more));
		if (!more)
			return kho_fail(err, -ENOMEM, "no memory for a list of processes");
		pids->pids = more;
		pids->pids[pids->nr++] = strtol(line, NULL, 10);
	}
	return 0;
}

static int add_tree(const char *path, unsigned int depth, struct kho_pids *pids,
		    struct kho_err *err)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	const struct dirent *entry;
	char below[PATH_SIZE];
	int r;

	if (!dir)
		return kho_fail_errno(err, -errno, "%s", path);
	r = add_pids(path, pids, err);
	while (r >= 0 && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (depth == MAX_DEPTH)
			return kho_fail(err, -ELOOP, "%s goes more than %d levels deep", path,
					MAX_DEPTH);
		if (snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) <
		    (int)sizeof(below))
			r = add_tree(below, depth + 1, pids, err);
	}
	return r;
}

int kho_cgroup_pids(const char *path, struct kho_pids *ret, struct kho_err *err)
{
	struct kho_pids pids = {};
	int r = add_tree(path, 0, &pids, err);

	if (r < 0) {
		kho_pids_done(&pids);
		return r;
	}
	*ret = pids;
	return 0;
}

void kho_pids_done(struct kho_pids *pids)
{
	free(pids->pids);
	*pids = (struct kho_pids){};
}

static pid_t parent_of(pid_t pid)
{
	char path[64];
	_cleanup_free_ char *text = NULL;
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (kho_file_read(path, 4096, &text, NULL, NULL) < 0)
		return 0;
	at = strrchr(text, ')');
	return at && strlen(at) > 4 ? (pid_t)strtol(at + 4, NULL, 10) : 0;
}

static bool has(const struct kho_pids *pids, pid_t pid)
{
	for (size_t i = 0; i < pids->nr; i++)
		if (pids->pids[i] == pid)
			return true;
	return false;
}

int kho_cgroup_root(const char *path, pid_t *ret, struct kho_err *err)
{
	struct kho_pids pids;
	pid_t root = 0;
	int roots = 0;
	int r = kho_cgroup_pids(path, &pids, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < pids.nr; i++)
		if (!has(&pids, parent_of(pids.pids[i]))) {
			root = pids.pids[i];
			roots++;
		}
	kho_pids_done(&pids);
	if (roots == 0)
		return kho_fail(err, -ESRCH, "nothing runs in %s; start the workload", path);
	if (roots > 1)
		return kho_fail(err, -EMLINK, "%s has %d process trees; a workload is one tree: "
				"split it into units", path, roots);
	*ret = root;
	return 0;
}

uint64_t kho_cgroup_resident(const char *path)
{
	struct kho_pids pids;
	uint64_t total = 0;

	if (kho_cgroup_pids(path, &pids, NULL) < 0)
		return 0;
	for (size_t i = 0; i < pids.nr; i++) {
		_cleanup_free_ char *text = NULL;
		unsigned long resident = 0;
		char file[64];

		snprintf(file, sizeof(file), "/proc/%d/statm", pids.pids[i]);
		if (kho_file_read(file, 256, &text, NULL, NULL) >= 0 &&
		    sscanf(text, "%*u %lu", &resident) == 1)
			total += resident * (uint64_t)sysconf(_SC_PAGESIZE);
	}
	kho_pids_done(&pids);
	return total;
}

bool kho_cgroup_memory_parse(const char *stat, uint64_t *ret)
{
	unsigned long long anon, shmem;
	const char *line = strstr(stat, "\nshmem ");

	if (sscanf(stat, "anon %llu", &anon) != 1 || !line || sscanf(line, " shmem %llu", &shmem) != 1)
		return false;
	*ret = anon + shmem;
	return anon <= UINT64_MAX - shmem;
}

uint64_t kho_cgroup_memory(const char *path)
{
	_cleanup_free_ char *text = NULL;
	char file[PATH_SIZE];
	uint64_t total;

	snprintf(file, sizeof(file), "%s/memory.stat", path);
	if (kho_file_read(file, STAT_MAX, &text, NULL, NULL) >= 0 &&
	    kho_cgroup_memory_parse(text, &total))
		return total;
	return kho_cgroup_resident(path);
}
