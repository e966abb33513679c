// SPDX-License-Identifier: GPL-2.0-only
/* The system in a file; system.h says what's in it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "image/system.h"
#include "system/mountinfo.h"
#include "system/proc.h"
#include "system/sysroot.h"

#define MAX_ARGS	160
#define MAX_PATHS	64
#define MOUNTINFO_MAX	(1u << 20)
#define TIMEOUT_MS	(20 * 60 * 1000)

const char *const kho_image_system_modules[] = { "loop", "squashfs", "overlay", NULL };

static const char *const always_excluded[] = {
	"proc/*", "sys/*", "dev/*", "run/*", "tmp/*", "mnt/*", "media/*", "boot/*", "lost+found",
	"var/tmp/*", "var/cache/*", "var/lib/apt/lists/*", "var/lib/kho-agent/images",
	"var/log/journal",
};

/* What else is left out, found on this system. */
struct found {
	char paths[MAX_PATHS][KHO_SYSROOT_PATH];
	size_t nr;
};

static int note(struct found *found, const char *path, struct kho_err *err)
{
	if (found->nr == MAX_PATHS)
		return kho_fail(err, -E2BIG, "more than %d mounts and kernels; remove old kernels, "
				"or unmount what isn't needed", MAX_PATHS);
	snprintf(found->paths[found->nr++], KHO_SYSROOT_PATH, "%s", path);
	return 0;
}

/* Modules of kernels other than the target's. */
static int find_others(const struct kho_image_system *system, struct found *found,
		       struct kho_err *err)
{
	char path[KHO_SYSROOT_PATH];
	struct kho_names names;
	int r = kho_sysroot_path(path, system->root, err, "/usr/lib/modules");

	if (r >= 0)
		r = kho_sysroot_list(path, &names, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < names.nr && r >= 0; i++) {
		snprintf(path, sizeof(path), "usr/lib/modules/%s", names.names[i]);
		if (strcmp(names.names[i], system->release) != 0)
			r = note(found, path, err);
	}
	kho_names_done(&names);
	return r;
}

/*
 * What's mounted on the root. By name: on an overlay files have other devices than
 * their directories, so mksquashfs's own -one-file-system would leave them out.
 */
static int find_mounts(struct found *found, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	struct kho_word line;
	struct kho_mount mount;
	char path[KHO_SYSROOT_PATH];
	const char *at;
	int r = kho_file_read("/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL, err);

	/* without /proc nothing is mounted there by anybody */
	if (r == -ENOENT)
		return 0;
	for (at = text; r >= 0 && kho_next_line(&at, &line);) {
		if (!kho_mount_parse(&line, &mount) || mount.point.size < 2 ||
		    mount.point.size > sizeof(path) - 3)
			continue;
		snprintf(path, sizeof(path), "%.*s/*", (int)mount.point.size - 1,
			 mount.point.data + 1);
		/* those of the kernel's own file systems are in the list already */
		if (strncmp(path, "proc/", 5) && strncmp(path, "sys/", 4) &&
		    strncmp(path, "dev/", 4) && strncmp(path, "run/", 4))
			r = note(found, path, err);
	}
	return r;
}

static int add(const char **argv, size_t *nr, const char *arg, struct kho_err *err)
{
	if (*nr == MAX_ARGS)
		return kho_fail(err, -E2BIG, "more than %d paths are to be left out; name their "
				"folders instead", MAX_ARGS);
	argv[(*nr)++] = arg;
	return 0;
}

int kho_image_make_system(const struct kho_image_system *system, struct kho_err *err)
{
	/* quick to unpack: every page of the new kernel's programs goes through it */
	const char *argv[MAX_ARGS + 1] = {
		"mksquashfs", system->root, system->output, "-noappend", "-quiet", "-no-progress",
		"-comp", "zstd", "-Xcompression-level", "3", "-wildcards", "-e",
	};
	const struct kho_proc_spec spec = { .argv = argv, .timeout_ms = TIMEOUT_MS };
	struct found *found = calloc(1, sizeof(*found));
	size_t nr = 0;
	int r;

	if (!found)
		return kho_fail(err, -ENOMEM, "no memory for a list of paths");
	r = find_others(system, found, err);
	if (r >= 0)
		r = find_mounts(found, err);
	while (argv[nr])
		nr++;
	for (size_t i = 0; i < sizeof(always_excluded) / sizeof(always_excluded[0]) && r >= 0; i++)
		r = add(argv, &nr, always_excluded[i], err);
	for (size_t i = 0; r >= 0 && i < found->nr; i++)
		r = add(argv, &nr, found->paths[i], err);
	for (size_t i = 0; system->excludes && system->excludes[i] && r >= 0; i++)
		r = add(argv, &nr, system->excludes[i], err);
	if (r >= 0)
		r = kho_proc_check(&spec, err);
	free(found);
	return r < 0 ? kho_wrap(err, r, "squashfs of the system") : 0;
}
