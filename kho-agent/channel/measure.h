/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How fast a channel is: round trips and bulk throughput.
 *
 * Theory of operation
 *
 * Works on any channel that is up: between two processes in the benchmark,
 * between two kernels in the agent. The round trip is that of a Ping, which the
 * peer's channel answers without its user. Bulk is timed from the first byte
 * until the peer has read the last one, which shows in the lane itself; the peer
 * runs a kho_measure_sink for it.
 *
 * The measuring functions process the channel's messages and run its callbacks
 * meanwhile. They block, so they are for a quiet moment.
 */
#ifndef KHO_CHANNEL_MEASURE_H
#define KHO_CHANNEL_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "channel/channel.h"

#define KHO_MEASURE_KIND	"measure"	/* of BulkOpen */
#define KHO_MEASURE_PINGS_MAX	100000u

struct kho_measure_ops {
	uint64_t (*now)(void *ctx);			/* ns, as the channel's */
	/* Sleeps until @deadline_ns or the doorbell. NULL: spin. */
	void (*sleep)(void *ctx, uint64_t deadline_ns);
};

struct kho_measure {
	struct kho_channel *channel;
	const struct kho_measure_ops *ops;
	void *ctx;
	uint64_t timeout_ns;		/* of one whole measurement */
};

struct kho_measure_latency {
	uint32_t count;
	uint64_t min_ns;
	uint64_t median_ns;
	uint64_t p99_ns;
	uint64_t max_ns;
};

struct kho_measure_rate {
	uint64_t bytes;
	uint64_t ns;
};

/* Data to be sent: @buf over and over until @bytes are out. */
struct kho_measure_source {
	uint32_t stream;
	const void *buf;
	size_t size;
	uint64_t bytes;
	bool no_crc;			/* even if the peers agreed on one */
};

/* Where a stream goes to: @buf over and over. */
struct kho_measure_sink {
	uint32_t stream;
	void *buf;
	size_t size;
	uint64_t bytes;			/* read so far */
	bool ended;
};

/*
 * @count Pings, one after the other. -EINVAL: none or more than
 * KHO_MEASURE_PINGS_MAX; -ENOMEM; -ENOTCONN: the link is or goes down;
 * -ETIMEDOUT.
 */
int kho_measure_round_trip(const struct kho_measure *measure, uint32_t count,
			   struct kho_measure_latency *ret, struct kho_err *err);

/* Errors as above, -EBADMSG: the peer wrote garbage. */
int kho_measure_bulk(const struct kho_measure *measure, const struct kho_measure_source *source,
		     struct kho_measure_rate *ret, struct kho_err *err);

/*
 * The other side of it: reads what there is of the sink's stream now, a few MiB at
 * most: a writer that never pauses must not keep its reader for ever. Returns the
 * number of bytes, 0: nothing now, or the next chunk is of another stream;
 * -ENOTCONN, -EBADMSG.
 */
int64_t kho_measure_sink_step(struct kho_channel *ch, struct kho_measure_sink *sink);

#endif
