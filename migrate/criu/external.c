// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a task has from outside: streams to the journal (the standard output of every
 * unit), and files that were opened before its mount namespace was made.
 *
 * The peers of journal streams are sockets of journald, bound to
 * /run/systemd/journal/stdout; that they are is seen by asking the kernel for the peer
 * of each (UNIX_DIAG). A file from outside stands on a mount that isn't in the task's
 * own list.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "migrate/criu/criu.h"

#define JOURNAL_SOCKET	"/run/systemd/journal/stdout"
#define ANSWER_MAX	8192
#define FDINFO_MAX	65536
#define MOUNTINFO_MAX	(1u << 20)
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

static int add(struct kho_criu_external *list, size_t *nr, const char *dump, const char *key,
	       struct kho_err *err)
{
	for (size_t i = 0; i < *nr; i++)
		if (strcmp(list[i].key, key) == 0)
			return 0;
	if (*nr == KHO_CRIU_EXTERNALS)
		return kho_fail(err, -E2BIG, "more than %d sockets and files lead out of the "
				"workload", KHO_CRIU_EXTERNALS);
	snprintf(list[*nr].dump, KHO_CRIU_KEY, "%s", dump);
	snprintf(list[*nr].key, KHO_CRIU_KEY, "%s", key);
	(*nr)++;
	return 0;
}

/* ---- files from outside ---- */

struct look {
	pid_t pid;
	int diag;
	int dir;			/* /proc/PID/fd */
	char *mounts;			/* its mountinfo */
};

static bool has_mount(const char *mounts, int id)
{
	for (const char *line = mounts; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strtol(line, NULL, 10) == id)
			return true;
	}
	return false;
}

/* The mount that the descriptor stands on; -1: not known. */
static int mount_of(pid_t pid, const char *fd)
{
	_cleanup_free_ char *text = NULL;
	char path[320];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", pid, fd);
	if (kho_file_read(path, FDINFO_MAX, &text, NULL, NULL) < 0)
		return -1;
	at = strstr(text, "mnt_id:");
	return at ? (int)strtol(at + 7, NULL, 10) : -1;
}

static int look_at_file(const struct look *look, const char *fd, const char *link,
			struct kho_criu_external *ret, size_t *nr, struct kho_err *err)
{
	int mount = mount_of(look->pid, fd);
	char key[KHO_CRIU_KEY];
	struct stat st;

	/* memory has a mount of the kernel's own, which is in nobody's list; CRIU dumps it */
	if (mount < 0 || strncmp(link, "/memfd:", 7) == 0 || has_mount(look->mounts, mount))
		return 0;
	if (strcmp(link, "/dev/null") != 0 || fstatat(look->dir, fd, &st, 0) < 0)
		return kho_fail(err, -EOPNOTSUPP, "descriptor %s of process %d, %s, was opened "
				"outside of its mount namespace; run the unit without what makes "
				"one (PrivateTmp=, ProtectSystem= and the like)", fd, look->pid, link);
	snprintf(key, sizeof(key), "file[%x:%lx]", mount, (unsigned long)st.st_ino);
	return add(ret, nr, key, key, err);
}

/* That it's a semaphore can't be said to a restored one, so each read would take all. */
static int look_at_eventfd(const struct look *look, const char *fd, struct kho_err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[320];

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", look->pid, fd);
	if (kho_file_read(path, FDINFO_MAX, &text, NULL, NULL) < 0 ||
	    !strstr(text, "eventfd-semaphore: 1"))
		return 0;
	return kho_fail(err, -EOPNOTSUPP, "descriptor %s of process %d is an eventfd of "
			"EFD_SEMAPHORE, which CRIU doesn't restore; stop the unit for the upgrade",
			fd, look->pid);
}

static int look_at(const struct look *look, const char *fd, struct kho_criu_external *ret,
		   size_t *nr, struct kho_err *err)
{
	char link[PATH_MAX], dump[KHO_CRIU_KEY], key[KHO_CRIU_KEY];
	uint32_t inode;
	ssize_t n = readlinkat(look->dir, fd, link, sizeof(link) - 1);

	if (n <= 0)
		return 0;
	link[n] = '\0';
	if (link[0] == '/')
		return look_at_file(look, fd, link, ret, nr, err);
	if (strcmp(link, "anon_inode:[eventfd]") == 0)
		return look_at_eventfd(look, fd, err);
	if (sscanf(link, "socket:[%u]", &inode) != 1 || !leads_to_journal(look->diag, inode))
		return 0;
	snprintf(dump, sizeof(dump), "unix[%u]", inode);
	snprintf(key, sizeof(key), "socket:[%u]", inode);
	return add(ret, nr, dump, key, err);
}

/* A task that ends while it's looked at, or is a zombie, has no mounts and no descriptors. */
static bool is_over(int r)
{
	return r == -ENOENT || r == -ESRCH || r == -EINVAL;
}

int kho_criu_find_externals(pid_t pid, struct kho_criu_external ret[KHO_CRIU_EXTERNALS],
			    size_t *nr, struct kho_err *err)
{
	_cleanup_close_ int diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	_cleanup_free_ char *mounts = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	struct look look = { .pid = pid, .diag = diag };
	const struct dirent *entry;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", pid);
	r = kho_file_read(path, MOUNTINFO_MAX, &mounts, NULL, err);
	if (r < 0 && !is_over(r))
		return r;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = r < 0 ? NULL : opendir(path);
	if (r < 0 || (!dir && is_over(-errno))) {
		*err = (struct kho_err){};
		return 0;
	}
	if (diag < 0 || !dir)
		return kho_fail_errno(err, -errno, "descriptors of process %d", pid);
	look.dir = dirfd(dir);
	look.mounts = mounts;
	while (r >= 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			r = look_at(&look, entry->d_name, ret, nr, err);
	return r;
}
