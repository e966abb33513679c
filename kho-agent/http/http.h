/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An HTTP server in an event loop, to be read from: GET and HEAD, and streams of events.
 *
 * Theory of operation
 *
 * libmicrohttpd speaks HTTP. It's loaded when a server is made, and not linked: it brings a
 * TLS library along, which a process that serves nothing should neither have in memory nor
 * need in a target image. It runs without threads: its epoll descriptor is a source of the
 * loop, and a timer is armed only while it has connections. Without clients nothing
 * happens at all.
 *
 *	GET --> ops->get() --> an answer, whole
 *	                   `-> a stream: what's told from then on, to all of them
 *
 * A stream whose client doesn't read is kept up to KHO_HTTP_BACKLOG bytes and ended then; it
 * holds nothing up. A comment line goes out each half a minute, by which those are found
 * whose client is gone.
 *
 * Nothing here knows a path, and nothing that clients send is used but path and Accept:.
 */
#ifndef KHO_HTTP_HTTP_H
#define KHO_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/listen.h"

#define KHO_HTTP_CONNECTIONS	32u	/* of each address */
#define KHO_HTTP_STREAMS	8u	/* of all */
#define KHO_HTTP_BACKLOG	(256u << 10)

struct kho_http;

struct kho_http_request {
	const char *path;		/* without a query; begins with '/' */
	const char *accept;		/* NULL: there was no such header */
};

/* All zero but for the status: an answer without a body. */
struct kho_http_answer {
	unsigned int status;		/* 200, 404, ... */
	const char *type;		/* of the body; a literal */
	char *body;			/* allocated; taken over */
	size_t size;
	bool stream;			/* more follows; the body is its beginning */
};

struct kho_http_ops {
	/* Fills @ret, which is all zero with the status 404. May not end the server. */
	void (*get)(void *ctx, const struct kho_http_request *request,
		    struct kho_http_answer *ret);
	/* There are so many streams now. NULL: not wanted. */
	void (*streams)(void *ctx, unsigned int nr);
};

/*
 * Listens. -ENOPKG: the library isn't there; else what socket(2) and bind(2) say. An
 * address that this machine doesn't have yet is bound all the same.
 */
int kho_http_new(sd_event *event, const struct kho_listen *listen,
		 const struct kho_http_ops *ops, void *ctx, struct kho_http **ret,
		 struct kho_err *err);

/* Ends all connections. Takes NULL; returns NULL. */
struct kho_http *kho_http_free(struct kho_http *http);

/* To all streams. */
void kho_http_tell(struct kho_http *http, const char *text, size_t size);

#endif
