// SPDX-License-Identifier: GPL-2.0-only
/* Memory that goes out; page_stream.h has the idea. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/page_stream.h"

#define SOCKET_BYTES	(4 << 20)	/* so that CRIU and the agent take turns seldom */

struct kho_page_stream {
	struct kho_agent *agent;
	struct kho_session *session;	/* NULL: it's kept here */
	struct kho_page_keep *keep;
	struct kho_page_relay *relay;
	sd_event_source *source;	/* CRIU's socket, while a round is under way */
	char kind[KHO_STREAM_KIND];
	bool sending;			/* done() is still to come */
	bool stopped;
	bool orphan;			/* freed meanwhile: done() frees it */
	struct kho_err err;
};

static void dispose(struct kho_page_stream *stream)
{
	kho_page_relay_free(stream->relay);
	kho_page_keep_free(stream->keep);
	free(stream);
}

int kho_page_stream_new(struct kho_session *session, const char *name,
			struct kho_page_stream **ret, struct kho_err *err)
{
	struct kho_page_stream *stream = calloc(1, sizeof(*stream));
	int r;

	if (!stream)
		return kho_fail(err, -ENOMEM, "no memory for a stream of pages");
	stream->agent = session->agent;
	stream->session = session;
	snprintf(stream->kind, sizeof(stream->kind), "pages:%s", name);
	r = kho_page_relay_new(&stream->relay, err);
	if (r < 0)
		dispose(stream);
	else
		*ret = stream;
	return r;
}

int kho_page_stream_new_kept(struct kho_agent *agent, struct kho_page_stream **ret,
			     struct kho_err *err)
{
	struct kho_page_stream *stream = calloc(1, sizeof(*stream));
	int r;

	if (!stream)
		return kho_fail(err, -ENOMEM, "no memory for a stream of pages");
	stream->agent = agent;
	r = kho_page_relay_new(&stream->relay, err);
	if (r >= 0)
		r = kho_page_keep_new(&stream->keep, err);
	if (r < 0)
		dispose(stream);
	else
		*ret = stream;
	return r;
}

struct kho_page_keep *kho_page_stream_keep(const struct kho_page_stream *stream)
{
	return stream->keep;
}

/* The socket is closed by it: CRIU reads the end, and fails. */
static void end_round(struct kho_page_stream *stream)
{
	stream->source = sd_event_source_disable_unref(stream->source);
	if (stream->keep)
		kho_page_keep_abandon(stream->keep);
	kho_page_relay_abandon(stream->relay);
}

void kho_page_stream_stop(struct kho_page_stream *stream)
{
	if (!stream || kho_page_relay_fd(stream->relay) < 0)
		return;
	stream->stopped = true;
	kho_fail(&stream->err, -ECANCELED, "the copy of its memory was stopped");
	end_round(stream);
}

struct kho_page_stream *kho_page_stream_free(struct kho_page_stream *stream)
{
	if (!stream)
		return NULL;
	stream->source = sd_event_source_disable_unref(stream->source);
	if (stream->sending) {
		stream->stopped = stream->orphan = true;
		kho_page_relay_abandon(stream->relay);
	} else {
		dispose(stream);
	}
	return NULL;
}

/* ---- the source of the stream ---- */

static bool is_readable(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	return poll(&pollfd, 1, 0) > 0;
}

static ssize_t move_span(struct kho_page_stream *stream, const struct kho_page_span *span,
			 struct kho_bulk_writer *writer, struct kho_err *err)
{
	ssize_t n = span->data ? kho_bulk_write(writer, span->data, span->size) :
				 kho_bulk_write_fd(writer, span->fd, span->size);

	if (n > 0)
		kho_page_relay_moved(stream->relay, (size_t)n);
	else if (n == 0)
		return kho_fail(err, -EPIPE, "CRIU ended in the middle of a page");
	else if (n == -EAGAIN)
		/* either the lane is full, or there's nothing to put in it */
		return span->data || is_readable(span->fd) ? -EAGAIN : -ENODATA;
	else
		return kho_fail_errno(err, n, "the bulk lane is lost");
	return n;
}

static ssize_t pull(void *ctx, struct kho_bulk_writer *writer, struct kho_err *err)
{
	struct kho_page_stream *stream = ctx;
	struct kho_page_span span;
	int r;

	if (stream->stopped)
		return kho_fail(err, -ECANCELED, "the copy of its memory was stopped");
	r = kho_page_relay_next(stream->relay, &span, err);
	if (r > 0)
		return move_span(stream, &span, writer, err);
	return r == -EAGAIN ? -ENODATA : r;
}

/* The new side has it all, or won't. */
static void done(void *ctx, uint64_t bytes, const struct kho_err *err)
{
	struct kho_page_stream *stream = ctx;

	(void)bytes;
	stream->sending = false;
	if (stream->orphan) {
		dispose(stream);
		return;
	}
	stream->source = sd_event_source_disable_unref(stream->source);
	if (stream->stopped)
		return;
	stream->err = *err;
	if (err->code < 0)
		end_round(stream);
	else
		kho_page_relay_answer(stream->relay, 0, &stream->err);
}

static const struct kho_source_ops source_ops = { .pull = pull, .done = done };

static int on_pages(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct kho_page_stream *stream = userdata;

	(void)source;
	(void)fd;
	(void)revents;
	kho_session_pump(stream->session);
	return 0;
}

/* ---- kept here ---- */

static int on_kept(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct kho_page_stream *stream = userdata;
	struct kho_err err = {};
	int r = kho_page_keep_take(stream->keep, stream->relay, &err);

	(void)source;
	(void)fd;
	(void)revents;
	if (r > 0 || r == -EAGAIN)
		return 0;
	if (r == 0) {
		stream->source = sd_event_source_disable_unref(stream->source);
		kho_page_relay_answer(stream->relay, 0, &stream->err);
		return 0;
	}
	stream->err = err;
	end_round(stream);
	return 0;
}

/* ---- a round ---- */

int kho_page_stream_sockets(int ret_fds[2], struct kho_err *err)
{
	int size = SOCKET_BYTES;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret_fds) < 0)
		return kho_fail_errno(err, -errno, "no socket for CRIU's pages");
	for (int i = 0; i < 2; i++)
		setsockopt(ret_fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	return 0;
}

static int open_round(struct kho_page_stream *stream, int fd, struct kho_err *err)
{
	int r = kho_page_relay_begin(stream->relay, fd, err);

	if (r >= 0 && stream->keep)
		r = kho_page_keep_begin(stream->keep, err);
	if (r < 0)
		return r;
	/* edges: while the lane is full, pages that wait are nothing new */
	r = sd_event_add_io(stream->agent->event, &stream->source,
			    kho_page_relay_fd(stream->relay),
			    stream->keep ? EPOLLIN : EPOLLIN | EPOLLET,
			    stream->keep ? on_kept : on_pages, stream);
	if (r < 0)
		return kho_fail_errno(err, r, "event loop");
	if (stream->keep)
		return 0;
	return kho_transfer_send(stream->session, stream->kind, &source_ops, stream, err);
}

int kho_page_stream_begin(struct kho_page_stream *stream, int fd, struct kho_err *err)
{
	int r;

	if (stream->sending) {
		close(fd);
		return kho_fail(err, -EBUSY, "the round before isn't over");
	}
	stream->err = (struct kho_err){};
	stream->stopped = false;
	r = open_round(stream, fd, err);
	if (r < 0)
		end_round(stream);
	else
		stream->sending = !stream->keep;
	return r;
}

const struct kho_err *kho_page_stream_error(const struct kho_page_stream *stream)
{
	return &stream->err;
}

void kho_page_stream_stats(const struct kho_page_stream *stream,
			   struct kho_page_relay_stats *ret)
{
	kho_page_relay_stats(stream->relay, ret);
}
