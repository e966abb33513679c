// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paths and actions on the kernel's file systems; sysroot.h has the contract.
 *
 * A write that may block is made by a child that can be killed: offlining a memory
 * block retries in the kernel until it succeeds or a fatal signal arrives, and no
 * signal is fatal to the agent itself.
 */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/now.h"
#include "system/proc.h"
#include "system/sysroot.h"

struct write_job {
	const char *path;
	const char *value;
};

/* Runs in a child: only system calls. */
static int write_in_child(void *arg)
{
	const struct write_job *job = arg;
	size_t size = strlen(job->value);
	ssize_t n;
	int fd;

	fd = open(job->path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, job->value, size);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EIO;
}

static int host_write(void *ctx, const char *path, const char *value, unsigned int timeout_ms)
{
	struct write_job job = { .path = path, .value = value };

	(void)ctx;
	if (!timeout_ms)
		return kho_file_write_string(path, value, NULL);
	return kho_proc_call(write_in_child, &job, timeout_ms);
}

static uint64_t host_now_ms(void *ctx)
{
	(void)ctx;
	return kho_now_ms(CLOCK_MONOTONIC);
}

static void host_pause(void *ctx, unsigned int ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	(void)ctx;
	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

static int host_try_exclusive(void *ctx, const char *path)
{
	int fd;

	(void)ctx;
	fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static const struct kho_sysroot_ops host_ops = {
	.write = host_write,
	.now_ms = host_now_ms,
	.pause = host_pause,
	.try_exclusive = host_try_exclusive,
};

struct kho_sysroot kho_sysroot_host(void)
{
	return (struct kho_sysroot) {
		.sys = "/sys",
		.proc = "/proc",
		.dev = "/dev",
		.ops = &host_ops,
	};
}

int kho_sysroot_path(char path[KHO_SYSROOT_PATH], const char *base, struct kho_err *err,
		     const char *fmt, ...)
{
	size_t used = strlen(base);
	va_list args;
	int n;

	if (used + 2 > KHO_SYSROOT_PATH)
		return kho_fail(err, -ENAMETOOLONG, "path %.64s... is too long; use a shorter one",
		base);
	memcpy(path, base, used);
	path[used++] = '/';
	va_start(args, fmt);
	n = vsnprintf(path + used, KHO_SYSROOT_PATH - used, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= KHO_SYSROOT_PATH - used)
		return kho_fail(err, -ENAMETOOLONG, "path %.64s... is too long; use a shorter one",
		path);
	return 0;
}

bool kho_sysroot_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

int kho_sysroot_link_name(const char *path, char *ret, size_t size)
{
	char target[PATH_MAX];
	const char *name;
	ssize_t n;

	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	name = strrchr(target, '/');
	name = name ? name + 1 : target;
	if (strlen(name) >= size)
		return -ENOSPC;
	memcpy(ret, name, strlen(name) + 1);
	return 0;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Turns scandir()'s entries into names, and frees what it doesn't pass on. */
static int take_names(struct dirent **entries, size_t nr, struct kho_names *ret)
{
	struct kho_names names = { .names = calloc(nr + 1, sizeof(char *)) };
	size_t i;

	for (i = 0; names.names && i < nr; i++) {
		names.names[i] = strdup(entries[i]->d_name);
		if (!names.names[i])
			break;
		names.nr++;
	}
	for (i = 0; i < nr; i++)
		free(entries[i]);
	free(entries);
	if (names.nr < nr || !names.names) {
		kho_names_done(&names);
		return -ENOMEM;
	}
	*ret = names;
	return 0;
}

int kho_sysroot_list(const char *path, struct kho_names *ret, struct kho_err *err)
{
	struct dirent **entries;
	int n, r;

	n = scandir(path, &entries, not_hidden, alphasort);
	if (n < 0)
		return kho_fail_errno(err, -errno, "%s can't be listed", path);
	r = take_names(entries, (size_t)n, ret);
	if (r < 0)
		return kho_fail(err, r, "%s: no memory for %d names; free some", path, n);
	return 0;
}

void kho_names_done(struct kho_names *names)
{
	size_t i;

	for (i = 0; i < names->nr; i++)
		free(names->names[i]);
	free(names->names);
	*names = (struct kho_names) { 0 };
}

int kho_sysroot_write(const struct kho_sysroot *root, const char *path, const char *value,
		      unsigned int timeout_ms, struct kho_err *err)
{
	int r;

	r = root->ops->write(root->ctx, path, value, timeout_ms);
	switch (r) {
	case 0:
		return 0;
	case -EPERM:
	case -EACCES:
		return kho_fail(err, r, "writing \"%.64s\" to %s is not permitted; run as root",
		value,
				path);
	case -ETIMEDOUT:
		return kho_fail(err, r, "writing \"%.64s\" to %s took more than %u ms and was "
				"given up; see the kernel log", value, path, timeout_ms);
	default:
		return kho_fail_errno(err, r, "writing \"%.64s\" to %s", value, path);
	}
}
