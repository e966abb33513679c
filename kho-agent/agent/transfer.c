// SPDX-License-Identifier: GPL-2.0-only
/* Streams between the agents; transfer.h has the idea. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/session.h"
#include "agent/transfer.h"

#define LAST_STREAM	0xfeffffffu	/* above it are those of measurements */
#define TAKE_AT_ONCE	(1u << 20)
#define ROUNDS		64		/* chunks that one call moves at most */

/* ---- messages ---- */

static int send_open(struct kho_session *session, uint32_t id, const char *kind,
		     struct kho_err *err)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__BulkOpen open = KHO__BULK_OPEN__INIT;

	open.has_stream = true;
	open.stream = id;
	open.kind = (char *)kind;
	envelope.body_case = KHO__ENVELOPE__BODY_BULK_OPEN;
	envelope.bulk_open = &open;
	return kho_session_send(session, &envelope, err);
}

static int send_close(struct kho_session *session, uint32_t id, uint64_t bytes,
		      const struct kho_err *why, struct kho_err *err)
{
	Kho__Envelope envelope = KHO__ENVELOPE__INIT;
	Kho__BulkClose close = KHO__BULK_CLOSE__INIT;

	close.has_stream = true;
	close.stream = id;
	close.has_bytes = true;
	close.bytes = bytes;
	close.has_code = true;
	close.code = why->code;
	close.text = why->code ? (char *)why->msg : NULL;
	envelope.body_case = KHO__ENVELOPE__BODY_BULK_CLOSE;
	envelope.bulk_close = &close;
	return kho_session_send(session, &envelope, err);
}

/* ---- finding ---- */

static struct kho_stream_in *find_in(struct kho_transfer *transfer, uint32_t id)
{
	for (int i = 0; i < KHO_STREAMS; i++)
		if (transfer->in[i].id == id)
			return &transfer->in[i];
	return NULL;
}

/* Numbers begin anew after the last one. */
static bool is_over(const struct kho_transfer *transfer, uint32_t id)
{
	return transfer->newest_in && id <= LAST_STREAM && (int32_t)(id - transfer->newest_in) <= 0;
}

static void give_up(struct kho_stream_in *in)
{
	if (in->ops)
		in->ops->drop(in->ctx);
	in->ops = NULL;
}

/* ---- sending ---- */

static uint32_t next_id(struct kho_session *session)
{
	struct kho_transfer *transfer = &session->transfer;

	if (transfer->last_id == 0 || transfer->last_id >= LAST_STREAM)
		transfer->last_id = session->role->role == KHO_ROLE_OLD ? 1 : 2;
	else
		transfer->last_id += 2;
	return transfer->last_id;
}

int kho_transfer_send(struct kho_session *session, const char *kind,
		      const struct kho_source_ops *ops, void *ctx, struct kho_err *err)
{
	struct kho_transfer *transfer = &session->transfer;
	struct kho_stream_out *out = NULL;
	uint32_t id;
	int r;

	for (int i = 0; i < KHO_STREAMS && !out; i++)
		if (!transfer->out[i].id)
			out = &transfer->out[i];
	if (!out)
		return kho_fail(err, -EBUSY, "%d streams are under way; move fewer workloads at "
				"a time", KHO_STREAMS);
	id = next_id(session);
	r = kho_channel_bulk_writer(session->channel, id, &out->writer, err);
	if (r >= 0)
		r = send_open(session, id, kind, err);
	if (r < 0)
		return kho_wrap(err, r, "stream %s", kind);
	out->id = id;
	out->ops = ops;
	out->ctx = ctx;
	out->written = false;
	out->failed = false;
	return 0;
}

static void finish_out(struct kho_stream_out *out, uint64_t bytes, const struct kho_err *err)
{
	const struct kho_source_ops *ops = out->ops;
	void *ctx = out->ctx;

	*out = (struct kho_stream_out){};
	ops->done(ctx, bytes, err);
}

/* 1: something was moved; -EAGAIN: no room; -ENODATA: nothing to send. */
static int step_out(struct kho_session *session, struct kho_stream_out *out)
{
	struct kho_err err = {};
	ssize_t n = out->ops->pull(out->ctx, &out->writer, &err);

	if (n > 0)
		return 1;
	if (n == -EAGAIN || n == -ENODATA)
		return n;
	if (n < 0) {
		send_close(session, out->id, 0, &err, NULL);
		finish_out(out, 0, &err);
		return 1;
	}
	if (kho_bulk_finish(&out->writer) == -EAGAIN)
		return -EAGAIN;
	out->written = true;
	return 1;
}

static bool serve_out(struct kho_session *session, bool *ret_waiting)
{
	struct kho_transfer *transfer = &session->transfer;
	bool moved = false;
	int r;

	for (int i = 0; i < KHO_STREAMS; i++) {
		struct kho_stream_out *out = &transfer->out[i];

		if (!out->id || out->written)
			continue;
		r = step_out(session, out);
		if (r > 0)
			moved = true;
		else if (r == -EAGAIN)
			*ret_waiting = true;
	}
	return moved;
}

static bool on_close(struct kho_session *session, const Kho__BulkClose *close)
{
	struct kho_stream_in *in = close->has_stream && close->stream ?
		find_in(&session->transfer, close->stream) : NULL;
	struct kho_err err = {};
	char text[256];

	if (in) {
		give_up(in);
		*in = (struct kho_stream_in){};
		return true;
	}
	for (int i = 0; i < KHO_STREAMS; i++) {
		struct kho_stream_out *out = &session->transfer.out[i];

		if (!out->id || !close->has_stream || out->id != close->stream)
			continue;
		kho_text_clean(text, sizeof(text), close->text ?: "no reason given");
		if (close->has_code && close->code < 0)
			kho_fail(&err, close->code, "the other kernel's agent: %s", text);
		finish_out(out, close->has_bytes ? close->bytes : 0, &err);
		return true;
	}
	return false;
}

/* ---- a block of memory ---- */

static ssize_t pull_block(void *ctx, struct kho_bulk_writer *writer, struct kho_err *err)
{
	struct kho_block *block = ctx;
	ssize_t n;

	if (block->sent == block->size)
		return 0;
	n = kho_bulk_write(writer, block->data + block->sent, block->size - block->sent);
	if (n > 0)
		block->sent += n;
	else if (n < 0 && n != -EAGAIN)
		kho_fail_errno(err, n, "the bulk lane is lost");
	return n;
}

static void block_done(void *ctx, uint64_t bytes, const struct kho_err *err)
{
	struct kho_block *block = ctx;

	if (block->done)
		block->done(block->ctx, bytes, err);
	free(block->data);
	free(block);
}

static const struct kho_source_ops block_ops = { .pull = pull_block, .done = block_done };

int kho_transfer_send_block(struct kho_session *session, const char *kind,
			    const struct kho_block *block, struct kho_err *err)
{
	struct kho_block *copy = malloc(sizeof(*copy));
	int r = -ENOMEM;

	if (copy) {
		*copy = *block;
		copy->sent = 0;
		r = kho_transfer_send(session, kind, &block_ops, copy, err);
	} else {
		kho_fail(err, r, "no memory for a stream");
	}
	if (r < 0) {
		free(copy);
		free(block->data);
	}
	return r;
}

/* ---- receiving ---- */

static const struct kho_sink_ops *find_sink(const struct kho_transfer *transfer, const char *kind,
					    const char **ret_name)
{
	const char *colon = strchr(kind, ':');

	if (!colon || strlen(kind) >= KHO_STREAM_KIND)
		return NULL;
	for (const struct kho_sink_ops *const *sink = transfer->sinks; sink && *sink; sink++)
		if (strlen((*sink)->sort) == (size_t)(colon - kind) &&
		    strncmp((*sink)->sort, kind, colon - kind) == 0) {
			*ret_name = colon + 1;
			return *sink;
		}
	return NULL;
}

static bool on_open(struct kho_session *session, const Kho__BulkOpen *open)
{
	struct kho_transfer *transfer = &session->transfer;
	struct kho_stream_in *in = find_in(transfer, 0);
	const char *name;

	if (!open->has_stream || !open->stream || !open->kind || !in ||
	    find_in(transfer, open->stream))
		return false;
	*in = (struct kho_stream_in){ .id = open->stream };
	transfer->newest_in = open->stream;
	in->ops = find_sink(transfer, open->kind, &name);
	if (!in->ops)
		kho_fail(&in->err, -EPROTONOSUPPORT, "nothing takes streams of this kind; "
			 "update the older agent");
	else if (in->ops->open(session, name, &in->ctx, &in->err) < 0)
		in->ops = NULL;
	return true;
}

static void end_in(struct kho_session *session, struct kho_stream_in *in)
{
	struct kho_err err;

	if (in->ops)
		in->ops->end(in->ctx, &in->err);
	in->ops = NULL;
	if (send_close(session, in->id, in->bytes, &in->err, &err) < 0)
		kho_agent_progress(session->agent, "a stream's end could not be told: %s", err.msg);
	*in = (struct kho_stream_in){};
}

static int take_chunk(struct kho_stream_in *in, struct kho_bulk_reader *reader,
		      const struct kho_bulk_chunk *chunk)
{
	ssize_t n;

	if (!in->ops) {
		in->bytes += chunk->length;
		return kho_bulk_skip(reader);
	}
	n = in->ops->take(in->ctx, reader, TAKE_AT_ONCE, &in->err);
	if (n >= 0) {
		in->bytes += n;
		return 0;
	}
	if (n == -EBADMSG || n == -EAGAIN)
		return (int)n;
	give_up(in);
	return 0;
}

/* Whether there was something to read. */
static bool serve_in(struct kho_session *session)
{
	struct kho_bulk_reader *reader = kho_channel_bulk_reader(session->channel);
	struct kho_bulk_chunk chunk, next;
	struct kho_stream_in *in;
	bool last;

	if (!reader || kho_bulk_next(reader, &chunk, NULL) < 0 || !chunk.stream)
		return false;
	in = find_in(&session->transfer, chunk.stream);
	if (!in)
		return is_over(&session->transfer, chunk.stream) && kho_bulk_skip(reader) >= 0;
	last = chunk.flags & KHO_BULK_END;
	if (chunk.length && take_chunk(in, reader, &chunk) < 0)
		return false;
	if (!last)
		return true;
	/* the END chunk may have been read in part only */
	if (chunk.length) {
		if (kho_bulk_next(reader, &next, NULL) >= 0 && next.stream == chunk.stream)
			return true;
	} else {
		kho_bulk_skip(reader);
	}
	end_in(session, in);
	return true;
}

/* ---- both ---- */

bool kho_transfer_on_message(struct kho_session *session, const Kho__Envelope *envelope)
{
	if (envelope->body_case == KHO__ENVELOPE__BODY_BULK_OPEN)
		return on_open(session, envelope->bulk_open);
	if (envelope->body_case == KHO__ENVELOPE__BODY_BULK_CLOSE)
		return on_close(session, envelope->bulk_close);
	return false;
}

bool kho_transfer_serve(struct kho_session *session)
{
	bool moved = false, more = true, waiting = false, expecting = false;

	for (int i = 0; i < ROUNDS && more; i++) {
		waiting = false;
		more = serve_in(session) | serve_out(session, &waiting);
		moved |= more;
	}
	for (int i = 0; i < KHO_STREAMS; i++)
		expecting |= session->transfer.in[i].id != 0;
	if (moved || waiting || expecting) {
		kho_channel_watch_bulk(session->channel, expecting, waiting);
		kho_channel_kick(session->channel);
	}
	return more;
}

void kho_transfer_drop(struct kho_session *session)
{
	struct kho_err gone;

	kho_fail(&gone, -ECONNRESET, "the other agent is gone or was started again");
	session->transfer.newest_in = 0;
	for (int i = 0; i < KHO_STREAMS; i++) {
		give_up(&session->transfer.in[i]);
		session->transfer.in[i] = (struct kho_stream_in){};
		if (session->transfer.out[i].id)
			finish_out(&session->transfer.out[i], 0, &gone);
	}
}
