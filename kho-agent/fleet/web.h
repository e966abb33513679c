/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * HTTP with deadlines, by libcurl: what etcd, gates and FleetLock servers are asked by. No
 * redirects, no other protocols, no proxy of the environment; answers are bounded.
 *
 *   -ETIMEDOUT     no answer in time
 *   -ECONNREFUSED  nobody is there: no address, no connection
 *   -EACCES        the certificates don't fit
 *   -EFBIG         more than @max bytes
 *   -EIO           something else; the message has libcurl's words
 */
#ifndef KHO_FLEET_WEB_H
#define KHO_FLEET_WEB_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Of one server. Texts are borrowed; NULL or "": not used. */
struct kho_web_tls {
	const char *ca, *certificate, *key;	/* PEM files */
};

struct kho_web_request {
	const char *url;
	const char *body;		/* NULL: GET; otherwise POST, of JSON */
	const char *headers[2];		/* more of them, "Name: value"; NULL: none */
	uint32_t timeout_ms;
	size_t max;			/* bytes of the answer */
};

struct kho_web_answer {
	long status;
	char *body;			/* with a NUL behind it; to be freed */
	size_t size;
};

struct kho_web;
struct kho_web_stream;

int kho_web_new(const struct kho_web_tls *tls, struct kho_web **ret, struct kho_err *err);
struct kho_web *kho_web_free(struct kho_web *http);

/* An answer of any status is one. */
int kho_web_call(struct kho_web *http, const struct kho_web_request *request,
		  struct kho_web_answer *ret, struct kho_err *err);

/*
 * An answer that goes on, line by line. @request->timeout_ms is for the connection, @max for a
 * line. It's on its own connection, and ends with the @http it's of.
 */
int kho_web_stream_new(struct kho_web *http, const struct kho_web_request *request,
			struct kho_web_stream **ret, struct kho_err *err);
struct kho_web_stream *kho_web_stream_free(struct kho_web_stream *stream);

/*
 * The next line, *@ret to be freed; NULL if none came within @timeout_ms. -EPIPE: it's over.
 */
int kho_web_stream_line(struct kho_web_stream *stream, uint32_t timeout_ms, char **ret,
			 struct kho_err *err);

/* @text as a part of a query; to be freed. */
char *kho_web_escape(const char *text);

#endif
