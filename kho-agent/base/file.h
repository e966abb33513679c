/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whole files, in and out: what sysfs, procfs and our own state files need.
 *
 * Reading never trusts st_size, which is 0 for procfs and 4096 for sysfs: files
 * are read to their end, up to a limit the caller gives. Writing to sysfs is one
 * write(2) whose errno is the kernel's answer and is kept. Our own files are
 * replaced as a whole: after a crash there's the old content or the new one.
 *
 * All return 0 or a negative errno and fill @err, which may be NULL; outputs are
 * then left as they were. Besides those of open(), read() and write():
 *   -EFBIG    the file is longer than the limit
 *   -EINVAL   it isn't the text that was expected
 *   -ERANGE   it's a number that doesn't fit
 */
#ifndef KHO_BASE_FILE_H
#define KHO_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * The whole file in memory the caller frees. A NUL that @ret_size (may be NULL)
 * doesn't count follows the data. @max is in bytes; 0 allows only an empty file.
 */
int kho_file_read(const char *path, size_t max, char **ret_data, size_t *ret_size,
		  struct kho_err *err);

/*
 * As kho_file_read(), of a file that is one text: the newline at its end is
 * taken off, and a NUL in it is -EINVAL. The caller frees *@ret.
 */
int kho_file_read_string(const char *path, size_t max, char **ret, struct kho_err *err);

/* A file that is one number: decimal or 0x (u64), hexadecimal without 0x (hex64). */
int kho_file_read_u64(const char *path, uint64_t *ret, struct kho_err *err);
int kho_file_read_hex64(const char *path, uint64_t *ret, struct kho_err *err);

/*
 * Writes @text to a file that exists, by one write(2). The errno of that write
 * is returned as it is (-EBUSY: a memory block that won't offline, and so on),
 * -EINTR included. -EIO if only a part was taken.
 */
int kho_file_write_string(const char *path, const char *text, struct kho_err *err);

struct kho_file_content {
	const void *data;
	size_t size;
	mode_t mode;			/* of the file, whatever the umask */
};

/*
 * Replaces or creates @path: a temporary file beside it (".NAME.PID.tmp") is
 * written, synced and renamed, then the directory is synced. On failure the old
 * file is as it was and no temporary file is left, with one exception: if the
 * last sync fails the new content is there but may not outlive a crash.
 * -ENAMETOOLONG: the name is longer than 230 bytes.
 */
int kho_file_write_atomic(const char *path, const struct kho_file_content *content,
			  struct kho_err *err);

/* A new file in memory (memfd) with that content: its descriptor, the caller's to close. */
int kho_file_in_memory(const char *name, const void *data, size_t size, struct kho_err *err);

#endif
