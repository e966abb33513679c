// SPDX-License-Identifier: GPL-2.0-only
/* CRIU's version, kept in a file; criu_known.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "agent/criu_known.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/criu/abilities.h"

#define CRIU		"/usr/sbin/criu"
#define KNOWN		KHO_RUN_DIR "/criu-version"
#define TEXT_MAX	128

/* "Version: 4.2.1 of SIZE MTIME"; only this build of it has that. */
static void describe(const char *version, const struct stat *st, char text[TEXT_MAX])
{
	snprintf(text, TEXT_MAX, "Version: %.32s of %lld %lld.%09ld", version,
		 (long long)st->st_size, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

static bool is_known(const struct stat *st, char *ret, size_t size)
{
	_cleanup_free_ char *text = NULL;
	char version[32], want[TEXT_MAX];

	if (kho_file_read_string(KNOWN, TEXT_MAX, &text, NULL) < 0 ||
	    kho_criu_version_parse(text, version, sizeof(version), NULL) < 0)
		return false;
	describe(version, st, want);
	if (strcmp(text, want) != 0 || strlen(version) >= size)
		return false;
	memcpy(ret, version, strlen(version) + 1);
	return true;
}

int kho_criu_known_version(char *ret, size_t size, struct kho_err *err)
{
	struct kho_file_content content = { .mode = 0600 };
	char text[TEXT_MAX];
	struct stat st;
	int r;

	if (stat(CRIU, &st) < 0)
		return kho_fail(err, -ENOENT, "there's no " CRIU "; install it");
	if (is_known(&st, ret, size))
		return 0;
	r = kho_criu_version(ret, size, err);
	if (r < 0)
		return r;
	describe(ret, &st, text);
	content.data = text;
	content.size = strlen(text);
	/* unwritten, it's asked again */
	(void)kho_file_write_atomic(KNOWN, &content, NULL);
	return 0;
}
