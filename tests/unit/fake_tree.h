/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A sysfs, procfs and /dev of plain files in a temporary directory, and a kernel
 * behind them that a test plays: each write of the code under test is logged and
 * handed to the test, time passes as the test says, devices are busy as it says.
 *
 * Paths are relative to the tree ("sys/devices/system/cpu/present"). Whatever
 * fails in here fails the running test.
 */
#ifndef TESTS_FAKE_TREE_H
#define TESTS_FAKE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "system/sysroot.h"

struct fake_tree {
	char dir[64];
	char sys[80];
	char proc[80];
	char dev[80];
	struct kho_sysroot root;	/* what the code under test gets */
	uint64_t now_ms;
	uint64_t ms_per_write;		/* how long a write takes */
	const char *busy;		/* device nodes others hold: "vda,vdb1" */
	char log[8192];			/* "path=value\n" for each write, value's \n as '$' */
	/*
	 * Called for each write. NULL: the value becomes the file's content, and a
	 * file that isn't there is -ENOENT.
	 */
	int (*on_write)(struct fake_tree *tree, const char *path, const char *value);
	void *data;			/* the test's own */
};

void fake_tree_init(struct fake_tree *tree);
void fake_tree_done(struct fake_tree *tree);

/* Makes a file (with its directories), a directory, or a symlink; or replaces it. */
void fake_put(struct fake_tree *tree, const char *path, const char *text);
void fake_put_data(struct fake_tree *tree, const char *path, const void *data, size_t size);
void fake_dir(struct fake_tree *tree, const char *path);
void fake_link(struct fake_tree *tree, const char *path, const char *target);
void fake_remove(struct fake_tree *tree, const char *path);
bool fake_has(struct fake_tree *tree, const char *path);

#endif
