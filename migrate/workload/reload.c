// SPDX-License-Identifier: GPL-2.0-only
/* Reloads that are shared; reload.h has the idea. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/now.h"
#include "migrate/workload/reload.h"
#include "system/proc.h"

#define TIMEOUT_MS	30000

static uint64_t last_began(int fd)
{
	uint64_t ms;

	/* half a number can only have been written by somebody else: then it's done anew */
	return pread(fd, &ms, sizeof(ms), 0) == sizeof(ms) ? ms : 0;
}

int kho_systemd_reload(const char *state, struct kho_err *err)
{
	const char *const argv[] = { "systemctl", "daemon-reload", NULL };
	const struct kho_proc_spec spec = { .argv = argv, .timeout_ms = TIMEOUT_MS };
	uint64_t asked = kho_now_ms(CLOCK_MONOTONIC), began;
	_cleanup_close_ int fd = open(state, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int r;

	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return kho_fail_errno(err, -errno, "%s", state);
	if (last_began(fd) > asked)
		return 0;
	began = kho_now_ms(CLOCK_MONOTONIC);
	r = kho_proc_check(&spec, err);
	if (r < 0)
		return r;
	/* without that the next one reloads, too */
	return pwrite(fd, &began, sizeof(began), 0) < 0 ?
	       kho_fail_errno(err, -errno, "%s", state) : 0;
}
