// SPDX-License-Identifier: GPL-2.0-only
/* The system in a file; system.h says what's in it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "image/system.h"
#include "system/proc.h"
#include "system/sysroot.h"

#define MAX_ARGS	160
#define MAX_OTHERS	32
#define TIMEOUT_MS	(20 * 60 * 1000)

const char *const kho_image_system_modules[] = { "loop", "squashfs", "overlay", NULL };

static const char *const always_excluded[] = {
	"proc/*", "sys/*", "dev/*", "run/*", "tmp/*", "mnt/*", "media/*", "boot/*", "lost+found",
	"var/tmp/*", "var/cache/*", "var/lib/apt/lists/*", "var/lib/kho-agent/images",
	"var/log/journal",
};

/* Modules of kernels other than the target's. */
struct others {
	char paths[MAX_OTHERS][KHO_SYSROOT_PATH];
	size_t nr;
};

static int find_others(const struct kho_image_system *system, struct others *ret,
		       struct kho_err *err)
{
	char path[KHO_SYSROOT_PATH];
	struct kho_names names;
	int r = kho_sysroot_path(path, system->root, err, "/usr/lib/modules");

	if (r >= 0)
		r = kho_sysroot_list(path, &names, err);
	if (r < 0)
		return r;
	ret->nr = 0;
	for (size_t i = 0; i < names.nr && r >= 0; i++) {
		if (strcmp(names.names[i], system->release) == 0)
			continue;
		if (ret->nr == MAX_OTHERS)
			r = kho_fail(err, -E2BIG, "modules of more than %d kernels are installed; "
				     "remove old ones", MAX_OTHERS);
		else
			snprintf(ret->paths[ret->nr++], KHO_SYSROOT_PATH, "usr/lib/modules/%s",
				 names.names[i]);
	}
	kho_names_done(&names);
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
		"-one-file-system", "-comp", "zstd", "-Xcompression-level", "3", "-wildcards", "-e",
	};
	const struct kho_proc_spec spec = { .argv = argv, .timeout_ms = TIMEOUT_MS };
	struct others others;
	size_t nr = 0;
	int r = find_others(system, &others, err);

	while (argv[nr])
		nr++;
	for (size_t i = 0; i < sizeof(always_excluded) / sizeof(always_excluded[0]) && r >= 0; i++)
		r = add(argv, &nr, always_excluded[i], err);
	for (size_t i = 0; i < others.nr && r >= 0; i++)
		r = add(argv, &nr, others.paths[i], err);
	for (size_t i = 0; system->excludes && system->excludes[i] && r >= 0; i++)
		r = add(argv, &nr, system->excludes[i], err);
	if (r >= 0)
		r = kho_proc_check(&spec, err);
	if (r < 0)
		unlink(system->output);
	return r < 0 ? kho_wrap(err, r, "squashfs of the system") : 0;
}
