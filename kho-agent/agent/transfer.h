/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Byte streams between the two agents, many at a time, over the one bulk lane.
 *
 *	sender                                  receiver
 *	BulkOpen {stream, kind} -------------->  finds the sink of that kind, opens it
 *	chunks of the stream ----------------->  sink->take(), as the lane fills
 *	chunk with END ----------------------->  sink->end()
 *	out->done()  <------------------------  BulkClose {stream, bytes, code, text}
 *
 * A kind is "sort:name", as in "pages:redis"; the sort names the sink. Chunks of
 * streams may be mixed in the lane. A chunk may be there before its BulkOpen, which
 * comes over another lane: it waits, and what's behind it does, too. A stream that
 * can't be taken in is read and dropped until its end, so that it's in nobody's way.
 * A sender that can't go on says so by a BulkClose of its own; what it had written may
 * still be in the lane then, and is dropped: each side numbers its streams upwards, so
 * one that isn't known and isn't newer than all that were is over. The old side's
 * streams have odd numbers, the new side's even ones.
 *
 * Streams end with the session: kho_transfer_drop() tells every sender -ECONNRESET
 * and every sink to forget what it has.
 */
#ifndef KHO_AGENT_TRANSFER_H
#define KHO_AGENT_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "channel/channel.h"

struct kho_session;

#define KHO_STREAM_KIND	96	/* bytes of a kind, terminator included */

/* Where a stream comes from. */
struct kho_source_ops {
	/*
	 * Writes what it can to the lane. > 0: something was written; 0: all is; -EAGAIN: no
	 * room now; -ENODATA: nothing is there to be sent now, and whoever gets more pumps
	 * the session; other negative errno: the stream ends early, *err says why.
	 */
	ssize_t (*pull)(void *ctx, struct kho_bulk_writer *writer, struct kho_err *err);
	/* Over: err->code 0: the receiver has it all and is content. Called exactly once. */
	void (*done)(void *ctx, uint64_t bytes, const struct kho_err *err);
};

/* Where streams of one sort go to. */
struct kho_sink_ops {
	const char *sort;
	/* A stream begins; @name is the part behind the colon. *@ret_ctx is for the others. */
	int (*open)(struct kho_session *session, const char *name, void **ret_ctx,
		    struct kho_err *err);
	/* Reads from the chunk at the lane's head, at most @size bytes; as kho_bulk_read(). */
	ssize_t (*take)(void *ctx, struct kho_bulk_reader *reader, size_t size,
			struct kho_err *err);
	/* All is there. What it returns is told to the sender. @ctx is void afterwards. */
	int (*end)(void *ctx, struct kho_err *err);
	/* It won't come to its end. @ctx is void afterwards. */
	void (*drop)(void *ctx);
};

#define KHO_STREAMS	80	/* in one direction at a time; two for each of 32 workloads */

struct kho_stream_out {
	uint32_t id;			/* 0: free */
	const struct kho_source_ops *ops;
	void *ctx;
	struct kho_bulk_writer writer;
	bool written;			/* END is out; the answer isn't here yet */
	bool failed;
};

struct kho_stream_in {
	uint32_t id;			/* 0: free */
	const struct kho_sink_ops *ops;	/* NULL: what comes is dropped */
	void *ctx;
	uint64_t bytes;
	struct kho_err err;		/* why it's dropped */
};

/* All zero: nothing is under way. */
struct kho_transfer {
	const struct kho_sink_ops *const *sinks;	/* ends with NULL; NULL: none */
	uint32_t last_id;
	uint32_t newest_in;		/* the peer's last one that was opened; 0: none */
	struct kho_stream_out out[KHO_STREAMS];
	struct kho_stream_in in[KHO_STREAMS];
};

/*
 * Begins a stream. -EBUSY: too many; -ENOTCONN, -EAGAIN: see kho_session_send().
 * On failure done() isn't called.
 */
int kho_transfer_send(struct kho_session *session, const char *kind,
		      const struct kho_source_ops *ops, void *ctx, struct kho_err *err);

/* A block of memory as a source; done() and its @ctx are the caller's. Frees @data itself. */
struct kho_block {
	char *data;
	size_t size;
	size_t sent;
	void (*done)(void *ctx, uint64_t bytes, const struct kho_err *err);
	void *ctx;
};

/* Takes over @data (malloc) in any case. */
int kho_transfer_send_block(struct kho_session *session, const char *kind,
			    const struct kho_block *block, struct kho_err *err);

/* Inside the channel: whether the message was of a stream, and was seen to. */
bool kho_transfer_on_message(struct kho_session *session, const Kho__Envelope *envelope);

/* Moves what can be moved now; true: there's more, it just was enough for one call. */
bool kho_transfer_serve(struct kho_session *session);

/* The peer is gone or another one. */
void kho_transfer_drop(struct kho_session *session);

#endif
