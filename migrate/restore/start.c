// SPDX-License-Identifier: GPL-2.0-only
/* What kho-restore begins with; start.h has the contract. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/restore/restore.h"
#include "migrate/restore/start.h"

#define OUTPUT_FD	100		/* where CRIU finds our standard output */
#define NULL_FD		101		/* and /dev/null */
#define EXTERNAL_MAX	4096

int kho_restore_connect(int *ret, struct kho_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv(KHO_RESTORE_SOCKET_ENV);

	if (!path || strlen(path) >= sizeof(address.sun_path))
		return kho_fail(err, -EINVAL, "$" KHO_RESTORE_SOCKET_ENV " is missing; kho-restore "
				"is started by kho-agent only");
	memcpy(address.sun_path, path, strlen(path) + 1);
	*ret = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (*ret < 0 ||
	    connect(*ret, (struct sockaddr *)&address, sizeof(address)) < 0)
		return kho_fail_errno(err, -errno, "the agent's socket %s", path);
	return 0;
}

/* At numbers that CRIU's child inherits them by. */
int kho_restore_prepare_fds(struct kho_err *err)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, NULL_FD) < 0 || dup2(STDOUT_FILENO, OUTPUT_FD) < 0)
		return kho_fail_errno(err, -errno, "standard output");
	return 0;
}

int kho_restore_read_external(int dir, struct kho_criu_request *request, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	char *line, *rest;
	int r;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/" KHO_RESTORE_EXTERNAL, dir);
	r = kho_file_read(path, EXTERNAL_MAX, &text, NULL, err);
	if (r < 0)
		return r;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		struct kho_criu_inherit *inherit = &request->inherit[request->nr_inherit];

		if (request->nr_inherit == KHO_CRIU_EXTERNALS || strlen(line) >= KHO_CRIU_KEY)
			return kho_fail(err, -EBADMSG, "the list of externals is damaged");
		snprintf(inherit->key, sizeof(inherit->key), "%s", line);
		inherit->fd = strncmp(line, "socket:", 7) == 0 ? OUTPUT_FD : NULL_FD;
		request->nr_inherit++;
	}
	return 0;
}
