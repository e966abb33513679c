/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who calls, and what they may do.
 *
 *	kind of method	root	the group of [API] ReadGroup=	others
 *	READ		yes	yes				no
 *	ROOT		yes	no				no
 *	CHANGE		yes, audited	no			no
 *
 * The socket's mode lets nobody else connect in the first place; this is what counts if
 * somebody has changed that. Who the peer is was taken by the kernel when it connected:
 * uid, gid and supplementary groups of then.
 */
#ifndef KHO_API_ACCESS_H
#define KHO_API_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define KHO_PEER_COMM	16u
#define KHO_PEER_TEXT	96u

enum kho_access {
	KHO_ACCESS_READ = 0,		/* what's under way, and was */
	KHO_ACCESS_ROOT,		/* changes nothing, but shows what's root's */
	KHO_ACCESS_CHANGE,
};

struct kho_access_policy {
	bool has_group;
	gid_t group;			/* that may read */
	char name[32];			/* of it, for messages */
};

struct kho_peer {
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t nr_groups;
	pid_t pid;
	char comm[KHO_PEER_COMM];	/* of the process that has this pid now; "?": none */
};

/* Of a connected AF_UNIX socket. To be freed by kho_peer_done(), also if it fails. */
int kho_peer_read(int fd, struct kho_peer *ret, struct kho_err *err);
void kho_peer_done(struct kho_peer *peer);

/* "uid 0, khoctl (pid 123)" */
void kho_peer_format(const struct kho_peer *peer, char ret[KHO_PEER_TEXT]);

/* -EACCES: it may not, with cause and remedy. */
int kho_access_check(const struct kho_access_policy *policy, const struct kho_peer *peer,
		     enum kho_access access, struct kho_err *err);

#endif
