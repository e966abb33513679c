// SPDX-License-Identifier: GPL-2.0-only
/* Who calls, and what they may do; access.h has the table. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api/access.h"
#include "base/cleanup.h"
#include "base/file.h"

#define GROUPS_AT_ONCE	64u

/* The kernel says how many there are if there's no room for them. */
static int read_groups(int fd, struct kho_peer *peer)
{
	socklen_t size = GROUPS_AT_ONCE * sizeof(gid_t);
	gid_t *more;

	for (;;) {
		more = realloc(peer->groups, size ?: 1);
		if (!more)
			return -ENOMEM;
		peer->groups = more;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer->groups, &size) >= 0)
			break;
		if (errno != ERANGE)
			return -errno;
	}
	peer->nr_groups = size / sizeof(gid_t);
	return 0;
}

/* Whoever chose that name writes it to the log. */
static void read_comm(struct kho_peer *peer)
{
	_cleanup_free_ char *comm = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/comm", peer->pid);
	if (peer->pid <= 0 || kho_file_read_string(path, 64, &comm, NULL) < 0) {
		snprintf(peer->comm, sizeof(peer->comm), "?");
		return;
	}
	for (char *c = comm; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	snprintf(peer->comm, sizeof(peer->comm), "%.15s", comm);
}

int kho_peer_read(int fd, struct kho_peer *ret, struct kho_err *err)
{
	socklen_t size = sizeof(struct ucred);
	struct ucred cred;
	int r;

	*ret = (struct kho_peer){ .uid = (uid_t)-1, .gid = (gid_t)-1 };
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		return kho_fail_errno(err, -errno, "who calls can't be told");
	ret->uid = cred.uid;
	ret->gid = cred.gid;
	ret->pid = cred.pid;
	read_comm(ret);
	r = read_groups(fd, ret);
	return r < 0 ? kho_fail_errno(err, r, "groups of who calls") : 0;
}

void kho_peer_done(struct kho_peer *peer)
{
	free(peer->groups);
	peer->groups = NULL;
	peer->nr_groups = 0;
}

void kho_peer_format(const struct kho_peer *peer, char ret[KHO_PEER_TEXT])
{
	snprintf(ret, KHO_PEER_TEXT, "uid %u, %s (pid %d)", peer->uid, peer->comm, peer->pid);
}

static bool is_in_group(const struct kho_peer *peer, gid_t group)
{
	for (size_t i = 0; i < peer->nr_groups; i++)
		if (peer->groups[i] == group)
			return true;
	return peer->gid == group;
}

int kho_access_check(const struct kho_access_policy *policy, const struct kho_peer *peer,
		     enum kho_access access, struct kho_err *err)
{
	if (peer->uid == 0)
		return 0;
	if (access != KHO_ACCESS_READ)
		return kho_fail(err, -EACCES, "only root may do this; run it as root");
	if (!policy->has_group)
		return kho_fail(err, -EACCES, "only root may ask for this; run it as root, or name a "
				"group that may by ReadGroup= in [API] of kho-agent.conf");
	if (!is_in_group(peer, policy->group))
		return kho_fail(err, -EACCES, "only root and members of the group %s may ask for "
				"this; run it as one of them", policy->name);
	return 0;
}
