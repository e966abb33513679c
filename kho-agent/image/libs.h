/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everything programs need to be started: the programs themselves, the dynamic
 * loader, the shared libraries of those and of the libraries in turn, and the
 * interpreters of scripts. Libraries are looked for as ld.so does it: in an
 * object's own DT_RUNPATH ($ORIGIN included), then in the directories of
 * /etc/ld.so.conf, then in Debian's own. A library for another machine is passed
 * over. DT_RPATH counts for the object that has it, not for what that loads.
 */
#ifndef KHO_IMAGE_LIBS_H
#define KHO_IMAGE_LIBS_H

#include "base/err.h"
#include "image/rootfs.h"
#include "image/strset.h"

#define KHO_LIBS_MAX_FILE	(512u << 20)	/* bytes of one program or library */

struct kho_libs {
	const struct kho_rootfs *root;	/* not owned */
	struct kho_strset dirs;		/* where libraries are looked for, in order */
	struct kho_strset files;	/* paths as they were asked for or found, in order */
	size_t nr_scanned;		/* of files: those whose needs are in files as well */
};

/* Reads /etc/ld.so.conf and what it includes; it may be missing. */
int kho_libs_init(struct kho_libs *libs, const struct kho_rootfs *root, struct kho_err *err);
void kho_libs_done(struct kho_libs *libs);

/*
 * Adds the program or library at @path (absolute within the tree) and all it
 * needs. Errors of kho_rootfs_read() and kho_elf_parse(), and
 *   -ENOENT   a library isn't in any directory; the message names both ends
 *   -ENOEXEC  neither ELF nor a script that names its interpreter
 * After a failure only kho_libs_done() is of use.
 */
int kho_libs_add(struct kho_libs *libs, const char *path, struct kho_err *err);

#endif
