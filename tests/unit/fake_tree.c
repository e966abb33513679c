// SPDX-License-Identifier: GPL-2.0-only
/* A kernel's file systems as plain files; fake_tree.h has the contract. */
#include <check.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/fake_tree.h"

static void full_path(struct fake_tree *tree, const char *path, char ret[1024])
{
	ck_assert_int_lt(snprintf(ret, 1024, "%s/%s", tree->dir, path), 1024);
}

static void make_parents(char *path)
{
	char *slash;

	for (slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
}

static void log_write(struct fake_tree *tree, const char *path, const char *value)
{
	size_t used = strlen(tree->log);
	char *at;

	snprintf(tree->log + used, sizeof(tree->log) - used, "%s=%s", path, value);
	for (at = tree->log + used; *at; at++)
		if (*at == '\n')
			*at = '$';
	used = strlen(tree->log);
	snprintf(tree->log + used, sizeof(tree->log) - used, "\n");
}

static int fake_write(void *ctx, const char *path, const char *value, unsigned int timeout_ms)
{
	struct fake_tree *tree = ctx;
	const char *relative = path + strlen(tree->dir) + 1;

	ck_assert_msg(strncmp(path, tree->dir, strlen(tree->dir)) == 0, "wrote to %s", path);
	log_write(tree, relative, value);
	tree->now_ms += tree->ms_per_write;
	if (timeout_ms && tree->ms_per_write > timeout_ms)
		return -ETIMEDOUT;
	if (tree->on_write)
		return tree->on_write(tree, relative, value);
	if (!fake_has(tree, relative))
		return -ENOENT;
	fake_put(tree, relative, value);
	return 0;
}

static uint64_t fake_now(void *ctx)
{
	struct fake_tree *tree = ctx;

	return tree->now_ms;
}

static void fake_pause(void *ctx, unsigned int ms)
{
	struct fake_tree *tree = ctx;

	tree->now_ms += ms;
}

static int fake_exclusive(void *ctx, const char *path)
{
	struct fake_tree *tree = ctx;
	const char *name = strrchr(path, '/') + 1, *at = tree->busy ? tree->busy : "";
	size_t size = strlen(name);

	for (; *at; at += strcspn(at, ","), at += *at == ',')
		if (strcspn(at, ",") == size && memcmp(at, name, size) == 0)
			return -EBUSY;
	return 0;
}

static const struct kho_sysroot_ops fake_ops = {
	.write = fake_write,
	.now_ms = fake_now,
	.pause = fake_pause,
	.try_exclusive = fake_exclusive,
};

void fake_tree_init(struct fake_tree *tree)
{
	*tree = (struct fake_tree) { .dir = "/tmp/kho-test-tree-XXXXXX" };
	ck_assert_ptr_nonnull(mkdtemp(tree->dir));
	snprintf(tree->sys, sizeof(tree->sys), "%s/sys", tree->dir);
	snprintf(tree->proc, sizeof(tree->proc), "%s/proc", tree->dir);
	snprintf(tree->dev, sizeof(tree->dev), "%s/dev", tree->dir);
	tree->root = (struct kho_sysroot) {
		.sys = tree->sys,
		.proc = tree->proc,
		.dev = tree->dev,
		.ops = &fake_ops,
		.ctx = tree,
	};
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void fake_tree_done(struct fake_tree *tree)
{
	ck_assert_int_eq(nftw(tree->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void fake_put_data(struct fake_tree *tree, const char *path, const void *data, size_t size)
{
	char full[1024];
	FILE *f;

	full_path(tree, path, full);
	make_parents(full);
	f = fopen(full, "w");
	ck_assert_msg(f != NULL, "can't make %s", full);
	ck_assert_uint_eq(fwrite(data, 1, size, f), size);
	ck_assert_int_eq(fclose(f), 0);
}

void fake_put(struct fake_tree *tree, const char *path, const char *text)
{
	fake_put_data(tree, path, text, strlen(text));
}

void fake_dir(struct fake_tree *tree, const char *path)
{
	char full[1024];

	full_path(tree, path, full);
	make_parents(full);
	ck_assert(mkdir(full, 0700) == 0 || errno == EEXIST);
}

void fake_link(struct fake_tree *tree, const char *path, const char *target)
{
	char full[1024];

	full_path(tree, path, full);
	make_parents(full);
	(void)unlink(full);
	ck_assert_int_eq(symlink(target, full), 0);
}

void fake_remove(struct fake_tree *tree, const char *path)
{
	char full[1024];

	full_path(tree, path, full);
	ck_assert_int_eq(nftw(full, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

bool fake_has(struct fake_tree *tree, const char *path)
{
	struct stat st;
	char full[1024];

	full_path(tree, path, full);
	return lstat(full, &st) == 0;
}
