// SPDX-License-Identifier: GPL-2.0-only
/* Sockets of other processes; inspect_socket.h has the contract. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "migrate/workload/inspect_socket.h"

void kho_inspect_socket_note(struct kho_inspect_sockets *sockets, uint32_t inode)
{
	uint32_t *more;

	if (sockets->nr_inside % 256 == 0) {
		more = realloc(sockets->inside, (sockets->nr_inside + 256) * sizeof(*more));
		if (!more)
			return;
		sockets->inside = more;
	}
	sockets->inside[sockets->nr_inside++] = inode;
}

static bool is_inside(const struct kho_inspect_sockets *sockets, uint32_t inode)
{
	for (size_t i = 0; i < sockets->nr_inside; i++)
		if (sockets->inside[i] == inode)
			return true;
	return false;
}

static int option(int fd, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &size) < 0 ? -1 : value;
}

static void ask_ulp(struct kho_inspect_sockets *sockets, int fd)
{
	socklen_t size = sizeof(sockets->ulp) - 1;

	sockets->ulp[0] = '\0';
	if (getsockopt(fd, IPPROTO_TCP, TCP_ULP, sockets->ulp, &size) < 0)
		size = 0;
	sockets->ulp[size] = '\0';
}

static void find_peer(struct kho_inspect_sockets *sockets, const char *link,
		      struct kho_inspect_socket *ret)
{
	const struct kho_unix_socket *own, *peer;
	uint32_t inode = 0;

	(void)sscanf(link, "socket:[%u]", &inode);
	own = kho_unix_find(&sockets->table, inode);
	if (!own || !own->peer)
		return;
	peer = kho_unix_find(&sockets->table, own->peer);
	ret->connected = true;
	ret->peer_inside = is_inside(sockets, own->peer);
	ret->peer_name = peer ? peer->name : "";
}

bool kho_inspect_socket_ask(struct kho_inspect_sockets *sockets, pid_t pid,
			    const struct kho_inspect_fd *fd, struct kho_inspect_socket *ret)
{
	_cleanup_close_ int pidfd = pidfd_open(pid, 0), copy = -EBADF;

	copy = pidfd < 0 ? -1 : pidfd_getfd(pidfd, fd->fd, 0);
	if (copy < 0)
		return false;
	*ret = (struct kho_inspect_socket){
		.family = option(copy, SO_DOMAIN), .type = option(copy, SO_TYPE),
		.protocol = option(copy, SO_PROTOCOL), .ulp = "", .peer_name = "",
	};
	if (ret->family == AF_UNIX)
		find_peer(sockets, fd->link, ret);
	if (ret->protocol == IPPROTO_TCP && (ret->family == AF_INET || ret->family == AF_INET6)) {
		ask_ulp(sockets, copy);
		ret->ulp = sockets->ulp;
	}
	return true;
}

void kho_inspect_sockets_done(struct kho_inspect_sockets *sockets)
{
	kho_unix_table_done(&sockets->table);
	free(sockets->inside);
	*sockets = (struct kho_inspect_sockets){};
}
