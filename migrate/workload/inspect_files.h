/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files that a workload needs in the new kernel; a part of inspect_proc.h's walk.
 *
 * Regular ones that are mapped, or open for reading, on mounts that the agent sees as well.
 * Not those that go with the workload (migrate/workload/carry.h), that stand on a volume,
 * in /proc, /sys or /dev, or that a private mount hides: these show at the rehearsal.
 */
#ifndef KHO_MIGRATE_INSPECT_FILES_H
#define KHO_MIGRATE_INSPECT_FILES_H

#include "migrate/workload/inspect_proc.h"

void kho_inspect_files_open(const struct kho_config *config,
			    const struct kho_config_workload *workload,
			    const struct kho_inspect_fd *fd, struct kho_inspection *ret);

void kho_inspect_files_mapped(const struct kho_config *config,
			      const struct kho_config_workload *workload, pid_t pid,
			      const char *maps, struct kho_inspection *ret);

/* Compares them with what's here, on the new side. @path is absolute. */
void kho_inspect_file_check(const char *path, uint32_t mode, uint64_t size,
			    struct kho_findings *findings);

#endif
