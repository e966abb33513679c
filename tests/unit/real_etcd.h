/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A real etcd-server of one or three members, on free ports of the loopback, in a folder of
 * its own. Members end with the test, however that ends.
 */
#ifndef TESTS_REAL_ETCD_H
#define TESTS_REAL_ETCD_H

#include <stdbool.h>
#include <sys/types.h>

#include "fleet/etcd_client.h"

#define REAL_ETCD_MEMBERS	3

struct real_etcd {
	char folder[64];
	int nr;
	bool patient;			/* elections as by etcd's defaults, not as quick as can be */
	bool tls;			/* certificates in folder: ca.pem, node.pem, client.pem, ... */
	pid_t pids[REAL_ETCD_MEMBERS];	/* 0: isn't running */
	int client_ports[REAL_ETCD_MEMBERS], peer_ports[REAL_ETCD_MEMBERS];
	char endpoints[256];
};

/* All fail the test if they can't. */
void real_etcd_start(struct real_etcd *etcd, int nr, bool tls);
/* For loads that keep a member from answering at once. */
void real_etcd_start_patient(struct real_etcd *etcd, int nr);
void real_etcd_stop(struct real_etcd *etcd);
void real_etcd_kill(struct real_etcd *etcd, int member);
void real_etcd_restart(struct real_etcd *etcd, int member);

/* A client of it, with its certificates. */
struct kho_etcd_client *real_etcd_client(const struct real_etcd *etcd, uint32_t timeout_ms);

/* Until it answers. */
void real_etcd_wait(struct kho_etcd_client *client);

#endif
