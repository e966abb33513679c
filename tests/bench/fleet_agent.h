/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine of a fleet for the bench: the real member (fleet/member.h) with the real client of
 * etcd, in a thread of its own, and a machine that's played: an upgrade takes a moment, and
 * what follows it is another boot, whose daemon begins anew as that of a new kernel does.
 */
#ifndef TESTS_FLEET_AGENT_H
#define TESTS_FLEET_AGENT_H

#include <pthread.h>

#include "fleet/etcd_client.h"
#include "fleet/member.h"

/* What a member asked of etcd, and what it was told. */
struct fleet_calls {
	uint64_t ranges, txns, made, grants, keeps, watches;
	uint64_t lines, events;		/* of watches; events: changes of keys */
	uint64_t steps, looks;		/* decisions' rounds; questions to the machine */
	uint64_t failed;		/* calls */
};

struct fleet;

struct fleet_agent {
	struct fleet *fleet;
	pthread_t thread;
	unsigned int index, rack;
	struct kho_member member;
	struct kho_member_spec spec;
	struct kho_etcd etcd;		/* the real one, behind what counts */
	struct fleet_calls calls;
	bool upgrading, done;
	uint64_t began_ms, ends_ms;	/* since 1970 */
	unsigned int begun, boots;
	struct kho_err last;		/* code 0: none failed */
};

/* All of them, and what they have in common. */
struct fleet {
	const char *endpoints;
	uint64_t upgrade_ms;		/* how long one takes */
	unsigned int nr, racks;
	unsigned int rolled;		/* those that have the label role=web: the first ones */
	struct fleet_agent *agents;
	bool ended;
	unsigned int *at_work, now, most, most_in_rack;	/* in upgrade; at_work: by rack */
};

/* -EAGAIN: no thread; those that are there go on. */
int fleet_begin(struct fleet *fleet, struct kho_err *err);
void fleet_end(struct fleet *fleet);

/* The sum of all. */
struct fleet_calls fleet_calls(const struct fleet *fleet);

#endif
