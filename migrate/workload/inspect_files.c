// SPDX-License-Identifier: GPL-2.0-only
/* Files that are needed; inspect_files.h has the contract. */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "migrate/workload/inspect_files.h"

#define SHARED_MEMORY	"/dev/shm"
#define PERMISSIONS	0777u		/* which CRIU compares, as it does the size */

struct lister {
	const struct kho_config *config;
	const struct kho_config_workload *workload;
	struct kho_inspection *inspection;
	pid_t pid;
};

static bool is_below(const char *path, const char *folder)
{
	size_t size = strlen(folder);

	while (size && folder[size - 1] == '/')
		size--;
	return strncmp(path, folder, size) == 0 && (path[size] == '/' || !path[size]);
}

static bool goes_along(const struct lister *lister, const char *path)
{
	for (unsigned int i = 0; i < lister->workload->nr_files; i++)
		if (fnmatch(lister->workload->files[i], path, 0) == 0)
			return true;
	return false;
}

static bool is_elsewhere(const struct lister *lister, const char *path)
{
	for (unsigned int i = 0; i < lister->config->nr_volumes; i++)
		if (is_below(path, lister->config->volumes[i].mount_point))
			return true;
	return goes_along(lister, path) || is_below(path, "/proc") || is_below(path, "/sys") ||
	       is_below(path, "/dev");
}

static bool is_listed(const struct kho_inspection *inspection, const char *path)
{
	for (unsigned int i = 0; i < inspection->nr_files; i++)
		if (strcmp(inspection->paths + inspection->files[i].path, path) == 0)
			return true;
	return false;
}

static void add(const struct lister *lister, const char *path, const struct stat *st)
{
	struct kho_inspection *inspection = lister->inspection;
	size_t size = strlen(path) + 1;

	if (inspection->nr_files == KHO_INSPECT_FILES ||
	    size > KHO_INSPECT_PATHS - inspection->used || is_listed(inspection, path))
		return;
	inspection->files[inspection->nr_files++] = (struct kho_inspect_file){
		.path = inspection->used,
		.mode = st->st_mode,
		.size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0,
	};
	memcpy(inspection->paths + inspection->used, path, size);
	inspection->used += (uint32_t)size;
}

/* Only if it's the same file for us and for the process. */
static void consider(const struct lister *lister, const char *path)
{
	struct stat ours, theirs;
	char seen[4200];

	if (is_elsewhere(lister, path) || stat(path, &ours) < 0)
		return;
	snprintf(seen, sizeof(seen), "/proc/%d/root%s", lister->pid, path);
	if (stat(seen, &theirs) == 0 && ours.st_ino == theirs.st_ino &&
	    ours.st_dev == theirs.st_dev)
		add(lister, path, &ours);
}

/* POSIX shared memory: files of this kernel's alone, that nothing but Files= takes along. */
static void consider_shared(const struct lister *lister, const char *path)
{
	struct kho_findings *findings = &lister->inspection->findings;
	char cause[KHO_FINDING_CAUSE];

	if (goes_along(lister, path))
		return;
	snprintf(cause, sizeof(cause), "uses shared memory, %.150s, which doesn't go along", path);
	if (!kho_is_found(findings, KHO_FINDING_SHARED_MEMORY, cause))
		kho_found(findings, KHO_FINDING_SHARED_MEMORY, lister->pid, "", "%s", cause);
}

static int consider_mapped(void *ctx, const char *path)
{
	if (is_below(path, SHARED_MEMORY))
		consider_shared(ctx, path);
	else
		consider(ctx, path);
	return 0;
}

void kho_inspect_files_mapped(const struct kho_config *config,
			      const struct kho_config_workload *workload, pid_t pid,
			      const char *maps, struct kho_inspection *ret)
{
	struct lister lister = { config, workload, ret, pid };

	kho_inspect_mapped(maps, consider_mapped, &lister);
}

void kho_inspect_files_open(const struct kho_config *config,
			    const struct kho_config_workload *workload,
			    const struct kho_inspect_fd *fd, struct kho_inspection *ret)
{
	struct lister lister = { config, workload, ret, fd->pid };
	const char *flags = strstr(fd->info, "flags:");

	/* folders may be made by the start of the unit there (RuntimeDirectory= and the like) */
	if (fd->link[0] != '/' || !S_ISREG(fd->mode))
		return;
	/* what's open for writing goes along */
	if (flags && (strtoul(flags + 6, NULL, 8) & O_ACCMODE) == O_RDONLY)
		consider(&lister, fd->link);
}

void kho_inspect_file_check(const char *path, uint32_t mode, uint64_t size,
			    struct kho_findings *findings)
{
	struct stat st;

	if (stat(path, &st) < 0)
		kho_found(findings, KHO_FINDING_FILE_MISSING, 0, "", "the new kernel has no %.160s",
			  path);
	else if ((st.st_mode ^ mode) & S_IFMT)
		kho_found(findings, KHO_FINDING_FILE_DIFFERS, 0, "", "%.160s is of another type in "
			  "the new kernel", path);
	else if (S_ISREG(mode) && (uint64_t)st.st_size != size)
		kho_found(findings, KHO_FINDING_FILE_DIFFERS, 0, "", "%.140s has %llu bytes here "
			  "and %llu in the new kernel", path, (unsigned long long)size,
			  (unsigned long long)st.st_size);
	else if ((st.st_mode ^ mode) & PERMISSIONS)
		kho_found(findings, KHO_FINDING_FILE_DIFFERS, 0, "", "%.140s has mode 0%o here and "
			  "0%o in the new kernel", path, mode & PERMISSIONS, st.st_mode & PERMISSIONS);
}
