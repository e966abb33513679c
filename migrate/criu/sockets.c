// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which sockets of a task lead to the journal: the standard output of every unit.
 * Their peers are sockets of journald, bound to /run/systemd/journal/stdout; that they
 * are is seen by asking the kernel for the peer of each (UNIX_DIAG).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "migrate/criu/criu.h"

#define JOURNAL_SOCKET	"/run/systemd/journal/stdout"
#define ANSWER_MAX	8192
#define NO_PEER		0u

struct answer {
	char name[128];
	uint32_t peer;
};

static void read_attributes(const struct nlmsghdr *header, struct answer *ret)
{
	const struct unix_diag_msg *message = NLMSG_DATA(header);
	const struct rtattr *attr = (const struct rtattr *)(message + 1);
	int left = header->nlmsg_len - NLMSG_LENGTH(sizeof(*message));

	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		size_t size = RTA_PAYLOAD(attr);

		if (attr->rta_type == UNIX_DIAG_NAME && size < sizeof(ret->name)) {
			memcpy(ret->name, RTA_DATA(attr), size);
			ret->name[size] = '\0';
		}
		if (attr->rta_type == UNIX_DIAG_PEER && size >= sizeof(ret->peer))
			memcpy(&ret->peer, RTA_DATA(attr), sizeof(ret->peer));
	}
}

/* -ENOENT: no such socket. */
static int ask(int diag, uint32_t inode, struct answer *ret)
{
	struct {
		struct nlmsghdr header;
		struct unix_diag_req req;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST,
		},
		.req = {
			.sdiag_family = AF_UNIX,
			.udiag_states = -1,
			.udiag_ino = inode,
			.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER,
			.udiag_cookie = { -1, -1 },
		},
	};
	_Alignas(struct nlmsghdr) char bytes[ANSWER_MAX];
	const struct nlmsghdr *header = (const struct nlmsghdr *)bytes;
	ssize_t n;

	*ret = (struct answer){ .peer = NO_PEER };
	if (send(diag, &request, sizeof(request), 0) < 0)
		return -errno;
	n = recv(diag, bytes, sizeof(bytes), 0);
	if (n < 0)
		return -errno;
	if (!NLMSG_OK(header, n) || header->nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return -ENOENT;
	read_attributes(header, ret);
	return 0;
}

static bool leads_to_journal(int diag, uint32_t inode)
{
	struct answer own, peer;

	return ask(diag, inode, &own) == 0 && own.peer != NO_PEER &&
	       ask(diag, own.peer, &peer) == 0 && strcmp(peer.name, JOURNAL_SOCKET) == 0;
}

static bool add(uint32_t *list, size_t *nr, size_t max, uint32_t inode)
{
	for (size_t i = 0; i < *nr; i++)
		if (list[i] == inode)
			return true;
	if (*nr == max)
		return false;
	list[(*nr)++] = inode;
	return true;
}

int kho_criu_journal_sockets(pid_t pid, uint32_t *ret, size_t max)
{
	_cleanup_close_ int diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	char path[64], link[64];
	uint32_t inode;
	size_t nr = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (diag < 0 || !dir)
		return -errno;
	while ((entry = readdir(dir))) {
		n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
		if (n <= 0)
			continue;
		link[n] = '\0';
		if (sscanf(link, "socket:[%u]", &inode) == 1 && leads_to_journal(diag, inode) &&
		    !add(ret, &nr, max, inode))
			return -E2BIG;
	}
	return (int)nr;
}
