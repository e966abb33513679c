// SPDX-License-Identifier: GPL-2.0-only
/* The journal on the disk. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/history.h"
#include "agent/upgrade_disk.h"
#include "base/cleanup.h"
#include "base/file.h"

#define BOOT_ID		"/proc/sys/kernel/random/boot_id"
#define PATH_SIZE	64

static void path_of(uint64_t seq, char ret[PATH_SIZE])
{
	snprintf(ret, PATH_SIZE, KHO_STATE_DIR "/upgrade.%u", (unsigned int)(seq & 1));
}

int kho_upgrade_disk_write(struct kho_journal *journal, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	struct kho_file_content content = { .mode = 0600 };
	char path[PATH_SIZE];
	int r;

	journal->seq++;
	r = kho_journal_format(journal, &text, err);
	if (r < 0)
		return r;
	if (mkdir(KHO_STATE_DIR, 0755) < 0 && errno != EEXIST)
		return kho_fail_errno(err, -errno, KHO_STATE_DIR);
	content.data = text;
	content.size = strlen(text);
	path_of(journal->seq, path);
	return kho_file_write_atomic(path, &content, err);
}

static int read_one(uint64_t which, struct kho_journal *ret, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_SIZE];
	size_t size;
	int r;

	path_of(which, path);
	r = kho_file_read(path, KHO_JOURNAL_MAX, &text, &size, err);
	if (r >= 0)
		r = kho_journal_parse(text, size, ret, err);
	return r < 0 && r != -ENOENT ? kho_wrap(err, r, "%s", path) : r;
}

int kho_upgrade_disk_read(struct kho_journal *ret, struct kho_err *err)
{
	_cleanup_free_ struct kho_journal *other = calloc(1, sizeof(*other));
	struct kho_err second;
	int r, r2;

	if (!other)
		return kho_fail(err, -ENOMEM, "no memory for the journal");
	r = read_one(0, ret, err);
	r2 = read_one(1, other, &second);
	if (r2 >= 0 && (r < 0 || other->seq > ret->seq)) {
		*ret = *other;
		return 0;
	}
	if (r == -ENOENT && r2 < 0) {
		*err = second;
		return r2;
	}
	return r;
}

void kho_upgrade_disk_forget(void)
{
	char path[PATH_SIZE];

	for (unsigned int i = 0; i < 2; i++) {
		path_of(i, path);
		unlink(path);
	}
}

int kho_upgrade_disk_boot(char ret[KHO_UUID_TEXT], struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	uint8_t uuid[KHO_UUID_SIZE];
	int r = kho_file_read_string(BOOT_ID, 64, &text, err);

	if (r >= 0)
		r = kho_parse_uuid(text, uuid, err);
	if (r < 0)
		return kho_wrap(err, r, BOOT_ID);
	kho_uuid_format(uuid, ret);
	return 0;
}
