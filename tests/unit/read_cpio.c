// SPDX-License-Identifier: GPL-2.0-only
/* Reads newc archives; read_cpio.h has the contract. */
#include "unit/read_cpio.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define HEADER_SIZE 110u

static uint32_t field(const uint8_t *header, size_t i)
{
	char digits[9] = { 0 }, *end;
	uint32_t value;

	memcpy(digits, header + 6 + 8 * i, 8);
	value = (uint32_t)strtoul(digits, &end, 16);
	ck_assert_msg(*end == '\0', "field %zu is '%s'", i, digits);
	return value;
}

static size_t padded(size_t size)
{
	return (size + 3) & ~(size_t)3;
}

bool cpio_next(const uint8_t *archive, size_t size, size_t *offset, struct cpio_entry *ret)
{
	const uint8_t *header = archive + *offset;
	size_t name_size;

	ck_assert_uint_le(*offset + HEADER_SIZE, size);
	ck_assert_int_eq(memcmp(header, "070701", 6), 0);
	name_size = field(header, 11);
	*ret = (struct cpio_entry){
		.path = (const char *)header + HEADER_SIZE,
		.ino = field(header, 0), .mode = field(header, 1), .uid = field(header, 2),
		.gid = field(header, 3), .nlink = field(header, 4), .mtime = field(header, 5),
		.size = field(header, 6), .dev_major = field(header, 9),
		.dev_minor = field(header, 10),
	};
	ck_assert_uint_le(*offset + HEADER_SIZE + name_size, size);
	ck_assert_uint_eq(strlen(ret->path) + 1, name_size);
	*offset += padded(HEADER_SIZE + name_size);
	ret->data = archive + *offset;
	*offset += padded(ret->size);
	ck_assert_uint_le(*offset, size);
	return strcmp(ret->path, "TRAILER!!!") != 0;
}

bool cpio_find(const uint8_t *archive, size_t size, const char *path, struct cpio_entry *ret)
{
	struct cpio_entry entry;
	size_t offset = 0, nr = 0;

	while (cpio_next(archive, size, &offset, &entry)) {
		if (strcmp(entry.path, path) != 0)
			continue;
		*ret = entry;
		nr++;
	}
	ck_assert_msg(nr <= 1, "%s is %zu times in the archive", path, nr);
	return nr == 1;
}

static void expect_bytes(const struct cpio_entry *entry, const char *bytes)
{
	ck_assert_uint_eq(entry->size, strlen(bytes));
	ck_assert_mem_eq(entry->data, bytes, entry->size);
}

void cpio_expect_link(const uint8_t *archive, size_t size, const char *path, const char *target)
{
	struct cpio_entry entry;

	ck_assert_msg(cpio_find(archive, size, path, &entry), "%s is missing", path);
	ck_assert_uint_eq(entry.mode, S_IFLNK | 0777);
	expect_bytes(&entry, target);
}

void cpio_expect_text(const uint8_t *archive, size_t size, const char *path, const char *text)
{
	struct cpio_entry entry;

	ck_assert_msg(cpio_find(archive, size, path, &entry), "%s is missing", path);
	ck_assert_msg(S_ISREG(entry.mode), "%s has mode %o", path, entry.mode);
	expect_bytes(&entry, text);
}
