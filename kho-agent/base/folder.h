/* SPDX-License-Identifier: GPL-2.0-only */
/* Folders of files. */
#ifndef KHO_BASE_FOLDER_H
#define KHO_BASE_FOLDER_H

/*
 * Removes what's in it: files, folders that are empty, and folders on which a file system is
 * mounted, which is taken off. A program that was killed leaves such ones: CRIU mounts a
 * cgroup file system beside its images while it dumps.
 */
void kho_folder_clear(const char *path);

#endif
