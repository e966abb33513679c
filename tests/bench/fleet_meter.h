/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a fleet costs, read where it's known: etcd's members' own /metrics, the bytes that this
 * process sends and receives, and its time. A reading is of an instant; two make a measurement.
 */
#ifndef TESTS_FLEET_METER_H
#define TESTS_FLEET_METER_H

#include "tests/bench/fleet_agent.h"
#include "tests/unit/real_etcd.h"

enum fleet_gauge {
	GAUGE_GRPC_IN = 0,		/* bytes; of the gateway, which is a client of its own member */
	GAUGE_GRPC_OUT,
	GAUGE_PEER_OUT,			/* bytes between members */
	GAUGE_PUTS, GAUGE_DELETES, GAUGE_TXNS, GAUGE_RANGES,
	GAUGE_EVENTS,			/* that watches were sent */
	GAUGE_RENEWED,			/* leases */
	GAUGE_COMMITTED,		/* entries of the log */
	GAUGE_CPU_SEC,
	GAUGE_LEADERS,			/* elections */
	/* those that are of an instant, of the member that has most */
	GAUGE_WATCHERS, GAUGE_SLOW_WATCHERS, GAUGE_DB, GAUGE_MEMORY,
	_GAUGE_MAX,
};

struct fleet_reading {
	double at_sec;
	double gauges[_GAUGE_MAX];
	struct fleet_calls calls;
	uint64_t sent, received;	/* bytes of HTTP, of this process */
	double cpu_sec;			/* of this process */
	double memory;			/* bytes */
};

/* So as to lie within what's measured as little as may be: the first's @ends is false. */
int fleet_read(const struct fleet *fleet, const struct real_etcd *etcd, bool ends,
	       struct fleet_reading *ret, struct kho_err *err);

/* What came to pass from @a to @b; gauges of an instant are @b's. */
struct fleet_reading fleet_between(const struct fleet_reading *a, const struct fleet_reading *b);

#endif
