/* SPDX-License-Identifier: GPL-2.0-only */
/* Folders of files. */
#ifndef KHO_BASE_FOLDER_H
#define KHO_BASE_FOLDER_H

/* Removes all files in it, but no folders, and none whose name begins with a dot. */
void kho_folder_clear(const char *path);

#endif
