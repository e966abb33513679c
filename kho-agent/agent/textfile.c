// SPDX-License-Identifier: GPL-2.0-only
/* A file for node-exporter. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/textfile.h"
#include "base/cleanup.h"

#define REMEDY	"is the folder of TextFile= in [Metrics] there, with room on it?"

/* node-exporter reads what ends in .prom */
static int name_of(const char *path, char ret[PATH_MAX], struct kho_err *err)
{
	int len = snprintf(ret, PATH_MAX, "%s.%d.tmp", path, getpid());

	return len < PATH_MAX ? 0 : kho_fail(err, -ENAMETOOLONG, "%.60s...: too long a path", path);
}

static int write_all(int fd, const char *text, size_t size)
{
	while (size) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

int kho_textfile_write(const char *path, const char *text, struct kho_err *err)
{
	_cleanup_close_ int fd = -EBADF;
	char temporary[PATH_MAX];
	int r = name_of(path, temporary, err);

	if (r < 0)
		return r;
	/* one that's left of an agent that was killed */
	unlink(temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return kho_fail(err, -errno, "%s: %s; " REMEDY, temporary, strerror(errno));
	r = write_all(fd, text, strlen(text));
	if (r >= 0 && (fchmod(fd, 0644) < 0 || rename(temporary, path) < 0))
		r = -errno;
	if (r >= 0)
		return 0;
	unlink(temporary);
	return kho_fail(err, r, "%s: %s; " REMEDY, path, strerror(-r));
}
