/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads newc archives that tests have written: an independent reading of the
 * format, which fails the running test on anything that isn't right.
 */
#ifndef TESTS_READ_CPIO_H
#define TESTS_READ_CPIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cpio_entry {
	const char *path;		/* in the archive's bytes */
	uint32_t ino, mode, uid, gid, nlink, mtime, dev_major, dev_minor;
	const uint8_t *data;
	size_t size;
};

/* The entry at *@offset, which moves on; false at the trailer. */
bool cpio_next(const uint8_t *archive, size_t size, size_t *offset, struct cpio_entry *ret);

/* Whether there's an entry called @path; exactly one. */
bool cpio_find(const uint8_t *archive, size_t size, const char *path, struct cpio_entry *ret);

/* Fails unless @path is a link to @target, or a file of just these bytes. */
void cpio_expect_link(const uint8_t *archive, size_t size, const char *path, const char *target);
void cpio_expect_text(const uint8_t *archive, size_t size, const char *path, const char *text);

#endif
