// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl image stage, unstage: the image of a kernel that was just installed, or removed
 * (hooks/). Staged images have the kernel's release for a name, and say in their manifest
 * what made them: others of that name are let alone. KHO_STAGED leads to the newest.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/version.h"
#include "image/build.h"
#include "image/dir.h"
#include "image/look.h"
#include "image/store.h"
#include "khoctl/khoctl.h"
#include "migrate/workload/config.h"

#define MAX_WORDS	48
#define MADE_BY		"khoctl image stage"

static bool was_staged(const struct kho_image_dir *dir)
{
	return strncmp(dir->manifest.created_by, MADE_BY, strlen(MADE_BY)) == 0;
}

/* -EEXIST: somebody else's; -ENOENT: there's none. */
static int check_ours(const char *release, struct kho_err *err)
{
	struct kho_image_dir dir = { .fd = -EBADF };
	char path[512];
	bool ours;
	int r = kho_image_check_name(release, err);

	snprintf(path, sizeof(path), KHO_IMAGE_DIR "/%s", release);
	if (r >= 0 && access(path, F_OK) < 0)
		r = kho_fail(err, -ENOENT, "there's no image %s", path);
	if (r >= 0)
		r = kho_image_dir_open(path, &dir, err);
	if (r < 0)
		return r;
	ours = was_staged(&dir);
	kho_image_dir_done(&dir);
	return ours ? 0 : kho_fail(err, -EEXIST, "%s wasn't staged but made by somebody; remove it, "
				   "or give it another name, if it isn't wanted", path);
}

/* ---- the newest one ---- */

static int find_newest(void *ctx, const char *path, struct kho_err *err)
{
	struct kho_image_dir dir = { .fd = -EBADF };
	char *newest = ctx;

	/* one that's spoilt isn't the newest, and no failure of this */
	if (kho_image_dir_open(path, &dir, err) < 0)
		return 0;
	if (was_staged(&dir) && strverscmp(dir.manifest.release, newest) > 0)
		snprintf(newest, KHO_RELEASE_MAX, "%s", dir.manifest.release);
	kho_image_dir_done(&dir);
	return 0;
}

static int link_newest(struct kho_err *err)
{
	char newest[KHO_RELEASE_MAX] = "", target[512];
	int r = kho_image_each(KHO_IMAGE_DIR, find_newest, newest, err);

	if (r < 0)
		return r;
	unlink(KHO_STAGED ".new");
	if (!*newest) {
		unlink(KHO_STAGED);
		return 0;
	}
	snprintf(target, sizeof(target), KHO_IMAGE_DIR "/%s", newest);
	if (symlink(target, KHO_STAGED ".new") < 0 || rename(KHO_STAGED ".new", KHO_STAGED) < 0)
		return kho_fail_errno(err, -errno, KHO_STAGED " can't be made");
	return 0;
}

/* ---- the verbs ---- */

static int build(const struct kho_config *config, const char *release)
{
	char options[KHO_CONFIG_TEXT];
	char *argv[MAX_WORDS + 5] = { (char *)"build" };
	char *word, *rest;
	int argc = 1;

	snprintf(options, sizeof(options), "%s", config->stage_options);
	for (word = strtok_r(options, " \t", &rest); word && argc < MAX_WORDS;
	     word = strtok_r(NULL, " \t", &rest))
		argv[argc++] = word;
	argv[argc++] = (char *)"--replace";
	argv[argc++] = (char *)release;
	argv[argc++] = (char *)release;
	return kho_image_build_verb(argc, argv, MADE_BY " " KHO_VERSION);
}

int verb_image_stage(int argc, char **argv)
{
	_cleanup_free_ struct kho_config *config = NULL;
	struct kho_err err;
	int r;

	if (argc != 2)
		return kho_usage_error("image stage takes a kernel release");
	if (kho_config_load(&config, &err) < 0)
		return kho_report(&err);
	if (!config->stage)
		return kho_say("nothing is staged: [Image] Stage=no");
	r = check_ours(argv[1], &err);
	if (r < 0 && r != -ENOENT)
		return kho_report(&err);
	r = build(config, argv[1]);
	if (r == KHO_EXIT_OK && link_newest(&err) < 0)
		return kho_report(&err);
	return r;
}

int verb_image_unstage(int argc, char **argv)
{
	struct kho_err err;
	int r;

	if (argc != 2)
		return kho_usage_error("image unstage takes a kernel release");
	r = check_ours(argv[1], &err);
	if (r >= 0)
		r = kho_image_store_remove(KHO_IMAGE_DIR, argv[1], &err);
	/* nothing is there, or it isn't ours: all is as it should be */
	if (r == -ENOENT || r == -EEXIST)
		r = 0;
	if (r >= 0)
		r = link_newest(&err);
	return r < 0 ? kho_report(&err) : kho_done();
}
