/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes an initramfs archive in the "newc" format, as the kernel's own
 * unpacker reads it (Documentation/driver-api/early-userspace/buffer-format.rst).
 *
 * Same entries, same bytes: everything belongs to root, times are 0, inode
 * numbers count up. Parents of an entry are made on the way, each once. The
 * archive goes to a sink piece by piece; nothing but the paths is kept.
 *
 * An entry:
 *	offset  size
 *	0       6     "070701"
 *	6       13*8  hexadecimal: ino, mode, uid, gid, nlink, mtime, size,
 *		      device major, minor, rdev major, minor, name size, 0
 *	110           name and its NUL, padded with NULs to a multiple of 4
 *	              data, padded likewise
 */
#ifndef KHO_IMAGE_CPIO_H
#define KHO_IMAGE_CPIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "image/sink.h"
#include "image/strset.h"

struct kho_cpio {
	struct kho_sink *sink;		/* not owned */
	struct kho_strset paths;	/* each with its S_IFMT bits */
	uint64_t size;			/* bytes written */
	uint32_t next_ino;
	bool finished;
};

struct kho_cpio_entry {
	const char *path;	/* "/usr/bin/x"; the leading slash may be left out */
	uint32_t mode;		/* type and permissions, as st_mode */
	const void *data;	/* a file's bytes, a symlink's target */
	size_t size;		/* of data; a target is counted without NUL */
	uint32_t dev_major;	/* of device nodes */
	uint32_t dev_minor;
};

void kho_cpio_init(struct kho_cpio *cpio, struct kho_sink *sink);
void kho_cpio_done(struct kho_cpio *cpio);

/*
 * Adds one entry and the parents that aren't there yet (mode 0755).
 *   -EINVAL        the path has an empty, "." or ".." component; the type isn't
 *                  directory, file, symlink or device; the target is empty;
 *                  the archive is finished
 *   -ENAMETOOLONG  the path or target is longer than the kernel reads
 *   -EFBIG         the file has 4 GiB or more
 *   -EEXIST        the path is there. A directory that comes again is no error
 *                  and keeps the mode it had
 *   -ENOTDIR       a parent is there and no directory
 * or what the sink returns; then the archive is of no more use.
 */
int kho_cpio_add(struct kho_cpio *cpio, const struct kho_cpio_entry *entry, struct kho_err *err);

int kho_cpio_add_dir(struct kho_cpio *cpio, const char *path, uint32_t perm, struct kho_err *err);
int kho_cpio_add_link(struct kho_cpio *cpio, const char *path, const char *target,
		      struct kho_err *err);
/* A file with mode 0644 and the contents @text. */
int kho_cpio_add_text(struct kho_cpio *cpio, const char *path, const char *text,
		      struct kho_err *err);

/* S_IFMT bits of the entry at @path; 0: there's none. */
uint32_t kho_cpio_type(const struct kho_cpio *cpio, const char *path);

/* Writes the trailer. */
int kho_cpio_finish(struct kho_cpio *cpio, struct kho_err *err);

#endif
