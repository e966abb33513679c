/* SPDX-License-Identifier: GPL-2.0-only */
/* Asks the kernel about sockets of other processes; a part of inspect_proc.h's walk. */
#ifndef KHO_MIGRATE_INSPECT_SOCKET_H
#define KHO_MIGRATE_INSPECT_SOCKET_H

#include "migrate/workload/inspect_proc.h"

struct kho_inspect_sockets {
	struct kho_unix_table table;
	uint32_t *inside;		/* inodes of the workload's own */
	size_t nr_inside;
	char ulp[16];			/* of the last one that was asked about */
};

void kho_inspect_socket_note(struct kho_inspect_sockets *sockets, uint32_t inode);

/*
 * What it is; texts are valid until the next call. False: it's gone.
 */
bool kho_inspect_socket_ask(struct kho_inspect_sockets *sockets, pid_t pid,
			    const struct kho_inspect_fd *fd, struct kho_inspect_socket *ret);

void kho_inspect_sockets_done(struct kho_inspect_sockets *sockets);

#endif
