// SPDX-License-Identifier: GPL-2.0-only
/* The walk through /proc; inspect_proc.h has the contract. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/criu/criu.h"
#include "migrate/workload/cgroup.h"
#include "migrate/workload/inspect_files.h"
#include "migrate/workload/inspect_proc.h"
#include "migrate/workload/inspect_socket.h"
#include "migrate/workload/unit.h"

#define TEXT_MAX	(64u << 20)	/* maps of 400,000 mappings */
#define INFO_MAX	(1u << 20)

struct walk {
	const struct kho_config *config;
	const struct kho_config_workload *workload;
	struct kho_inspection *inspection;
	struct kho_pids pids;
	struct kho_inspect_sockets sockets;
};

static char *read_text(pid_t pid, const char *name)
{
	char path[64], *text = NULL;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	kho_file_read(path, TEXT_MAX, &text, NULL, NULL);
	return text;
}

/* ---- one descriptor ---- */

/* Who has ended holds nothing any more: its lock is that of who has the file open still. */
static bool is_inside(void *ctx, pid_t pid)
{
	const struct walk *walk = ctx;
	char path[32];

	for (size_t i = 0; i < walk->pids.nr; i++)
		if (walk->pids.pids[i] == pid)
			return true;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	return access(path, F_OK) < 0;
}

static void look_at_fd(struct walk *walk, int dir, pid_t pid, const char *name)
{
	_cleanup_free_ char *info = NULL;
	char link[4096], path[64];
	struct kho_inspect_socket socket;
	struct kho_inspect_fd fd = { .pid = pid, .fd = (int)strtol(name, NULL, 10), .link = link };
	ssize_t n = readlinkat(dir, name, link, sizeof(link) - 1);
	struct stat st;

	if (n <= 0 || fstatat(dir, name, &st, 0) < 0)
		return;
	link[n] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd.fd);
	kho_file_read(path, INFO_MAX, &info, NULL, NULL);
	fd.info = info ?: "";
	fd.mode = st.st_mode;
	fd.major = major(st.st_rdev);
	fd.minor = minor(st.st_rdev);
	fd.size = (uint64_t)st.st_size;
	if (S_ISSOCK(st.st_mode) && kho_inspect_socket_ask(&walk->sockets, pid, &fd, &socket))
		fd.socket = &socket;
	kho_inspect_fd(&walk->inspection->findings, &fd);
	kho_inspect_locks(&walk->inspection->findings, &fd, is_inside, walk);
	kho_inspect_files_open(walk->config, walk->workload, &fd, walk->inspection);
}

static void each_fd(struct walk *walk, pid_t pid,
		    void (*fn)(struct walk *walk, int dir, pid_t pid, const char *name))
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			fn(walk, dirfd(dir), pid, entry->d_name);
}

static void note_socket(struct walk *walk, int dir, pid_t pid, const char *name)
{
	char link[64];
	ssize_t n = readlinkat(dir, name, link, sizeof(link) - 1);
	uint32_t inode;

	(void)pid;
	if (n <= 0)
		return;
	link[n] = '\0';
	if (sscanf(link, "socket:[%u]", &inode) == 1)
		kho_inspect_socket_note(&walk->sockets, inode);
}

/* ---- one process ---- */

static void add_threads(struct walk *walk, pid_t pid)
{
	struct kho_inspection *inspection = walk->inspection;
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)) && inspection->nr_pids < KHO_INSPECT_PIDS)
		if (entry->d_name[0] != '.')
			inspection->pids[inspection->nr_pids++] =
				(uint32_t)strtoul(entry->d_name, NULL, 10);
}

static void look_at_exe(struct walk *walk, pid_t pid)
{
	_cleanup_close_ int fd = -EBADF;
	unsigned char bytes[8];
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
	if (n > 0)
		kho_inspect_exe(&walk->inspection->findings, pid, bytes, (size_t)n);
}

/* Namespaces of time that a child has for itself; all others show at the rehearsal. */
static void look_at_namespaces(struct walk *walk, pid_t pid, pid_t root)
{
	static const char *const names[] = { "user", "pid", "time" };
	struct stat own, other;
	char path[64];

	for (size_t i = 0; pid != root && i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", root, names[i]);
		if (stat(path, &other) < 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, names[i]);
		if (stat(path, &own) < 0 || own.st_ino == other.st_ino)
			continue;
		kho_found(&walk->inspection->findings, KHO_FINDING_NAMESPACE, pid, "",
			  "has another %s namespace than the workload's first process", names[i]);
	}
}

static bool has_own_ipc(pid_t pid)
{
	struct stat own, other;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/ipc", pid);
	return stat("/proc/self/ns/ipc", &own) == 0 && stat(path, &other) == 0 &&
	       own.st_ino != other.st_ino;
}

static void look_at_process(struct walk *walk, pid_t pid, pid_t root)
{
	struct kho_findings *findings = &walk->inspection->findings;
	_cleanup_free_ char *status = read_text(pid, "status"), *maps = read_text(pid, "maps");

	add_threads(walk, pid);
	if (status)
		kho_inspect_status(findings, pid, status);
	look_at_exe(walk, pid);
	look_at_namespaces(walk, pid, root);
	if (maps) {
		kho_inspect_maps(findings, pid, maps);
		if (!has_own_ipc(pid))
			kho_inspect_sysv(findings, pid, maps);
		kho_inspect_files_mapped(walk->config, walk->workload, pid, maps, walk->inspection);
	}
	each_fd(walk, pid, look_at_fd);
}

/* What CRIU would be told to leave out, and what can't be. */
static void look_for_externals(struct walk *walk, pid_t pid)
{
	struct kho_criu_external external[KHO_CRIU_EXTERNALS];
	size_t nr = 0;
	struct kho_err err;

	if (kho_criu_find_externals(pid, external, &nr, &err) == -EOPNOTSUPP)
		kho_found(&walk->inspection->findings, KHO_FINDING_OUTSIDE_FILE, pid, "", "%s",
			  err.msg);
}

/* Keys that its user owns, seen as that user; root's can't be told from the system's. */
static void look_at_keys(struct walk *walk, pid_t root)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", root);
	if (stat(path, &st) < 0 || st.st_uid == 0 || seteuid(st.st_uid) < 0)
		return;
	kho_file_read("/proc/keys", INFO_MAX, &text, NULL, NULL);
	if (seteuid(0) >= 0 && text)
		kho_inspect_keys(&walk->inspection->findings, st.st_uid, text);
}

/* ---- the workload ---- */

static void walk_all(struct walk *walk, pid_t root)
{
	struct kho_err err;

	for (size_t i = 0; i < walk->pids.nr; i++)
		each_fd(walk, walk->pids.pids[i], note_socket);
	/* externals first: their sockets are asked for in our own namespace */
	for (size_t i = 0; i < walk->pids.nr; i++)
		look_for_externals(walk, walk->pids.pids[i]);
	if (kho_unix_table_read(root, &walk->sockets.table, &err) < 0)
		kho_found(&walk->inspection->findings, KHO_FINDING_UNIT, root, "", "%s", err.msg);
	for (size_t i = 0; i < walk->pids.nr; i++)
		look_at_process(walk, walk->pids.pids[i], root);
	look_at_keys(walk, root);
}

static int find_tasks(struct walk *walk, pid_t *ret_root, struct kho_err *err)
{
	struct kho_unit unit;
	int r = kho_unit_show(walk->workload->unit, &unit, err);

	if (r < 0)
		return r;
	if (strcmp(unit.active, "active") != 0 || !*unit.cgroup)
		return kho_fail(err, -ESRCH, "%.100s is %s", walk->workload->unit, unit.active);
	r = kho_cgroup_root(unit.cgroup, ret_root, err);
	return r < 0 ? r : kho_cgroup_pids(unit.cgroup, &walk->pids, err);
}

void kho_inspect_workload(const struct kho_config *config, unsigned int item,
			  struct kho_inspection *ret)
{
	struct walk walk = {
		.config = config, .workload = &config->workloads[item], .inspection = ret,
	};
	struct kho_err err;
	pid_t root;

	if (find_tasks(&walk, &root, &err) < 0) {
		kho_found(&ret->findings, KHO_FINDING_UNIT, 0, "", "%.200s", err.msg);
		return;
	}
	if (kho_criu_check_namespaces(root, &err) < 0)
		kho_found(&ret->findings, KHO_FINDING_NAMESPACE, root, "", "%.200s", err.msg);
	else
		walk_all(&walk, root);
	kho_pids_done(&walk.pids);
	kho_inspect_sockets_done(&walk.sockets);
}
