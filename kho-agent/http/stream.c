// SPDX-License-Identifier: GPL-2.0-only
/*
 * Streams of events: answers without an end. A stream that has nothing to say is
 * suspended, so that the library doesn't ask again and again; what's told resumes it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http/http_private.h"

#define KEEP_ALIVE_USEC	30000000u
#define PIECE		8192u

static void resume(struct kho_http_stream *stream)
{
	if (stream->suspended)
		stream->http->library.resume_connection(stream->connection);
	stream->suspended = false;
}

/* The library wants more. */
static ssize_t on_read(void *ctx, uint64_t pos, char *to, size_t room)
{
	struct kho_http_stream *stream = ctx;
	size_t size = stream->size < room ? stream->size : room;

	(void)pos;
	if (!size && stream->over)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (!size) {
		stream->suspended = true;
		stream->http->library.suspend_connection(stream->connection);
		return 0;
	}
	memcpy(to, stream->text, size);
	stream->size -= size;
	memmove(stream->text, stream->text + size, stream->size);
	return (ssize_t)size;
}

static void on_gone(void *ctx)
{
	struct kho_http_stream *stream = ctx;
	struct kho_http *http = stream->http;

	free(stream->text);
	*stream = (struct kho_http_stream){};
	http->nr_streams--;
	if (!http->nr_streams)
		http->keep_alive = sd_event_source_disable_unref(http->keep_alive);
	if (http->ops->streams)
		http->ops->streams(http->ctx, http->nr_streams);
}

/* Its client doesn't read, so it would never be told of the end. */
static void drop(struct kho_http_stream *stream)
{
	const union MHD_ConnectionInfo *info = stream->http->library.get_connection_info(
		stream->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	stream->over = true;
	stream->size = 0;
	if (info)
		shutdown(info->connect_fd, SHUT_RDWR);
}

/* What doesn't fit ends it. */
static void add(struct kho_http_stream *stream, const char *text, size_t size)
{
	char *more = NULL;

	if (stream->over)
		return;
	if (stream->size + size <= KHO_HTTP_BACKLOG)
		more = realloc(stream->text, stream->size + size + 1);
	if (more) {
		memcpy(more + stream->size, text, size);
		stream->text = more;
		stream->size += size;
	} else {
		drop(stream);
	}
	resume(stream);
}

void kho_http_tell(struct kho_http *http, const char *text, size_t size)
{
	for (unsigned int i = 0; i < KHO_HTTP_STREAMS; i++)
		if (http->streams[i].connection)
			add(&http->streams[i], text, size);
}

void kho_http_streams_end(struct kho_http *http)
{
	for (unsigned int i = 0; i < KHO_HTTP_STREAMS; i++)
		if (http->streams[i].connection) {
			http->streams[i].over = true;
			http->streams[i].size = 0;
			resume(&http->streams[i]);
		}
}

static int on_keep_alive(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct kho_http *http = userdata;

	(void)usec;
	kho_http_tell(http, ":\n\n", 3);
	sd_event_source_set_time_relative(source, KEEP_ALIVE_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static struct kho_http_stream *find_free(struct kho_http *http)
{
	for (unsigned int i = 0; i < KHO_HTTP_STREAMS; i++)
		if (!http->streams[i].connection)
			return &http->streams[i];
	return NULL;
}

struct MHD_Response *kho_http_stream_new(struct kho_http *http, struct MHD_Connection *connection,
					 const struct kho_http_answer *answer)
{
	struct kho_http_stream *stream = find_free(http);
	struct MHD_Response *response;

	if (!stream)
		return NULL;
	response = http->library.create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE, on_read,
								stream, on_gone);
	if (!response)
		return NULL;
	stream->http = http;
	stream->connection = connection;
	add(stream, answer->body, answer->size);
	if (!http->nr_streams++)
		sd_event_add_time_relative(http->event, &http->keep_alive, CLOCK_MONOTONIC,
					   KEEP_ALIVE_USEC, 0, on_keep_alive, http);
	if (http->ops->streams)
		http->ops->streams(http->ctx, http->nr_streams);
	return response;
}
