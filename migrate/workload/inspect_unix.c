// SPDX-License-Identifier: GPL-2.0-only
/* All UNIX sockets with their peers, as the kernel tells (UNIX_DIAG); see inspect_proc.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "migrate/workload/inspect_proc.h"

#define ANSWER_MAX	32768

static void read_attributes(const struct nlmsghdr *header, struct kho_unix_socket *ret)
{
	const struct unix_diag_msg *message = NLMSG_DATA(header);
	const struct rtattr *attr = (const struct rtattr *)(message + 1);
	int left = (int)header->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*message));

	*ret = (struct kho_unix_socket){ .inode = message->udiag_ino };
	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		size_t size = RTA_PAYLOAD(attr);

		if (attr->rta_type == UNIX_DIAG_NAME && size && size < sizeof(ret->name)) {
			memcpy(ret->name, RTA_DATA(attr), size);
			if (!ret->name[0])
				ret->name[0] = '@';
		}
		if (attr->rta_type == UNIX_DIAG_PEER && size >= sizeof(ret->peer))
			memcpy(&ret->peer, RTA_DATA(attr), sizeof(ret->peer));
	}
}

static int add(struct kho_unix_table *table, const struct nlmsghdr *header)
{
	struct kho_unix_socket *more;

	if (table->nr % 256 == 0) {
		more = realloc(table->sockets, (table->nr + 256) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		table->sockets = more;
	}
	read_attributes(header, &table->sockets[table->nr++]);
	return 0;
}

/* 1: there's more to come. */
static int take_answer(struct kho_unix_table *table, const char *bytes, ssize_t n)
{
	const struct nlmsghdr *header = (const struct nlmsghdr *)bytes;

	for (; NLMSG_OK(header, n); header = NLMSG_NEXT(header, n)) {
		if (header->nlmsg_type == NLMSG_DONE)
			return 0;
		if (header->nlmsg_type == NLMSG_ERROR)
			return -EIO;
		if (header->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
		    header->nlmsg_len >= NLMSG_LENGTH(sizeof(struct unix_diag_msg)) &&
		    add(table, header) < 0)
			return -ENOMEM;
	}
	return 1;
}

static int ask(int diag)
{
	const struct {
		struct nlmsghdr header;
		struct unix_diag_req req;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.req = {
			.sdiag_family = AF_UNIX,
			.udiag_states = -1,
			.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER,
		},
	};

	return send(diag, &request, sizeof(request), 0) < 0 ? -errno : 0;
}

static int enter(pid_t pid)
{
	_cleanup_close_ int ns = -EBADF;
	struct stat own, other;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	if (stat("/proc/self/ns/net", &own) < 0 || stat(path, &other) < 0)
		return -errno;
	if (own.st_ino == other.st_ino)
		return 0;
	ns = open(path, O_RDONLY | O_CLOEXEC);
	return ns < 0 || setns(ns, CLONE_NEWNET) < 0 ? -errno : 0;
}

int kho_unix_table_read(pid_t pid, struct kho_unix_table *ret, struct kho_err *err)
{
	_Alignas(struct nlmsghdr) char bytes[ANSWER_MAX];
	struct kho_unix_table table = {};
	_cleanup_close_ int diag = -EBADF;
	int r = enter(pid);

	if (r < 0)
		return kho_fail_errno(err, r, "network namespace of process %d", pid);
	diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	r = diag < 0 ? -errno : ask(diag);
	for (r = r < 0 ? r : 1; r > 0;) {
		ssize_t n = recv(diag, bytes, sizeof(bytes), 0);

		r = n <= 0 ? -EIO : take_answer(&table, bytes, n);
	}
	if (r < 0) {
		kho_unix_table_done(&table);
		return kho_fail_errno(err, r, "UNIX sockets can't be listed; load unix_diag");
	}
	*ret = table;
	return 0;
}

void kho_unix_table_done(struct kho_unix_table *table)
{
	free(table->sockets);
	*table = (struct kho_unix_table){};
}

const struct kho_unix_socket *kho_unix_find(const struct kho_unix_table *table, uint32_t inode)
{
	for (size_t i = 0; inode && i < table->nr; i++)
		if (table->sockets[i].inode == inode)
			return &table->sockets[i];
	return NULL;
}
