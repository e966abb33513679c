// SPDX-License-Identifier: GPL-2.0-only
/* A criu that waits; criu_ready.h has the idea. */
#include <unistd.h>

#include "agent/criu_ready.h"
#include "agent/page_stream.h"

int kho_criu_ready_make(struct kho_criu_ready *ready, pid_t root, struct kho_err *err)
{
	int fds[2], r = kho_page_stream_sockets(fds, err);

	if (r < 0)
		return r;
	r = kho_criu_start(root, fds[1], &ready->criu, err);
	close(fds[1]);
	if (r < 0) {
		close(fds[0]);
		return r;
	}
	ready->pages = fds[0];
	ready->page_fd = fds[1];
	return 0;
}

void kho_criu_ready_drop(struct kho_criu_ready *ready)
{
	if (!ready->criu)
		return;
	kho_criu_free(ready->criu);
	close(ready->pages);
	*ready = (struct kho_criu_ready){};
}
