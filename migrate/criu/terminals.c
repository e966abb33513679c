// SPDX-License-Identifier: GPL-2.0-only
/* One at a time; terminals.h has the idea. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "migrate/criu/terminals.h"

#define CRIU_TERMINALS	"tty-info.img"	/* there if any task has one */

int kho_terminals_lock(int images_fd)
{
	_cleanup_close_ int fd = -EBADF;

	if (faccessat(images_fd, CRIU_TERMINALS, F_OK, 0) < 0)
		return -errno;
	fd = open("/dev/pts", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	return TAKE_FD(fd);
}

void kho_terminals_unlock(int *lock)
{
	if (*lock >= 0)
		close(*lock);
	*lock = -EBADF;
}
