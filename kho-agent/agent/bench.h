/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Measuring the channel to the other kernel, over the live link (khoctl bench).
 *
 *	this agent                          the peer's
 *	Ping, over and over --------------> its channel answers
 *	BulkOpen "measure" ---------------> makes a buffer, watches its bulk lane
 *	Ping -----------------------------> its answer says that the buffer is there
 *	bulk data ------------------------> reads it into the buffer
 *	          <------------------------ BulkClose: how many bytes, or what went wrong
 *
 * once without and once with a CRC of the data, then a copy of as much within this
 * agent's memory. Whoever measures does nothing else meanwhile, so each step has a
 * deadline; the reading side works in its event loop as ever. Buffers are given
 * back to the kernel at the end.
 */
#ifndef KHO_AGENT_BENCH_H
#define KHO_AGENT_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "channel/measure.h"

struct kho_session;

/* Of one session; all zero: nothing is measured. */
struct kho_bench {
	struct kho_measure_sink sink;	/* what the peer sends; no buf: nothing */
	uint32_t stream;		/* of ours, the last one; 0: there was none */
	bool busy;			/* this side measures */
	bool closed;			/* the peer has closed our stream: */
	uint64_t closed_bytes;
	struct kho_err closed_err;	/* code 0: well */
};

struct kho_bench_result {
	uint64_t round_trip_ns;			/* the median */
	uint64_t bulk_bytes_per_sec;		/* no CRC of the data */
	uint64_t bulk_crc_bytes_per_sec;	/* as all other bulk data goes */
	uint64_t memcpy_bytes_per_sec;
};

/*
 * Measures; takes a second or so, at most a minute. Not to be called inside the
 * channel; pump the session afterwards.
 *   -ENOTCONN   there's no peer, or it went away
 *   -EBUSY      the peer measures just now
 *   -ENOMEM     no memory for the buffers, here or there
 *   -ETIMEDOUT  the peer is too slow or doesn't read
 *   -EIO        the peer did not get what was sent
 */
int kho_bench_run(struct kho_session *session, struct kho_bench_result *ret, struct kho_err *err);

/* Inside the channel: whether the message was of a measurement, and was seen to. */
bool kho_bench_on_message(struct kho_session *session, const Kho__Envelope *envelope);

/* Reads what has come for a measurement of the peer's. */
void kho_bench_serve(struct kho_session *session);

/* The peer is gone or another one; forgets what was under way. */
void kho_bench_drop(struct kho_session *session);

#endif
