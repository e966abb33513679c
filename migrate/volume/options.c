// SPDX-License-Identifier: GPL-2.0-only
/* Mount options; options.h has the idea. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "migrate/volume/options.h"

static const struct {
	const char *name;
	unsigned long set, clear;
} known[] = {
	{ "ro", MS_RDONLY, 0 }, { "rw", 0, MS_RDONLY },
	{ "nosuid", MS_NOSUID, 0 }, { "suid", 0, MS_NOSUID },
	{ "nodev", MS_NODEV, 0 }, { "dev", 0, MS_NODEV },
	{ "noexec", MS_NOEXEC, 0 }, { "exec", 0, MS_NOEXEC },
	{ "sync", MS_SYNCHRONOUS, 0 }, { "async", 0, MS_SYNCHRONOUS },
	{ "dirsync", MS_DIRSYNC, 0 }, { "lazytime", MS_LAZYTIME, 0 },
	{ "nolazytime", 0, MS_LAZYTIME },
	{ "noatime", MS_NOATIME, MS_RELATIME }, { "atime", 0, MS_NOATIME },
	{ "relatime", MS_RELATIME, MS_NOATIME }, { "norelatime", 0, MS_RELATIME },
	{ "strictatime", MS_STRICTATIME, MS_NOATIME | MS_RELATIME },
	{ "nodiratime", MS_NODIRATIME, 0 }, { "diratime", 0, MS_NODIRATIME },
	{ "defaults", 0, 0 }, { "auto", 0, 0 }, { "noauto", 0, 0 }, { "nofail", 0, 0 },
	{ "_netdev", 0, 0 }, { "nouser", 0, 0 },
};

static bool apply(const char *option, struct kho_volume_options *options)
{
	/* a remark for systemd and the like */
	if (strncmp(option, "x-", 2) == 0)
		return true;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(option, known[i].name) == 0) {
			options->flags = (options->flags & ~known[i].clear) | known[i].set;
			return true;
		}
	return false;
}

int kho_volume_parse_options(const char *text, struct kho_volume_options *ret, struct kho_err *err)
{
	struct kho_volume_options options = {};
	char copy[KHO_VOLUME_DATA], *option, *rest;
	size_t used = 0;

	if (strlen(text) >= sizeof(copy))
		return kho_fail(err, -E2BIG, "mount options of more than %zu characters; name "
				"fewer", sizeof(copy) - 1);
	memcpy(copy, text, strlen(text) + 1);
	for (option = strtok_r(copy, ",", &rest); option; option = strtok_r(NULL, ",", &rest))
		if (!apply(option, &options))
			used += (size_t)snprintf(options.data + used, sizeof(options.data) - used,
						 "%s%s", used ? "," : "", option);
	*ret = options;
	return 0;
}
