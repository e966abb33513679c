// SPDX-License-Identifier: GPL-2.0-only
/*
 * Archives of arbitrary bytes, their sums made right, unpacked into a folder that has
 * links out of it. Whatever happens, the folder beside it stays empty.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "migrate/workload/archive.h"

#define MAX_SIZE (1u << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char top[64], below[80], outside[80];

static void require(int condition)
{
	if (!condition)
		abort();
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static void clean(void)
{
	nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void make_top(void)
{
	snprintf(top, sizeof(top), "/tmp/kho-fuzz-archive-XXXXXX");
	require(mkdtemp(top) != NULL);
	snprintf(below, sizeof(below), "%s/below", top);
	snprintf(outside, sizeof(outside), "%s/outside", top);
	require(mkdir(outside, 0755) == 0);
	atexit(clean);
}

static int make_below(void)
{
	int dir;

	require(mkdir(below, 0755) == 0);
	dir = open(below, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	require(dir >= 0);
	require(symlinkat("../outside", dir, "u") == 0 && symlinkat(outside, dir, "o") == 0);
	return dir;
}

static void unpack(const uint8_t *data, size_t size)
{
	struct kho_err err = {};
	int dir = make_below();
	int good = kho_archive_check(data, size, &err), r;

	require(good == 0 || (good == err.code && err.msg[0]));
	r = kho_archive_unpack(data, size, dir, &err);
	require(r == 0 || (r == err.code && err.msg[0]));
	require(good == 0 || r == good);
	close(dir);
	nftw(below, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	/* empty: or else it couldn't be removed */
	require(rmdir(outside) == 0 && mkdir(outside, 0755) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t copy[MAX_SIZE];
	uint32_t crc;

	if (!top[0])
		make_top();
	if (size < 4 || size > sizeof(copy))
		return 0;
	memcpy(copy, data, size);
	crc = kho_crc32c(copy, size - 4);
	memcpy(copy + size - 4, &crc, 4);
	unpack(copy, size);
	return 0;
}
