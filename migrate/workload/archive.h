/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A few files as one block of bytes: CRIU's images, and files that go with a workload.
 *
 * Format, little endian:
 *
 *	"KHOA", u32 version: 1, or 2 if a folder is in it
 *	per file:  u32 name_size (1 and up), u32 mode, u32 uid, u32 gid, u64 size,
 *		   s64 mtime; the name, without a terminator; the data
 *	u32 0, u32 CRC32C of all before it
 *
 * mode has the permissions, and S_IFDIR (octal 040000) for a folder, which has no data:
 * it's made if it isn't there, and left as it is if it is.
 *
 * Names are relative to a folder that the reader chooses, without "." and "..": what's
 * unpacked stays below that folder, also if links are in it, which are followed as if
 * it were the root; what's there by the name of a file must be a regular one. Only regular files and
 * folders are packed. The whole is checked before anything is written.
 */
#ifndef KHO_MIGRATE_ARCHIVE_H
#define KHO_MIGRATE_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define KHO_ARCHIVE_MAX		(1u << 30)
#define KHO_ARCHIVE_NAME_MAX	1024u

struct kho_archive {
	char *data;			/* owned */
	size_t size;
	size_t room;
	bool folders;
};

/* All zero is the empty one. -ENOMEM, -EFBIG: more than @limit bytes in all. */
int kho_archive_begin(struct kho_archive *archive, struct kho_err *err);

/* The file @name below the folder @dir_fd. -EINVAL: no regular file or
 * folder, or a bad name. */
int kho_archive_add(struct kho_archive *archive, int dir_fd, const char *name, size_t limit,
		    struct kho_err *err);

/* All regular files in the folder @dir_fd, not below it. */
int kho_archive_add_folder(struct kho_archive *archive, int dir_fd, size_t limit,
			   struct kho_err *err);

int kho_archive_end(struct kho_archive *archive, struct kho_err *err);
void kho_archive_done(struct kho_archive *archive);

/* -EBADMSG: not an archive, cut off, damaged, or with names that lead elsewhere. */
int kho_archive_check(const void *data, size_t size, struct kho_err *err);

/* Checks, then writes all files below @dir_fd; folders that are missing are made. */
int kho_archive_unpack(const void *data, size_t size, int dir_fd, struct kho_err *err);

#endif
