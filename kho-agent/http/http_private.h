/* SPDX-License-Identifier: GPL-2.0-only */
/* The server, as its files share it. */
#ifndef KHO_HTTP_HTTP_PRIVATE_H
#define KHO_HTTP_HTTP_PRIVATE_H

#include "http/http.h"
#include "http/library.h"

/* One address: a daemon of the library. */
struct kho_http_door {
	struct kho_http *http;
	struct MHD_Daemon *daemon;
	sd_event_source *io, *timer;
};

struct kho_http_stream {
	struct kho_http *http;
	struct MHD_Connection *connection;	/* NULL: the place is free */
	char *text;				/* that waits */
	size_t size;
	bool suspended;				/* until there's more */
	bool over;				/* nothing more is taken; ends when it's read */
};

struct kho_http {
	sd_event *event;
	struct kho_http_library library;
	const struct kho_http_ops *ops;
	void *ctx;
	unsigned int nr_doors;
	struct kho_http_door doors[KHO_LISTEN_MAX];
	unsigned int nr_streams;
	struct kho_http_stream streams[KHO_HTTP_STREAMS];
	sd_event_source *keep_alive;
};

/* stream.c: @answer as the beginning of one; NULL: no place, or no memory. */
struct MHD_Response *kho_http_stream_new(struct kho_http *http, struct MHD_Connection *connection,
					 const struct kho_http_answer *answer);

/* All end as soon as the library looks at them. */
void kho_http_streams_end(struct kho_http *http);

#endif
