// SPDX-License-Identifier: GPL-2.0-only
/* libdevmapper, one task at a time; dm.h has the contract. */
#include <errno.h>
#include <fcntl.h>
#include <libdevmapper.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "migrate/volume/dm.h"

/* It would print; what it says is in errno, too. */
static void be_quiet(int level, const char *file, int line, int dm_errno, const char *fmt, ...)
{
	(void)level;
	(void)file;
	(void)line;
	(void)dm_errno;
	(void)fmt;
}

static struct dm_task *new_task(int type, const char *name)
{
	struct dm_task *task;

	dm_log_with_errno_init(be_quiet);
	/* nodes are made at once, not when udev gets to it */
	dm_udev_set_sync_support(0);
	task = dm_task_create(type);
	if (task && !dm_task_set_name(task, name)) {
		dm_task_destroy(task);
		return NULL;
	}
	return task;
}

static int run(struct dm_task *task, const char *what, const char *name, struct kho_err *err)
{
	int r = 0;

	if (!dm_task_run(task))
		r = kho_fail_errno(err, -(dm_task_get_errno(task) ?: EIO), "device-mapper: %s %s",
				   what, name);
	dm_task_destroy(task);
	/* nodes are put off until now */
	dm_task_update_nodes();
	return r;
}

static int no_memory(struct kho_err *err)
{
	return kho_fail(err, -ENOMEM, "no memory for device-mapper");
}

static int add_target(struct dm_task *task, const struct kho_dm_target *target)
{
	return dm_task_add_target(task, 0, target->sectors, target->type, target->parameters);
}

int kho_dm_create(const char *name, const struct kho_dm_target *target, struct kho_err *err)
{
	struct dm_task *task = new_task(DM_DEVICE_CREATE, name);

	if (!task)
		return no_memory(err);
	if (!add_target(task, target) || !dm_task_set_add_node(task, DM_ADD_NODE_ON_CREATE)) {
		dm_task_destroy(task);
		return no_memory(err);
	}
	return run(task, "create", name, err);
}

static int simple(int type, const char *what, const char *name, struct kho_err *err)
{
	struct dm_task *task = new_task(type, name);

	return task ? run(task, what, name, err) : no_memory(err);
}

int kho_dm_remove(const char *name, struct kho_err *err)
{
	struct dm_task *task = new_task(DM_DEVICE_REMOVE, name);

	if (!task)
		return no_memory(err);
	dm_task_retry_remove(task);
	return run(task, "remove", name, err);
}

int kho_dm_suspend(const char *name, struct kho_err *err)
{
	struct dm_task *task = new_task(DM_DEVICE_SUSPEND, name);

	if (!task)
		return no_memory(err);
	dm_task_skip_lockfs(task);
	return run(task, "suspend", name, err);
}

int kho_dm_resume(const char *name, struct kho_err *err)
{
	return simple(DM_DEVICE_RESUME, "resume", name, err);
}

int kho_dm_replace(const char *name, const struct kho_dm_target *target, struct kho_err *err)
{
	struct dm_task *task = new_task(DM_DEVICE_RELOAD, name);
	int r;

	if (!task)
		return no_memory(err);
	if (!add_target(task, target)) {
		dm_task_destroy(task);
		return no_memory(err);
	}
	r = run(task, "load", name, err);
	if (r >= 0)
		r = simple(DM_DEVICE_SUSPEND, "suspend", name, err);
	return r < 0 ? r : kho_dm_resume(name, err);
}

static int ask(int type, const char *name, char ret[KHO_DM_TEXT], uint64_t *ret_sectors,
	       struct kho_err *err)
{
	struct dm_task *task = new_task(type, name);
	char *target = NULL, *parameters = NULL;
	uint64_t start, length = 0;

	if (!task)
		return no_memory(err);
	if (!dm_task_run(task)) {
		int code = dm_task_get_errno(task) ?: EIO;

		dm_task_destroy(task);
		return kho_fail_errno(err, -code, "device-mapper: status of %s", name);
	}
	dm_get_next_target(task, NULL, &start, &length, &target, &parameters);
	snprintf(ret, KHO_DM_TEXT, "%s", parameters ?: "");
	*ret_sectors = length;
	dm_task_destroy(task);
	return 0;
}

int kho_dm_status(const char *name, char ret[KHO_DM_TEXT], struct kho_err *err)
{
	uint64_t sectors;

	return ask(DM_DEVICE_STATUS, name, ret, &sectors, err);
}

int kho_dm_table(const char *name, char ret[KHO_DM_TEXT], uint64_t *ret_sectors,
		 struct kho_err *err)
{
	return ask(DM_DEVICE_TABLE, name, ret, ret_sectors, err);
}

int kho_dm_type(const char *name, char ret[KHO_DM_TYPE], struct kho_err *err)
{
	struct dm_task *task = new_task(DM_DEVICE_TABLE, name);
	char *target = NULL, *parameters;
	uint64_t start, length;

	if (!task)
		return no_memory(err);
	if (!dm_task_run(task)) {
		int code = dm_task_get_errno(task) ?: EIO;

		dm_task_destroy(task);
		return kho_fail_errno(err, -code, "device-mapper: table of %s", name);
	}
	dm_get_next_target(task, NULL, &start, &length, &target, &parameters);
	snprintf(ret, KHO_DM_TYPE, "%s", target ?: "");
	dm_task_destroy(task);
	return 0;
}

int kho_dm_device_size(const char *path, uint64_t *ret_sectors, struct kho_err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t bytes;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		return kho_fail_errno(err, -errno, "%s", path);
	*ret_sectors = bytes / 512;
	return 0;
}
